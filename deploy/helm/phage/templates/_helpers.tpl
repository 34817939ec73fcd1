{{/* Name of what belongs to a release; the longest that names of services may be. */}}
{{- define "phage.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* Labels by which pods of a component are found: (list . "sensor"). */}}
{{- define "phage.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* All labels of a component. */}}
{{- define "phage.labels" -}}
{{- $root := index . 0 -}}
{{ include "phage.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | quote }}
{{- end -}}

{{- define "phage.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{/* A password or URL of the secret as a variable of the environment: (list . "PHAGE_BUS__URL" "bus"). */}}
{{- define "phage.secretVariable" -}}
- name: {{ index . 1 }}
  valueFrom:
    secretKeyRef:
      name: {{ (index . 0).Values.existingSecret }}
      key: {{ index . 2 }}
{{- end -}}

{{/* What every pod's template is annotated with: a change of settings starts it anew. */}}
{{- define "phage.checksum" -}}
checksum/settings: {{ toYaml .Values | sha256sum }}
{{- end -}}

{{- define "phage.volumes" -}}
- name: settings
  configMap:
    name: {{ include "phage.fullname" . }}
- name: secrets
  secret:
    secretName: {{ .Values.existingSecret }}
    optional: true
- name: tmp
  emptyDir:
    medium: Memory
    sizeLimit: 256Mi
{{- end -}}

{{- define "phage.mounts" -}}
- name: settings
  mountPath: /etc/phage
  readOnly: true
- name: secrets
  mountPath: /etc/phage-secrets
  readOnly: true
- name: tmp
  mountPath: /tmp
- name: state
  mountPath: /var/lib/phage
{{- end -}}

{{/* Where the controller is that sensors join. */}}
{{- define "phage.controllerUrl" -}}
{{- if .Values.sensor.controllerUrl -}}
{{ .Values.sensor.controllerUrl }}
{{- else if .Values.controller.enabled -}}
https://{{ include "phage.fullname" . }}-controller:{{ .Values.controller.service.port }}
{{- else -}}
{{- fail "sensor.controllerUrl: say where the controller is that sensors join" -}}
{{- end -}}
{{- end -}}
