# What people and workflows give to make: on its command line, or in the environment. It is data. make would expand it again
# wherever it is named, and run a $(shell …) in it, so it is taken as it is written, once and for all, and recipes read it
# from the environment, quoted: "$${WORKLOAD:-}". `given`, in front of a recipe, checks its form before anything is done.

given_words := BASE CHART CHROMIUM CLI ENV ENVOY ENVOY_VERSION FILTER FROM FUZZTIME ISTIO PLATFORMS PLAYGROUND_VERSION PORT PROFILE REGISTRY RELEASE RESULTS SOAK TAG TO UNVERIFIED VERSION WORKLOAD
given_texts := COSIGN_KEY COSIGN_PUBLIC_KEY IDENTITY INTO PASSWORD PULL_REQUEST REPO RULES TRY USER_NAME WORDS

given_now := $(foreach name,$(given_words) $(given_texts),$(if $(filter-out undefined default file automatic,$(subst $() ,-,$(origin $(name)))),$(name)))
$(foreach name,$(given_now),$(eval override $(name) := $$(value $(name)))$(eval export $(name)))

# Words become parts of names: they have none of the characters that mean something to a shell or to make.
given_no := $$ ' " ` \ ; | & < > ( ) { } * ? ! [ ] ~
$(foreach name,$(filter $(given_words),$(given_now)),$(foreach no,$(given_no) $(shell printf '\043'),$(if $(findstring $(no),$($(name))),$(error $(name) holds $(no): want plain text))))

# In a recipe: @$(given) FROM TO? NAME…, where NAME? may be missing.
given = TARGET=$@ .github/given.sh
