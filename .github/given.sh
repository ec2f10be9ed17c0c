#!/bin/bash
# Checks the form of what make was given, before anything is done with it.
#
# usage: TARGET=… given.sh NAME…
# NAME is that of an environment variable; NAME? may be missing or empty.
set -euo pipefail
export LC_ALL=C

name='[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?' digest='sha256:[0-9a-f]{64}'
number='(0|[1-9][0-9]*)'
declare -A form=(
	[BASE]='[A-Za-z0-9][A-Za-z0-9._/-]*' [CHART]=$digest [CLI]=$digest [FILTER]=$digest
	[ENV]=$name [FROM]=$name [TO]=$name [WORKLOAD]=$name
	[RELEASE]='[A-Za-z0-9]+' [UNVERIFIED]='[A-Za-z0-9]+'
	[FUZZTIME]='[0-9]+(ms|s|m|h|x)' [SOAK]='[0-9]+' [PORT]='[0-9]{1,5}'
	[ISTIO]="$number\.$number" [ENVOY_VERSION]="$number\.$number\.$number" [PROFILE]='minimal|ambient'
	[PLATFORMS]='[a-z0-9]+( [a-z0-9]+)*' [RESULTS]='[a-z]+( [a-z]+)*'
	[REGISTRY]='[a-zA-Z0-9.-]+(:[0-9]+)?(/[a-z0-9]+([._-]+[a-z0-9]+)*)*'
	[TAG]='[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}'
	[VERSION]="v?$number\.$number\.$number(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?"
	[PULL_REQUEST]='https://[A-Za-z0-9.-]+(:[0-9]+)?/[A-Za-z0-9._/-]+'
	[PASSWORD]='[^[:cntrl:]]+' [USER_NAME]='[^[:cntrl:]-][^[:cntrl:]]*'
)
declare -A want=(
	[BASE]='the commit to compare with, as BASE=main'
	[CHART]='the digest of the chart, as make publish-chart prints it'
	[CLI]='the digest of the image of the command line, as make publish prints it'
	[FILTER]='the digest of the image of the filter, as make publish prints it'
	[ENV]='the name of an environment, as ENV=production'
	[FROM]='the environment that has it, as FROM=dev'
	[TO]='the environment after that, as TO=staging'
	[WORKLOAD]='the name of a workload, as WORKLOAD=checkout'
	[RELEASE]='RELEASE=1 for the release alone'
	[UNVERIFIED]='UNVERIFIED=1 to ask nobody'
	[FUZZTIME]='how long, as FUZZTIME=10m'
	[SOAK]='how many requests, as SOAK=10000000'
	[PORT]='a port, as PORT=8080'
	[ISTIO]='a release line of Istio that test/tools has, as ISTIO=1.31'
	[ENVOY_VERSION]='a release of Envoy, as ENVOY_VERSION=1.39.3'
	[PROFILE]='PROFILE=minimal or PROFILE=ambient'
	[PLATFORMS]='the kinds of CPU, as PLATFORMS="amd64 arm64"'
	[RESULTS]='the results of the jobs before'
	[REGISTRY]='where to push, as REGISTRY=ghcr.io/me'
	[TAG]='the tag of the images, as TAG=1.2.3'
	[VERSION]='the version, as VERSION=1.2.3'
	[PULL_REQUEST]='the URL of a pull request'
	[PASSWORD]='the password for the registry, in the environment'
	[USER_NAME]='the name of the user who logs in'
)

fault=0
for variable in "$@"; do
	optional=
	[[ $variable != *'?' ]] || optional=1
	variable=${variable%\?}
	value=${!variable-}
	if [[ ! $value ]]; then
		[[ $optional ]] || { echo "make ${TARGET-}: $variable is not set; want ${want[$variable]}" >&2 && fault=1; }
	elif [[ ! $value =~ ^(${form[$variable]})$ ]]; then
		# What is wrong is not shown as it is: it may be made for terminals.
		printf 'make %s: %s=%q: want %s\n' "${TARGET-}" "$variable" "$value" "${want[$variable]}" >&2
		fault=1
	fi
done
((!fault)) || exit 2
