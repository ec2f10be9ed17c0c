{{/*
Adds a line to the list .problems.list. In: problems, where (workload and pattern), path, value, reason.
*/}}
{{- define "wasm-rewrite.refuse" -}}
  {{- $problems := .problems -}}
  {{- $value := .value -}}
  {{- /* Names of workloads and keys are as they were written; a terminal, or Argo CD, shows them. */ -}}
  {{- $place := printf "%q" (print .where .path) | trimPrefix "\"" | trimSuffix "\"" | replace "\\\"" "\"" | replace "\\\\" "\\" -}}
  {{- $shown := "" -}}
  {{- if kindIs "string" $value -}}
    {{- $shown = printf "%q: " (trunc 80 $value) -}}
  {{- else if not (kindIs "invalid" $value) -}}
    {{- $shown = printf "%s: " (toRawJson $value | trunc 80) -}}
  {{- end -}}
  {{- $_ := set $problems "list" (append $problems.list (printf "%s: %s%s" $place $shown .reason)) -}}
{{- end -}}
