{{/*
The module and its configuration: the fields of WasmPlugin that TrafficExtension has under wasm. In: root, name, workload.
*/}}
{{- define "wasm-rewrite.module" -}}
{{- $values := .root.Values -}}
{{- $config := dict -}}
{{- include "wasm-rewrite.pluginConfig" (dict "root" .root "workload" .workload "into" $config) -}}
{{- with $values.url -}}
url: {{ . | quote }}
{{- with $values.sha256 }}
sha256: {{ . | quote }}
{{- end }}
{{- else -}}
{{- with $values.image -}}
url: {{ printf "oci://%s" (include "wasm-rewrite.image" .) | quote }}
imagePullPolicy: {{ .pullPolicy }}
{{- with .pullSecret }}
imagePullSecret: {{ . | quote }}
{{- end }}
{{- end }}
{{- end }}
pluginName: {{ printf "%s-%s" .root.Release.Name .name | quote }}
failStrategy: {{ .workload.failStrategy }}
pluginConfig:
  {{- include "wasm-rewrite.toYaml" $config | nindent 2 }}
{{- end -}}

{{/*
The module's image by its digest, or else by its tag. In: image of the values.
*/}}
{{- define "wasm-rewrite.image" -}}
{{ .registry }}/{{ .repository }}{{ ternary (print "@" .digest) (print ":" .tag) (not (empty .digest)) }}
{{- end -}}

{{/*
Where proxies get the module, as JSON: image, url with sha256, or file.
*/}}
{{- define "wasm-rewrite.moduleSource" -}}
{{- $values := .Values -}}
{{- if eq $values.delivery "EnvoyFilter" -}}
{{- dict "file" (include "wasm-rewrite.moduleFile" $) | toJson -}}
{{- else if hasPrefix "file://" ($values.url | default "") -}}
{{- dict "file" (trimPrefix "file://" $values.url) | toJson -}}
{{- else if $values.url -}}
{{- dict "url" $values.url "sha256" $values.sha256 | toJson -}}
{{- else -}}
{{- dict "image" (include "wasm-rewrite.image" $values.image) | toJson -}}
{{- end -}}
{{- end -}}

{{/*
Where the module is in the proxy's container with delivery EnvoyFilter.
*/}}
{{- define "wasm-rewrite.moduleFile" -}}
{{ .Values.module.mountPath | trimSuffix "/" }}/{{ .Values.module.key }}
{{- end -}}

{{/*
The ConfigMap that holds the module with delivery EnvoyFilter.
*/}}
{{- define "wasm-rewrite.configMap" -}}
{{ .Values.module.configMap | default (print .Release.Name "-module") }}
{{- end -}}

{{/*
The module and its configuration in an EnvoyExtensionPolicy. Its name becomes the plugin's, so that metrics are named as
under Istio. In: root, name, workload.

The checksum is the URL's fragment, too, which no server sees. Envoy Gateway counts failed fetches by the whole URL, and asks
no more for one that failed eleven times (internal/wasm/httpserver.go, v1.9.1): a corrected checksum is another URL for it.
*/}}
{{- define "wasm-rewrite.policyModule" -}}
{{- $values := .root.Values -}}
{{- $config := dict -}}
{{- include "wasm-rewrite.pluginConfig" (dict "root" .root "workload" .workload "into" $config) -}}
name: {{ include "wasm-rewrite.pluginName" . | quote }}
rootID: {{ printf "%s-%s" .root.Release.Name .name | quote }}
failOpen: {{ eq .workload.failStrategy "FAIL_OPEN" }}
code:
{{- if $values.url }}
  type: HTTP
  http:
    url: {{ ternary $values.url (printf "%s#sha256=%s" $values.url $values.sha256) (contains "#" $values.url) | quote }}
    sha256: {{ $values.sha256 | quote }}
{{- else }}
  type: Image
  image:
    url: {{ include "wasm-rewrite.image" $values.image | quote }}
    {{- with $values.image.pullSecret }}
    pullSecretRef:
      kind: Secret
      name: {{ . | quote }}
    {{- end }}
{{- end }}
config:
  {{- include "wasm-rewrite.toYaml" $config | nindent 2 }}
{{- end -}}
