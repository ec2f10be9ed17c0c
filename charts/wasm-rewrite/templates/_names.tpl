{{- define "wasm-rewrite.dnsLabel" -}}
  ^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$
{{- end -}}

{{- define "wasm-rewrite.dnsSubdomain" -}}
  ^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$
{{- end -}}

{{/*
Checks a map of labels, but not those that common holds too. In: problems, where, path, labels, common.
*/}}
{{- define "wasm-rewrite.checkLabels" -}}
  {{- range $key, $value := .labels -}}
    {{- if not (and (hasKey $.common $key) (eq (index $.common $key) $value)) -}}
      {{- include "wasm-rewrite.checkKey" (dict "in" $ "key" $key) -}}
      {{- if not (regexMatch `^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$` (toString $value)) -}}
        {{- include "wasm-rewrite.refuse" (dict "problems" $.problems "where" $.where "path" (printf "%s.%s" $.path $key) "value" $value "reason" "cannot be the value of a label: at most 63 of A-Z, a-z, 0-9, -, _ and ., letters or digits at both ends") -}}
      {{- end -}}
    {{- end -}}
  {{- end -}}
{{- end -}}

{{/*
Checks a key of labels or annotations. In: problems, where and path in a dict, and the key.
*/}}
{{- define "wasm-rewrite.checkKey" -}}
  {{- $in := .in -}}
  {{- $key := .key -}}
  {{- if not (regexMatch `^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$` $key) -}}
    {{- include "wasm-rewrite.refuse" (dict "problems" $in.problems "where" $in.where "path" $in.path "value" $key "reason" "cannot be the key of a label or annotation: want [prefix/]name") -}}
  {{- end -}}
{{- end -}}
