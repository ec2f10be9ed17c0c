# What the workflows of a pull request run: here, and in a repository of rules, which gets a copy. $(tool) is the command line.

# Names and texts of a pull request are shown by a page that knows markdown: as code they mention nobody, link nowhere and
# close no issue. A commit that says [skip ci] would have no checks.
quote = sed -E 's/^/    /; s/\[(skip|no|ci|actions) /[\1_/Ig'

# What has changed in each environment since a commit, in words. Only this recipe knows what ends them, and a comment has
# 65,536 characters at most.
.PHONY: changes
changes:
	@$(given) BASE
	@rm -rf build/base && mkdir -p build/base && git archive "$$BASE" environments | tar -x -C build/base
	@{ failed=; for place in environments/*/place.yaml; do environment=$$(basename "$$(dirname "$$place")"); \
		printf '%q:\n' "$$environment"; $(tool) changes --since build/base/environments -- "$$environment" 2>&1 | sed 's/^/    /' || failed=1; done; \
		[[ ! $$failed ]]; } | $(quote) | tee build/changes.txt || failed=1; \
		[[ ! $${GITHUB_OUTPUT:-} ]] || { end=$$(od -An -N16 -tx8 /dev/urandom | tr -d ' '); \
		printf 'words<<%s\n' "$$end"; head -c 60000 build/changes.txt; printf '\n%s\n' "$$end"; } >>"$$GITHUB_OUTPUT"; \
		[[ ! $${failed:-} ]]

# One comment, which later pushes change.
.PHONY: comment
comment:
	@$(given) PULL_REQUEST
	@printenv WORDS | gh pr comment "$$PULL_REQUEST" --edit-last --create-if-none --body-file -

# What `make promote` copies and says, as a branch of its own, and on GitHub a pull request. make is called by its name:
# a line with $(MAKE) would run under -n too.
.PHONY: propose-promotion
propose-promotion:
	@$(given) FROM TO WORKLOAD? RELEASE?
	@mkdir -p build && make --no-print-directory promote | $(quote) | tee build/promotion.txt
	@.github/propose.sh "promote-$$FROM-$$TO$${WORKLOAD:+-$$WORKLOAD}$${RELEASE:+-release}" "environments: $$TO gets what $$FROM has$${WORKLOAD:+ of $$WORKLOAD}$${RELEASE:+ released}" build/promotion.txt "environments/$$TO"
