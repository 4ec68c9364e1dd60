"""Validation: names, required fields, one-of rules and immutability, in the API server's own words."""

from __future__ import annotations

import re
from collections.abc import Callable, Set
from typing import Any, Final

from helmflow.embedded import quantities
from helmflow.embedded.kinds import Resource
from helmflow.embedded.status import (
    Cause,
    duplicate,
    forbidden,
    invalid,
    required,
    unprocessable,
    unsupported,
)

Json = dict[str, Any]
Causes = list[Cause]

_LABEL_RE: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_SUBDOMAIN_RE: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_QUALIFIED_RE: Final = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_VALUE_RE: Final = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
_KEY_RE: Final = re.compile(r"[-._a-zA-Z0-9]+")
_PORT_NAME_RE: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_LABEL_TEXT: Final = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an "
    "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
_SERVICE_TEXT: Final = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an "
    "alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)
_SUBDOMAIN_TEXT: Final = (
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
)
_VALUE_TEXT: Final = (
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
)
_NAME_PART_TEXT: Final = (
    "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character "
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"
)
_STATEFUL_TEXT: Final = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', "
    "'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)
_POD_TEXT: Final = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_IMMUTABLE: Final = "field is immutable"
_LOCKED: Final = "field is immutable when `immutable` is set"
_FREE_NAMES: Final = ("rbac.authorization.k8s.io",)
_LABEL_NAMED: Final = ("namespaces", "statefulsets")


def create(resource: Resource, value: Json) -> None:
    """Raise the 422 that a new object deserves, if any."""
    causes = _metadata(resource, value)
    rule = _CREATE.get((resource.group, resource.kind))
    if rule is not None:
        causes += rule(value)
    _raise(resource, value, causes)


def update(resource: Resource, old: Json, new: Json, subresource: str) -> None:
    """Raise the 422 that a change deserves, if any."""
    causes = _metadata_update(old["metadata"], new["metadata"])
    causes += _labels_of(new["metadata"])
    if not subresource:
        rule = _CREATE.get((resource.group, resource.kind))
        if rule is not None:
            causes += rule(new)
        change = _UPDATE.get((resource.group, resource.kind))
        if change is not None:
            causes += change(old, new)
    _raise(resource, new, causes)


def _raise(resource: Resource, value: Json, causes: Causes) -> None:
    if causes:
        raise unprocessable(resource.group, resource.kind, value["metadata"].get("name", ""), causes)


def _metadata(resource: Resource, value: Json) -> Causes:
    metadata = value["metadata"]
    name = metadata.get("name", "")
    causes: Causes = []
    if not name:
        causes.append(required("metadata.name", "name or generateName is required"))
    elif resource.group in _FREE_NAMES:
        if name in (".", "..") or "/" in name or "%" in name:
            causes.append(
                invalid("metadata.name", name, "may not contain '/'" if "/" in name else "may not be '.'")
            )
    elif (resource.group, resource.kind) == ("", "Service"):
        if not re.fullmatch(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", name):
            causes.append(invalid("metadata.name", name, _LABEL_TEXT))
        elif len(name) > 63:
            causes.append(invalid("metadata.name", name, "must be no more than 63 characters"))
    elif resource.plural in _LABEL_NAMED and resource.group in ("", "apps"):
        if len(name) > 63:
            causes.append(invalid("metadata.name", name, "must be no more than 63 characters"))
        if not _LABEL_RE.fullmatch(name):
            causes.append(invalid("metadata.name", name, _LABEL_TEXT))
    else:
        if len(name) > 253:
            causes.append(invalid("metadata.name", name, "must be no more than 253 characters"))
        if not _SUBDOMAIN_RE.fullmatch(name):
            causes.append(invalid("metadata.name", name, _SUBDOMAIN_TEXT))
    return causes + _labels_of(metadata) + _owners(metadata)


def _labels_of(metadata: Json) -> Causes:
    causes = _labels(metadata.get("labels"), "metadata.labels")
    annotations = metadata.get("annotations") or {}
    for key in annotations:
        causes += _qualified(key.lower(), "metadata.annotations")
    if sum(len(k) + len(v.encode()) for k, v in annotations.items()) > 256 * 1024:
        causes.append(
            Cause("metadata.annotations", "FieldValueTooLong", "Too long: may not be more than 262144 bytes")
        )
    return causes


def _labels(labels: Json | None, path: str) -> Causes:
    causes: Causes = []
    for key, value in (labels or {}).items():
        causes += _qualified(key, path)
        if len(value) > 63:
            causes.append(invalid(path, value, "must be no more than 63 bytes"))
        if not _VALUE_RE.fullmatch(value):
            causes.append(invalid(path, value, _VALUE_TEXT))
    return causes


def _qualified(key: str, path: str) -> Causes:
    prefix, slash, name = key.rpartition("/")
    if slash and (not prefix or not _SUBDOMAIN_RE.fullmatch(prefix)):
        why = "prefix part must be non-empty" if not prefix else "prefix part " + _SUBDOMAIN_TEXT
        return [invalid(path, key, why)]
    if not name:
        return [invalid(path, key, "name part must be non-empty"), invalid(path, key, _NAME_PART_TEXT)]
    if len(name) > 63:
        return [invalid(path, key, "name part must be no more than 63 bytes")]
    return [] if _QUALIFIED_RE.fullmatch(name) else [invalid(path, key, _NAME_PART_TEXT)]


def _owners(metadata: Json) -> Causes:
    causes: Causes = []
    for owner in metadata.get("ownerReferences") or ():
        for key, text in (
            ("kind", "kind must not be empty"),
            ("name", "name must not be empty"),
            ("uid", "uid must not be empty"),
        ):
            if not owner.get(key):
                causes.append(invalid(f"metadata.ownerReferences.{key}", owner.get(key, ""), text))
    return causes


def _metadata_update(old: Json, new: Json) -> Causes:
    causes: Causes = []
    if old.get("deletionTimestamp"):
        added = sorted(set(new.get("finalizers") or ()) - set(old.get("finalizers") or ()))
        if added:
            causes.append(
                forbidden(
                    "metadata.finalizers",
                    f"no new finalizers can be added if the object is being deleted, found new finalizers {_go_strings(added)}",
                )
            )
    for key in (
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    ):
        if new.get(key) != old.get(key):
            causes.append(invalid(f"metadata.{key}", new.get(key, ""), _IMMUTABLE))
    return causes


def _go_strings(values: list[str]) -> str:
    return "[]string{" + ", ".join(f'"{v}"' for v in values) + "}"


def _immutable(path: str, old: Any, new: Any) -> Causes:
    return [] if old == new else [invalid(path, new, _IMMUTABLE)]


def _matches(selector: Json | None, labels: Json | None) -> bool:
    from helmflow.embedded import selectors  # avoids a cycle at import

    return selectors.label_object(selector)(labels or {})


def _workload(value: Json, path: str = "spec") -> Causes:
    """Selector and template of apps/v1 workloads."""
    spec = value["spec"]
    causes: Causes = []
    selector = spec.get("selector")
    if selector is None:
        causes.append(required(f"{path}.selector"))
    elif not selector:
        causes.append(
            invalid(f"{path}.selector", selector, f"empty selector is invalid for {_word(value['kind'])}")
        )
    bad = _labels((selector or {}).get("matchLabels"), f"{path}.selector.matchLabels")
    if bad:
        return [*causes, *bad, invalid(f"{path}.selector", selector, "invalid label selector")]
    labels = spec["template"]["metadata"].get("labels")
    if not _matches(selector, labels):
        causes.append(
            invalid(f"{path}.template.metadata.labels", labels, "`selector` does not match template `labels`")
        )
    causes += _labels(labels, f"{path}.template.metadata.labels")
    claims = {claim["metadata"].get("name", "") for claim in spec.get("volumeClaimTemplates") or ()}
    causes += _pod_spec(spec["template"]["spec"], f"{path}.template.spec", claims)
    if spec["template"]["spec"].get("restartPolicy") != "Always":
        causes.append(
            unsupported(
                f"{path}.template.spec.restartPolicy",
                spec["template"]["spec"].get("restartPolicy"),
                ["Always"],
            )
        )
    if (spec.get("replicas") or 0) < 0:
        causes.append(invalid(f"{path}.replicas", spec["replicas"], "must be greater than or equal to 0"))
    return causes


def _word(kind: str) -> str:
    return {"Deployment": "deployment", "DaemonSet": "daemonset", "StatefulSet": "statefulset"}.get(
        kind, "deployment"
    )


def _deployment(value: Json) -> Causes:
    causes = _workload(value)
    strategy = value["spec"]["strategy"]
    kind = strategy.get("type")
    if kind == "Recreate" and strategy.get("rollingUpdate") is not None:
        causes.append(
            forbidden(
                "spec.strategy.rollingUpdate", "may not be specified when strategy `type` is 'Recreate'"
            )
        )
    elif kind == "RollingUpdate":
        rolling = strategy.get("rollingUpdate") or {}
        if _zero(rolling.get("maxUnavailable")) and _zero(rolling.get("maxSurge")):
            causes.append(
                invalid(
                    "spec.strategy.rollingUpdate.maxUnavailable",
                    rolling.get("maxUnavailable"),
                    "may not be 0 when `maxSurge` is 0",
                )
            )
        for key in ("maxUnavailable", "maxSurge"):
            bad = rolling.get(key)
            if isinstance(bad, str) and not re.fullmatch(r"[0-9]+%", bad):
                causes.append(
                    invalid(
                        f"spec.strategy.rollingUpdate.{key}",
                        bad,
                        "must be an integer or percentage (e.g '5%%')",
                    )
                )
    elif kind not in ("Recreate", "RollingUpdate"):
        causes.append(unsupported("spec.strategy.type", kind, ["Recreate", "RollingUpdate"]))
    deadline = value["spec"].get("progressDeadlineSeconds")
    if deadline is not None and deadline <= (value["spec"].get("minReadySeconds") or 0):
        causes.append(
            invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")
        )
    return causes


def _zero(value: Any) -> bool:
    return value in (0, "0%", "0")


def _stateful_set(value: Json) -> Causes:
    causes = _workload(value)
    strategy = value["spec"]["updateStrategy"]
    if strategy.get("type") == "OnDelete" and strategy.get("rollingUpdate") is not None:
        causes.append(
            invalid(
                "spec.updateStrategy.rollingUpdate",
                strategy["rollingUpdate"],
                "only allowed for updateStrategy 'RollingUpdate'",
            )
        )
    elif strategy.get("type") not in ("OnDelete", "RollingUpdate"):
        causes.append(invalid("spec.updateStrategy", strategy, "must be 'RollingUpdate' or 'OnDelete'"))
    service = value["spec"].get("serviceName") or ""
    if len(service) > 63:
        causes.append(invalid("spec.serviceName", service, "must be no more than 63 characters"))
    elif service and not _LABEL_RE.fullmatch(service):
        causes.append(invalid("spec.serviceName", service, _LABEL_TEXT))
    policy = value["spec"].get("podManagementPolicy")
    if policy not in ("OrderedReady", "Parallel"):
        causes.append(invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'"))
    return causes


def _daemon_set(value: Json) -> Causes:
    causes = _workload(value)
    kind = value["spec"]["updateStrategy"].get("type")
    if kind not in ("OnDelete", "RollingUpdate"):
        causes.append(unsupported("spec.updateStrategy.type", kind, ["OnDelete", "RollingUpdate"]))
    return causes


def _job(value: Json) -> Causes:
    labels = _labels(value["spec"]["template"]["metadata"].get("labels"), "spec.template.labels")
    return labels + _job_spec(value["spec"], "spec")


def _job_spec(spec: Json, path: str) -> Causes:
    causes: Causes = []
    for key in (
        "parallelism",
        "completions",
        "activeDeadlineSeconds",
        "backoffLimit",
        "ttlSecondsAfterFinished",
    ):
        if (spec.get(key) or 0) < 0:
            causes.append(invalid(f"{path}.{key}", spec[key], "must be greater than or equal to 0"))
    pod = spec["template"]["spec"]
    causes += _pod_spec(pod, f"{path}.template.spec")
    if pod.get("restartPolicy") not in ("OnFailure", "Never"):
        causes.append(
            unsupported(
                f"{path}.template.spec.restartPolicy", pod.get("restartPolicy"), ["OnFailure", "Never"]
            )
        )
    if spec.get("completionMode") == "Indexed" and spec.get("completions") is None:
        causes.append(required(f"{path}.completions", "when completion mode is Indexed"))
    return causes


def _cron_job(value: Json) -> Causes:
    from helmflow.embedded import cron  # only CronJobs need it

    spec = value["spec"]
    causes = _job_spec(spec["jobTemplate"]["spec"], "spec.jobTemplate.spec")
    if not spec.get("schedule"):
        causes.append(required("spec.schedule"))
    else:
        why = cron.problem(spec["schedule"])
        if why:
            causes.append(invalid("spec.schedule", spec["schedule"], why))
    if spec.get("concurrencyPolicy") not in ("Allow", "Forbid", "Replace"):
        causes.append(
            unsupported(
                "spec.concurrencyPolicy", spec.get("concurrencyPolicy"), ["Allow", "Forbid", "Replace"]
            )
        )
    if len(value["metadata"].get("name", "")) > 52:
        causes.append(
            invalid("metadata.name", value["metadata"]["name"], "must be no more than 52 characters")
        )
    return causes


def _pod(value: Json) -> Causes:
    return _pod_spec(value["spec"], "spec")


def _pod_spec(spec: Json, path: str, claims: Set[str] = frozenset()) -> Causes:
    """`claims` are the volumes that a StatefulSet's claim templates add to every pod."""
    causes: Causes = []
    containers = spec.get("containers")
    if not containers:
        causes.append(required(f"{path}.containers"))
    volumes = {v.get("name", "") for v in spec.get("volumes") or ()} | claims
    names: set[str] = set()
    for index, volume in enumerate(spec.get("volumes") or ()):
        causes += _volume(volume, f"{path}.volumes[{index}]", names)
    seen: set[str] = set()
    for key in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(key) or ()):
            causes += _container(container, f"{path}.{key}[{index}]", seen, volumes)
    if spec.get("restartPolicy") not in ("Always", "OnFailure", "Never"):
        causes.append(
            unsupported(f"{path}.restartPolicy", spec.get("restartPolicy"), ["Always", "OnFailure", "Never"])
        )
    if spec.get("dnsPolicy") not in ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"):
        causes.append(
            unsupported(
                f"{path}.dnsPolicy",
                spec.get("dnsPolicy"),
                ["ClusterFirst", "ClusterFirstWithHostNet", "Default", "None"],
            )
        )
    return causes


def _volume(volume: Json, path: str, names: set[str]) -> Causes:
    """A volume's name and source; only a valid volume can be mounted, so only its name is noted."""
    name = volume.get("name", "")
    causes: Causes = []
    if not name:
        causes.append(required(f"{path}.name"))
    elif not _LABEL_RE.fullmatch(name) or len(name) > 63:
        causes.append(invalid(f"{path}.name", name, _LABEL_TEXT))
    elif name in names:
        causes.append(duplicate(f"{path}.name", name))
    sources = sorted(k for k in volume if k != "name")
    causes += [forbidden(f"{path}.{s}", "may not specify more than 1 volume type") for s in sources[1:]]
    needed = {
        "persistentVolumeClaim": "claimName",
        "secret": "secretName",
        "configMap": "name",
        "hostPath": "path",
    }
    for source, key in needed.items():
        if volume.get(source) is not None and not volume[source].get(key):
            causes.append(required(f"{path}.{source}.{key}"))
    if not causes:
        names.add(name)
    return causes


def _container(container: Json, path: str, seen: set[str], volumes: set[str]) -> Causes:
    name = container.get("name", "")
    causes: Causes = []
    if not name:
        causes.append(required(f"{path}.name"))
    elif not _LABEL_RE.fullmatch(name) or len(name) > 63:
        causes.append(
            invalid(
                f"{path}.name", name, _LABEL_TEXT if len(name) <= 63 else "must be no more than 63 characters"
            )
        )
    elif name in seen:
        causes.append(duplicate(f"{path}.name", name))
    seen.add(name)
    image = container.get("image", "")
    if not image:
        causes.append(required(f"{path}.image"))
    elif image != image.strip():
        causes.append(invalid(f"{path}.image", image, "must not have leading or trailing whitespace"))
    policy = container.get("imagePullPolicy")
    if policy not in ("Always", "IfNotPresent", "Never"):
        causes.append(unsupported(f"{path}.imagePullPolicy", policy, ["Always", "IfNotPresent", "Never"]))
    causes += _ports(container.get("ports") or (), path)
    for index, variable in enumerate(container.get("env") or ()):
        causes += _variable(variable, f"{path}.env[{index}]")
    for index, mount in enumerate(container.get("volumeMounts") or ()):
        where = f"{path}.volumeMounts[{index}]"
        if not mount.get("mountPath"):
            causes.append(required(f"{where}.mountPath"))
        if not mount.get("name"):
            causes.append(required(f"{where}.name"))
        if mount.get("name", "") not in volumes:
            causes.append(
                Cause(f"{where}.name", "FieldValueNotFound", f'Not found: "{mount.get("name", "")}"')
            )
    for key in ("livenessProbe", "readinessProbe", "startupProbe"):
        if container.get(key) is not None:
            causes += _probe(container[key], f"{path}.{key}")
    return causes + _resources(container.get("resources") or {}, f"{path}.resources")


def _ports(ports: Any, path: str) -> Causes:
    causes: Causes = []
    names: set[str] = set()
    for index, port in enumerate(ports):
        where = f"{path}.ports[{index}]"
        name = port.get("name")
        if name:
            if len(name) > 15:
                causes.append(invalid(f"{where}.name", name, "must be no more than 15 characters"))
            elif not _PORT_NAME_RE.fullmatch(name) or not re.search(r"[a-z]", name):
                causes.append(
                    invalid(
                        f"{where}.name",
                        name,
                        "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
                    )
                )
            elif name in names:
                causes.append(duplicate(f"{where}.name", name))
            names.add(name)
        number = port.get("containerPort") or 0
        if number == 0:
            causes.append(required(f"{where}.containerPort"))
        elif not 0 < number < 65536:
            causes.append(invalid(f"{where}.containerPort", number, "must be between 1 and 65535, inclusive"))
        if port.get("protocol") not in ("TCP", "UDP", "SCTP"):
            causes.append(unsupported(f"{where}.protocol", port.get("protocol"), ["SCTP", "TCP", "UDP"]))
    return causes


def _variable(variable: Json, path: str) -> Causes:
    if not variable.get("name"):
        return [required(f"{path}.name")]
    source = variable.get("valueFrom")
    if source is not None:
        if variable.get("value"):
            return [invalid(f"{path}.valueFrom", "", "may not be specified when `value` is not empty")]
        if not source:
            return [
                invalid(
                    f"{path}.valueFrom",
                    "",
                    "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`",
                )
            ]
        for kind in ("configMapKeyRef", "secretKeyRef"):
            ref = source.get(kind)
            if ref is None:
                continue
            found = []
            if not _SUBDOMAIN_RE.fullmatch(ref.get("name", "")):
                found.append(invalid(f"{path}.valueFrom.{kind}.name", ref.get("name", ""), _SUBDOMAIN_TEXT))
            if not ref.get("key"):
                found.append(required(f"{path}.valueFrom.{kind}.key"))
            if found:
                return found
        if len(source) > 1:
            return [invalid(f"{path}.valueFrom", "", "may not have more than one field specified at a time")]
    return []


def _probe(probe: Json, path: str) -> Causes:
    handlers = [k for k in ("exec", "httpGet", "tcpSocket", "grpc") if probe.get(k) is not None]
    if not handlers:
        return [required(path, "must specify a handler type")]
    causes = [forbidden(f"{path}.{h}", "may not specify more than 1 handler type") for h in handlers[1:]]
    if path.endswith(("livenessProbe", "startupProbe")) and probe.get("successThreshold", 1) != 1:
        causes.append(invalid(f"{path}.successThreshold", probe["successThreshold"], "must be 1"))
    return causes


def _resources(resources: Json, path: str) -> Causes:
    causes: Causes = []
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    for key, amount in requests.items():
        if key in limits and quantities.value(str(amount)) > quantities.value(str(limits[key])):
            causes.append(
                invalid(
                    f"{path}.requests", amount, f"must be less than or equal to {key} limit of {limits[key]}"
                )
            )
    return causes


def _service(value: Json) -> Causes:
    spec = value["spec"]
    causes: Causes = []
    kind = spec.get("type")
    headless = spec.get("clusterIP") == "None"
    ports = spec.get("ports") or []
    if kind not in ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"):
        causes.append(
            unsupported("spec.type", kind, ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"])
        )
    if not ports and not headless and kind != "ExternalName":
        causes.append(required("spec.ports"))
    if kind == "ExternalName" and not spec.get("externalName"):
        causes.append(required("spec.externalName"))
    if kind in ("NodePort", "LoadBalancer") and headless:
        causes.append(invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services"))
    if spec.get("sessionAffinity") not in ("None", "ClientIP"):
        causes.append(unsupported("spec.sessionAffinity", spec.get("sessionAffinity"), ["ClientIP", "None"]))
    names: set[str] = set()
    used: set[tuple[int, str]] = set()
    for index, port in enumerate(ports):
        where = f"spec.ports[{index}]"
        name = port.get("name", "")
        if len(ports) > 1 and not name:
            causes.append(required(f"{where}.name"))
        elif name and (not _LABEL_RE.fullmatch(name) or len(name) > 63):
            causes.append(invalid(f"{where}.name", name, _LABEL_TEXT))
        elif name and name in names:
            causes.append(duplicate(f"{where}.name", name))
        names.add(name)
        number = port.get("port") or 0
        if not 0 < number < 65536:
            causes.append(invalid(f"{where}.port", number, "must be between 1 and 65535, inclusive"))
        elif (number, port.get("protocol", "")) in used:
            causes.append(duplicate(where, {"port": number, "protocol": port.get("protocol")}))
        used.add((number, port.get("protocol", "")))
        if port.get("protocol") not in ("TCP", "UDP", "SCTP"):
            causes.append(unsupported(f"{where}.protocol", port.get("protocol"), ["SCTP", "TCP", "UDP"]))
        target = port.get("targetPort")
        if isinstance(target, int) and not 0 < target < 65536:
            causes.append(invalid(f"{where}.targetPort", target, "must be between 1 and 65535, inclusive"))
        node = port.get("nodePort") or 0
        if node and kind == "ClusterIP":
            causes.append(forbidden(f"{where}.nodePort", "may not be used when `type` is 'ClusterIP'"))
        elif node and not 30000 <= node <= 32767:
            causes.append(
                invalid(
                    f"{where}.nodePort",
                    node,
                    "provided port is not in the valid range. The range of valid ports is 30000-32767",
                )
            )
    return causes + _labels(spec.get("selector"), "spec.selector")


def _data(value: Json) -> Causes:
    causes: Causes = []
    size = 0
    for field in ("data", "binaryData"):
        for key, item in (value.get(field) or {}).items():
            if not _KEY_RE.fullmatch(key):
                causes.append(
                    invalid(
                        f"{field}[{key}]",
                        key,
                        "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
                    )
                )
            size += (
                len(item) * 3 // 4
                if value["kind"] == "Secret" or field == "binaryData"
                else len(item.encode())
            )
    if size > 1024 * 1024:
        causes.append(
            Cause(
                "data" if value["kind"] == "Secret" else "",
                "FieldValueTooLong",
                "Too long: may not be more than 1048576 bytes",
            )
        )
    return causes


def _secret(value: Json) -> Causes:
    causes = _data(value)
    data = value.get("data") or {}
    needed = {
        "kubernetes.io/dockerconfigjson": [".dockerconfigjson"],
        "kubernetes.io/dockercfg": [".dockercfg"],
        "kubernetes.io/tls": ["tls.crt", "tls.key"],
        "kubernetes.io/ssh-auth": ["ssh-privatekey"],
    }.get(value.get("type", ""), [])
    causes += [required(f"data[{key}]") for key in needed if key not in data]
    return causes


def _claim(value: Json) -> Causes:
    spec = value["spec"]
    causes: Causes = []
    modes = spec.get("accessModes") or []
    if not modes:
        causes.append(required("spec.accessModes", "at least 1 access mode is required"))
    allowed = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"]
    causes += [unsupported("spec.accessModes", mode, allowed) for mode in modes if mode not in allowed]
    if "storage" not in ((spec.get("resources") or {}).get("requests") or {}):
        causes.append(required("spec.resources[storage]"))
    return causes


def _ingress(value: Json) -> Causes:
    spec = value["spec"]
    causes: Causes = []
    if not spec.get("rules") and not spec.get("defaultBackend"):
        causes.append(invalid("spec", None, "either `defaultBackend` or `rules` must be specified"))
    for index, rule in enumerate(spec.get("rules") or ()):
        host = rule.get("host") or ""
        if host and not _SUBDOMAIN_RE.fullmatch(host.removeprefix("*.")):
            causes.append(invalid(f"spec.rules[{index}].host", host, _SUBDOMAIN_TEXT))
        http = rule.get("http")
        if http is None:
            continue
        if not http.get("paths"):
            causes.append(required(f"spec.rules[{index}].http.paths"))
        for at, path in enumerate(http.get("paths") or ()):
            where = f"spec.rules[{index}].http.paths[{at}]"
            kind = path.get("pathType")
            if kind is None:
                causes.append(required(f"{where}.pathType", "pathType must be specified"))
            elif kind not in ("Exact", "Prefix", "ImplementationSpecific"):
                causes.append(
                    unsupported(f"{where}.pathType", kind, ["Exact", "ImplementationSpecific", "Prefix"])
                )
            elif kind != "ImplementationSpecific" and not path.get("path", "").startswith("/"):
                causes.append(invalid(f"{where}.path", path.get("path", ""), "must be an absolute path"))
            causes += _backend(path.get("backend") or {}, f"{where}.backend")
    return causes


def _backend(backend: Json, path: str) -> Causes:
    service = backend.get("service")
    if service is None:
        return (
            []
            if backend.get("resource")
            else [required(path, "either service or resource must be specified")]
        )
    port = service.get("port") or {}
    if not service.get("name"):
        return [required(f"{path}.service.name")]
    if len(service["name"]) > 63 or not _LABEL_RE.fullmatch(service["name"]):
        why = "must be no more than 63 characters" if len(service["name"]) > 63 else _SERVICE_TEXT
        return [invalid(f"{path}.service.name", service["name"], why)]
    if not port.get("name") and not port.get("number"):
        return [required(path, "port name or number is required")]
    return []


def _role(value: Json) -> Causes:
    causes: Causes = []
    for index, rule in enumerate(value.get("rules") or ()):
        path = f"rules[{index}]"
        if not rule.get("verbs"):
            causes.append(required(f"{path}.verbs", "verbs must contain at least one value"))
        urls = rule.get("nonResourceURLs")
        if urls:
            if value["kind"] == "Role":
                why = "namespaced rules cannot apply to non-resource URLs"
                causes.append(invalid(f"{path}.nonResourceURLs", urls, why))
            if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
                why = "rules cannot apply to both regular resources and non-resource URLs"
                causes.append(invalid(f"{path}.nonResourceURLs", urls, why))
            continue
        if not rule.get("apiGroups"):
            causes.append(required(f"{path}.apiGroups", "resource rules must supply at least one api group"))
        if not rule.get("resources"):
            causes.append(required(f"{path}.resources", "resource rules must supply at least one resource"))
    return causes


def _role_binding(value: Json) -> Causes:
    ref = value.get("roleRef") or {}
    causes: Causes = []
    allowed = ["ClusterRole"] if value["kind"] == "ClusterRoleBinding" else ["ClusterRole", "Role"]
    if ref.get("kind") not in allowed:
        causes.append(unsupported("roleRef.kind", ref.get("kind", ""), allowed))
    if not ref.get("name"):
        causes.append(required("roleRef.name"))
    for index, subject in enumerate(value.get("subjects") or ()):
        if not subject.get("name"):
            causes.append(required(f"subjects[{index}].name"))
        if (
            subject.get("kind") == "ServiceAccount"
            and not subject.get("namespace")
            and value["kind"] == "ClusterRoleBinding"
        ):
            causes.append(required(f"subjects[{index}].namespace"))
        if subject.get("kind") not in ("ServiceAccount", "User", "Group"):
            causes.append(
                unsupported(
                    f"subjects[{index}].kind", subject.get("kind", ""), ["Group", "ServiceAccount", "User"]
                )
            )
    return causes


def _autoscaler(value: Json) -> Causes:
    spec = value["spec"]
    low, high = spec.get("minReplicas") or 0, spec.get("maxReplicas") or 0
    causes: Causes = []
    if low < 1:
        causes.append(invalid("spec.minReplicas", low, "must be greater than or equal to 1"))
    if high < 1:
        causes.append(required("spec.maxReplicas", "must be set and greater than 0"))
    if high < low:
        causes.append(invalid("spec.maxReplicas", high, "must be greater than or equal to `minReplicas`"))
    target = spec.get("scaleTargetRef") or {}
    causes += [required(f"spec.scaleTargetRef.{key}") for key in ("kind", "name") if not target.get(key)]
    return causes


def _network_policy(value: Json) -> Causes:
    allowed = ["Egress", "Ingress"]
    return [
        Cause(
            f"spec.policyTypes[{n}]",
            "FieldValueNotSupported",
            f'Unsupported value: "{kind}": supported values: "Ingress", "Egress"',
        )
        for n, kind in enumerate(value["spec"].get("policyTypes") or ())
        if kind not in allowed
    ]


def _budget(value: Json) -> Causes:
    spec = value["spec"]
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        return [invalid("spec", _shown(spec), "minAvailable and maxUnavailable cannot be both set")]
    return []


def _shown(spec: Json) -> Json:
    return {
        "MinAvailable": spec.get("minAvailable"),
        "Selector": spec.get("selector"),
        "MaxUnavailable": spec.get("maxUnavailable"),
    }


def _crd(value: Json) -> Causes:
    spec = value["spec"]
    names = spec["names"]
    name = value["metadata"].get("name", "")
    causes: Causes = []
    if name != f"{names.get('plural', '')}.{spec.get('group', '')}":
        causes.append(invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group'))
    versions = spec.get("versions") or []
    if not versions:
        causes.append(
            Cause(
                "spec.versions",
                "FieldValueInvalid",
                "Invalid value: null: must have exactly one version marked as storage version",
            )
        )
    elif sum(1 for v in versions if v.get("storage")) != 1:
        causes.append(
            invalid("spec.versions", versions, "must have exactly one version marked as storage version")
        )
    for index, version in enumerate(versions):
        if not (version.get("schema") or {}).get("openAPIV3Schema"):
            causes.append(required(f"spec.versions[{index}].schema.openAPIV3Schema", "schemas are required"))
    if spec.get("scope") not in ("Cluster", "Namespaced"):
        causes.append(
            required("spec.scope")
            if not spec.get("scope")
            else unsupported("spec.scope", spec["scope"], ["Cluster", "Namespaced"])
        )
    causes += [required(f"spec.names.{key}") for key in ("plural", "kind") if not names.get(key)]
    return causes


_CREATE: Final[dict[tuple[str, str], Callable[[Json], Causes]]] = {
    ("apps", "Deployment"): _deployment,
    ("apps", "ReplicaSet"): _workload,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("batch", "Job"): _job,
    ("batch", "CronJob"): _cron_job,
    ("", "Pod"): _pod,
    ("", "Service"): _service,
    ("", "ConfigMap"): _data,
    ("", "Secret"): _secret,
    ("", "PersistentVolumeClaim"): _claim,
    ("networking.k8s.io", "Ingress"): _ingress,
    ("networking.k8s.io", "NetworkPolicy"): _network_policy,
    ("rbac.authorization.k8s.io", "Role"): _role,
    ("rbac.authorization.k8s.io", "ClusterRole"): _role,
    ("rbac.authorization.k8s.io", "RoleBinding"): _role_binding,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): _role_binding,
    ("autoscaling", "HorizontalPodAutoscaler"): _autoscaler,
    ("policy", "PodDisruptionBudget"): _budget,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _crd,
}


def _selector_change(old: Json, new: Json) -> Causes:
    return _immutable("spec.selector", old["spec"].get("selector"), new["spec"].get("selector"))


def _stateful_change(old: Json, new: Json) -> Causes:
    free = (
        "replicas",
        "template",
        "updateStrategy",
        "minReadySeconds",
        "ordinals",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
    )
    mine = {k: v for k, v in old["spec"].items() if k not in free}
    theirs = {k: v for k, v in new["spec"].items() if k not in free}
    return [] if mine == theirs else [forbidden("spec", _STATEFUL_TEXT)]


def _job_change(old: Json, new: Json) -> Causes:
    before, after = old["spec"], new["spec"]
    causes: Causes = []
    if before.get("completions") != after.get("completions"):
        elastic = after.get("completionMode") == "Indexed" and after.get("completions") == after.get(
            "parallelism"
        )
        if not elastic:
            causes += _immutable("spec.completions", before.get("completions"), after.get("completions"))
    for key in (
        "selector",
        "template",
        "completionMode",
        "podFailurePolicy",
        "backoffLimitPerIndex",
        "managedBy",
        "successPolicy",
    ):
        if key == "template" and before.get("suspend") and not old["status"].get("startTime"):
            continue
        causes += _immutable(f"spec.{key}", before.get(key), after.get(key))
    return causes


def _pod_change(old: Json, new: Json) -> Causes:
    def fixed(pod: Json) -> Json:
        spec = {
            k: v
            for k, v in pod["spec"].items()
            if k
            not in (
                "activeDeadlineSeconds",
                "tolerations",
                "terminationGracePeriodSeconds",
                "schedulingGates",
                "nodeName",
            )
        }
        for key in ("containers", "initContainers"):
            if spec.get(key):
                spec[key] = [{k: v for k, v in c.items() if k not in ("image",)} for c in spec[key]]
        return spec

    return [] if fixed(old) == fixed(new) else [forbidden("spec", _POD_TEXT)]


def _service_change(old: Json, new: Json) -> Causes:
    before, after = old["spec"], new["spec"]
    if "ExternalName" in (before.get("type"), after.get("type")):
        return []
    causes: Causes = []
    was, now = before.get("clusterIPs") or [], after.get("clusterIPs") or []
    if was and now[:1] != was[:1]:
        causes.append(invalid("spec.clusterIPs[0]", now, "may not change once set"))
    mine, theirs = before.get("loadBalancerClass"), after.get("loadBalancerClass")
    if before.get("type") == after.get("type") == "LoadBalancer" and mine != theirs:
        causes.append(invalid("spec.loadBalancerClass", theirs, "may not change once set"))
    return causes


def _secret_change(old: Json, new: Json) -> Causes:
    return _immutable("type", old.get("type"), new.get("type")) + _locked(old, new, ("data",))


def _locked(old: Json, new: Json, fields: tuple[str, ...]) -> Causes:
    if not old.get("immutable"):
        return []
    causes = [] if new.get("immutable") else [forbidden("immutable", _LOCKED)]
    return causes + [forbidden(f, _LOCKED) for f in fields if (old.get(f) or {}) != (new.get(f) or {})]


def _claim_change(old: Json, new: Json) -> Causes:
    before, after = dict(old["spec"]), dict(new["spec"])
    if not before.get("volumeName"):
        before["volumeName"] = after.get("volumeName")
    if before.get("storageClassName") is None:
        before["storageClassName"] = after.get("storageClassName")
    bound = new["status"].get("phase") == "Bound"
    size_before = ((before.get("resources") or {}).get("requests") or {}).get("storage", "0")
    size_after = ((after.get("resources") or {}).get("requests") or {}).get("storage", "0")
    if bound:
        after["resources"] = before.get("resources")
        after["volumeAttributesClassName"] = before.get("volumeAttributesClassName")
    causes: Causes = []
    if _present(before) != _present(after):
        causes.append(
            forbidden(
                "spec",
                "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims",
            )
        )
    if quantities.value(size_after) < quantities.value(size_before):
        capacity = (old["status"].get("capacity") or {}).get("storage", "0")
        if quantities.value(size_after) <= quantities.value(capacity):
            causes.append(
                forbidden("spec.resources.requests.storage", "field can not be less than status.capacity")
            )
    return causes


def _present(value: Json) -> Json:
    return {k: v for k, v in value.items() if v not in (None, {}, "")}


def _volume_change(old: Json, new: Json) -> Causes:
    sources = (
        "accessModes",
        "capacity",
        "claimRef",
        "mountOptions",
        "nodeAffinity",
        "persistentVolumeReclaimPolicy",
        "storageClassName",
        "volumeAttributesClassName",
        "volumeMode",
    )
    mine = {k: v for k, v in old["spec"].items() if k not in sources}
    theirs = {k: v for k, v in new["spec"].items() if k not in sources}
    return (
        []
        if mine == theirs
        else [
            forbidden(
                "spec.persistentvolumesource", "spec.persistentvolumesource is immutable after creation"
            )
        ]
    )


def _binding_change(old: Json, new: Json) -> Causes:
    if old.get("roleRef") == new.get("roleRef"):
        return []
    ref = new.get("roleRef") or {}
    shown = {"apiGroup": ref.get("apiGroup", ""), "kind": ref.get("kind", ""), "name": ref.get("name", "")}
    return [invalid("roleRef", shown, "cannot change roleRef")]


def _fields_change(*paths: str) -> Callable[[Json, Json], Causes]:
    def change(old: Json, new: Json) -> Causes:
        causes: Causes = []
        for path in paths:
            mine: Any = old
            theirs: Any = new
            for key in path.split("."):
                mine, theirs = (mine or {}).get(key), (theirs or {}).get(key)
            causes += _immutable(path, mine, theirs)
        return causes

    return change


def _priority_change(old: Json, new: Json) -> Causes:
    causes: Causes = []
    if old.get("value") != new.get("value"):
        causes.append(forbidden("value", "may not be changed in an update."))
    return causes + _immutable("preemptionPolicy", old.get("preemptionPolicy"), new.get("preemptionPolicy"))


_UPDATE: Final[dict[tuple[str, str], Callable[[Json, Json], Causes]]] = {
    ("apps", "Deployment"): _selector_change,
    ("apps", "ReplicaSet"): _selector_change,
    ("apps", "DaemonSet"): _selector_change,
    ("apps", "StatefulSet"): _stateful_change,
    ("batch", "Job"): _job_change,
    ("", "Pod"): _pod_change,
    ("", "Service"): _service_change,
    ("", "Secret"): _secret_change,
    ("", "ConfigMap"): lambda old, new: _locked(old, new, ("data", "binaryData")),
    ("", "PersistentVolumeClaim"): _claim_change,
    ("", "PersistentVolume"): _volume_change,
    ("rbac.authorization.k8s.io", "RoleBinding"): _binding_change,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): _binding_change,
    ("storage.k8s.io", "StorageClass"): _fields_change(
        "parameters", "provisioner", "reclaimPolicy", "volumeBindingMode"
    ),
    ("storage.k8s.io", "CSIDriver"): _fields_change("spec.attachRequired", "spec.volumeLifecycleModes"),
    ("networking.k8s.io", "IngressClass"): _fields_change("spec.controller"),
    ("node.k8s.io", "RuntimeClass"): _fields_change("handler"),
    ("scheduling.k8s.io", "PriorityClass"): _priority_change,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _fields_change(
        "spec.group", "spec.scope", "spec.names.kind", "spec.names.plural"
    ),
}
