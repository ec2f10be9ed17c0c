{{/*
What the schema cannot say about the values beside the rules. Each block names one decision of Kubernetes or Istio.
*/}}

{{- define "wasm-rewrite.dnsLabel" -}}
^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$
{{- end -}}

{{- define "wasm-rewrite.dnsSubdomain" -}}
^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$
{{- end -}}

{{/*
Checks a map of labels, but not those that common holds too. In: problems, where, path, labels, common.
*/}}
{{- define "wasm-rewrite.checkLabels" -}}
{{- range $key, $value := .labels -}}
{{- if not (and (hasKey $.common $key) (eq (index $.common $key) $value)) -}}
{{- include "wasm-rewrite.checkKey" (list $ $key) -}}
{{- if not (regexMatch `^([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?$` (toString $value)) -}}
{{- include "wasm-rewrite.refuse" (list $.problems $.where (printf "%s.%s" $.path $key) $value "is no value of a label: at most 63 of A-Z, a-z, 0-9, -, _ and ., letters or digits at both ends") -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Checks a key of labels or annotations. In: a list of problems, where and path in a dict, and the key.
*/}}
{{- define "wasm-rewrite.checkKey" -}}
{{- $in := index . 0 -}}
{{- $key := index . 1 -}}
{{- if not (regexMatch `^([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?$` $key) -}}
{{- include "wasm-rewrite.refuse" (list $in.problems $in.where $in.path $key "is no key of a label or annotation: want [prefix/]name") -}}
{{- end -}}
{{- end -}}

{{/*
Where the module comes from. In: problems, values.
*/}}
{{- define "wasm-rewrite.checkModule" -}}
{{- $problems := .problems -}}
{{- $values := .values -}}
{{- $image := $values.image | default dict -}}
{{- if and $values.sha256 (not (regexMatch "^[a-f0-9]{64}$" $values.sha256)) -}}
{{- include "wasm-rewrite.refuse" (list $problems "" "sha256" $values.sha256 "want the 64 hexadecimal digits of the module's SHA-256, in lower case") -}}
{{- end -}}
{{- if eq $values.delivery "EnvoyFilter" -}}
{{- if $values.url -}}
{{- include "wasm-rewrite.refuse" (list $problems "" "url" $values.url "delivery EnvoyFilter reads the module from a ConfigMap mounted at module.mountPath; remove it") -}}
{{- end -}}
{{- $module := $values.module | default dict -}}
{{- if and $module.configMap (not (regexMatch (include "wasm-rewrite.dnsSubdomain" $) $module.configMap)) -}}
{{- include "wasm-rewrite.refuse" (list $problems "" "module.configMap" $module.configMap "is no name of a ConfigMap") -}}
{{- end -}}
{{- if not (regexMatch `^[-._a-zA-Z0-9]{1,253}$` ($module.key | default "")) -}}
{{- include "wasm-rewrite.refuse" (list $problems "" "module.key" $module.key "is no key of a ConfigMap: want A-Z, a-z, 0-9, -, _ and .") -}}
{{- end -}}
{{- if not (hasPrefix "/" ($module.mountPath | default "")) -}}
{{- include "wasm-rewrite.refuse" (list $problems "" "module.mountPath" $module.mountPath "want an absolute path in the proxy's container") -}}
{{- end -}}
{{- else if $values.url -}}
{{- if not (regexMatch "^(https?|file)://." $values.url) -}}
{{- include "wasm-rewrite.refuse" (list $problems "" "url" $values.url "want https://, http:// or file://; an OCI image stands under image") -}}
{{- else if and (hasPrefix "http" $values.url) (not $values.sha256) -}}
{{- include "wasm-rewrite.refuse" (list $problems "" "sha256" nil "is missing: url is fetched over the network, so say what must arrive (sha256sum plugin.wasm)") -}}
{{- end -}}
{{- else -}}
{{- if $values.sha256 -}}
{{- include "wasm-rewrite.refuse" (list $problems "" "sha256" $values.sha256 "belongs to url; an image is pinned by image.digest") -}}
{{- end -}}
{{- if not (regexMatch `^[a-zA-Z0-9.-]+(:[0-9]+)?$` ($image.registry | default "")) -}}
{{- include "wasm-rewrite.refuse" (list $problems "" "image.registry" $image.registry "want a host with an optional port") -}}
{{- end -}}
{{- if not (regexMatch `^[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$` ($image.repository | default "")) -}}
{{- include "wasm-rewrite.refuse" (list $problems "" "image.repository" $image.repository "want a repository in lower case, without registry, tag or digest") -}}
{{- end -}}
{{- if and $image.digest $image.tag -}}
{{- include "wasm-rewrite.refuse" (list $problems "" "image.tag" $image.tag "stands beside image.digest; set one of them to \"\"") -}}
{{- else if $image.digest -}}
{{- if not (regexMatch "^sha256:[a-f0-9]{64}$" $image.digest) -}}
{{- include "wasm-rewrite.refuse" (list $problems "" "image.digest" $image.digest "want sha256: and 64 hexadecimal digits in lower case") -}}
{{- end -}}
{{- else if $image.tag -}}
{{- if not (regexMatch `^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$` $image.tag) -}}
{{- include "wasm-rewrite.refuse" (list $problems "" "image.tag" $image.tag "is no tag of an image") -}}
{{- end -}}
{{- if not $image.allowMutableTag -}}
{{- include "wasm-rewrite.refuse" (list $problems "" "image.tag" $image.tag "a tag can move to another module under a running proxy; write image.digest, or image.allowMutableTag: true") -}}
{{- end -}}
{{- else if $values.workloads -}}
{{- include "wasm-rewrite.refuse" (list $problems "" "image.digest" nil "is missing: name the image by its digest (a released chart carries its own), or write url") -}}
{{- end -}}
{{- if and $image.pullSecret (not (regexMatch (include "wasm-rewrite.dnsSubdomain" $) $image.pullSecret)) -}}
{{- include "wasm-rewrite.refuse" (list $problems "" "image.pullSecret" $image.pullSecret "is no name of a Secret") -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
Where one workload's object stands and which proxies and traffic it takes. In: problems, values, name, workload (merged).
*/}}
{{- define "wasm-rewrite.checkPlace" -}}
{{- $problems := .problems -}}
{{- $values := .values -}}
{{- $workload := .workload -}}
{{- $where := printf "workload %s: " .name -}}
{{- $inRoot := eq $workload.namespace $values.rootNamespace -}}
{{- if not (regexMatch (include "wasm-rewrite.dnsLabel" $) .name) -}}
{{- include "wasm-rewrite.refuse" (list $problems $where "name" .name "is no Kubernetes name: at most 63 of a-z, 0-9 and -, letters or digits at both ends") -}}
{{- end -}}
{{- if not (regexMatch (include "wasm-rewrite.dnsLabel" $) $workload.namespace) -}}
{{- include "wasm-rewrite.refuse" (list $problems $where "namespace" $workload.namespace "is no Kubernetes name: at most 63 of a-z, 0-9 and -, letters or digits at both ends") -}}
{{- end -}}
{{- include "wasm-rewrite.checkLabels" (dict "problems" $problems "where" $where "path" "selector" "labels" $workload.selector "common" dict) -}}
{{- include "wasm-rewrite.checkLabels" (dict "problems" $problems "where" $where "path" "labels" "labels" $workload.labels "common" ($values.commonLabels | default dict)) -}}
{{- range $key, $_ := $workload.annotations -}}
{{- if not (hasKey ($values.commonAnnotations | default dict) $key) -}}
{{- include "wasm-rewrite.checkKey" (list (dict "problems" $problems "where" $where "path" "annotations") $key) -}}
{{- end -}}
{{- end -}}
{{- if and $workload.selector $workload.targetRefs -}}
{{- include "wasm-rewrite.refuse" (list $problems $where "targetRefs" nil "stands beside selector; Istio takes one of them: selector for sidecars and gateways, targetRefs for waypoints and Gateway API gateways") -}}
{{- end -}}
{{- if and $inRoot (not (or $workload.selector $workload.targetRefs $workload.meshWide)) -}}
{{- include "wasm-rewrite.refuse" (list $problems $where "selector" nil (printf "is missing: in %s, the root namespace, that means every proxy of the mesh; name labels, or write meshWide: true" $workload.namespace)) -}}
{{- end -}}
{{- $service := "" -}}
{{- range $i, $ref := $workload.targetRefs -}}
{{- $at := printf "targetRefs[%d]" $i -}}
{{- $group := include "wasm-rewrite.targetGroup" $ref.kind -}}
{{- if ne ($ref.group | default $group) $group -}}
{{- include "wasm-rewrite.refuse" (list $problems $where (print $at ".group") $ref.group (printf "the group of a %s is %q; it may be left out" $ref.kind $group)) -}}
{{- end -}}
{{- if not (regexMatch (include "wasm-rewrite.dnsSubdomain" $) $ref.name) -}}
{{- include "wasm-rewrite.refuse" (list $problems $where (print $at ".name") $ref.name "is no Kubernetes name") -}}
{{- end -}}
{{- if and (eq $ref.kind "GatewayClass") (not $inRoot) -}}
{{- include "wasm-rewrite.refuse" (list $problems $where (print $at ".kind") $ref.kind (printf "Istio takes a GatewayClass only in %s, the root namespace" $values.rootNamespace)) -}}
{{- end -}}
{{- if has $ref.kind (list "Service" "ServiceEntry") -}}
{{- $service = $ref.kind -}}
{{- end -}}
{{- end -}}
{{- range $i, $traffic := $workload.traffic -}}
{{- $at := printf "traffic[%d]" $i -}}
{{- if and $service $traffic.ports -}}
{{- include "wasm-rewrite.refuse" (list $problems $where (print $at ".ports") $traffic.ports (printf "Istio takes no ports with targetRefs to a %s; remove them" $service)) -}}
{{- end -}}
{{- if and $service (eq ($traffic.mode | default "") "CLIENT") -}}
{{- include "wasm-rewrite.refuse" (list $problems $where (print $at ".mode") $traffic.mode (printf "a waypoint has only server traffic for a %s; write SERVER or leave traffic out" $service)) -}}
{{- end -}}
{{- if ne (len ($traffic.ports | default list)) (len ($traffic.ports | default list | uniq)) -}}
{{- include "wasm-rewrite.refuse" (list $problems $where (print $at ".ports") $traffic.ports "names a port twice") -}}
{{- end -}}
{{- end -}}
{{- if eq $values.delivery "EnvoyFilter" -}}
{{- $why := "delivery EnvoyFilter has no such key (its place is envoyFilter.context and envoyFilter.position)" -}}
{{- if $workload.targetRefs -}}
{{- include "wasm-rewrite.refuse" (list $problems $where "targetRefs" nil (print $why "; write selector")) -}}
{{- end -}}
{{- if ne $workload.phase "UNSPECIFIED_PHASE" -}}
{{- include "wasm-rewrite.refuse" (list $problems $where "phase" $workload.phase (print $why "; remove it")) -}}
{{- end -}}
{{- if ne ($workload.priority | int) 0 -}}
{{- include "wasm-rewrite.refuse" (list $problems $where "priority" $workload.priority (print $why "; remove it")) -}}
{{- end -}}
{{- if $workload.traffic -}}
{{- include "wasm-rewrite.refuse" (list $problems $where "traffic" nil (print $why "; remove it")) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
The gates of a release. In: root, problems, values.
*/}}
{{- define "wasm-rewrite.checkVerify" -}}
{{- $problems := .problems -}}
{{- $verify := .values.verify -}}
{{- $image := $verify.image -}}
{{- if and $image.registry (not (regexMatch `^[a-zA-Z0-9.-]+(:[0-9]+)?$` $image.registry)) -}}
{{- include "wasm-rewrite.refuse" (list $problems "" "verify.image.registry" $image.registry "want a host with an optional port") -}}
{{- end -}}
{{- if and $image.repository (not (regexMatch `^[a-z0-9]+([._-]+[a-z0-9]+)*(/[a-z0-9]+([._-]+[a-z0-9]+)*)*$` $image.repository)) -}}
{{- include "wasm-rewrite.refuse" (list $problems "" "verify.image.repository" $image.repository "want a repository in lower case, without registry, tag or digest") -}}
{{- end -}}
{{- if and $image.pullSecret (not (regexMatch (include "wasm-rewrite.dnsSubdomain" $) $image.pullSecret)) -}}
{{- include "wasm-rewrite.refuse" (list $problems "" "verify.image.pullSecret" $image.pullSecret "is no name of a Secret") -}}
{{- end -}}
{{- if and $image.digest (not (regexMatch "^sha256:[a-f0-9]{64}$" $image.digest)) -}}
{{- include "wasm-rewrite.refuse" (list $problems "" "verify.image.digest" $image.digest "want sha256: and 64 hexadecimal digits in lower case") -}}
{{- end -}}
{{- if and $verify.after.host (not (regexMatch `^([a-zA-Z0-9._-]+|\[[0-9a-fA-F:.]+\])(:[0-9]{1,5})?$` $verify.after.host)) -}}
{{- include "wasm-rewrite.refuse" (list $problems "" "verify.after.host" $verify.after.host "want a host with an optional port") -}}
{{- end -}}
{{- if and $verify.after.address (not (regexMatch `^([a-zA-Z0-9.-]+|\[[0-9a-fA-F:.]+\]):[0-9]{1,5}$` $verify.after.address)) -}}
{{- include "wasm-rewrite.refuse" (list $problems "" "verify.after.address" $verify.after.address "want host:port, as istio-ingressgateway.istio-ingress:80") -}}
{{- end -}}
{{- if and .values.workloads (or $verify.before.enabled $verify.after.enabled) -}}
{{- if not $image.digest -}}
{{- include "wasm-rewrite.refuse" (list $problems "" "verify.image.digest" nil "is missing: name the command line's image by its digest (make publish prints it, a released chart carries its own), or disable verify.before and verify.after") -}}
{{- end -}}
{{- $bytes := len (include "wasm-rewrite.release" .root) -}}
{{- if gt $bytes 1000000 -}}
{{- include "wasm-rewrite.refuse" (list $problems "" "verify" nil (printf "the rules and tests have %d bytes, and the ConfigMap that the gates read holds 1000000; split the release, or disable verify.before and verify.after" $bytes)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
