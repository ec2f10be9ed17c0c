{{/*
Where the module comes from. In: problems, values.
*/}}
{{- define "wasm-rewrite.checkModule" -}}
  {{- $problems := .problems -}}
  {{- $values := .values -}}
  {{- $image := $values.image | default dict -}}
  {{- if and $values.sha256 (not (regexMatch "^[a-f0-9]{64}$" $values.sha256)) -}}
    {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" "" "path" "sha256" "value" $values.sha256 "reason" "want the 64 hexadecimal digits of the module's SHA-256, in lower case") -}}
  {{- end -}}
  {{- if eq $values.delivery "EnvoyFilter" -}}
    {{- if $values.url -}}
      {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" "" "path" "url" "value" $values.url "reason" "delivery EnvoyFilter reads the module from a ConfigMap mounted at module.mountPath; remove it") -}}
    {{- end -}}
    {{- $module := $values.module | default dict -}}
    {{- if and $module.configMap (not (regexMatch (include "wasm-rewrite.dnsSubdomain" $) $module.configMap)) -}}
      {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" "" "path" "module.configMap" "value" $module.configMap "reason" "cannot be the name of a ConfigMap") -}}
    {{- end -}}
    {{- if not (regexMatch `^[-._a-zA-Z0-9]{1,253}$` ($module.key | default "")) -}}
      {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" "" "path" "module.key" "value" $module.key "reason" "cannot be a key of a ConfigMap: want A-Z, a-z, 0-9, -, _ and .") -}}
    {{- end -}}
    {{- if not (regexMatch `^/[-._a-zA-Z0-9/]*$` ($module.mountPath | default "")) -}}
      {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" "" "path" "module.mountPath" "value" $module.mountPath "reason" "want an absolute path in the proxy's container, of A-Z, a-z, 0-9, -, _, . and /") -}}
    {{- end -}}
  {{- else if $values.url -}}
    {{- if and (eq $values.delivery "EnvoyExtensionPolicy") (hasPrefix "file:" $values.url) -}}
      {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" "" "path" "url" "value" $values.url "reason" "Envoy Gateway fetches the module itself and hands it to the proxies; write image, or https:// with sha256") -}}
    {{- end -}}
    {{- if not (regexMatch "^(https?|file)://." $values.url) -}}
      {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" "" "path" "url" "value" $values.url "reason" "want https://, http:// or file://; an OCI image belongs under image") -}}
    {{- else if and (hasPrefix "http" $values.url) (not $values.sha256) -}}
      {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" "" "path" "sha256" "value" nil "reason" "is missing: url is fetched over the network, so say what must arrive (sha256sum plugin.wasm)") -}}
    {{- end -}}
  {{- else -}}
    {{- if $values.sha256 -}}
      {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" "" "path" "sha256" "value" $values.sha256 "reason" "belongs to url; an image is pinned by image.digest") -}}
    {{- end -}}
    {{- if not (regexMatch `^[a-zA-Z0-9.-]+(:[0-9]+)?$` ($image.registry | default "")) -}}
      {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" "" "path" "image.registry" "value" $image.registry "reason" "want a host with an optional port") -}}
    {{- end -}}
    {{- if not (regexMatch `^[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$` ($image.repository | default "")) -}}
      {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" "" "path" "image.repository" "value" $image.repository "reason" "want a repository in lower case, without registry, tag or digest") -}}
    {{- end -}}
    {{- if and $image.digest $image.tag -}}
      {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" "" "path" "image.tag" "value" $image.tag "reason" "is set together with image.digest; set one of them to \"\"") -}}
    {{- else if $image.digest -}}
      {{- if not (regexMatch "^sha256:[a-f0-9]{64}$" $image.digest) -}}
        {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" "" "path" "image.digest" "value" $image.digest "reason" "want sha256: and 64 hexadecimal digits in lower case") -}}
      {{- end -}}
      {{- include "wasm-rewrite.refuseUnpublished" (dict "problems" $problems "path" "image.digest" "digest" $image.digest) -}}
    {{- else if $image.tag -}}
      {{- if not (regexMatch `^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$` $image.tag) -}}
        {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" "" "path" "image.tag" "value" $image.tag "reason" "cannot be the tag of an image") -}}
      {{- end -}}
      {{- if not $image.allowMutableTag -}}
        {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" "" "path" "image.tag" "value" $image.tag "reason" "a tag can move to another module under a running proxy; write image.digest, or image.allowMutableTag: true") -}}
      {{- end -}}
    {{- else if $values.workloads -}}
      {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" "" "path" "image.digest" "value" nil "reason" "is missing: name the image by its digest (a released chart carries its own), or write url") -}}
    {{- end -}}
    {{- if and $image.pullSecret (not (regexMatch (include "wasm-rewrite.dnsSubdomain" $) $image.pullSecret)) -}}
      {{- include "wasm-rewrite.refuse" (dict "problems" $problems "where" "" "path" "image.pullSecret" "value" $image.pullSecret "reason" "cannot be the name of a Secret") -}}
    {{- end -}}
  {{- end -}}
{{- end -}}

{{/*
A digest of all zeros keeps the place of one in environments/ until there is an image. In: problems, path, digest.
*/}}
{{- define "wasm-rewrite.refuseUnpublished" -}}
  {{- if regexMatch "^sha256:0{64}$" (.digest | default "") -}}
    {{- include "wasm-rewrite.refuse" (dict "problems" .problems "where" "" "path" .path "value" nil "reason" "is all zeros: this image was never published; write the digest that make publish prints") -}}
  {{- end -}}
{{- end -}}
