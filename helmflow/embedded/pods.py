"""Pod subresources (log, eviction, binding), ServiceAccount tokens and namespace finalisation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from helmflow.embedded import faults, writing
from helmflow.embedded.cluster import Cluster, copy_of, stamp
from helmflow.embedded.status import ApiError, conflict
from helmflow.embedded.writing import DeleteOptions

if TYPE_CHECKING:
    from helmflow.embedded.requests import Answer, Call

Json = dict[str, Any]

_TOKEN_S: Final = 3600


def log(cluster: Cluster, call: Call) -> Answer:
    """The annotated log text of a simulated container; nothing else is ever invented."""
    from helmflow.embedded import requests

    pod = requests.existing(cluster, call)
    containers = [c["name"] for c in pod["spec"].get("containers") or ()]
    every = containers + [c["name"] for c in pod["spec"].get("initContainers") or ()]
    name = call.query.get("container", "")
    if not name and len(containers) > 1:
        names = " ".join(containers)
        raise ApiError(
            400, f"a container name must be specified for pod {call.name}, choose one of: [{names}]"
        )
    if name and name not in every:
        raise ApiError(400, f"container {name} is not valid for pod {call.name}")
    name = name or containers[0]
    status = pod.get("status") or {}
    statuses = [*(status.get("containerStatuses") or ()), *(status.get("initContainerStatuses") or ())]
    state = next((s.get("state") or {} for s in statuses if s["name"] == name), {})
    waiting = state.get("waiting")
    previous = call.query.get("previous") == "true"
    if waiting and waiting.get("reason") != "CrashLoopBackOff":
        why = waiting.get("reason", "")
        text = {"ImagePullBackOff": "image can't be pulled", "ErrImagePull": "image can't be pulled"}.get(
            why, why
        )
        raise ApiError(400, f'container "{name}" in pod "{call.name}" is waiting to start: {text}')
    if previous and not any(s.get("restartCount") for s in statuses if s["name"] == name):
        raise ApiError(400, f'previous terminated container "{name}" in pod "{call.name}" not found')
    lines = faults.of(pod).log_of(name).splitlines(keepends=True)
    if call.query.get("tailLines", "").isdigit():
        count = int(call.query["tailLines"])
        lines = lines[-count:] if count else []
    text = "".join(lines)
    if call.query.get("timestamps") == "true":
        at = (state.get("running") or state.get("terminated") or {}).get("startedAt") or cluster.now()
        text = "".join(f"{at} {line}" for line in lines)
    if call.query.get("limitBytes", "").isdigit():
        text = text[: int(call.query["limitBytes"])]
    return requests.Answer(200, text.encode(), "text/plain")


def act(cluster: Cluster, call: Call) -> Answer:
    """POST to eviction, binding or token."""
    from helmflow.embedded import requests

    value = requests.existing(cluster, call)
    sent = call.body()
    if call.subresource == "token":
        seconds = (sent.get("spec") or {}).get("expirationSeconds") or _TOKEN_S
        made = {
            "kind": "TokenRequest", "apiVersion": "authentication.k8s.io/v1", "metadata": sent.get("metadata") or {},
            "spec": sent.get("spec") or {},
            "status": {"token": f"simulated.{value['metadata']['uid']}", "expirationTimestamp": stamp(cluster.moment() + seconds)},
        }  # fmt: skip
        return requests.Answer(201, json.dumps(made).encode())
    if call.subresource == "binding":
        if value["spec"].get("nodeName"):
            raise conflict(
                "",
                "pods/binding",
                call.name,
                f'pod {call.name} is already assigned to node "{value["spec"]["nodeName"]}"',
            )
        new = copy_of(value)
        new["spec"]["nodeName"] = (sent.get("target") or {}).get("name", "")
        writing.update(cluster, call.resource, value, new, call.options)
    else:
        _evict(cluster, call, value, sent)
    return requests.Answer(
        201, json.dumps({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}).encode()
    )


def _evict(cluster: Cluster, call: Call, pod: Json, sent: Json) -> None:
    from helmflow.embedded import selectors

    labels = pod["metadata"].get("labels") or {}
    for budget in cluster.objects("policy/poddisruptionbudgets", call.namespace):
        if selectors.label_object(budget["spec"].get("selector"))(labels) and not budget["status"].get(
            "disruptionsAllowed"
        ):
            name = budget["metadata"]["name"]
            cause = {
                "reason": "DisruptionBudget",
                "message": f"The disruption budget {name} needs {budget['status'].get('desiredHealthy', 0)} healthy pods and has {budget['status'].get('currentHealthy', 0)} currently",
            }
            raise ApiError(
                429,
                "Cannot evict pod as it would violate the pod's disruption budget.",
                details={"causes": [cause]},
            )
    options = sent.get("deleteOptions") or {}
    grace = options.get("gracePeriodSeconds")
    preconditions = options.get("preconditions") or {}
    writing.delete(
        cluster,
        call.resource,
        pod,
        DeleteOptions(grace=grace, uid=preconditions.get("uid") or "", dry_run=call.options.dry_run),
    )


def finalize(cluster: Cluster, call: Call) -> Answer:
    """PUT to a namespace's finalize: replaces spec.finalizers."""
    from helmflow.embedded import requests

    old = requests.existing(cluster, call)
    new = copy_of(old)
    new["spec"] = call.body().get("spec") or {}
    new["spec"] = {k: v for k, v in new["spec"].items() if v}
    if (
        not new["spec"].get("finalizers")
        and new["metadata"].get("deletionTimestamp")
        and not new["metadata"].get("finalizers")
    ):
        cluster.remove("/namespaces", new)
    else:
        cluster.write("/namespaces", old, new)
    return requests.shaped(call, cluster, 200, new)
