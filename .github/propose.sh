#!/bin/bash
# Commits what changed under some paths on a branch of its own, pushes that and, where the remote is GitHub's, opens a pull request.
#
# usage: propose.sh BRANCH TITLE TEXT PATH...
# TEXT is a file with the pull request's words. REMOTE is origin unless the environment says otherwise. Without a change
# there is nothing to propose, which is not an error. A pull request that GITHUB_TOKEN opens starts no workflow: close and
# open it once, or give GH_TOKEN of an app.
set -euo pipefail

branch=$1 title=$2 text=$3
shift 3
remote=${REMOTE:-origin}

if [[ ! $(git status --porcelain -- "$@") ]]; then
	echo "nothing to propose: $* stand as they are in HEAD"
	exit
fi
base=$(git symbolic-ref --quiet --short HEAD || echo main)
git switch --quiet --force-create "$branch"
git add -- "$@"
git -c user.name="${GIT_AUTHOR_NAME:-github-actions[bot]}" \
	-c user.email="${GIT_AUTHOR_EMAIL:-41898282+github-actions[bot]@users.noreply.github.com}" \
	commit --quiet --message "$title" --message "$(<"$text")"
git push --quiet --force "$remote" "$branch"
url=$(git remote get-url "$remote")
if [[ $url == *github.com[:/]* ]]; then
	gh pr create --base "$base" --head "$branch" --title "$title" --body-file "$text"
else
	printf 'pushed %s to %s. Its words:\n\n%s\n' "$branch" "$url" "$(<"$text")"
fi
