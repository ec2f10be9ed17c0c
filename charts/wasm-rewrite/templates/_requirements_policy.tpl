{{/*
Where a workload's rules run under Envoy Gateway, and what has no counterpart there. In: problems, values, name,
workload (merged), targets (a map that all workloads share: which one took a target).
*/}}
{{- define "wasm-rewrite.checkPolicy" -}}
  {{- $problems := .problems -}}
  {{- $values := .values -}}
  {{- $workload := .workload -}}
  {{- $where := printf "workload %s: " .name -}}
  {{- $targets := .targets -}}
  {{- $name := .name -}}
  {{- if $workload.selector -}}
    {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" $where "path" "selector" "value" $workload.selector "reason" "Envoy Gateway chooses proxies by Gateway API objects; write targetRefs, such as {kind: HTTPRoute, name: shop}") -}}
  {{- else if not $workload.targetRefs -}}
    {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" $where "path" "targetRefs" "value" nil "reason" "is missing: name a Gateway, ListenerSet, HTTPRoute or GRPCRoute of the same namespace, such as {kind: HTTPRoute, name: shop}") -}}
  {{- end -}}
  {{- range $i, $ref := $workload.targetRefs -}}
    {{- $at := printf "targetRefs[%d]" $i -}}
    {{- $group := "gateway.networking.k8s.io" -}}
    {{- if not (has $ref.kind (list "Gateway" "ListenerSet" "HTTPRoute" "GRPCRoute")) -}}
      {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" $where "path" (print $at ".kind") "value" $ref.kind "reason" "Envoy Gateway takes Gateway, ListenerSet, HTTPRoute and GRPCRoute: it has no proxies of services") -}}
    {{- else if ne ($ref.group | default $group) $group -}}
      {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" $where "path" (print $at ".group") "value" $ref.group "reason" (printf "the group of a %s is %q; it may be left out" $ref.kind $group)) -}}
    {{- end -}}
    {{- if not (regexMatch (include "wasm-rewrite.dnsSubdomain" $) $ref.name) -}}
      {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" $where "path" (print $at ".name") "value" $ref.name "reason" "is not a Kubernetes name") -}}
    {{- end -}}
    {{- $target := printf "%s/%s/%s/%s" $workload.namespace $ref.kind $ref.name ($ref.sectionName | default "") -}}
    {{- $first := get $targets $target -}}
    {{- if $first -}}
      {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" $where "path" $at "value" nil "reason" (printf "workload %s has this target too, and Envoy Gateway takes one policy a target: the second would be Conflicted; put the patterns into one workload" $first)) -}}
    {{- else -}}
      {{- $_ := set $targets $target $name -}}
    {{- end -}}
  {{- end -}}
  {{- include "wasm-rewrite.checkPolicyKeys" . -}}
{{- end -}}

{{/*
The keys that mean nothing to Envoy Gateway. In: problems, values, name, workload (merged).
*/}}
{{- define "wasm-rewrite.checkPolicyKeys" -}}
  {{- $problems := .problems -}}
  {{- $values := .values -}}
  {{- $workload := .workload -}}
  {{- $where := printf "workload %s: " .name -}}
  {{- if ne $workload.phase "UNSPECIFIED_PHASE" -}}
    {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" $where "path" "phase" "value" $workload.phase "reason" "Envoy Gateway has a fixed order: the filter runs after authentication by JWT, API key and external services; remove it") -}}
  {{- end -}}
  {{- if ne ($workload.priority | int) 0 -}}
    {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" $where "path" "priority" "value" $workload.priority "reason" "Envoy Gateway runs one policy a target, whose order is that of the list; remove it") -}}
  {{- end -}}
  {{- if $workload.traffic -}}
    {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" $where "path" "traffic" "value" nil "reason" "a policy takes all traffic of its target; name a section of a Gateway by sectionName instead") -}}
  {{- end -}}
  {{- if $workload.meshWide -}}
    {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" $where "path" "meshWide" "value" true "reason" "there is no mesh with this delivery; remove it") -}}
  {{- end -}}
  {{- if and (eq $workload.failStrategy "FAIL_RELOAD") .written.failStrategy -}}
    {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" $where "path" "failStrategy" "value" $workload.failStrategy "reason" "Envoy Gateway has no reload; write FAIL_CLOSE or FAIL_OPEN, or leave it out for FAIL_CLOSE") -}}
  {{- end -}}
{{- end -}}
