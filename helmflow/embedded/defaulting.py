"""Defaults: what the API server fills in, type by type. Source: pkg/apis/*/v*/defaults.go of Kubernetes 1.36."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Final

from helmflow.embedded.schema import Schema

Json = dict[str, Any]
_CORE: Final = "io.k8s.api.core.v1."
_APPS: Final = "io.k8s.api.apps.v1."
_ADMISSION: Final = "io.k8s.api.admissionregistration.v1."
_NETWORK: Final = "io.k8s.api.networking.v1."
_HUGE: Final = 2**31 - 1


def apply(value: Json, schema: Schema) -> None:
    """Fill the defaults of a built-in object in, in place: each type's own first, then those of what it holds."""
    if not _reaches(schema):
        return
    own = _BY_TYPE.get(schema.name)
    if own is not None:
        own(value)
    for key, field in schema.fields.items():
        if key not in value:
            if field.default is not None and not (key == "replicas" and schema.short_name.endswith("Status")):
                value[key] = field.default
            continue
        _inside(value[key], field.schema)


def custom(value: Any, raw: Json) -> Any:
    """Fill the defaults of a custom resource in from its schema; a null where the schema forbids null counts as absent."""
    if isinstance(value, dict):
        for key, member in (raw.get("properties") or {}).items():
            if "default" in member and (
                key not in value or (value[key] is None and not member.get("nullable"))
            ):
                value[key] = copy.deepcopy(member["default"])
            if key in value:
                value[key] = custom(value[key], member)
        more = raw.get("additionalProperties")
        if isinstance(more, dict):
            for key in value:
                if key not in (raw.get("properties") or {}):
                    value[key] = custom(value[key], more)
    elif isinstance(value, list) and isinstance(raw.get("items"), dict):
        return [custom(item, raw["items"]) for item in value]
    return value


def _inside(value: Any, schema: Schema) -> None:
    if isinstance(value, dict):
        if schema.fields:
            apply(value, schema)
        elif schema.element is not None and _reaches(schema.element):
            for item in value.values():
                _inside(item, schema.element)
    elif isinstance(value, list) and schema.item is not None and schema.item.fields:
        for item in value:
            if isinstance(item, dict):
                apply(item, schema.item)


def _reaches(schema: Schema) -> bool:
    """Whether this type or one that it holds has defaults."""
    known = schema.raw.get("defaults")
    if known is None:
        schema.raw = {**schema.raw, "defaults": False}
        known = schema.name in _BY_TYPE or any(
            f.default is not None
            or _reaches(f.schema)
            or (f.schema.item is not None and _reaches(f.schema.item))
            for f in schema.fields.values()
        )
        schema.raw = {**schema.raw, "defaults": known}
    return bool(known)


def _fill(value: Json, **defaults: Any) -> None:
    for key, default in defaults.items():
        if value.get(key) in (None, ""):
            value[key] = copy.deepcopy(default)


def pull_policy(image: str) -> str:
    """Always for the tag `latest` or none at all, else IfNotPresent."""
    name, at, _ = image.partition("@")
    tag = name.rsplit("/", 1)[-1].partition(":")[2]
    return "Always" if tag == "latest" or (not tag and not at) else "IfNotPresent"


def _container(value: Json) -> None:
    _fill(
        value,
        imagePullPolicy=pull_policy(value.get("image", "")),
        terminationMessagePath="/dev/termination-log",
        terminationMessagePolicy="File",
    )


def _volume(value: Json) -> None:
    if not any(v is not None for k, v in value.items() if k != "name"):
        value["emptyDir"] = {}
    image = value.get("image")
    if image is not None:
        _fill(image, pullPolicy=pull_policy(image.get("reference", "")))


def _pod(value: Json) -> None:
    spec = value["spec"]
    for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
        resources = container.get("resources") or {}
        limits = resources.get("limits")
        if limits:
            requests = resources.setdefault("requests", {})
            for key, limit in limits.items():
                requests.setdefault(key, limit)
    _fill(spec, enableServiceLinks=True)
    _host_ports(spec)


def _host_ports(spec: Json) -> None:
    if spec.get("hostNetwork"):
        for container in [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]:
            for port in container.get("ports") or ():
                if not port.get("hostPort"):
                    port["hostPort"] = port.get("containerPort", 0)


def _pod_spec(value: Json) -> None:
    _fill(
        value,
        dnsPolicy="ClusterFirst",
        restartPolicy="Always",
        securityContext={},
        terminationGracePeriodSeconds=30,
        schedulerName="default-scheduler",
    )
    if value.get("serviceAccountName"):
        value["serviceAccount"] = value["serviceAccountName"]
    elif value.get("serviceAccount"):
        value["serviceAccountName"] = value["serviceAccount"]


def _probe(value: Json) -> None:
    for key, default in (
        ("timeoutSeconds", 1),
        ("periodSeconds", 10),
        ("successThreshold", 1),
        ("failureThreshold", 3),
    ):
        if not value.get(key):
            value[key] = default
    if isinstance(value.get("grpc"), dict):
        value["grpc"].setdefault("service", "")


def _service(value: Json) -> None:
    spec = value["spec"]
    _fill(spec, sessionAffinity="None", type="ClusterIP")
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif not ((spec.get("sessionAffinityConfig") or {}).get("clientIP") or {}).get("timeoutSeconds"):
        spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": 10800}}
    for port in spec.get("ports") or ():
        _fill(port, protocol="TCP")
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port.get("port", 0)
    reachable = spec["type"] in ("NodePort", "LoadBalancer") or (
        spec["type"] == "ClusterIP" and spec.get("externalIPs")
    )
    if reachable:
        _fill(spec, externalTrafficPolicy="Cluster")
    if spec["type"] in ("NodePort", "LoadBalancer", "ClusterIP"):
        _fill(spec, internalTrafficPolicy="Cluster")
    if spec["type"] == "LoadBalancer":
        _fill(spec, allocateLoadBalancerNodePorts=True)
        for ingress in value["status"]["loadBalancer"].get("ingress") or ():
            if ingress.get("ip"):
                _fill(ingress, ipMode="VIP")


def _deployment(value: Json) -> None:
    spec = value["spec"]
    _fill(spec, replicas=1, revisionHistoryLimit=10, progressDeadlineSeconds=600)
    strategy = spec["strategy"]
    _fill(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _fill(strategy, rollingUpdate={})
        _fill(strategy["rollingUpdate"], maxUnavailable="25%", maxSurge="25%")


def _daemon_set(value: Json) -> None:
    spec = value["spec"]
    _fill(spec, revisionHistoryLimit=10)
    strategy = spec["updateStrategy"]
    _fill(strategy, type="RollingUpdate")
    if strategy["type"] == "RollingUpdate":
        _fill(strategy, rollingUpdate={})
        _fill(strategy["rollingUpdate"], maxUnavailable=1, maxSurge=0)


def _stateful_set(value: Json) -> None:
    spec = value["spec"]
    _fill(
        spec,
        podManagementPolicy="OrderedReady",
        replicas=1,
        revisionHistoryLimit=10,
        persistentVolumeClaimRetentionPolicy={},
    )
    _fill(spec["persistentVolumeClaimRetentionPolicy"], whenDeleted="Retain", whenScaled="Retain")
    strategy = spec["updateStrategy"]
    if not strategy.get("type"):
        strategy["type"] = "RollingUpdate"
        _fill(strategy, rollingUpdate={})
    if strategy["type"] == "RollingUpdate" and strategy.get("rollingUpdate") is not None:
        _fill(strategy["rollingUpdate"], partition=0)
    for claim in spec.get("volumeClaimTemplates") or ():
        claim.setdefault("apiVersion", "v1")
        claim.setdefault("kind", "PersistentVolumeClaim")


def _job(value: Json) -> None:
    spec = value["spec"]
    if spec.get("completions") is None and spec.get("parallelism") is None:
        spec["completions"] = 1
    _fill(
        spec,
        parallelism=1,
        backoffLimit=6 if spec.get("backoffLimitPerIndex") is None else _HUGE,
        completionMode="NonIndexed",
        suspend=False,
        podReplacementPolicy="TerminatingOrFailed" if spec.get("podFailurePolicy") is None else "Failed",
        manualSelector=False,
    )
    template_labels = spec["template"]["metadata"].get("labels")
    if template_labels and not value["metadata"].get("labels"):
        # One dict in two places, as in Go: labels generated for the template appear on the Job too.
        value["metadata"]["labels"] = template_labels


def _cron_job(value: Json) -> None:
    _fill(
        value["spec"],
        concurrencyPolicy="Allow",
        suspend=False,
        successfulJobsHistoryLimit=3,
        failedJobsHistoryLimit=1,
    )


def _autoscaler(value: Json) -> None:
    spec = value["spec"]
    _fill(spec, minReplicas=1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    behavior = spec.get("behavior")
    if behavior is not None:
        up = {"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": [
            {"type": "Pods", "value": 4, "periodSeconds": 15}, {"type": "Percent", "value": 100, "periodSeconds": 15}]}  # fmt: skip
        down = {"selectPolicy": "Max", "policies": [{"type": "Percent", "value": 100, "periodSeconds": 15}]}
        for key, default in (("scaleUp", up), ("scaleDown", down)):
            behavior[key] = {**default, **(behavior.get(key) or {})}


def _network_policy(value: Json) -> None:
    spec = value["spec"]
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"]


def _role_binding(value: Json) -> None:
    _fill(value["roleRef"], apiGroup="rbac.authorization.k8s.io")


def _subject(value: Json) -> None:
    if value.get("kind") in ("User", "Group"):
        _fill(value, apiGroup="rbac.authorization.k8s.io")


def _webhook(value: Json) -> None:
    _fill(
        value,
        failurePolicy="Fail",
        matchPolicy="Equivalent",
        namespaceSelector={},
        objectSelector={},
        timeoutSeconds=10,
    )


def _mutating_webhook(value: Json) -> None:
    _webhook(value)
    _fill(value, reinvocationPolicy="Never")


def _csi_driver(value: Json) -> None:
    _fill(
        value["spec"], attachRequired=True, podInfoOnMount=False, storageCapacity=False, requiresRepublish=False,
        fsGroupPolicy="ReadWriteOnceWithFSType", volumeLifecycleModes=["Persistent"], seLinuxMount=False,
    )  # fmt: skip


def _crd(value: Json) -> None:
    spec = value["spec"]
    names = spec["names"]
    _fill(names, singular=names.get("kind", "").lower())
    if names.get("kind"):
        _fill(names, listKind=names["kind"] + "List")
    _fill(spec, conversion={"strategy": "None"})
    stored = [v["name"] for v in spec.get("versions") or () if v.get("storage")]
    if not value["status"].get("storedVersions") and stored:
        value["status"]["storedVersions"] = stored[:1]


def _limit_item(value: Json) -> None:
    if value.get("type") != "Container":
        return
    default, request = value.setdefault("default", {}), value.setdefault("defaultRequest", {})
    for key, limit in (value.get("max") or {}).items():
        default.setdefault(key, limit)
    for source in (default, value.get("min") or {}):
        for key, amount in source.items():
            request.setdefault(key, amount)
    for key in ("default", "defaultRequest"):
        if not value[key]:
            del value[key]


def _controller(value: Json) -> None:
    spec = value["spec"]
    _fill(spec, replicas=1)
    labels = ((spec.get("template") or {}).get("metadata") or {}).get("labels")
    if labels:
        spec.setdefault("selector", dict(labels))
        if not value["metadata"].get("labels"):
            value["metadata"]["labels"] = dict(labels)


def _namespace(value: Json) -> None:
    name = value["metadata"].get("name")
    if name:
        value["metadata"].setdefault("labels", {})["kubernetes.io/metadata.name"] = name


def _volume_object(value: Json) -> None:
    _fill(value["spec"], persistentVolumeReclaimPolicy="Retain", volumeMode="Filesystem")
    _fill(value["status"], phase="Pending")


def _mode(value: Json) -> None:
    _fill(value, defaultMode=0o644)


def _set(**defaults: Any) -> Callable[[Json], None]:
    return lambda value: _fill(value, **defaults)


def _set_in(section: str, **defaults: Any) -> Callable[[Json], None]:
    return lambda value: _fill(value[section], **defaults)


_BY_TYPE: Final[dict[str, Callable[[Json], None]]] = {
    _CORE + "Container": _container,
    _CORE + "EphemeralContainer": _container,
    _CORE + "Volume": _volume,
    _CORE + "Pod": _pod,
    _CORE + "PodSpec": _pod_spec,
    _CORE + "Probe": _probe,
    _CORE + "Service": _service,
    _CORE + "Secret": _set(type="Opaque"),
    _CORE + "SecretVolumeSource": _mode,
    _CORE + "ConfigMapVolumeSource": _mode,
    _CORE + "DownwardAPIVolumeSource": _mode,
    _CORE + "ProjectedVolumeSource": _mode,
    _CORE + "ServiceAccountTokenProjection": _set(expirationSeconds=3600),
    _CORE + "HTTPGetAction": _set(path="/", scheme="HTTP"),
    _CORE + "HostPathVolumeSource": _set(type=""),
    _CORE + "ObjectFieldSelector": _set(apiVersion="v1"),
    _CORE + "PersistentVolume": _volume_object,
    _CORE + "PersistentVolumeClaim": _set_in("status", phase="Pending"),
    _CORE + "PersistentVolumeClaimSpec": _set(volumeMode="Filesystem"),
    _CORE + "ReplicationController": _controller,
    _CORE + "Namespace": _namespace,
    _CORE + "NamespaceStatus": _set(phase="Active"),
    _CORE + "EndpointPort": _set(protocol="TCP"),
    _CORE + "LimitRangeItem": _limit_item,
    _CORE + "ISCSIVolumeSource": _set(iscsiInterface="default"),
    _CORE + "RBDVolumeSource": _set(pool="rbd", user="admin", keyring="/etc/ceph/keyring"),
    _CORE + "AzureDiskVolumeSource": _set(
        cachingMode="ReadWrite", kind="Shared", fsType="ext4", readOnly=False
    ),
    _APPS + "Deployment": _deployment,
    _APPS + "DaemonSet": _daemon_set,
    _APPS + "StatefulSet": _stateful_set,
    _APPS + "ReplicaSet": _set_in("spec", replicas=1),
    "io.k8s.api.batch.v1.Job": _job,
    "io.k8s.api.batch.v1.CronJob": _cron_job,
    "io.k8s.api.batch.v1.PodFailurePolicyOnPodConditionsPattern": _set(status="True"),
    "io.k8s.api.autoscaling.v2.HorizontalPodAutoscaler": _autoscaler,
    "io.k8s.api.autoscaling.v1.HorizontalPodAutoscaler": _set_in("spec", minReplicas=1),
    _NETWORK + "NetworkPolicyPort": _set(protocol="TCP"),
    _NETWORK + "NetworkPolicy": _network_policy,
    _NETWORK + "IngressClassParametersReference": _set(scope="Cluster"),
    "io.k8s.api.rbac.v1.RoleBinding": _role_binding,
    "io.k8s.api.rbac.v1.ClusterRoleBinding": _role_binding,
    "io.k8s.api.rbac.v1.Subject": _subject,
    "io.k8s.api.storage.v1.StorageClass": _set(reclaimPolicy="Delete", volumeBindingMode="Immediate"),
    "io.k8s.api.storage.v1.CSIDriver": _csi_driver,
    "io.k8s.api.scheduling.v1.PriorityClass": _set(preemptionPolicy="PreemptLowerPriority"),
    _ADMISSION + "ValidatingWebhook": _webhook,
    _ADMISSION + "MutatingWebhook": _mutating_webhook,
    _ADMISSION + "RuleWithOperations": _set(scope="*"),
    _ADMISSION + "NamedRuleWithOperations": _set(scope="*"),
    _ADMISSION + "ServiceReference": _set(port=443),
    _ADMISSION + "ValidatingAdmissionPolicySpec": _set(failurePolicy="Fail"),
    _ADMISSION + "MatchResources": _set(matchPolicy="Equivalent", namespaceSelector={}, objectSelector={}),
    "io.k8s.api.discovery.v1.EndpointPort": _set(name="", protocol="TCP"),
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.CustomResourceDefinition": _crd,
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.ServiceReference": _set(port=443),
    "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.ServiceReference": _set(port=443),
}
