{{/*
metadata of the object of one workload. In: root, name (the workload's), workload (merged).
*/}}
{{- define "wasm-rewrite.metadata" -}}
name: {{ printf "%s-%s" .root.Release.Name .name | quote }}
namespace: {{ .workload.namespace | quote }}
{{ include "wasm-rewrite.labelsAndAnnotations" (dict "root" .root "component" .name "labels" .workload.labels "annotations" .workload.annotations) }}
{{- end -}}

{{/*
The labels and annotations of an object: its own and those of the chart. In: root, component, labels, annotations.
*/}}
{{- define "wasm-rewrite.labelsAndAnnotations" -}}
labels:
  {{- $labels := dict "app.kubernetes.io/component" .component "app.kubernetes.io/part-of" .root.Chart.Name -}}
  {{- include "wasm-rewrite.overlay" (dict "into" $labels "from" .labels) -}}
  {{- include "wasm-rewrite.overlay" (dict "into" $labels "from" (dict
      "helm.sh/chart" (printf "%s-%s" .root.Chart.Name .root.Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-")
      "app.kubernetes.io/name" .root.Chart.Name
      "app.kubernetes.io/instance" .root.Release.Name
      "app.kubernetes.io/version" (.root.Chart.AppVersion | replace "+" "_" | trunc 63 | trimSuffix "-")
      "app.kubernetes.io/managed-by" .root.Release.Service)) -}}
  {{- include "wasm-rewrite.toYaml" $labels | nindent 2 }}
{{- with .annotations }}
annotations:
  {{- include "wasm-rewrite.toYaml" . | nindent 2 }}
{{- end }}
{{- end -}}

{{/*
The plugin's name as the filter learns it: Istio names it by its object and namespace, an EnvoyFilter is taken as
written. In: root, name (the workload's), workload (merged).
*/}}
{{- define "wasm-rewrite.pluginName" -}}
{{- if ne .root.Values.delivery "EnvoyFilter" }}{{ .workload.namespace }}.{{ end }}{{ .root.Release.Name }}-{{ .name }}
{{- end -}}

{{/*
A plugin's name as it is in the filter's metrics. In: root, name (the workload's), workload (merged).
*/}}
{{- define "wasm-rewrite.metricName" -}}
{{ regexReplaceAll "[^A-Za-z0-9]" (include "wasm-rewrite.pluginName" .) "_" }}
{{- end -}}
