"""Validation of workloads: Deployments, StatefulSets, DaemonSets, Jobs, CronJobs and the pods in them."""

from __future__ import annotations

import re
from collections.abc import Callable, Set
from typing import Any, Final

from helmflow.embedded import naming, quantities
from helmflow.embedded.status import Cause, duplicate, forbidden, invalid, required, unsupported

Json = dict[str, Any]
Causes = list[Cause]

_PORT_NAME_RE: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


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
    bad = naming.check_labels((selector or {}).get("matchLabels"), f"{path}.selector.matchLabels")
    if bad:
        return [*causes, *bad, invalid(f"{path}.selector", selector, "invalid label selector")]
    labels = spec["template"]["metadata"].get("labels")
    if not _matches(selector, labels):
        causes.append(
            invalid(f"{path}.template.metadata.labels", labels, "`selector` does not match template `labels`")
        )
    causes += naming.check_labels(labels, f"{path}.template.metadata.labels")
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
    elif service and not naming.LABEL_RE.fullmatch(service):
        causes.append(invalid("spec.serviceName", service, naming.LABEL_TEXT))
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
    labels = naming.check_labels(value["spec"]["template"]["metadata"].get("labels"), "spec.template.labels")
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
    names: set[str] = set()
    for index, volume in enumerate(spec.get("volumes") or ()):
        causes += _volume(volume, f"{path}.volumes[{index}]", names)
    volumes = names | claims
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
    elif not naming.LABEL_RE.fullmatch(name) or len(name) > 63:
        causes.append(invalid(f"{path}.name", name, naming.LABEL_TEXT))
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
    elif not naming.LABEL_RE.fullmatch(name) or len(name) > 63:
        causes.append(
            invalid(
                f"{path}.name",
                name,
                naming.LABEL_TEXT if len(name) <= 63 else "must be no more than 63 characters",
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
            if not naming.SUBDOMAIN_RE.fullmatch(ref.get("name", "")):
                found.append(
                    invalid(f"{path}.valueFrom.{kind}.name", ref.get("name", ""), naming.SUBDOMAIN_TEXT)
                )
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


RULES: Final[dict[tuple[str, str], Callable[[Json], Causes]]] = {
    ("apps", "Deployment"): _deployment,
    ("apps", "ReplicaSet"): _workload,
    ("apps", "StatefulSet"): _stateful_set,
    ("apps", "DaemonSet"): _daemon_set,
    ("batch", "Job"): _job,
    ("batch", "CronJob"): _cron_job,
    ("", "Pod"): _pod,
}
