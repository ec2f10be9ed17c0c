{{/*
Where one workload's object is, its names and labels. In: problems, values, name, workload (merged).
*/}}
{{- define "wasm-rewrite.checkPlace" -}}
  {{- $problems := .problems -}}
  {{- $values := .values -}}
  {{- $workload := .workload -}}
  {{- $where := printf "workload %s: " .name -}}
  {{- if not (regexMatch (include "wasm-rewrite.dnsLabel" $) .name) -}}
    {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" $where "path" "name" "value" .name "reason" "is not a Kubernetes name: at most 63 of a-z, 0-9 and -, letters or digits at both ends") -}}
  {{- end -}}
  {{- if not (regexMatch (include "wasm-rewrite.dnsLabel" $) $workload.namespace) -}}
    {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" $where "path" "namespace" "value" $workload.namespace "reason" "is not a Kubernetes name: at most 63 of a-z, 0-9 and -, letters or digits at both ends") -}}
  {{- end -}}
  {{- include "wasm-rewrite.checkLabels" (dict "problems" $problems "where" $where "path" "selector" "labels" $workload.selector "common" dict) -}}
  {{- include "wasm-rewrite.checkLabels" (dict "problems" $problems "where" $where "path" "labels" "labels" $workload.labels
      "common" ($values.commonLabels | default dict)) -}}
  {{- range $key, $_ := $workload.annotations -}}
    {{- if not (hasKey ($values.commonAnnotations | default dict) $key) -}}
      {{- include "wasm-rewrite.checkKey" (dict "in" (dict "problems" $problems "where" $where "path" "annotations") "key" $key) -}}
    {{- end -}}
  {{- end -}}
  {{- if eq $values.delivery "EnvoyExtensionPolicy" -}}
    {{- include "wasm-rewrite.checkPolicy" . -}}
  {{- else -}}
    {{- include "wasm-rewrite.checkIstio" . -}}
  {{- end -}}
{{- end -}}

{{/*
Which proxies and traffic one workload takes under Istio. In: problems, values, name, workload (merged).
*/}}
{{- define "wasm-rewrite.checkIstio" -}}
  {{- $problems := .problems -}}
  {{- $values := .values -}}
  {{- $workload := .workload -}}
  {{- $where := printf "workload %s: " .name -}}
  {{- $inRoot := eq $workload.namespace $values.rootNamespace -}}
  {{- if and $workload.selector $workload.targetRefs -}}
    {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" $where "path" "targetRefs" "value" nil "reason" "is set together with selector; Istio takes one of them: selector for sidecars and gateways, targetRefs for waypoints and Gateway API gateways") -}}
  {{- end -}}
  {{- if and $inRoot (not (or $workload.selector $workload.targetRefs $workload.meshWide)) -}}
    {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" $where "path" "selector" "value" nil "reason" (printf "is missing: in %s, the root namespace, that means every proxy of the mesh; name labels, or write meshWide: true" $workload.namespace)) -}}
  {{- end -}}
  {{- include "wasm-rewrite.checkTargets" . -}}
  {{- if eq $values.delivery "EnvoyFilter" -}}
    {{- include "wasm-rewrite.checkEnvoyFilter" . -}}
  {{- end -}}
{{- end -}}

{{/*
Targets under Istio, and the traffic that they can have. In: problems, values, name, workload (merged).
*/}}
{{- define "wasm-rewrite.checkTargets" -}}
  {{- $problems := .problems -}}
  {{- $values := .values -}}
  {{- $workload := .workload -}}
  {{- $where := printf "workload %s: " .name -}}
  {{- $inRoot := eq $workload.namespace $values.rootNamespace -}}
  {{- $service := "" -}}
  {{- range $i, $ref := $workload.targetRefs -}}
    {{- $at := printf "targetRefs[%d]" $i -}}
    {{- if has $ref.kind (list "HTTPRoute" "GRPCRoute" "ListenerSet") -}}
      {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" $where "path" (print $at ".kind") "value" $ref.kind "reason" "Istio takes Gateway, GatewayClass, Service and ServiceEntry; routes and listener sets are for delivery EnvoyExtensionPolicy") -}}
    {{- end -}}
    {{- if $ref.sectionName -}}
      {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" $where "path" (print $at ".sectionName") "value" $ref.sectionName "reason" "Istio takes whole objects; sections are for delivery EnvoyExtensionPolicy") -}}
    {{- end -}}
    {{- $group := include "wasm-rewrite.targetGroup" $ref.kind -}}
    {{- if ne ($ref.group | default $group) $group -}}
      {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" $where "path" (print $at ".group") "value" $ref.group "reason" (printf "the group of a %s is %q; it may be left out" $ref.kind $group)) -}}
    {{- end -}}
    {{- if not (regexMatch (include "wasm-rewrite.dnsSubdomain" $) $ref.name) -}}
      {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" $where "path" (print $at ".name") "value" $ref.name "reason" "is not a Kubernetes name") -}}
    {{- end -}}
    {{- if and (eq $ref.kind "GatewayClass") (not $inRoot) -}}
      {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" $where "path" (print $at ".kind") "value" $ref.kind "reason" (printf "Istio takes a GatewayClass only in %s, the root namespace" $values.rootNamespace)) -}}
    {{- end -}}
    {{- if has $ref.kind (list "Service" "ServiceEntry") -}}
      {{- $service = $ref.kind -}}
    {{- end -}}
  {{- end -}}
  {{- range $i, $traffic := $workload.traffic -}}
    {{- $at := printf "traffic[%d]" $i -}}
    {{- if and $service $traffic.ports -}}
      {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" $where "path" (print $at ".ports") "value" $traffic.ports "reason" (printf "Istio takes no ports with targetRefs to a %s; remove them" $service)) -}}
    {{- end -}}
    {{- if and $service (eq ($traffic.mode | default "") "CLIENT") -}}
      {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" $where "path" (print $at ".mode") "value" $traffic.mode "reason" (printf "a waypoint has only server traffic for a %s; write SERVER or leave traffic out" $service)) -}}
    {{- end -}}
    {{- if ne (len ($traffic.ports | default list)) (len ($traffic.ports | default list | uniq)) -}}
      {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" $where "path" (print $at ".ports") "value" $traffic.ports "reason" "names a port twice") -}}
    {{- end -}}
  {{- end -}}
{{- end -}}

{{/*
What an EnvoyFilter has no key for. In: problems, values, name, workload (merged).
*/}}
{{- define "wasm-rewrite.checkEnvoyFilter" -}}
  {{- $problems := .problems -}}
  {{- $values := .values -}}
  {{- $workload := .workload -}}
  {{- $where := printf "workload %s: " .name -}}
  {{- $why := "delivery EnvoyFilter has no such key (its place is envoyFilter.context and envoyFilter.position)" -}}
  {{- if $workload.targetRefs -}}
    {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" $where "path" "targetRefs" "value" nil "reason" (print $why "; write selector")) -}}
  {{- end -}}
  {{- if ne $workload.phase "UNSPECIFIED_PHASE" -}}
    {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" $where "path" "phase" "value" $workload.phase "reason" (print $why "; remove it")) -}}
  {{- end -}}
  {{- if ne ($workload.priority | int) 0 -}}
    {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" $where "path" "priority" "value" $workload.priority "reason" (print $why "; remove it")) -}}
  {{- end -}}
  {{- if $workload.traffic -}}
    {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" $where "path" "traffic" "value" nil "reason" (print $why "; remove it")) -}}
  {{- end -}}
{{- end -}}
