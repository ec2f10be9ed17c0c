{{/*
Which proxies and which of their traffic: the fields that WasmPlugin and TrafficExtension share. In: one merged workload.
*/}}
{{- define "wasm-rewrite.placement" -}}
priority: {{ .priority | int }}
{{- with .selector }}
selector:
  matchLabels:
    {{- toYaml . | nindent 4 }}
{{- end }}
{{- with .targetRefs }}
targetRefs:
{{- range . }}
- group: {{ .group | default (include "wasm-rewrite.targetGroup" .kind) | quote }}
  kind: {{ .kind }}
  name: {{ .name | quote }}
{{- end }}
{{- end }}
{{- with .traffic }}
match:
{{- range . }}
- mode: {{ .mode | default "CLIENT_AND_SERVER" }}
  {{- with .ports }}
  ports:
  {{- range . }}
  - number: {{ int . }}
  {{- end }}
  {{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/*
The API group of a kind that targetRefs may name.
*/}}
{{- define "wasm-rewrite.targetGroup" -}}
{{- if eq . "ServiceEntry" -}}
networking.istio.io
{{- else if ne . "Service" -}}
gateway.networking.k8s.io
{{- end -}}
{{- end -}}
