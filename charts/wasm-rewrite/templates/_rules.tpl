{{/*
What a template can see of the rule language: regexes that do not compile, references to what does not exist, names.
Everything else is the compiler's work: `wasm-rewrite lint` runs it on the same values.

Helm's regex functions are Go's regexp, the filter's engine, but none of them hands an error back: regexMatch swallows
it, and every other one ends the rendering, naming neither workload nor pattern. So validity is asked of regexMatch:
"|R" matches the empty text whatever R is, unless R does not compile. The empty alternative is in front, since
behind it an R that ends in \ or holds an open \Q would swallow it.

The checks of one pattern share one dict, .at: problems (its list, and the tokens of each text already taken apart),
where, vars, probes (those of the workload's regexes that are right, by their text), regexes (the text of all, in which
its named groups stand as <name>), response (whether the text is written on the response side), regexPath and probe (the
regex that numbers belong to, see groupProbe). It is changed in place, since merging dicts for each of thousands of
patterns takes seconds; and no regex with a large repetition, such as {1,63}, is matched once per pattern: every match
compiles it again.
*/}}

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
    {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" (printf "workload %s: " .name) "path" "the rules" "value" nil "reason" (printf "have %d bytes with their revision, the limit is 524288; split them over several workloads" $bytes)) -}}
  {{- end -}}
  {{- range $i, $pattern := .workload.patterns -}}
    {{- $path := printf "patterns[%d]" $i -}}
    {{- $name := $pattern.name | default (printf "pattern-%d" $i) -}}
    {{- $at := dict "problems" $problems "where" (printf "workload %s, pattern %s: " $.name $name) "vars" $vars "probes" $probes
        "regexes" "" "response" false "regexPath" "" "probe" "" -}}
    {{- if hasKey $seen $name -}}
      {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" $at.where "path" (print $path ".name") "value" $name "reason" (printf "is the name of patterns[%d] too" (get $seen $name))) -}}
    {{- else -}}
      {{- $_ := set $seen $name $i -}}
    {{- end -}}

    {{- include "wasm-rewrite.checkMatch" (dict "at" $at "path" (print $path ".match") "match" ($pattern.match | default dict)) -}}
    {{- range $j, $unless := $pattern.unless -}}
      {{- $apart := omit $at "regexes" -}}
      {{- include "wasm-rewrite.checkMatch" (dict "at" (set $apart "regexes" "") "path" (printf "%s.unless[%d]" $path $j) "match" $unless) -}}
    {{- end -}}
    {{- include "wasm-rewrite.checkActions" (dict "at" $at "path" $path "pattern" $pattern) -}}
  {{- end -}}

  {{- range $side, $edits := .workload.headers -}}
    {{- if $edits -}}
      {{- $at := dict "problems" $problems "where" (printf "workload %s: " $.name) "vars" $vars "probes" $probes "regexes" ""
          "response" (eq $side "response") "regexPath" "" "probe" "" -}}
      {{- include "wasm-rewrite.checkEdits" (dict "at" $at "path" (print "headers." $side) "edits" $edits) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}

{{/*
Checks the conditions of a pattern, and notes its regexes in .at. In: at, path, match.
*/}}
{{- define "wasm-rewrite.checkMatch" -}}
  {{- $at := .at -}}
  {{- $path := .path -}}
  {{- with .match.path -}}
    {{- $probe := include "wasm-rewrite.checkMatcher" (dict "at" $at "path" (print $path ".path") "matcher" .) -}}
    {{- if .regex -}}
      {{- $_ := set $at "regexPath" (print $path ".path.regex") -}}
      {{- $_ := set $at "probe" $probe -}}
    {{- end -}}
  {{- end -}}
  {{- with .match.host -}}
    {{- $_ := include "wasm-rewrite.checkMatcher" (dict "at" $at "path" (print $path ".host") "matcher" .) -}}
  {{- end -}}
  {{- range $j, $matcher := .match.headers -}}
    {{- $_ := include "wasm-rewrite.checkMatcher" (dict "at" $at "path" (printf "%s.headers[%d]" $path $j) "matcher" $matcher) -}}
  {{- end -}}
  {{- range $j, $matcher := .match.query -}}
    {{- $_ := include "wasm-rewrite.checkMatcher" (dict "at" $at "path" (printf "%s.query[%d]" $path $j) "matcher" $matcher) -}}
  {{- end -}}
  {{- with .match.response -}}
    {{- range $j, $matcher := .headers -}}
      {{- $_ := include "wasm-rewrite.checkMatcher" (dict "at" $at "path" (printf "%s.response.headers[%d]" $path $j) "matcher" $matcher) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}

{{/*
Checks one matcher: the vars in its text, or its regex, whose probe it gives. In: at, path, matcher.
*/}}
{{- define "wasm-rewrite.checkMatcher" -}}
  {{- $at := .at -}}
  {{- $path := .path -}}
  {{- $matcher := .matcher -}}
  {{- with $matcher.regex -}}
    {{- include "wasm-rewrite.groupProbe" (dict "at" $at "path" (print $path ".regex") "regex" .) -}}
    {{- $_ := set $at "regexes" (print $at.regexes .) -}}
  {{- end -}}
  {{- if contains "${var." (toString $matcher) -}}
    {{- range $key := list "exact" "prefix" "suffix" "contains" -}}
      {{- with index $matcher $key -}}
        {{- include "wasm-rewrite.checkVars" (dict "at" $at "path" (printf "%s.%s" $path $key) "text" .) -}}
      {{- end -}}
    {{- end -}}
  {{- end -}}
{{- end -}}

{{/*
Checks what a pattern does. In: at, path, pattern.
*/}}
{{- define "wasm-rewrite.checkActions" -}}
  {{- $at := .at -}}
  {{- $path := .path -}}
  {{- $pattern := .pattern -}}
  {{- $blocks := dict -}}
  {{- $_ := set $at "response" (hasKey ($pattern.match | default dict) "response") -}}
  {{- with $pattern.rewrite -}}
    {{- include "wasm-rewrite.checkValues" (dict "at" $at "path" (print $path ".rewrite") "values" (pick . "path" "host")) -}}
    {{- if kindIs "map" .query -}}
      {{- $_ := set $blocks "rewrite.query" .query -}}
    {{- end -}}
  {{- end -}}
  {{- with $pattern.redirect -}}
    {{- include "wasm-rewrite.checkValues" (dict "at" $at "path" (print $path ".redirect") "values" (pick . "path" "host")) -}}
  {{- end -}}
  {{- with $pattern.respond -}}
    {{- include "wasm-rewrite.checkValues" (dict "at" $at "path" (print $path ".respond.headers") "values" .headers) -}}
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
      {{- include "wasm-rewrite.checkEdits" (dict "at" $at "path" (printf "%s.%s" $path $place) "edits" $block) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
