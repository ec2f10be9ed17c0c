# What the workflows of a pull request run: here, and in a repository of rules, which gets a copy. $(tool) is the command line.

# What has changed in each environment since a commit, in words.
.PHONY: changes
changes:
	@$(given) BASE
	@rm -rf build/base && mkdir -p build/base && git archive "$$BASE" environments | tar -x -C build/base
	@{ failed=; for place in environments/*/place.yaml; do environment=$$(basename "$$(dirname "$$place")"); \
		echo "$$environment:"; $(tool) changes "$$environment" --since build/base/environments 2>&1 | sed 's/^/    /' || failed=1; done; \
		[[ ! $$failed ]]; } | tee build/changes.txt || failed=1; \
		[[ ! $${GITHUB_OUTPUT:-} ]] || { echo 'words<<end-of-words'; cat build/changes.txt; echo end-of-words; } >>"$$GITHUB_OUTPUT"; \
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
	@mkdir -p build && make --no-print-directory promote | tee build/promotion.txt
	@.github/propose.sh "promote-$$FROM-$$TO$${WORKLOAD:+-$$WORKLOAD}$${RELEASE:+-release}" "environments: $$TO gets what $$FROM has$${WORKLOAD:+ of $$WORKLOAD}$${RELEASE:+ released}" build/promotion.txt "environments/$$TO"
