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
{{- include "wasm-rewrite.overlay" (dict "into" $workload "from" (dict "labels" $values.commonLabels "annotations" $values.commonAnnotations)) -}}
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
The revision is 8 hex digits of the SHA-256 of the rest and of where the module comes from; proxies carry it and show it
as a gauge, so a proxy that shows it has both. In: root, workload, into.
*/}}
{{- define "wasm-rewrite.pluginConfig" -}}
{{- $workload := .workload -}}
{{- $into := .into -}}
{{- range $key := splitList " " (include "wasm-rewrite.ruleKeys" $) -}}
{{- if hasKey $workload $key -}}
{{- $_ := set $into $key (get $workload $key) -}}
{{- end -}}
{{- end -}}
{{- /* What `wasm-rewrite lint` is to leave out is no matter of the filter. */ -}}
{{- $noted := false -}}
{{- range $pattern := $into.patterns -}}
{{- if kindIs "map" $pattern -}}
{{- $noted = or $noted (hasKey $pattern "lint") -}}
{{- end -}}
{{- end -}}
{{- if $noted -}}
{{- $patterns := list -}}
{{- range $pattern := $into.patterns -}}
{{- if kindIs "map" $pattern -}}
{{- $pattern = omit $pattern "lint" -}}
{{- end -}}
{{- $patterns = append $patterns $pattern -}}
{{- end -}}
{{- $_ := set $into "patterns" $patterns -}}
{{- end -}}
{{- $_ := set $into "revision" (printf "%s %s" (toJson $into) (include "wasm-rewrite.moduleSource" .root) | sha256sum | trunc 8) -}}
{{- end -}}

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
  {{- toYaml $labels | nindent 2 }}
{{- with .annotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

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
Where the module lies in the proxy's container with delivery EnvoyFilter.
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
The plugin's name as the filter learns it: Istio names it by its object and namespace, an EnvoyFilter is taken as
written. In: root, name (the workload's), workload (merged).
*/}}
{{- define "wasm-rewrite.pluginName" -}}
{{- if ne .root.Values.delivery "EnvoyFilter" }}{{ .workload.namespace }}.{{ end }}{{ .root.Release.Name }}-{{ .name }}
{{- end -}}

{{/*
A plugin's name as it stands in the filter's metrics. In: root, name (the workload's), workload (merged).
*/}}
{{- define "wasm-rewrite.metricName" -}}
{{ regexReplaceAll "[^A-Za-z0-9]" (include "wasm-rewrite.pluginName" .) "_" }}
{{- end -}}

{{/*
A value as YAML. Helm's toYaml gives nothing at all, and no error, for text with a character that YAML holds in escapes
only (U+007F to U+009F, U+FEFF, U+FFFE, U+FFFF); such a value is written as JSON with those escapes.
*/}}
{{- define "wasm-rewrite.toYaml" -}}
{{- $yaml := toYaml . -}}
{{- if not $yaml -}}
{{- $yaml = toRawJson . -}}
{{- range $code := concat (untilStep 127 160 1) (list 65279 65534 65535) -}}
{{- $yaml = replace (printf "%c" $code) (printf "\\u%04x" $code) $yaml -}}
{{- end -}}
{{- end -}}
{{- $yaml -}}
{{- end -}}
