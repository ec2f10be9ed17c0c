{{/*
Checks a block of header or query edits. In: at, path, edits.
*/}}
{{- define "wasm-rewrite.checkEdits" -}}
  {{- $at := .at -}}
  {{- $path := .path -}}
  {{- $edits := .edits -}}
  {{- if $edits.replace -}}
    {{- $regexPath := $at.regexPath -}}
    {{- $probe := $at.probe -}}
    {{- range $i, $entry := $edits.replace -}}
      {{- $one := printf "%s.replace[%d]" $path $i -}}
      {{- $_ := set $at "regexPath" (print $one ".regex") -}}
      {{- $_ := set $at "probe" (include "wasm-rewrite.groupProbe" (dict "at" $at "path" (print $one ".regex") "regex" $entry.regex)) -}}
      {{- include "wasm-rewrite.checkReferences" (dict "at" $at "path" (print $one ".replacement") "text" $entry.replacement) -}}
    {{- end -}}
    {{- $_ := set $at "regexPath" $regexPath -}}
    {{- $_ := set $at "probe" $probe -}}
  {{- end -}}
  {{- range $operation := list "set" "overwrite" "default" "add" -}}
    {{- with index $edits $operation -}}
      {{- include "wasm-rewrite.checkValues" (dict "at" $at "path" (printf "%s.%s" $path $operation) "values" .) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}

{{/*
Checks the references in a map of names to texts or lists of texts. In: at, path, values.
*/}}
{{- define "wasm-rewrite.checkValues" -}}
  {{- $at := .at -}}
  {{- $path := .path -}}
  {{- range $name, $value := .values -}}
    {{- if kindIs "slice" $value -}}
      {{- range $i, $one := $value -}}
        {{- include "wasm-rewrite.checkReferences" (dict "at" $at "path" (printf "%s.%s[%d]" $path $name $i) "text" $one) -}}
      {{- end -}}
    {{- else if kindIs "string" $value -}}
      {{- if or (contains "$" $value) (contains `\` $value) -}}
        {{- include "wasm-rewrite.checkReferences" (dict "at" $at "path" (printf "%s.%s" $path $name) "text" $value) -}}
      {{- end -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
