"""Scheduler and kubelet: pods pass through their phases, as their annotations say."""

from __future__ import annotations

import hashlib
from typing import Any, Final

from helmflow.embedded import faults, strategies, writing
from helmflow.embedded.cluster import Cluster, copy_of, new_uid
from helmflow.embedded.controllers.common import KUBELET, event, later, update, with_condition
from helmflow.embedded.faults import Script
from helmflow.embedded.writing import DeleteOptions

Json = dict[str, Any]

_CREATING_S: Final = 0.01
_START_S: Final = 0.08
_STOP_S: Final = 0.05
_MISSING_RETRY_S: Final = 0.5
_PULL_RETRY_S: Final = 0.3
_CRASH_AFTER_S: Final = 0.1
_BACKOFF_S: Final = 0.5
_MAX_BACKOFF_S: Final = 300.0
_KEY: Final = "/pods"
_PHASES: Final = ("Succeeded", "Failed")


def run_pod(cluster: Cluster, namespace: str, name: str) -> None:
    """Take a pod's next step."""
    pod = cluster.get(_KEY, namespace, name)
    if pod is None:
        return
    script = faults.of(pod)
    status = pod.get("status") or {}
    if pod["metadata"].get("deletionTimestamp"):
        _stop(cluster, pod)
    elif status.get("phase") in _PHASES:
        return
    elif not pod["spec"].get("nodeName"):
        _schedule(cluster, pod, script)
    elif not status.get("containerStatuses"):
        _begin(cluster, pod)
    elif status.get("phase") == "Pending":
        _start(cluster, pod, script)
    else:
        _run(cluster, pod, script)


def _again(cluster: Cluster, pod: Json, delay: float) -> None:
    later(cluster, _KEY, pod["metadata"]["namespace"], pod["metadata"]["name"], delay)


def _write(cluster: Cluster, pod: Json, status: Json) -> Json:
    new = copy_of(pod)
    new["status"] = {**status, "observedGeneration": pod["metadata"].get("generation", 1)}
    return update(cluster, _KEY, pod, new, KUBELET, "status")


def _stop(cluster: Cluster, pod: Json) -> None:
    """Containers end; the object goes when no finalizer holds it."""
    if pod["metadata"].get("deletionGracePeriodSeconds"):
        status = pod.get("status") or {}
        if any((c.get("state") or {}).get("running") for c in status.get("containerStatuses") or ()):
            event(
                cluster,
                pod,
                "Normal",
                "Killing",
                f"Stopping container {pod['spec']['containers'][0]['name']}",
                "kubelet",
            )
            _write(cluster, pod, _ended(cluster, pod, 0, "Completed", phase=status.get("phase", "Running")))
            _again(cluster, pod, _STOP_S)
            return
        writing.delete(cluster, cluster.resource(_KEY), pod, DeleteOptions(grace=0))
        left = cluster.get(_KEY, pod["metadata"]["namespace"], pod["metadata"]["name"])
        if left is not None and not left["metadata"].get("finalizers"):
            cluster.remove(_KEY, left)
        return
    if not pod["metadata"].get("finalizers"):
        cluster.remove(_KEY, pod)


def _schedule(cluster: Cluster, pod: Json, script: Script) -> None:
    why = _unschedulable(cluster, pod, script)
    if why:
        status = copy_of(pod.get("status") or {})
        status["conditions"] = with_condition(
            status.get("conditions"),
            cluster.now(),
            "PodScheduled",
            "False",
            "Unschedulable",
            why,
            lastProbeTime=None,
        )
        pod = _write(cluster, pod, status)
        event(cluster, pod, "Warning", "FailedScheduling", why, "default-scheduler")
        if script.fail != "unschedulable":
            _again(cluster, pod, _MISSING_RETRY_S)
        return
    new = copy_of(pod)
    new["spec"]["nodeName"] = strategies.NODE
    new["status"]["conditions"] = with_condition(
        (pod.get("status") or {}).get("conditions"),
        cluster.now(),
        "PodScheduled",
        "True",
        "",
        "",
        lastProbeTime=None,
    )
    for condition in new["status"]["conditions"]:
        for key in ("reason", "message"):
            if not condition.get(key):
                condition.pop(key, None)
    new["metadata"]["resourceVersion"] = pod["metadata"]["resourceVersion"]
    cluster.write(_KEY, pod, new)
    where = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
    event(
        cluster,
        new,
        "Normal",
        "Scheduled",
        f"Successfully assigned {where} to {strategies.NODE}",
        "default-scheduler",
    )
    _again(cluster, new, _CREATING_S)


def _unschedulable(cluster: Cluster, pod: Json, script: Script) -> str:
    if script.fail == "unschedulable":
        return "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No preemption victims found for incoming pod."
    for volume in pod["spec"].get("volumes") or ():
        claim = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if claim is None:
            continue
        found = cluster.get("/persistentvolumeclaims", pod["metadata"]["namespace"], claim)
        if found is None:
            return f'0/1 nodes are available: persistentvolumeclaim "{claim}" not found. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.'
        if (found.get("status") or {}).get("phase") != "Bound":
            later(cluster, "/persistentvolumeclaims", pod["metadata"]["namespace"], claim, 0.0)
            return "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims. preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling."
    return ""


def _begin(cluster: Cluster, pod: Json) -> None:
    """ContainerCreating."""
    now = cluster.now()
    spec = pod["spec"]
    status = copy_of(pod["status"])
    reason = "PodInitializing" if spec.get("initContainers") else "ContainerCreating"
    status |= {"phase": "Pending", "hostIP": "127.0.0.1", "hostIPs": [{"ip": "127.0.0.1"}], "startTime": now}
    conditions = status.get("conditions")
    for kind, ok in (
        ("PodReadyToStartContainers", "False"),
        ("Initialized", "False" if spec.get("initContainers") else "True"),
        ("Ready", "False"),
        ("ContainersReady", "False"),
    ):
        conditions = with_condition(
            conditions, now, kind, ok, *_why_unready(pod, kind, ok), lastProbeTime=None
        )
    status["conditions"] = _plain(conditions)
    status["containerStatuses"] = [_waiting(c, reason, "") for c in spec["containers"]]
    if spec.get("initContainers"):
        status["initContainerStatuses"] = [_waiting(c, "PodInitializing", "") for c in spec["initContainers"]]
    _write(cluster, pod, status)
    _again(cluster, pod, _START_S)


def _why_unready(pod: Json, kind: str, ok: str) -> tuple[str, str]:
    if ok == "True" or kind == "PodReadyToStartContainers":
        return "", ""
    if kind == "Initialized":
        names = " ".join(c["name"] for c in pod["spec"]["initContainers"])
        return "ContainersNotInitialized", f"containers with incomplete status: [{names}]"
    names = " ".join(c["name"] for c in pod["spec"]["containers"])
    return "ContainersNotReady", f"containers with unready status: [{names}]"


def _plain(conditions: list[Json] | None) -> list[Json]:
    """Conditions without empty reasons and messages, in the kubelet's order."""
    order = ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled")
    kept = [
        {k: v for k, v in c.items() if v != "" or k not in ("reason", "message")} for c in conditions or ()
    ]
    return sorted(kept, key=lambda c: order.index(c["type"]) if c["type"] in order else len(order))


def _waiting(container: Json, reason: str, message: str, before: Json | None = None) -> Json:
    before = before or {}
    state = {"reason": reason, "message": message} if message else {"reason": reason}
    return {
        "name": container["name"], "state": {"waiting": state}, "lastState": before.get("lastState") or {}, "ready": False,
        "restartCount": before.get("restartCount", 0), "image": container.get("image", ""), "imageID": "", "started": False,
    }  # fmt: skip


def _start(cluster: Cluster, pod: Json, script: Script) -> None:
    """From ContainerCreating to Running, unless something is missing or the image cannot be pulled."""
    missing = _missing(cluster, pod)
    if missing is not None:
        reason, message = missing
        if reason:
            status = copy_of(pod["status"])
            status["containerStatuses"] = [_waiting(c, reason, message) for c in pod["spec"]["containers"]]
            pod = _write(cluster, pod, status)
            event(cluster, pod, "Warning", "Failed", f"Error: {message}", "kubelet", _path(pod))
        else:
            event(cluster, pod, "Warning", "FailedMount", message, "kubelet")
        _again(cluster, pod, _MISSING_RETRY_S)
        return
    if script.fail == "image-pull":
        _fail_pull(cluster, pod)
        return
    _enter_running(cluster, pod, script)


def _path(pod: Json) -> str:
    return f"spec.containers{{{pod['spec']['containers'][0]['name']}}}"


def _fail_pull(cluster: Cluster, pod: Json) -> None:
    status = copy_of(pod["status"])
    container = pod["spec"]["containers"][0]
    image = container.get("image", "")
    first = (status["containerStatuses"][0]["state"].get("waiting") or {}).get("reason") not in (
        "ErrImagePull",
        "ImagePullBackOff",
    )
    why = f'failed to pull and unpack image "{image}": failed to resolve reference "{image}": not found'
    if first:
        status["containerStatuses"] = [_waiting(c, "ErrImagePull", why) for c in pod["spec"]["containers"]]
        pod = _write(cluster, pod, status)
        event(cluster, pod, "Normal", "Pulling", f'Pulling image "{image}"', "kubelet", _path(pod))
        event(
            cluster, pod, "Warning", "Failed", f'Failed to pull image "{image}": {why}', "kubelet", _path(pod)
        )
        event(cluster, pod, "Warning", "Failed", "Error: ErrImagePull", "kubelet", _path(pod))
        _again(cluster, pod, _PULL_RETRY_S)
        return
    message = f'Back-off pulling image "{image}": ErrImagePull: {why}'
    status["containerStatuses"] = [
        _waiting(c, "ImagePullBackOff", message) for c in pod["spec"]["containers"]
    ]
    pod = _write(cluster, pod, status)
    event(cluster, pod, "Normal", "BackOff", f'Back-off pulling image "{image}"', "kubelet", _path(pod))
    event(cluster, pod, "Warning", "Failed", "Error: ImagePullBackOff", "kubelet", _path(pod))


def _missing(cluster: Cluster, pod: Json) -> tuple[str, str] | None:
    """A ConfigMap, Secret or key that the pod needs: waiting reason ("" while volumes wait) and message."""
    namespace = pod["metadata"]["namespace"]
    for volume in pod["spec"].get("volumes") or ():
        for kind, name in _volume_sources(volume):
            if cluster.storage.get(f"/{kind}s", namespace, name) is None:
                return (
                    "",
                    f'MountVolume.SetUp failed for volume "{volume["name"]}" : {kind} "{name}" not found',
                )
    for container in [*(pod["spec"].get("initContainers") or ()), *pod["spec"]["containers"]]:
        for kind, name, key in _variable_sources(container):
            found = cluster.get(f"/{kind}s", namespace, name)
            if found is None:
                return "CreateContainerConfigError", f'{kind} "{name}" not found'
            if key and key not in (found.get("data") or {}) and key not in (found.get("binaryData") or {}):
                shown = "Secret" if kind == "secret" else "ConfigMap"
                return "CreateContainerConfigError", f"couldn't find key {key} in {shown} {namespace}/{name}"
    return None


def _volume_sources(volume: Json) -> list[tuple[str, str]]:
    found = []
    for source in [volume, *((volume.get("projected") or {}).get("sources") or ())]:
        config, secret = source.get("configMap"), source.get("secret")
        if config and not config.get("optional"):
            found.append(("configmap", config.get("name", "")))
        if secret and not secret.get("optional"):
            found.append(("secret", secret.get("secretName") or secret.get("name", "")))
    return found


def _variable_sources(container: Json) -> list[tuple[str, str, str]]:
    found = []
    for source in container.get("envFrom") or ():
        for key, kind in (("configMapRef", "configmap"), ("secretRef", "secret")):
            ref = source.get(key)
            if ref and not ref.get("optional"):
                found.append((kind, ref.get("name", ""), ""))
    for variable in container.get("env") or ():
        for key, kind in (("configMapKeyRef", "configmap"), ("secretKeyRef", "secret")):
            ref = (variable.get("valueFrom") or {}).get(key)
            if ref and not ref.get("optional"):
                found.append((kind, ref.get("name", ""), ref.get("key", "")))
    return found


def _enter_running(cluster: Cluster, pod: Json, script: Script) -> None:
    now = cluster.now()
    status = copy_of(pod["status"])
    before = {c["name"]: c for c in status.get("containerStatuses") or ()}
    address = _address(pod)
    status |= {
        "phase": "Running",
        "podIP": address,
        "podIPs": [{"ip": address}],
    }
    for init in status.get("initContainerStatuses") or ():
        ended = {
            "exitCode": 0,
            "reason": "Completed",
            "startedAt": now,
            "finishedAt": now,
            "containerID": _container_id(),
        }
        init |= {"state": {"terminated": ended}, "ready": True, "imageID": "simulated"}
    status["containerStatuses"] = [
        {
            "name": c["name"], "state": {"running": {"startedAt": now}}, "lastState": (before.get(c["name"]) or {}).get("lastState") or {},
            "ready": False, "restartCount": (before.get(c["name"]) or {}).get("restartCount", 0), "image": c.get("image", ""),
            "imageID": "simulated", "containerID": _container_id(), "started": True,
        }
        for c in pod["spec"]["containers"]
    ]  # fmt: skip
    conditions = status.get("conditions")
    for kind in ("PodReadyToStartContainers", "Initialized"):
        conditions = with_condition(conditions, now, kind, "True", "", "", lastProbeTime=None)
    status["conditions"] = _plain(conditions)
    pod = _write(cluster, pod, status)
    for container in pod["spec"]["containers"]:
        path = f"spec.containers{{{container['name']}}}"
        event(
            cluster,
            pod,
            "Normal",
            "Pulled",
            f'Container image "{container.get("image", "")}" already present on machine (simulated)',
            "kubelet",
            path,
        )
        event(cluster, pod, "Normal", "Created", f"Container created: {container['name']}", "kubelet", path)
        event(cluster, pod, "Normal", "Started", f"Container started: {container['name']}", "kubelet", path)
    _again(cluster, pod, _until_next(pod, script))


def _until_next(pod: Json, script: Script) -> float:
    if script.fail in ("crash-loop", "oom") or (
        script.exit_code is not None and pod["spec"].get("restartPolicy") == "Always"
    ):
        return _CRASH_AFTER_S
    if pod["spec"].get("restartPolicy") != "Always":
        return (
            min(script.run_for_s, script.ready_after_s) if script.fail != "never-ready" else script.run_for_s
        )
    return script.ready_after_s


def _container_id() -> str:
    return "simulated://" + new_uid().replace("-", "")


def _address(pod: Json) -> str:
    digest = hashlib.sha256(pod["metadata"]["uid"].encode()).digest()
    return f"10.244.{digest[0]}.{digest[1] % 254 + 1}"


def _run(cluster: Cluster, pod: Json, script: Script) -> None:
    """A running pod becomes ready, ends, crashes or is restarted."""
    status = pod["status"]
    first = status["containerStatuses"][0]
    state = first.get("state") or {}
    forever = pod["spec"].get("restartPolicy") == "Always"
    if state.get("waiting") or state.get("terminated"):
        _restart(cluster, pod, script)
    elif script.fail in ("crash-loop", "oom") or (forever and script.exit_code is not None):
        _crash(cluster, pod, script)
    elif script.fail == "never-ready":
        names = pod["spec"]["containers"][0]["name"]
        event(
            cluster,
            pod,
            "Warning",
            "Unhealthy",
            f"Readiness probe failed: container {names} is annotated never-ready (simulated)",
            "kubelet",
            _path(pod),
        )
    elif not first.get("ready"):
        _become_ready(cluster, pod, script)
    elif not forever:
        _finish(cluster, pod, script)


def _become_ready(cluster: Cluster, pod: Json, script: Script) -> None:
    now = cluster.now()
    status = copy_of(pod["status"])
    for container in status["containerStatuses"]:
        container["ready"] = True
    conditions = status.get("conditions")
    for kind in ("Ready", "ContainersReady"):
        conditions = with_condition(conditions, now, kind, "True", "", "", lastProbeTime=None)
    status["conditions"] = _plain(conditions)
    pod = _write(cluster, pod, status)
    if pod["spec"].get("restartPolicy") != "Always":
        _again(cluster, pod, max(script.run_for_s - script.ready_after_s, 0.0))


def _finish(cluster: Cluster, pod: Json, script: Script) -> None:
    code = script.exit_code or 0
    if code and pod["spec"].get("restartPolicy") == "OnFailure":
        _crash(cluster, pod, script)
        return
    phase = "Failed" if code else "Succeeded"
    status = _ended(cluster, pod, code, "Error" if code else "Completed", phase=phase)
    if phase == "Succeeded":
        status["message"] = "Succeeded (simulated)"
    _write(cluster, pod, status)


def _ended(cluster: Cluster, pod: Json, code: int, reason: str, *, phase: str) -> Json:
    """The status of a pod whose containers have ended."""
    now = cluster.now()
    status = copy_of(pod["status"])
    status["phase"] = phase
    for container in status["containerStatuses"]:
        started = ((container.get("state") or {}).get("running") or {}).get("startedAt", now)
        ended = {"exitCode": code, "reason": reason, "startedAt": started, "finishedAt": now}
        if "containerID" in container:
            ended["containerID"] = container["containerID"]
        container |= {"state": {"terminated": ended}, "ready": False, "started": False}
    why = {"Succeeded": "PodCompleted", "Failed": "PodFailed"}.get(phase, "ContainersNotReady")
    names = " ".join(c["name"] for c in pod["spec"]["containers"])
    message = "" if phase in _PHASES else f"containers with unready status: [{names}]"
    conditions = status.get("conditions")
    for kind in ("Ready", "ContainersReady"):
        conditions = with_condition(conditions, now, kind, "False", why, message, lastProbeTime=None)
    status["conditions"] = _plain(conditions)
    return status


def _crash(cluster: Cluster, pod: Json, script: Script) -> None:
    code, reason = (
        (137, "OOMKilled")
        if script.fail == "oom"
        else (script.exit_code if script.exit_code is not None else 1, "Error")
    )
    if pod["spec"].get("restartPolicy") == "Never":
        status = _ended(cluster, pod, code, reason, phase="Failed")
        _write(cluster, pod, status)
        return
    status = _ended(cluster, pod, code, "Completed" if code == 0 else reason, phase="Running")
    pod = _write(cluster, pod, status)
    restarts = status["containerStatuses"][0].get("restartCount", 0)
    _again(cluster, pod, 0.05 if restarts == 0 else 0.01)


def _restart(cluster: Cluster, pod: Json, script: Script) -> None:
    """After an end: CrashLoopBackOff for a while, then running again."""
    status = copy_of(pod["status"])
    first = status["containerStatuses"][0]
    ended = (first.get("state") or {}).get("terminated")
    restarts = first.get("restartCount", 0)
    if ended is not None and restarts > 0:
        delay = min(_BACKOFF_S * 2 ** (restarts - 1), _MAX_BACKOFF_S)
        name = pod["spec"]["containers"][0]["name"]
        where = f"{pod['metadata']['name']}_{pod['metadata']['namespace']}({pod['metadata']['uid']})"
        message = f"back-off {_go_seconds(delay)} restarting failed container={name} pod={where}"
        for container in status["containerStatuses"]:
            last = (container.get("state") or {}).get("terminated")
            container |= {
                "state": {"waiting": {"reason": "CrashLoopBackOff", "message": message}},
                "lastState": {"terminated": last},
            }
        pod = _write(cluster, pod, status)
        event(
            cluster,
            pod,
            "Warning",
            "BackOff",
            f"Back-off restarting failed container {name} in pod {where}",
            "kubelet",
            _path(pod),
        )
        _again(cluster, pod, delay)
        return
    for container in status["containerStatuses"]:
        last = (container.get("state") or {}).get("terminated")
        if last is not None:
            container["lastState"] = {"terminated": last}
        container["restartCount"] = restarts + 1
    _enter_running(cluster, _write(cluster, pod, status), script)


def _go_seconds(delay: float) -> str:
    if delay < 1:
        return f"{int(delay * 1000)}ms"
    minutes, rest = divmod(int(delay), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"
