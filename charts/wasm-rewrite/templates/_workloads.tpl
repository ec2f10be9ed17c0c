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
