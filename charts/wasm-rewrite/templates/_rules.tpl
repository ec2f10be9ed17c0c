{{/*
What a template can see of the rule language: regexes that do not compile, references to what does not exist, names.
Everything else is the compiler's work: `wasm-rewrite lint` runs it on the same values.

Helm's regex functions are Go's regexp, the filter's engine, but none of them hands an error back: regexMatch swallows
it, and every other one ends the rendering, naming neither workload nor pattern. So validity is asked of regexMatch:
"|R" matches the empty text whatever R is, unless R does not compile. The empty alternative stands in front, since
behind it an R that ends in \ or holds an open \Q would swallow it.

The checks of one pattern share one dict, .at: problems (its list, and the tokens of each text already taken apart),
where, vars, probes (those of the workload's regexes that are right, by their text), regexes (the text of all, in which
its named groups stand as <name>), response (whether the text is written on the response side), regexPath and probe (the
regex that numbers belong to, see groupProbe). It is changed in place, since merging dicts for each of thousands of
patterns takes seconds; and no regex with a large repetition, such as {1,63}, is matched once per pattern: every match
compiles it anew.
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
is no RE2 regular expression; `wasm-rewrite lint` says where
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Checks every ${var.NAME} of a text where nothing else is special. In: a list of at, path, text.
*/}}
{{- define "wasm-rewrite.checkVars" -}}
{{- $at := index . 0 -}}
{{- $path := index . 1 -}}
{{- $text := index . 2 -}}
{{- range $found := regexFindAll `\$\{var\.[^}]*\}` $text -1 -}}
{{- with include "wasm-rewrite.varReason" (list $at.vars $found) -}}
{{- include "wasm-rewrite.refuse" (list $at.problems $at.where $path $text .) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Why a ${var.NAME} cannot be put in, or nothing when it can. In: a list of vars and the reference.
*/}}
{{- define "wasm-rewrite.varReason" -}}
{{- $vars := index . 0 -}}
{{- $inner := index . 1 | trimPrefix "${var." | trimSuffix "}" -}}
{{- $name := $inner | splitList ":-" | first -}}
{{- $value := get $vars $name -}}
{{- if or (kindIs "map" $value) (kindIs "slice" $value) -}}
vars.{{ $name }} is a list or a map; only a string, a number or a boolean can be referred to
{{- else if not (or (hasKey $vars $name) (contains ":-" $inner)) -}}
there is no vars.{{ $name }}
{{- end -}}
{{- end -}}

{{/*
The regex with the text of every ${var.NAME} quoted in it, as the filter compiles it. In: a list of vars and the regex.
*/}}
{{- define "wasm-rewrite.expandRegex" -}}
{{- $vars := index . 0 -}}
{{- $text := index . 1 -}}
{{- range $found := regexFindAll `\$\{var\.[^}]*\}` $text -1 | uniq -}}
{{- $inner := $found | trimPrefix "${var." | trimSuffix "}" -}}
{{- $name := $inner | splitList ":-" | first -}}
{{- $value := get $vars $name | toString -}}
{{- if not $value -}}
{{- $value = trimPrefix (print $name ":-") $inner -}}
{{- end -}}
{{- $text = replace $found (regexQuoteMeta $value) $text -}}
{{- end -}}
{{- $text -}}
{{- end -}}

{{/*
Checks one regex and gives its group probe. In: a list of at, path, regex.
The probe is the regex where it cannot match, with one more group behind it that matches "x": replacing "x" by "${3}"
gives "x" when that group is the third, so the regex has two, and nothing when the regex has three or more. It is empty
for a regex that does not compile.
*/}}
{{- define "wasm-rewrite.groupProbe" -}}
{{- $at := index . 0 -}}
{{- $path := index . 1 -}}
{{- $written := index . 2 -}}
{{- $regex := $written -}}
{{- $before := len $at.problems.list -}}
{{- $probe := get $at.probes $written -}}
{{- if and (not $probe) (contains "${var." $regex) -}}
{{- include "wasm-rewrite.checkVars" . -}}
{{- $regex = include "wasm-rewrite.expandRegex" (list $at.vars $regex) -}}
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
{{- include "wasm-rewrite.refuse" (list $at.problems $at.where $path $written (include "wasm-rewrite.regexReason" $regex)) -}}
{{- end -}}
{{- end -}}

{{/*
Checks the references in one text. In: a list of at, path, text.
*/}}
{{- define "wasm-rewrite.checkReferences" -}}
{{- $at := index . 0 -}}
{{- $path := index . 1 -}}
{{- $text := index . 2 -}}
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
{{- $digits := trimAll "0123456789" $name | eq "" -}}
{{- if or (eq $token "$$") (eq $token `\\`) -}}
{{- else if eq $token "$" -}}
{{- $reason = "a $ that begins no reference; write $$ for a dollar" -}}
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
{{- else if hasPrefix "var." $name -}}
{{- $reason = include "wasm-rewrite.varReason" (list $at.vars $token) -}}
{{- else if hasPrefix "response." $name -}}
{{- if not $at.response -}}
{{- $reason = printf "${%s} is known only in headers.response" $name -}}
{{- end -}}
{{- else if not (or (contains (printf "<%s>" $name) $at.regexes) (has $name (list "method" "scheme" "host" "path" "query" "config")) (hasPrefix "header." $name) (hasPrefix "query." $name)) -}}
{{- $reason = printf "${%s} is no reference and no named group of this pattern" $name -}}
{{- end -}}
{{- if $reason -}}
{{- include "wasm-rewrite.refuse" (list $at.problems $at.where $path $text $reason) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Checks a block of header or query edits. In: a list of at, path, edits.
*/}}
{{- define "wasm-rewrite.checkEdits" -}}
{{- $at := index . 0 -}}
{{- $path := index . 1 -}}
{{- $edits := index . 2 -}}
{{- if $edits.replace -}}
{{- $regexPath := $at.regexPath -}}
{{- $probe := $at.probe -}}
{{- range $i, $entry := $edits.replace -}}
{{- $one := printf "%s.replace[%d]" $path $i -}}
{{- $_ := set $at "regexPath" (print $one ".regex") -}}
{{- $_ := set $at "probe" (include "wasm-rewrite.groupProbe" (list $at (print $one ".regex") $entry.regex)) -}}
{{- include "wasm-rewrite.checkReferences" (list $at (print $one ".replacement") $entry.replacement) -}}
{{- end -}}
{{- $_ := set $at "regexPath" $regexPath -}}
{{- $_ := set $at "probe" $probe -}}
{{- end -}}
{{- range $operation := list "set" "overwrite" "default" "add" -}}
{{- with index $edits $operation -}}
{{- include "wasm-rewrite.checkValues" (list $at (printf "%s.%s" $path $operation) .) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Checks the references in a map of names to texts or lists of texts. In: a list of at, path, map.
*/}}
{{- define "wasm-rewrite.checkValues" -}}
{{- $at := index . 0 -}}
{{- $path := index . 1 -}}
{{- range $name, $value := index . 2 -}}
{{- if kindIs "slice" $value -}}
{{- range $i, $one := $value -}}
{{- include "wasm-rewrite.checkReferences" (list $at (printf "%s.%s[%d]" $path $name $i) $one) -}}
{{- end -}}
{{- else if kindIs "string" $value -}}
{{- if or (contains "$" $value) (contains `\` $value) -}}
{{- include "wasm-rewrite.checkReferences" (list $at (printf "%s.%s" $path $name) $value) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Checks one matcher: the vars in its text, or its regex, whose probe it gives. In: a list of at, path, matcher.
*/}}
{{- define "wasm-rewrite.checkMatcher" -}}
{{- $at := index . 0 -}}
{{- $path := index . 1 -}}
{{- $matcher := index . 2 -}}
{{- with $matcher.regex -}}
{{- include "wasm-rewrite.groupProbe" (list $at (print $path ".regex") .) -}}
{{- $_ := set $at "regexes" (print $at.regexes .) -}}
{{- end -}}
{{- if contains "${var." (toString $matcher) -}}
{{- range $key := list "exact" "prefix" "suffix" "contains" -}}
{{- with index $matcher $key -}}
{{- include "wasm-rewrite.checkVars" (list $at (printf "%s.%s" $path $key) .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Checks the rules of one merged workload. In: root, problems, name, workload.
*/}}
{{- define "wasm-rewrite.checkRules" -}}
{{- $problems := .problems -}}
{{- $vars := .workload.vars | default dict -}}
{{- $seen := dict -}}
{{- $probes := dict -}}
{{- $config := dict -}}
{{- include "wasm-rewrite.pluginConfig" (dict "root" .root "workload" .workload "into" $config) -}}
{{- $bytes := len (toRawJson $config) -}}
{{- if gt $bytes 524288 -}}
{{- include "wasm-rewrite.refuse" (list $problems (printf "workload %s: " .name) "the rules" nil (printf "have %d bytes with their revision, the limit is 524288; split them over several workloads" $bytes)) -}}
{{- end -}}
{{- range $i, $pattern := .workload.patterns -}}
{{- $path := printf "patterns[%d]" $i -}}
{{- $name := $pattern.name | default (printf "pattern-%d" $i) -}}
{{- $at := dict "problems" $problems "where" (printf "workload %s, pattern %s: " $.name $name) "vars" $vars "probes" $probes "regexes" "" "response" false "regexPath" "" "probe" "" -}}
{{- if hasKey $seen $name -}}
{{- include "wasm-rewrite.refuse" (list $problems $at.where (print $path ".name") $name (printf "is the name of patterns[%d] too" (get $seen $name))) -}}
{{- else -}}
{{- $_ := set $seen $name $i -}}
{{- end -}}

{{- with $pattern.match -}}
{{- with .path -}}
{{- $probe := include "wasm-rewrite.checkMatcher" (list $at (print $path ".match.path") .) -}}
{{- if .regex -}}
{{- $_ := set $at "regexPath" (print $path ".match.path.regex") -}}
{{- $_ := set $at "probe" $probe -}}
{{- end -}}
{{- end -}}
{{- with .host -}}
{{- $_ := include "wasm-rewrite.checkMatcher" (list $at (print $path ".match.host") .) -}}
{{- end -}}
{{- range $j, $matcher := .headers -}}
{{- $_ := include "wasm-rewrite.checkMatcher" (list $at (printf "%s.match.headers[%d]" $path $j) $matcher) -}}
{{- end -}}
{{- range $j, $matcher := .query -}}
{{- $_ := include "wasm-rewrite.checkMatcher" (list $at (printf "%s.match.query[%d]" $path $j) $matcher) -}}
{{- end -}}
{{- with .response -}}
{{- range $j, $matcher := .headers -}}
{{- $_ := include "wasm-rewrite.checkMatcher" (list $at (printf "%s.match.response.headers[%d]" $path $j) $matcher) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- $blocks := dict -}}
{{- with $pattern.rewrite -}}
{{- include "wasm-rewrite.checkValues" (list $at (print $path ".rewrite") (pick . "path" "host")) -}}
{{- if kindIs "map" .query -}}
{{- $_ := set $blocks "rewrite.query" .query -}}
{{- end -}}
{{- end -}}
{{- with $pattern.redirect -}}
{{- include "wasm-rewrite.checkValues" (list $at (print $path ".redirect") (pick . "path" "host")) -}}
{{- end -}}
{{- with $pattern.respond -}}
{{- include "wasm-rewrite.checkValues" (list $at (print $path ".respond.headers") .headers) -}}
{{- end -}}
{{- with $pattern.headers -}}
{{- range $side, $edits := . -}}
{{- $_ := set $blocks (print "headers." $side) $edits -}}
{{- end -}}
{{- end -}}
{{- range $block := $blocks -}}
{{- range $entry := ($block | default dict).replace -}}
{{- $_ := set $at "regexes" (print $at.regexes $entry.regex) -}}
{{- end -}}
{{- end -}}
{{- range $place, $block := $blocks -}}
{{- if $block -}}
{{- $_ := set $at "response" (eq $place "headers.response") -}}
{{- include "wasm-rewrite.checkEdits" (list $at (printf "%s.%s" $path $place) $block) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- range $side, $edits := .workload.headers -}}
{{- if $edits -}}
{{- $at := dict "problems" $problems "where" (printf "workload %s: " $.name) "vars" $vars "probes" $probes "regexes" "" "response" (eq $side "response") "regexPath" "" "probe" "" -}}
{{- include "wasm-rewrite.checkEdits" (list $at (print "headers." $side) $edits) -}}
{{- end -}}
{{- end -}}
{{- end -}}
