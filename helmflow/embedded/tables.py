"""Table and PartialObjectMetadata: the forms that kubectl prints and metadata clients read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from helmflow.embedded.cluster import Cluster, seconds
from helmflow.embedded.kinds import Resource

Json = dict[str, Any]
Column = tuple[str, str, int, Callable[[Json, float], Any]]


def metadata_only(value: Json, group_version: str) -> Json:
    """An object's metadata alone."""
    return {"kind": "PartialObjectMetadata", "apiVersion": group_version, "metadata": value["metadata"]}


def table(cluster: Cluster, resource: Resource, values: list[Json], include: str, group_version: str) -> Json:
    """Rows for `values`; `include` says what each row carries of its object: None, Metadata or Object."""
    columns = _columns(resource)
    now = cluster.moment()
    rows = []
    for value in values:
        row: Json = {"cells": [cell(value, now) for _, _, _, cell in columns]}
        if include == "Object":
            row["object"] = value
        elif include != "None":
            row["object"] = metadata_only(value, group_version)
        rows.append(row)
    definitions = [
        {
            "name": name,
            "type": kind,
            "format": "name" if name == "Name" else "",
            "description": "",
            "priority": priority,
        }
        for name, kind, priority, _ in columns
    ]
    return {
        "kind": "Table",
        "apiVersion": group_version,
        "metadata": {},
        "columnDefinitions": definitions,
        "rows": rows,
    }


def age(value: Json, now: float) -> str:
    """How long ago an object was made, as kubectl prints it."""
    created = value["metadata"].get("creationTimestamp")
    return short_duration(now - seconds(created)) if created else "<unknown>"


def short_duration(span: float) -> str:
    """A duration in at most two units, as kubectl prints ages."""
    whole = int(span)
    if whole < 0:
        return "0s" if whole >= -1 else "<invalid>"
    if whole < 120:
        return f"{whole}s"
    minutes = whole // 60
    if minutes < 10:
        rest = whole % 60
        return f"{minutes}m{rest}s" if rest else f"{minutes}m"
    if minutes < 180:
        return f"{minutes}m"
    hours = whole // 3600
    if hours < 8:
        rest = minutes % 60
        return f"{hours}h{rest}m" if rest else f"{hours}h"
    if hours < 48:
        return f"{hours}h"
    days = hours // 24
    if days < 8:
        rest = hours % 24
        return f"{days}d{rest}h" if rest else f"{days}d"
    if days < 365 * 2:
        return f"{days}d"
    years = days // 365
    if years < 8:
        rest = days % 365
        return f"{years}y{rest}d" if rest else f"{years}y"
    return f"{years}y"


def _at(*path: str, default: Any = "") -> Callable[[Json, float], Any]:
    def cell(value: Json, now: float) -> Any:
        found: Any = value
        for key in path:
            found = found.get(key) if isinstance(found, dict) else None
        return default if found is None else found

    return cell


def _of(rule: Callable[[Json], Any]) -> Callable[[Json, float], Any]:
    return lambda value, now: rule(value)


def _columns(resource: Resource) -> tuple[Column, ...]:
    known = _BUILT_IN.get((resource.group, resource.kind))
    if known is not None:
        return (_NAME, *known)
    declared = (resource.crd_version or {}).get("additionalPrinterColumns")
    if declared:
        return (_NAME, *(_declared(column) for column in declared))
    return (
        _NAME,
        (
            "Age" if resource.crd is not None else "Created At",
            "string" if resource.crd is None else "date",
            0,
            _created if resource.crd is None else age,
        ),
    )


def _created(value: Json, now: float) -> Any:
    return value["metadata"].get("creationTimestamp", "")


def _declared(column: Json) -> Column:
    path = column["jsonPath"]

    def cell(value: Json, now: float) -> Any:
        found = _json_path(value, path)
        if column["type"] == "date" and isinstance(found, str):
            return short_duration(now - seconds(found))
        return found

    return (column["name"], column["type"], column.get("priority", 0), cell)


def _json_path(value: Any, path: str) -> Any:
    """The simple JSON paths of printer columns: .a.b, ['c'], [0], [?(@.type=="Ready")]."""
    import re  # only custom resources with columns

    found: list[Any] = [value]
    for name, quoted, index, key, wanted in re.findall(
        r"\.([\w-]+(?:\\\.[\w-]+)*)|\['([^']+)'\]|\[(\d+|\*)\]|\[\?\(@\.(\w+)\s*==\s*[\"']([^\"']*)[\"']\)\]",
        path,
    ):
        step = (name or quoted).replace("\\.", ".")
        if step:
            found = [v[step] for v in found if isinstance(v, dict) and step in v]
        elif index == "*":
            found = [i for v in found if isinstance(v, list) for i in v]
        elif index:
            found = [v[int(index)] for v in found if isinstance(v, list) and len(v) > int(index)]
        else:
            found = [
                i
                for v in found
                if isinstance(v, list)
                for i in v
                if isinstance(i, dict) and i.get(key) == wanted
            ]
    return found[0] if len(found) == 1 else (",".join(str(f) for f in found) or None)


def _ready_containers(pod: Json) -> str:
    statuses = (pod.get("status") or {}).get("containerStatuses") or []
    return f"{sum(1 for s in statuses if s.get('ready'))}/{len(pod['spec'].get('containers') or ())}"


def pod_status(pod: Json) -> str:
    """The STATUS column of a pod."""
    status = pod.get("status") or {}
    shown = status.get("reason") or status.get("phase") or ""
    for condition in status.get("conditions") or ():
        if condition["type"] == "PodScheduled" and condition.get("reason") == "SchedulingGated":
            shown = "SchedulingGated"
    for container in reversed(status.get("containerStatuses") or []):
        state = container.get("state") or {}
        waiting, ended = state.get("waiting"), state.get("terminated")
        if waiting and waiting.get("reason"):
            shown = waiting["reason"]
        elif ended:
            shown = ended.get("reason") or f"ExitCode:{ended.get('exitCode', 0)}"
    if pod["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return str(shown)


def _restarts(pod: Json) -> str:
    return str(
        sum(s.get("restartCount", 0) for s in (pod.get("status") or {}).get("containerStatuses") or ())
    )


def _ratio(ready: str, total: tuple[str, str]) -> Callable[[Json, float], Any]:
    def cell(value: Json, now: float) -> str:
        wanted = (value.get(total[0]) or {}).get(total[1], 0)
        return f"{(value.get('status') or {}).get(ready, 0)}/{wanted}"

    return cell


def _ports(service: Json) -> str:
    shown = []
    for port in service["spec"].get("ports") or ():
        node = f":{port['nodePort']}" if port.get("nodePort") else ""
        shown.append(f"{port['port']}{node}/{port.get('protocol', 'TCP')}")
    return ",".join(shown) or "<none>"


def _external(service: Json) -> str:
    spec = service["spec"]
    if spec.get("type") == "ExternalName":
        return str(spec.get("externalName", ""))
    if spec.get("type") == "LoadBalancer":
        found = [
            i.get("ip") or i.get("hostname") for i in service["status"]["loadBalancer"].get("ingress") or ()
        ]
        return ",".join(found + (spec.get("externalIPs") or [])) or "<pending>"
    return ",".join(spec.get("externalIPs") or ()) or "<none>"


def _pairs(labels: Json | None) -> str:
    return ",".join(f"{k}={v}" for k, v in sorted((labels or {}).items())) or "<none>"


def _selector(value: Json) -> str:
    return _pairs((value["spec"].get("selector") or {}).get("matchLabels"))


def _images(value: Json) -> str:
    return ",".join(c.get("image", "") for c in value["spec"]["template"]["spec"].get("containers") or ())


def _containers(value: Json) -> str:
    return ",".join(c["name"] for c in value["spec"]["template"]["spec"].get("containers") or ())


def _job_state(job: Json) -> str:
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition["status"] == "True" and condition["type"] in ("Complete", "Failed", "Suspended"):
            return str(condition["type"])
    return "Running"


def _job_completions(job: Json) -> str:
    wanted = job["spec"].get("completions")
    done = job["status"].get("succeeded", 0)
    return f"{done}/{wanted}" if wanted is not None else f"{done}/1 of {job['spec'].get('parallelism', 1)}"


def _job_duration(job: Json, now: float) -> str:
    started, ended = job["status"].get("startTime"), job["status"].get("completionTime")
    if not started:
        return ""
    return short_duration((seconds(ended) if ended else now) - seconds(started))


def _hosts(ingress: Json) -> str:
    return ",".join(r.get("host", "*") for r in ingress["spec"].get("rules") or ()) or "*"


def _ingress_address(ingress: Json) -> str:
    return ",".join(
        i.get("ip") or i.get("hostname") or "" for i in ingress["status"]["loadBalancer"].get("ingress") or ()
    )


def _since(*path: str) -> Callable[[Json, float], Any]:
    find = _at(*path)

    def cell(value: Json, now: float) -> str:
        found = find(value, now)
        return short_duration(now - seconds(found)) if found else "<none>"

    return cell


def _event_object(event: Json) -> str:
    involved = event["involvedObject"]
    return f"{involved.get('kind', '').lower()}/{involved.get('name', '')}"


def _event_age(event: Json, now: float) -> str:
    found = event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp")
    return short_duration(now - seconds(found)) if found else "<unknown>"


def _autoscaler_targets(value: Json) -> str:
    current = {
        (m.get("resource") or {}).get("name"): (m.get("resource") or {}).get("current") or {}
        for m in value["status"].get("currentMetrics") or ()
    }
    shown = []
    for metric in value["spec"].get("metrics") or ():
        resource = metric.get("resource")
        if resource is None:
            shown.append("<unknown>")
            continue
        used = current.get(resource["name"], {}).get("averageUtilization")
        shown.append(
            f"{resource['name']}: {'<unknown>' if used is None else f'{used}%'}/{resource['target'].get('averageUtilization', '?')}%"
        )
    return ", ".join(shown)


def _autoscaler_target(value: Json) -> str:
    target = value["spec"]["scaleTargetRef"]
    return f"{target.get('kind', '')}/{target.get('name', '')}"


_NAME: Final[Column] = ("Name", "string", 0, _at("metadata", "name"))
_AGE: Final[Column] = ("Age", "string", 0, age)
_WIDE: Final[tuple[Column, ...]] = (
    ("Containers", "string", 1, _of(_containers)),
    ("Images", "string", 1, _of(_images)),
    ("Selector", "string", 1, _of(_selector)),
)
_BUILT_IN: Final[dict[tuple[str, str], tuple[Column, ...]]] = {
    ("", "Pod"): (
        ("Ready", "string", 0, _of(_ready_containers)),
        ("Status", "string", 0, _of(pod_status)),
        ("Restarts", "string", 0, _of(_restarts)),
        _AGE,
        ("IP", "string", 1, _at("status", "podIP", default="<none>")),
        ("Node", "string", 1, _at("spec", "nodeName", default="<none>")),
        ("Nominated Node", "string", 1, _of(lambda v: "<none>")),
        ("Readiness Gates", "string", 1, _of(lambda v: "<none>")),
    ),
    ("apps", "Deployment"): (
        ("Ready", "string", 0, _ratio("readyReplicas", ("spec", "replicas"))),
        ("Up-to-date", "integer", 0, _at("status", "updatedReplicas", default=0)),
        ("Available", "integer", 0, _at("status", "availableReplicas", default=0)),
        _AGE,
        *_WIDE,
    ),
    ("apps", "ReplicaSet"): (
        ("Desired", "integer", 0, _at("spec", "replicas", default=0)),
        ("Current", "integer", 0, _at("status", "replicas", default=0)),
        ("Ready", "integer", 0, _at("status", "readyReplicas", default=0)),
        _AGE,
        *_WIDE,
    ),
    ("apps", "StatefulSet"): (
        ("Ready", "string", 0, _ratio("readyReplicas", ("spec", "replicas"))),
        _AGE,
        ("Containers", "string", 1, _of(_containers)),
        ("Images", "string", 1, _of(_images)),
    ),
    ("apps", "DaemonSet"): (
        ("Desired", "integer", 0, _at("status", "desiredNumberScheduled", default=0)),
        ("Current", "integer", 0, _at("status", "currentNumberScheduled", default=0)),
        ("Ready", "integer", 0, _at("status", "numberReady", default=0)),
        ("Up-to-date", "integer", 0, _at("status", "updatedNumberScheduled", default=0)),
        ("Available", "integer", 0, _at("status", "numberAvailable", default=0)),
        (
            "Node Selector",
            "string",
            0,
            _of(lambda v: _pairs(v["spec"]["template"]["spec"].get("nodeSelector"))),
        ),
        _AGE,
        *_WIDE,
    ),
    ("batch", "Job"): (
        ("Status", "string", 0, _of(_job_state)),
        ("Completions", "string", 0, _of(_job_completions)),
        ("Duration", "string", 0, _job_duration),
        _AGE,
        *_WIDE,
    ),
    ("batch", "CronJob"): (
        ("Schedule", "string", 0, _at("spec", "schedule")),
        ("Timezone", "string", 0, _at("spec", "timeZone", default="<none>")),
        ("Suspend", "string", 0, _of(lambda v: "True" if v["spec"].get("suspend") else "False")),
        ("Active", "integer", 0, _of(lambda v: len(v["status"].get("active") or ()))),
        ("Last Schedule", "string", 0, _since("status", "lastScheduleTime")),
        _AGE,
    ),
    ("", "Service"): (
        ("Type", "string", 0, _at("spec", "type")),
        ("Cluster-IP", "string", 0, _at("spec", "clusterIP", default="<none>")),
        ("External-IP", "string", 0, _of(_external)),
        ("Port(s)", "string", 0, _of(_ports)),
        _AGE,
        ("Selector", "string", 1, _of(lambda v: _pairs(v["spec"].get("selector")))),
    ),
    ("networking.k8s.io", "Ingress"): (
        ("Class", "string", 0, _at("spec", "ingressClassName", default="<none>")),
        ("Hosts", "string", 0, _of(_hosts)),
        ("Address", "string", 0, _of(_ingress_address)),
        ("Ports", "string", 0, _of(lambda v: "80, 443" if v["spec"].get("tls") else "80")),
        _AGE,
    ),
    ("", "Namespace"): (("Status", "string", 0, _at("status", "phase")), _AGE),
    ("", "Secret"): (
        ("Type", "string", 0, _at("type")),
        ("Data", "string", 0, _of(lambda v: len(v.get("data") or {}))),
        _AGE,
    ),
    ("", "ConfigMap"): (
        ("Data", "string", 0, _of(lambda v: len(v.get("data") or {}) + len(v.get("binaryData") or {}))),
        _AGE,
    ),
    ("", "ServiceAccount"): (("Secrets", "string", 0, _of(lambda v: len(v.get("secrets") or ()))), _AGE),
    ("", "PersistentVolumeClaim"): (
        ("Status", "string", 0, _at("status", "phase")),
        ("Volume", "string", 0, _at("spec", "volumeName")),
        ("Capacity", "string", 0, _at("status", "capacity", "storage")),
        ("Access Modes", "string", 0, _of(lambda v: _modes(v["status"].get("accessModes")))),
        ("StorageClass", "string", 0, _at("spec", "storageClassName")),
        ("VolumeAttributesClass", "string", 0, _at("spec", "volumeAttributesClassName", default="<unset>")),
        _AGE,
        ("VolumeMode", "string", 1, _at("spec", "volumeMode")),
    ),
    ("", "PersistentVolume"): (
        ("Capacity", "string", 0, _at("spec", "capacity", "storage")),
        ("Access Modes", "string", 0, _of(lambda v: _modes(v["spec"].get("accessModes")))),
        ("Reclaim Policy", "string", 0, _at("spec", "persistentVolumeReclaimPolicy")),
        ("Status", "string", 0, _at("status", "phase")),
        (
            "Claim",
            "string",
            0,
            _of(
                lambda v: (
                    "/".join((v["spec"].get("claimRef") or {}).get(k, "") for k in ("namespace", "name"))
                    if v["spec"].get("claimRef")
                    else ""
                )
            ),
        ),
        ("StorageClass", "string", 0, _at("spec", "storageClassName")),
        _AGE,
    ),
    ("", "Node"): (
        ("Status", "string", 0, _of(lambda v: "Ready")),
        ("Roles", "string", 0, _of(lambda v: "control-plane")),
        _AGE,
        ("Version", "string", 0, _at("status", "nodeInfo", "kubeletVersion")),
    ),
    ("", "Event"): (
        ("Last Seen", "string", 0, _event_age),
        ("Type", "string", 0, _at("type")),
        ("Reason", "string", 0, _at("reason")),
        ("Object", "string", 0, _of(_event_object)),
        ("Message", "string", 0, _at("message")),
    ),
    ("autoscaling", "HorizontalPodAutoscaler"): (
        ("Reference", "string", 0, _of(_autoscaler_target)),
        ("Targets", "string", 0, _of(_autoscaler_targets)),
        ("MinPods", "string", 0, _at("spec", "minReplicas", default="<unset>")),
        ("MaxPods", "string", 0, _at("spec", "maxReplicas")),
        ("Replicas", "string", 0, _at("status", "currentReplicas", default=0)),
        _AGE,
    ),
    ("policy", "PodDisruptionBudget"): (
        ("Min Available", "string", 0, _at("spec", "minAvailable", default="N/A")),
        ("Max Unavailable", "string", 0, _at("spec", "maxUnavailable", default="N/A")),
        ("Allowed Disruptions", "integer", 0, _at("status", "disruptionsAllowed", default=0)),
        _AGE,
    ),
    ("rbac.authorization.k8s.io", "RoleBinding"): (
        ("Role", "string", 0, _of(lambda v: f"{v['roleRef']['kind']}/{v['roleRef']['name']}")),
        _AGE,
    ),
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): (
        ("Role", "string", 0, _of(lambda v: f"{v['roleRef']['kind']}/{v['roleRef']['name']}")),
        _AGE,
    ),
    ("storage.k8s.io", "StorageClass"): (
        ("Provisioner", "string", 0, _at("provisioner")),
        ("ReclaimPolicy", "string", 0, _at("reclaimPolicy")),
        ("VolumeBindingMode", "string", 0, _at("volumeBindingMode")),
        ("AllowVolumeExpansion", "string", 0, _at("allowVolumeExpansion", default=False)),
        _AGE,
    ),
    ("networking.k8s.io", "NetworkPolicy"): (
        (
            "Pod-Selector",
            "string",
            0,
            _of(lambda v: _pairs((v["spec"].get("podSelector") or {}).get("matchLabels"))),
        ),
        _AGE,
    ),
    ("coordination.k8s.io", "Lease"): (("Holder", "string", 0, _at("spec", "holderIdentity")), _AGE),
    ("apiregistration.k8s.io", "APIService"): (
        (
            "Service",
            "string",
            0,
            _of(
                lambda v: (
                    "/".join((v["spec"].get("service") or {}).get(k, "") for k in ("namespace", "name"))
                    if v["spec"].get("service")
                    else "Local"
                )
            ),
        ),
        (
            "Available",
            "string",
            0,
            _of(
                lambda v: next(
                    (c["status"] for c in v["status"].get("conditions") or () if c["type"] == "Available"),
                    "Unknown",
                )
            ),
        ),
        _AGE,
    ),
}


def _modes(modes: list[str] | None) -> str:
    short = {
        "ReadWriteOnce": "RWO",
        "ReadOnlyMany": "ROX",
        "ReadWriteMany": "RWX",
        "ReadWriteOncePod": "RWOP",
    }
    return ",".join(short.get(m, m) for m in modes or ())
