{{/*
The gates of a release. In: root, problems, values.
*/}}
{{- define "wasm-rewrite.checkVerify" -}}
  {{- $problems := .problems -}}
  {{- $verify := .values.verify -}}
  {{- $image := $verify.image -}}
  {{- if and $image.registry (not (regexMatch `^[a-zA-Z0-9.-]+(:[0-9]+)?$` $image.registry)) -}}
    {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" "" "path" "verify.image.registry" "value" $image.registry "reason" "want a host with an optional port") -}}
  {{- end -}}
  {{- if and $image.repository (not (regexMatch `^[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$` $image.repository)) -}}
    {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" "" "path" "verify.image.repository" "value" $image.repository "reason" "want a repository in lower case, without registry, tag or digest") -}}
  {{- end -}}
  {{- if and $image.pullSecret (not (regexMatch (include "wasm-rewrite.dnsSubdomain" $) $image.pullSecret)) -}}
    {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" "" "path" "verify.image.pullSecret" "value" $image.pullSecret "reason" "cannot be the name of a Secret") -}}
  {{- end -}}
  {{- if and $image.digest (not (regexMatch "^sha256:[a-f0-9]{64}$" $image.digest)) -}}
    {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" "" "path" "verify.image.digest" "value" $image.digest "reason" "want sha256: and 64 hexadecimal digits in lower case") -}}
  {{- end -}}
  {{- include "wasm-rewrite.refuseUnpublished" (dict "problems" $problems "path" "verify.image.digest" "digest" $image.digest) -}}
  {{- if and $verify.after.host (not (regexMatch `^([a-zA-Z0-9._-]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?$` $verify.after.host)) -}}
    {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" "" "path" "verify.after.host" "value" $verify.after.host "reason" "want a host with an optional port") -}}
  {{- end -}}
  {{- if and $verify.after.address (not (regexMatch `^([a-zA-Z0-9.-]+|\[[0-9a-fA-F:.]+\]):[0-9]{1,5}$` $verify.after.address)) -}}
    {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" "" "path" "verify.after.address" "value" $verify.after.address "reason" "want host:port, as istio-ingressgateway.istio-ingress:80") -}}
  {{- end -}}
  {{- if and .values.workloads (or (include "wasm-rewrite.gateBefore" .) $verify.after.enabled) -}}
    {{- if not $image.digest -}}
      {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" "" "path" "verify.image.digest" "value" nil "reason" "is missing: name the command line's image by its digest (make publish prints it, a released chart carries its own), or disable verify.before and verify.after") -}}
    {{- end -}}
    {{- $bytes := len (include "wasm-rewrite.release" .root) -}}
    {{- if gt $bytes 1000000 -}}
      {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" "" "path" "verify" "value" nil "reason" (printf "the rules and tests have %d bytes, and the ConfigMap that the gates read holds 1000000; split the release, or disable verify.before and verify.after" $bytes)) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}

{{/*
Not empty where the gate before a release is on. Envoy Gateway accepts a policy whose rules a proxy refuses, so it is on
there unless it is switched off. In: values.
*/}}
{{- define "wasm-rewrite.gateBefore" -}}
  {{- $enabled := .values.verify.before.enabled -}}
  {{- if or $enabled (and (kindIs "invalid" $enabled) (eq .values.delivery "EnvoyExtensionPolicy")) -}}
    on
  {{- end -}}
{{- end -}}
