{{/*
What a template can see of the rule language: regexes that do not compile, references to what does not exist, names.
Everything else is the compiler's work: `wasm-rewrite lint` runs it on the same values.

Helm's regex functions are Go's regexp, the filter's engine, but none of them hands an error back: regexMatch swallows
it, and every other one ends the rendering, naming neither workload nor pattern. So validity is asked of regexMatch:
"|R" matches the empty text whatever R is, unless R does not compile. The empty alternative stands in front, since
behind it an R that ends in \ or holds an open \Q would swallow it.
*/}}

{{/*
Adds a line to the list .problems.list. In: a list of problems, where (workload and pattern), path, value, reason.
*/}}
{{- define "wasm-rewrite.refuse" -}}
{{- $problems := index . 0 -}}
{{- $value := index . 3 -}}
{{- $shown := "" -}}
{{- if kindIs "string" $value -}}
{{- $shown = printf "%q: " (trunc 80 $value) -}}
{{- else if not (kindIs "invalid" $value) -}}
{{- $shown = printf "%s: " (toRawJson $value | trunc 80) -}}
{{- end -}}
{{- $_ := set $problems "list" (append $problems.list (printf "%s%s: %s%s" (index . 1) (index . 2) $shown (index . 4))) -}}
{{- end -}}

{{/*
Why a regex does not compile, or nothing when it does. The reason is found by repairing: what makes it compile is missing.
*/}}
{{- define "wasm-rewrite.regexReason" -}}
{{- $any := printf "|%s" . -}}
{{- if not (regexMatch $any "") -}}
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
is no RE2 regular expression; `wasm-rewrite lint` says where
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Checks the names in every ${var.NAME} of a text where nothing else is special. In: problems, where, vars, path, text.
*/}}
{{- define "wasm-rewrite.checkVars" -}}
{{- if contains "${var." .text -}}
{{- $ := . -}}
{{- range $found := regexFindAll `\$\{var\.[^}]*\}` .text -1 -}}
{{- include "wasm-rewrite.checkVar" (list $ (trimSuffix "}" (trimPrefix "${var." $found))) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- define "wasm-rewrite.checkVar" -}}
{{- $in := index . 0 -}}
{{- $name := index . 1 -}}
{{- $value := get $in.vars $name -}}
{{- if not (hasKey $in.vars $name) -}}
{{- include "wasm-rewrite.refuse" (list $in.problems $in.where $in.path $in.text (printf "there is no vars.%s" $name)) -}}
{{- else if or (kindIs "map" $value) (kindIs "slice" $value) -}}
{{- include "wasm-rewrite.refuse" (list $in.problems $in.where $in.path $in.text (printf "vars.%s is a list or a map; only a string, a number or a boolean can be put into a text" $name)) -}}
{{- end -}}
{{- end -}}

{{/*
The regex with the text of every ${var.NAME} quoted in it, as the filter compiles it. In: vars, text.
*/}}
{{- define "wasm-rewrite.expandRegex" -}}
{{- $text := .text -}}
{{- if contains "${var." $text -}}
{{- range $name, $value := .vars -}}
{{- $text = replace (printf "${var.%s}" $name) (regexQuoteMeta (toString $value)) $text -}}
{{- end -}}
{{- end -}}
{{- $text -}}
{{- end -}}

{{/*
Checks one regex. In: problems, where, vars, path, text.
*/}}
{{- define "wasm-rewrite.checkRegex" -}}
{{- include "wasm-rewrite.checkVars" . -}}
{{- with include "wasm-rewrite.regexReason" (include "wasm-rewrite.expandRegex" .) -}}
{{- include "wasm-rewrite.refuse" (list $.problems $.where $.path $.text .) -}}
{{- end -}}
{{- end -}}

{{/*
Checks the references in one text. In: problems, where, vars, path, text; regex, that numbers belong to, with its own
place regexPath (both empty where there is none); names, the named groups of the pattern; response, whether it is
written on the response side.
*/}}
{{- define "wasm-rewrite.checkReferences" -}}
{{- $ := . -}}
{{- if or (contains "$" .text) (contains `\` .text) -}}
{{- range $token := regexFindAll `\$\$|\\\\|\$\{[^}]*\}|\$[0-9]+[A-Za-z_]?|\\[0-9]|\$|\\` .text -1 -}}
{{- $reason := "" -}}
{{- $name := $token | trimPrefix "${" | trimSuffix "}" | trimPrefix "$" | trimPrefix `\` | splitList ":-" | first -}}
{{- if or (eq $token "$$") (eq $token `\\`) -}}
{{- else if eq $token "$" -}}
{{- $reason = "a $ that begins no reference; write $$ for a dollar" -}}
{{- else if eq $token `\` -}}
{{- $reason = `a \ that begins no reference; write \\ for a backslash` -}}
{{- else if regexMatch `^[0-9]+$` $name -}}
{{- $reason = include "wasm-rewrite.groupReason" (list $.regex $.regexPath $name) -}}
{{- else if regexMatch `^\$[0-9]+[A-Za-z_]$` $token -}}
{{- $number := regexFind `[0-9]+` $token -}}
{{- $reason = printf "%s is ambiguous; write ${%s}%s" $token $number (trimPrefix (print "$" $number) $token) -}}
{{- else if hasPrefix "var." $name -}}
{{- include "wasm-rewrite.checkVar" (list $ (trimPrefix "var." $name)) -}}
{{- else if hasPrefix "response." $name -}}
{{- if not $.response -}}
{{- $reason = printf "${%s} is known only in headers.response" $name -}}
{{- end -}}
{{- else if not (or (hasPrefix "header." $name) (hasPrefix "query." $name) (has $name (list "method" "scheme" "host" "path" "query" "config")) (has $name $.names)) -}}
{{- $reason = printf "${%s} is no reference and no named group of this pattern" $name -}}
{{- end -}}
{{- if $reason -}}
{{- include "wasm-rewrite.refuse" (list $.problems $.where $.path $.text $reason) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Why a numbered group does not exist, or nothing when it does. In: a list of regex, its path, the number.
The regex stands where it cannot match, with one more group behind it; if a number up to the asked one gives the text
of that last group, the regex has too few. A regex of 1,024 bytes has fewer than 512 groups.
*/}}
{{- define "wasm-rewrite.groupReason" -}}
{{- $regex := index . 0 -}}
{{- $path := index . 1 -}}
{{- $number := index . 2 | trimPrefix "0" | int -}}
{{- if eq $number 0 -}}
{{- else if not $path -}}
there is no regex that group {{ $number }} could belong to
{{- else if not (include "wasm-rewrite.regexReason" $regex) -}}
{{- if not (regexMatch (printf "|(?:%s)" $regex) "") -}}
{{- $regex = print $regex `\E` -}}
{{- end -}}
{{- $upTo := "" -}}
{{- if lt $number 512 -}}
{{- range $i := until $number -}}
{{- $upTo = printf "%s${%d}" $upTo (add1 $i) -}}
{{- end -}}
{{- end -}}
{{- if or (ge $number 512) (regexReplaceAll (printf `[^\x00-\x{10FFFF}](?:%s)|(x)` $regex) "x" $upTo) -}}
{{ $path }} has no group {{ $number }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Checks header or query edits. In: problems, where, vars, path, edits, regex, regexPath, names, response.
*/}}
{{- define "wasm-rewrite.checkEdits" -}}
{{- $ := . -}}
{{- $text := omit . "edits" -}}
{{- range $i, $entry := .edits.replace -}}
{{- $at := printf "%s.replace[%d]" $.path $i -}}
{{- include "wasm-rewrite.checkRegex" (merge (dict "path" (print $at ".regex") "text" $entry.regex) $text) -}}
{{- include "wasm-rewrite.checkReferences" (merge (dict "path" (print $at ".replacement") "text" $entry.replacement
      "regex" (include "wasm-rewrite.expandRegex" (dict "vars" $.vars "text" $entry.regex)) "regexPath" (print $at ".regex")) $text) -}}
{{- end -}}
{{- range $operation := list "set" "overwrite" "default" "add" -}}
{{- range $name, $value := index $.edits $operation -}}
{{- if kindIs "slice" $value -}}
{{- range $i, $one := $value -}}
{{- include "wasm-rewrite.checkReferences" (merge (dict "path" (printf "%s.%s.%s[%d]" $.path $operation $name $i) "text" $one) $text) -}}
{{- end -}}
{{- else if kindIs "string" $value -}}
{{- include "wasm-rewrite.checkReferences" (merge (dict "path" (printf "%s.%s.%s" $.path $operation $name) "text" $value) $text) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Checks one matcher: its regex, or the vars in its text. In: problems, where, vars, path, matcher; regexes, a list holder.
*/}}
{{- define "wasm-rewrite.checkMatcher" -}}
{{- $ := . -}}
{{- range $key := list "exact" "prefix" "suffix" "contains" -}}
{{- with get $.matcher $key -}}
{{- include "wasm-rewrite.checkVars" (dict "problems" $.problems "where" $.where "vars" $.vars "path" (printf "%s.%s" $.path $key) "text" .) -}}
{{- end -}}
{{- end -}}
{{- with .matcher.regex -}}
{{- include "wasm-rewrite.checkRegex" (dict "problems" $.problems "where" $.where "vars" $.vars "path" (printf "%s.regex" $.path) "text" .) -}}
{{- $_ := set $.regexes "list" (append $.regexes.list .) -}}
{{- end -}}
{{- end -}}

{{/*
Checks the rules of one merged workload. In: problems, name, workload.
*/}}
{{- define "wasm-rewrite.checkRules" -}}
{{- $problems := .problems -}}
{{- $workload := .workload -}}
{{- $vars := $workload.vars | default dict -}}
{{- $seen := dict -}}
{{- range $i, $pattern := $workload.patterns -}}
{{- $name := $pattern.name | default (printf "pattern-%d" $i) -}}
{{- $where := printf "workload %s, pattern %s: " $.name $name -}}
{{- $at := printf "patterns[%d]" $i -}}
{{- if not (regexMatch `^[a-z0-9-]{1,63}$` $name) -}}
{{- include "wasm-rewrite.refuse" (list $problems $where (print $at ".name") $name "want 1 to 63 of a-z, 0-9 and -") -}}
{{- else if hasKey $seen $name -}}
{{- include "wasm-rewrite.refuse" (list $problems $where (print $at ".name") $name (printf "is the name of patterns[%d] too" (get $seen $name))) -}}
{{- else -}}
{{- $_ := set $seen $name $i -}}
{{- end -}}

{{- $match := $pattern.match | default dict -}}
{{- $regexes := dict "list" list -}}
{{- $one := dict "problems" $problems "where" $where "vars" $vars "regexes" $regexes -}}
{{- range $key := list "path" "host" -}}
{{- with get $match $key -}}
{{- include "wasm-rewrite.checkMatcher" (merge (dict "path" (printf "%s.match.%s" $at $key) "matcher" .) $one) -}}
{{- end -}}
{{- end -}}
{{- range $key := list "headers" "query" -}}
{{- range $j, $matcher := index $match $key -}}
{{- include "wasm-rewrite.checkMatcher" (merge (dict "path" (printf "%s.match.%s[%d]" $at $key $j) "matcher" $matcher) $one) -}}
{{- end -}}
{{- end -}}
{{- range $j, $matcher := ($match.response | default dict).headers -}}
{{- include "wasm-rewrite.checkMatcher" (merge (dict "path" (printf "%s.match.response.headers[%d]" $at $j) "matcher" $matcher) $one) -}}
{{- end -}}

{{- $pathRegex := ($match.path | default dict).regex | default "" -}}
{{- $query := ($pattern.rewrite | default dict).query -}}
{{- $headers := $pattern.headers | default dict -}}
{{- $edits := dict "headers.request" $headers.request "headers.response" $headers.response "rewrite.query" (ternary $query dict (kindIs "map" $query)) -}}
{{- $names := list -}}
{{- range $block := $edits -}}
{{- range $entry := ($block | default dict).replace -}}
{{- $_ := set $regexes "list" (append $regexes.list $entry.regex) -}}
{{- end -}}
{{- end -}}
{{- range $regex := $regexes.list -}}
{{- range $group := regexFindAll `\(\?P?<\w+>` $regex -1 -}}
{{- $names = append $names ($group | trimPrefix "(?" | trimPrefix "P" | trimPrefix "<" | trimSuffix ">") -}}
{{- end -}}
{{- end -}}
{{- $references := dict "problems" $problems "where" $where "vars" $vars "names" $names "response" false
      "regex" (include "wasm-rewrite.expandRegex" (dict "vars" $vars "text" $pathRegex))
      "regexPath" (ternary "" (print $at ".match.path.regex") (empty $pathRegex)) -}}
{{- range $place, $texts := dict "rewrite" (pick ($pattern.rewrite | default dict) "path" "host")
      "redirect" (pick ($pattern.redirect | default dict) "path" "host")
      "respond.headers" (($pattern.respond | default dict).headers | default dict) -}}
{{- range $key, $value := $texts -}}
{{- range $text := ternary $value (list $value) (kindIs "slice" $value) -}}
{{- if kindIs "string" $text -}}
{{- include "wasm-rewrite.checkReferences" (merge (dict "path" (printf "%s.%s.%s" $at $place $key) "text" $text) $references) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $place, $block := $edits -}}
{{- with $block -}}
{{- include "wasm-rewrite.checkEdits" (merge (dict "path" (printf "%s.%s" $at $place) "edits" . "response" (eq $place "headers.response")) $references) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- range $side := list "request" "response" -}}
{{- with get ($workload.headers | default dict) $side -}}
{{- include "wasm-rewrite.checkEdits" (dict "problems" $problems "where" (printf "workload %s: " $.name) "vars" $vars "names" list
      "regex" "" "regexPath" "" "response" (eq $side "response") "path" (printf "headers.%s" $side) "edits" .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
