{{/*
What the gates read (internal/release): the module, and the workloads as proxies get them. Gives
JSON.
*/}}
{{- define "wasm-rewrite.release" -}}
  {{- $values := .Values -}}
  {{- $workloads := dict -}}
  {{- include "wasm-rewrite.workloads" (dict "root" $ "into" $workloads) -}}
  {{- $list := list -}}
  {{- range $name, $workload := $workloads -}}
    {{- $config := dict -}}
    {{- include "wasm-rewrite.pluginConfig" (dict "root" $ "workload" $workload "into" $config) -}}
    {{- $targets := list -}}
    {{- range $workload.targetRefs -}}
      {{- $targets = append $targets (pick . "kind" "name") -}}
    {{- end -}}
    {{- $list = append $list (dict
        "name" $name
        "namespace" $workload.namespace
        "selector" ($workload.selector | default dict)
        "targetRefs" $targets
        "phase" $workload.phase
        "plugin" (include "wasm-rewrite.pluginName" (dict "root" $ "name" $name "workload" $workload))
        "config" $config
        "tests" ($workload.tests | default list)) -}}
  {{- end -}}
  {{- dict "release" .Release.Name "namespace" .Release.Namespace "delivery" $values.delivery
      "module" (include "wasm-rewrite.moduleSource" $ | fromJson) "workloads" $list | toRawJson -}}
{{- end -}}

{{/*
metadata of one object of a gate, without its name: a hook of Helm, which Argo CD takes for its own as long as there is
no annotation of Argo CD's. In: root, gate (before or after), weight; namespace where there is one, labels and
annotations beside the common ones; hook, where it is one of other events. One that failed is deleted, after Helm has
printed its log and Argo CD has kept its end: helm uninstall leaves hooks where they are.
*/}}
{{- define "wasm-rewrite.gateMetadata" -}}
{{- $labels := dict -}}
{{- include "wasm-rewrite.overlay" (dict "into" $labels "from" .root.Values.commonLabels) -}}
{{- include "wasm-rewrite.overlay" (dict "into" $labels "from" .labels) -}}
{{- $annotations := dict -}}
{{- include "wasm-rewrite.overlay" (dict "into" $annotations "from" .root.Values.commonAnnotations) -}}
{{- include "wasm-rewrite.overlay" (dict "into" $annotations "from" .annotations) -}}
{{- include "wasm-rewrite.overlay" (dict "into" $annotations "from" (dict
    "helm.sh/hook" (.hook | default (ternary "pre-install,pre-upgrade,test" "post-install,post-upgrade,test" (eq .gate "before")))
    "helm.sh/hook-weight" (toString .weight)
    "helm.sh/hook-delete-policy" "before-hook-creation,hook-succeeded,hook-failed"
    "helm.sh/hook-output-log-policy" "hook-failed")) -}}
{{- with .namespace -}}
namespace: {{ . | quote }}
{{ end -}}
{{- include "wasm-rewrite.labelsAndAnnotations" (dict "root" .root "component" (print "verify-" .gate) "labels" $labels "annotations" $annotations) -}}
{{- end -}}

{{/*
The name of a gate's objects in the release's namespace. In: root, gate.
*/}}
{{- define "wasm-rewrite.gateName" -}}
{{ printf "%s-verify-%s" .root.Release.Name .gate | quote }}
{{- end -}}

{{/*
The ConfigMap that a gate reads. In: root, gate.
*/}}
{{- define "wasm-rewrite.gateConfigMap" }}
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "wasm-rewrite.gateName" . }}
  {{- include "wasm-rewrite.gateMetadata" (dict "root" .root "gate" .gate "namespace" .root.Release.Namespace "weight" -1) | nindent 2 }}
data:
  release.json: {{ include "wasm-rewrite.release" .root | quote }}
{{- end -}}

{{/*
What the Pods of both gates share: the fields of the container. In: root, gate, args (a list).
*/}}
{{- define "wasm-rewrite.gateContainer" -}}
{{- $values := .root.Values -}}
{{- $image := $values.verify.image -}}
name: verify
image: {{ printf "%s/%s@%s" ($image.registry | default $values.image.registry) ($image.repository | default (print $values.image.repository "-cli")) $image.digest | quote }}
args: {{ concat (list "verify" .gate "/release/release.json") .args | toJson }}
# The end of the log is what Argo CD shows of a Pod that failed.
terminationMessagePolicy: FallbackToLogsOnError
# The bound holds for rules that the engine refuses for their size, too.
resources: {requests: {cpu: 10m, memory: 64Mi}, limits: {memory: 512Mi}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  runAsNonRoot: true
  runAsUser: 65532
  capabilities: {drop: [ALL]}
  seccompProfile: {type: RuntimeDefault}
{{- end -}}
