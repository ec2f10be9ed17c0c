{{/*
Adds a line to the list .problems.list. In: problems, where (workload and pattern), path, value, reason.
*/}}
{{- define "wasm-rewrite.refuse" -}}
  {{- $problems := .problems -}}
  {{- $value := .value -}}
  {{- $shown := "" -}}
  {{- if kindIs "string" $value -}}
    {{- $shown = printf "%q: " (trunc 80 $value) -}}
  {{- else if not (kindIs "invalid" $value) -}}
    {{- $shown = printf "%s: " (toRawJson $value | trunc 80) -}}
  {{- end -}}
  {{- $_ := set $problems "list" (append $problems.list (printf "%s%s: %s%s" .where .path $shown .reason)) -}}
{{- end -}}
