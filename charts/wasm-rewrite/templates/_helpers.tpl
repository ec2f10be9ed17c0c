{{/*
The keys of the rule language: what of a workload is passed on to the filter.
A test compares this list with the JSON keys of rewrite.Config without revision, which the chart alone writes.
*/}}
{{- define "wasm-rewrite.ruleKeys" -}}
vars patterns headers originalPathHeader patternHeader onUnsafe
{{- end -}}

{{/*
Writes the map .from over the map .into, in place. Maps merge deeply, everything else replaces, and a null removes:
sprig's merge functions lose a written 0, false or "" or keep the null. Neither .from nor what it holds is changed.
*/}}
{{- define "wasm-rewrite.overlay" -}}
{{- $into := .into -}}
{{- range $key, $value := .from -}}
{{- if kindIs "invalid" $value -}}
{{- $_ := unset $into $key -}}
{{- else if kindIs "map" $value -}}
{{- if not (kindIs "map" (get $into $key)) -}}
{{- $_ := set $into $key dict -}}
{{- end -}}
{{- include "wasm-rewrite.overlay" (dict "into" (get $into $key) "from" $value) -}}
{{- else -}}
{{- $_ := set $into $key $value -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Puts every enabled workload, the defaults merged under it, into the map .into.
*/}}
{{- define "wasm-rewrite.workloads" -}}
{{- $values := .root.Values -}}
{{- $release := .root.Release -}}
{{- $into := .into -}}
{{- range $name, $written := $values.workloads -}}
{{- if not (kindIs "invalid" $written) -}}
{{- $workload := dict "enabled" true "namespace" $release.Namespace "phase" "UNSPECIFIED_PHASE" "priority" 0 "failStrategy" "FAIL_RELOAD" -}}
{{- include "wasm-rewrite.overlay" (dict "into" $workload "from" $values.defaults) -}}
{{- include "wasm-rewrite.overlay" (dict "into" $workload "from" $written) -}}
{{- if not $workload.namespace -}}
{{- $_ := set $workload "namespace" $release.Namespace -}}
{{- end -}}
{{- if $workload.enabled -}}
{{- $_ := set $into $name $workload -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Puts the configuration of the filter for the merged workload .workload into the map .into: its rules and their revision.
The revision is 8 hex digits of the SHA-256 of the rest; proxies carry it and show it as a gauge.
*/}}
{{- define "wasm-rewrite.pluginConfig" -}}
{{- $workload := .workload -}}
{{- $into := .into -}}
{{- range $key := splitList " " (include "wasm-rewrite.ruleKeys" $) -}}
{{- if hasKey $workload $key -}}
{{- $_ := set $into $key (get $workload $key) -}}
{{- end -}}
{{- end -}}
{{- $_ := set $into "revision" ($into | toJson | sha256sum | trunc 8) -}}
{{- end -}}

{{/*
Where a proxy gets the module from.
*/}}
{{- define "wasm-rewrite.moduleURL" -}}
{{- with .Values.url -}}
{{- . -}}
{{- else -}}
{{- with .Values.image -}}
oci://{{ .registry }}/{{ .repository }}{{ if .digest }}@{{ .digest }}{{ else }}:{{ .tag }}{{ end }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
metadata of the object of one workload. In: root, name (the workload's), workload (merged).
*/}}
{{- define "wasm-rewrite.metadata" -}}
{{- $values := .root.Values -}}
name: {{ .root.Release.Name }}-{{ .name }}
namespace: {{ .workload.namespace }}
labels:
  {{- $labels := dict -}}
  {{- include "wasm-rewrite.overlay" (dict "into" $labels "from" $values.commonLabels) -}}
  {{- include "wasm-rewrite.overlay" (dict "into" $labels "from" .workload.labels) -}}
  {{- include "wasm-rewrite.overlay" (dict "into" $labels "from" (dict
      "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
      "app.kubernetes.io/name" .root.Chart.Name
      "app.kubernetes.io/instance" .root.Release.Name
      "app.kubernetes.io/version" (.root.Chart.AppVersion | replace "+" "_" | trunc 63 | trimSuffix "-")
      "app.kubernetes.io/component" .name
      "app.kubernetes.io/part-of" .root.Chart.Name
      "app.kubernetes.io/managed-by" .root.Release.Service)) -}}
  {{- toYaml $labels | nindent 2 }}
{{- $annotations := dict -}}
{{- include "wasm-rewrite.overlay" (dict "into" $annotations "from" $values.commonAnnotations) -}}
{{- include "wasm-rewrite.overlay" (dict "into" $annotations "from" .workload.annotations) -}}
{{- with $annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
