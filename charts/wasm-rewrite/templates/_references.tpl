{{/*
Checks every ${var.NAME} of a text where nothing else is special. In: at, path, text.
*/}}
{{- define "wasm-rewrite.checkVars" -}}
  {{- $at := .at -}}
  {{- $path := .path -}}
  {{- $text := .text -}}
  {{- if regexMatch `\$\{var\.[^}]*$` $text -}}
    {{- include "wasm-rewrite.refuse" (dict "problems" $at.problems "where" $at.where "path" $path "value" $text "reason" "${ without its }") -}}
  {{- end -}}
  {{- range $found := regexFindAll `\$\{var\.[^}]*\}` $text -1 -}}
    {{- with include "wasm-rewrite.varReason" (dict "vars" $at.vars "reference" $found) -}}
      {{- include "wasm-rewrite.refuse" (dict "problems" $at.problems "where" $at.where "path" $path "value" $text "reason" .) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}

{{/*
Why a ${var.NAME} cannot be put in, or nothing when it can. In: vars and the reference.
*/}}
{{- define "wasm-rewrite.varReason" -}}
  {{- $vars := .vars -}}
  {{- $inner := .reference | trimPrefix "${var." | trimSuffix "}" -}}
  {{- $name := regexReplaceAll `\|(lower|upper|path)$` ($inner | splitList ":-" | first) "" -}}
  {{- $value := get $vars $name -}}
  {{- if or (kindIs "map" $value) (kindIs "slice" $value) -}}
    vars.{{ $name }} is a list or a map; only a string, a number or a boolean can be referred to
  {{- else if not (or (hasKey $vars $name) (contains ":-" $inner)) -}}
    there is no vars.{{ $name }}
  {{- end -}}
{{- end -}}

{{/*
Checks the references in one text. In: at, path, text.
*/}}
{{- define "wasm-rewrite.checkReferences" -}}
  {{- $at := .at -}}
  {{- $path := .path -}}
  {{- $text := .text -}}
  {{- $tokens := get $at.problems.tokens $text -}}
  {{- if not $tokens -}}
    {{- $tokens = regexFindAll `\$\$|\\\\|\$\{[^}]*\}|\$[0-9]+[A-Za-z_]?|\\[0-9]|\$|\\` $text -1 -}}
    {{- $_ := set $at.problems.tokens $text $tokens -}}
  {{- end -}}
  {{- range $token := $tokens -}}
    {{- $reason := "" -}}
    {{- $name := $token | trimPrefix "${" | trimSuffix "}" | trimPrefix "$" | trimPrefix `\` -}}
    {{- if contains ":-" $name -}}
      {{- $name = splitList ":-" $name | first -}}
    {{- end -}}
    {{- $name = regexReplaceAll `\|(lower|upper|path)$` $name "" -}}
    {{- $digits := trimAll "0123456789" $name | eq "" -}}
    {{- if or (eq $token "$$") (eq $token `\\`) -}}
    {{- else if eq $token "$" -}}
      {{- $reason = "a $ that begins no reference; write $$ for a dollar (wasm-rewrite lint says what to write for a variable)" -}}
    {{- else if eq $token `\` -}}
      {{- $reason = `a \ that begins no reference; write \\ for a backslash` -}}
    {{- else if and $name $digits -}}
      {{- $number := atoi $name -}}
      {{- if not $at.regexPath -}}
        {{- $reason = printf "group %d needs match.path.regex" $number -}}
      {{- else if and $at.probe (gt $number 0) -}}
        {{- $upTo := "" -}}
        {{- if lt $number 512 -}}
          {{- range $i := until $number -}}
            {{- $upTo = printf "%s${%d}" $upTo (add1 $i) -}}
          {{- end -}}
        {{- end -}}
        {{- if or (ge $number 512) (regexReplaceAll $at.probe "x" $upTo) -}}
          {{- $reason = printf "%s has no group %d" $at.regexPath $number -}}
        {{- end -}}
      {{- end -}}
    {{- else if and (hasPrefix "$" $token) (not (hasPrefix "${" $token)) -}}
      {{- $group := trimSuffix (substr (int (sub (len $token) 1)) -1 $token) $token -}}
      {{- $reason = printf "%s is ambiguous; write ${%s}%s" $token (trimPrefix "$" $group) (trimPrefix $group $token) -}}
    {{- else if contains "|" $name -}}
      {{- $reason = printf "there is no modifier |%s; want |lower, |upper or |path" (splitList "|" $name | last) -}}
    {{- else if hasPrefix "var." $name -}}
      {{- $reason = include "wasm-rewrite.varReason" (dict "vars" $at.vars "reference" $token) -}}
    {{- else if hasPrefix "response." $name -}}
      {{- if not $at.response -}}
        {{- $reason = printf "${%s} is known on the response only, in headers.response, and in redirect and respond with match.response" $name -}}
      {{- end -}}
    {{- else if not (or (contains (printf "<%s>" $name) $at.regexes) (has $name (list "method" "scheme" "host" "path" "query" "config"))
        (hasPrefix "header." $name) (hasPrefix "query." $name)) -}}
      {{- $reason = printf "${%s} is neither a reference nor a named group of this pattern (wasm-rewrite lint says what there is)" $name -}}
    {{- end -}}
    {{- if $reason -}}
      {{- include "wasm-rewrite.refuse" (dict "problems" $at.problems "where" $at.where "path" $path "value" $text "reason" $reason) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
