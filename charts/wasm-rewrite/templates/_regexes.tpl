{{/*
Why a regex does not compile, or nothing when it does. The reason is found by repairing: what makes it compile is missing.
*/}}
{{- define "wasm-rewrite.regexReason" -}}
  {{- $any := printf "|%s" . -}}
  {{- if gt (len .) 1024 -}}
    has {{ len . }} bytes, the limit is 1024
  {{- else if not (regexMatch $any "") -}}
    {{- if regexMatch `\(\?<?[=!]` . -}}
      RE2 has no lookahead and no lookbehind
    {{- else if regexMatch `(^|[^\\])(\\\\)*\\$` . -}}
      trailing backslash
    {{- else if regexMatch `(^|[^\\])(\\\\)*\\[1-9]` . -}}
      RE2 has no backreferences
    {{- else if regexMatch (printf "%s]" $any) "" -}}
      missing closing ]
    {{- else if or (regexMatch (printf "%s)" $any) "") (regexMatch (printf "%s))" $any) "") (regexMatch (printf "%s)))" $any) "") -}}
      missing closing )
    {{- else if or (regexMatch (printf "|(%s" .) "") (regexMatch (printf "|((%s" .) "") -}}
      unexpected )
    {{- else if regexMatch `^[*+?]|[|(][*+?]` . -}}
      missing argument to repetition operator
    {{- else if regexMatch `[*+?}][*+]|[*+?}]\?\?|[*+?}]\{` . -}}
      invalid nested repetition operator
    {{- else -}}
      is not an RE2 regular expression; `wasm-rewrite lint` says where
    {{- end -}}
  {{- end -}}
{{- end -}}

{{/*
The regex with the text of every ${var.NAME} quoted in it, as the filter compiles it. In: vars and the regex.
*/}}
{{- define "wasm-rewrite.expandRegex" -}}
  {{- $vars := .vars -}}
  {{- $text := .regex -}}
  {{- range $found := regexFindAll `\$\{var\.[^}]*\}` $text -1 | uniq -}}
    {{- $inner := $found | trimPrefix "${var." | trimSuffix "}" -}}
    {{- $key := $inner | splitList ":-" | first -}}
    {{- $value := get $vars ($key | splitList "|" | first) | toString -}}
    {{- if not $value -}}
      {{- $value = trimPrefix (print $key ":-") $inner -}}
    {{- end -}}
    {{- $text = replace $found (regexQuoteMeta $value) $text -}}
  {{- end -}}
  {{- $text -}}
{{- end -}}

{{/*
Checks one regex and gives its group probe. In: at, path, regex.
The probe is the regex where it cannot match, with one more group behind it that matches "x": replacing "x" by "${3}"
gives "x" when that group is the third, so the regex has two, and nothing when the regex has three or more. It is empty
for a regex that does not compile.
*/}}
{{- define "wasm-rewrite.groupProbe" -}}
  {{- $at := .at -}}
  {{- $path := .path -}}
  {{- $written := .regex -}}
  {{- $regex := $written -}}
  {{- $before := len $at.problems.list -}}
  {{- $probe := get $at.probes $written -}}
  {{- if and (not $probe) (contains "${var." $regex) -}}
    {{- include "wasm-rewrite.checkVars" (dict "at" $at "path" $path "text" $regex) -}}
    {{- $regex = include "wasm-rewrite.expandRegex" (dict "vars" $at.vars "regex" $regex) -}}
  {{- end -}}
  {{- if $probe -}}
    {{- $probe -}}
  {{- else if and (le (len $regex) 1024) (regexMatch (print "|" $regex) "") -}}
    {{- if not (regexMatch (printf "|(?:%s)" $regex) "") -}}
      {{- /* an open \Q */ -}}
      {{- $regex = print $regex `\E` -}}
    {{- end -}}
    {{- $probe = printf `[^\x00-\x{10FFFF}](?:%s)|(x)` $regex -}}
    {{- if eq (len $at.problems.list) $before -}}
      {{- $_ := set $at.probes $written $probe -}}
    {{- end -}}
    {{- $probe -}}
  {{- else -}}
    {{- include "wasm-rewrite.refuse" (dict "problems" $at.problems "where" $at.where "path" $path "value" $written "reason" (include "wasm-rewrite.regexReason" $regex)) -}}
  {{- end -}}
{{- end -}}
