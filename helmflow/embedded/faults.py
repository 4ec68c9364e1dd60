"""Faults: annotations that make simulated objects slow or let them fail.

On a Pod, a pod template, or the workload that owns it (all under `embedded.helmflow.dev/`):

    ready-after: "5s"     a container becomes ready this long after it started (default 0.1s)
    run-for: "2s"         a container that is to end (Job, hook, test) runs this long (default 0.2s)
    fail: image-pull      the image cannot be pulled: ErrImagePull, ImagePullBackOff
    fail: crash-loop      the container ends with an error again and again: CrashLoopBackOff
    fail: oom             the same with OOMKilled
    fail: never-ready     the container runs, its readiness probe never succeeds
    fail: unschedulable   no node takes the pod
    exit-code: "3"        the container ends with this code
    log: "text"           what the container's log says; without it the log is empty

On a Service:  load-balancer: pending   its LoadBalancer never gets an address
On a PersistentVolumeClaim:  fail: pending   it is never bound
"""

from __future__ import annotations

from typing import Any, Final

from helmflow.core.records import dataclass
from helmflow.embedded.cluster import duration

Json = dict[str, Any]

PREFIX: Final = "embedded.helmflow.dev/"
_START_TO_READY_S: Final = 0.1
_RUN_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Script:
    """How one simulated pod behaves."""

    ready_after_s: float
    run_for_s: float
    fail: str
    exit_code: int | None
    logs: dict[str, str]

    def log_of(self, container: str) -> str:
        """The annotated log of a container."""
        text = self.logs.get(container, self.logs.get("", ""))
        return text if not text or text.endswith("\n") else text + "\n"


def of(value: Json) -> Script:
    """The behaviour that an object's annotations ask for."""
    found = told(value)
    code = found.get("exit-code", "")
    logs = {
        name[4:] if name.startswith("log.") else "": text
        for name, text in found.items()
        if name == "log" or name.startswith("log.")
    }
    return Script(
        ready_after_s=duration(found["ready-after"]) if "ready-after" in found else _START_TO_READY_S,
        run_for_s=duration(found["run-for"]) if "run-for" in found else _RUN_S,
        fail=found.get("fail", ""),
        exit_code=int(code) if code.lstrip("-").isdigit() else None,
        logs=logs,
    )


def told(value: Json) -> dict[str, str]:
    """An object's own fault annotations, without their prefix."""
    found = value["metadata"].get("annotations") or {}
    return {key[len(PREFIX) :]: text for key, text in found.items() if key.startswith(PREFIX)}


def inherited(owner: Json) -> dict[str, str]:
    """The annotations that a workload hands down to its pods."""
    return {PREFIX + name: text for name, text in told(owner).items()}
