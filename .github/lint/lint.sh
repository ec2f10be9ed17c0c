#!/bin/bash
# The step `lint` of action.yml: the findings as text in the log, at their lines in the pull request, and as SARIF.
set -euo pipefail

# Paths have no blanks in them, and none is a flag.
read -rd '' -a files <<<"$PATHS" || true # ends at the end of the text, which may have several lines
((${#files[@]})) || { echo "::error::paths: want files or environment folders"; exit 2; }
run=("$TOOL" lint --chart "$CHART")

# What cannot be read at all ends here, with its reason.
"${run[@]}" -o sarif --fail-on never -- "${files[@]}" >"$SARIF"
echo "sarif=$SARIF" >>"$GITHUB_OUTPUT"
"${run[@]}" -o json --fail-on never -- "${files[@]}" | jq -r '
  # What would do something to a terminal, or turn the text around, is left out; the text in the log shows it as an escape.
  def data: gsub("%"; "%25") | gsub("\r"; "%0D") | gsub("\n"; "%0A") | gsub("[\\p{Cc}\\p{Cf}\\p{Zl}\\p{Zp}]"; "?");
  def property: data | gsub(":"; "%3A") | gsub(","; "%2C");
  .findings[] | select(.file) |
  "::\({error: "error", warning: "warning", info: "notice"}[.severity]) file=\(.file | property),line=\(.line),col=\(.column),title=\(.check | property)::\([.path, .value, .reason] | map(select(.)) | join(": ") | data)\(if .advice then "%0A" + (.advice | data) else "" end)"'
"${run[@]}" --fail-on "$FAIL_ON" -- "${files[@]}"
