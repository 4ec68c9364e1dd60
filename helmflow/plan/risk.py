"""What of a plan deserves a second look: data at stake, restarts, wider rights. Rules over changes, no guessing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from enum import IntEnum
from typing import Any, Final

from helmflow.core import yaml_dialect
from helmflow.core.ids import ObjectRef, ReleaseId
from helmflow.core.records import dataclass
from helmflow.plan.model import ActionKind, Change, ChangeKind, Plan, ReleasePlan

Object = Mapping[str, Any]


class Level(IntEnum):
    """How bad it may be. DATA: something may be lost for good; REACH: more than one release may feel it;
    RESTART: pods are replaced; NOTE: worth knowing."""

    NOTE = 1
    RESTART = 2
    REACH = 3
    DATA = 4


@dataclass(frozen=True, slots=True)
class Risk:
    """One finding: the release and object it is about, a stable code, and a phrase."""

    level: Level
    code: str
    release: ReleaseId
    ref: ObjectRef | None
    phrase: str


WORKLOADS: Final = frozenset(
    {"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController"}
)
_KEEPS_DATA: Final = frozenset({"PersistentVolumeClaim", "PersistentVolume", "StatefulSet"})
_ROLES: Final = frozenset({"Role", "ClusterRole"})
_BINDINGS: Final = frozenset({"RoleBinding", "ClusterRoleBinding"})


def assess(plan: Plan) -> tuple[Risk, ...]:
    """Every finding, worst first; equal ones in the plan's order."""
    found = [risk for release in plan.releases for risk in of_release(release)]
    return tuple(sorted(found, key=lambda risk: -risk.level))


def of_release(release: ReleasePlan) -> tuple[Risk, ...]:
    """The findings of one release."""
    found: list[Risk] = []
    if release.action.kind is ActionKind.UNINSTALL:
        found.append(Risk(Level.REACH, "uninstall", release.id, None, "the release is uninstalled"))
    changes = [change for change in release.changes if change.shows and not change.hook]
    for change in changes:
        before, after = _object(change.before), _object(change.after)
        found.extend(
            Risk(level, code, release.id, change.ref, phrase)
            for rule in _RULES
            for level, code, phrase in rule(change, before, after)
        )
    found.extend(_stale_configuration(release.id, release.changes))
    return tuple(found)


Finding = tuple[Level, str, str]


def _deleted(change: Change, before: Object, after: Object) -> Iterator[Finding]:
    if change.kind is not ChangeKind.DELETE:
        return
    kind = change.ref.kind
    if kind in _KEEPS_DATA:
        yield Level.DATA, "delete-data", f"{kind} is deleted: what it stores may be lost"
    elif kind == "CustomResourceDefinition":
        yield Level.DATA, "delete-crd", "the CRD is deleted, and every object of its kind with it"
    elif kind == "Namespace":
        yield Level.DATA, "delete-namespace", "the namespace is deleted, and everything in it"
    else:
        yield Level.NOTE, "delete", f"{kind} is deleted"


def _replaced(change: Change, before: Object, after: Object) -> Iterator[Finding]:
    if change.kind is ChangeKind.REPLACE:
        level = Level.DATA if change.ref.kind in _KEEPS_DATA else Level.REACH
        yield level, "replace", f"{change.ref.kind} is deleted and made anew"


def _claims(change: Change, before: Object, after: Object) -> Iterator[Finding]:
    if change.ref.kind == "PersistentVolumeClaim" and change.kind is ChangeKind.UPDATE:
        yield Level.DATA, "claim", "a volume claim changes"


def _definitions(change: Change, before: Object, after: Object) -> Iterator[Finding]:
    if change.ref.kind != "CustomResourceDefinition" or change.kind is not ChangeKind.UPDATE:
        return
    gone = {v.get("name") for v in _at(before, "spec", "versions", default=[])} - {
        v.get("name") for v in _at(after, "spec", "versions", default=[])
    }
    if gone:
        yield Level.DATA, "crd-version", f"the CRD loses the version {', '.join(sorted(map(str, gone)))}"
    else:
        yield Level.REACH, "crd", "the CRD changes for every object of its kind"


def _rights(change: Change, before: Object, after: Object) -> Iterator[Finding]:
    kind = change.ref.kind
    if kind in _ROLES and after:
        more = _grants(after) - _grants(before)
        if more and (before or kind == "ClusterRole"):
            where = "in the whole cluster" if kind == "ClusterRole" else "in its namespace"
            yield Level.REACH, "rbac", f"{len(more)} more rights {where}"
    if kind in _BINDINGS and before and after and _subjects(after) - _subjects(before):
        yield Level.REACH, "rbac", "the rights go to more subjects"


def _selectors(change: Change, before: Object, after: Object) -> Iterator[Finding]:
    if not before or not after:
        return
    if _at(before, "spec", "selector") != _at(after, "spec", "selector") and change.ref.kind in {
        *WORKLOADS,
        "Service",
    }:
        yield Level.REACH, "selector", f"{change.ref.kind} selects other pods"


def _restarts(change: Change, before: Object, after: Object) -> Iterator[Finding]:
    if change.ref.kind not in WORKLOADS or change.kind is not ChangeKind.UPDATE:
        return
    if _at(before, "spec", "template") != _at(after, "spec", "template"):
        yield Level.RESTART, "restart", f"the pods of {change.ref.kind} {change.ref.name} are replaced"


_RULES: Final[tuple[Callable[[Change, Object, Object], Iterator[Finding]], ...]] = (
    _deleted,
    _replaced,
    _claims,
    _definitions,
    _rights,
    _selectors,
    _restarts,
)


def _stale_configuration(release: ReleaseId, changes: Sequence[Change]) -> Iterator[Risk]:
    """ConfigMaps and Secrets that change while a workload that reads them only when it starts does not."""
    for change in changes:
        if change.kind is not ChangeKind.UPDATE or change.ref.kind not in ("ConfigMap", "Secret"):
            continue
        for workload in changes:
            template = _at(_object(workload.after), "spec", "template")
            if workload.ref.kind not in WORKLOADS or template is None:
                continue
            unchanged = _at(_object(workload.before), "spec", "template") == template
            if unchanged and _reads_at_start(template, change.ref):
                phrase = f"{workload.ref.kind} {workload.ref.name} keeps the old {change.ref.kind} {change.ref.name} until it restarts"
                yield Risk(Level.NOTE, "stale-config", release, workload.ref, phrase)


def _reads_at_start(template: Object, ref: ObjectRef) -> bool:
    """Whether a container takes environment variables from the ConfigMap or Secret."""
    key = "configMap" if ref.kind == "ConfigMap" else "secret"
    containers = _at(template, "spec", "containers", default=[])
    for container in containers:
        for source in container.get("envFrom") or ():
            if (source.get(f"{key}Ref") or {}).get("name") == ref.name:
                return True
        for variable in container.get("env") or ():
            if _at(variable, "valueFrom", f"{key}KeyRef", "name") == ref.name:
                return True
    return False


def _grants(role: Object) -> set[tuple[str, str, str]]:
    return {
        (str(group), str(resource), str(verb))
        for rule in role.get("rules") or ()
        for group in rule.get("apiGroups") or [""]
        for resource in [*(rule.get("resources") or ()), *(rule.get("nonResourceURLs") or ())]
        for verb in rule.get("verbs") or ()
    }


def _subjects(binding: Object) -> set[tuple[str, str, str]]:
    return {
        (str(one.get("kind")), str(one.get("namespace", "")), str(one.get("name")))
        for one in binding.get("subjects") or ()
    }


def _at(value: Any, *path: str, default: Any = None) -> Any:
    for key in path:
        if not isinstance(value, Mapping) or value.get(key) is None:
            return default
        value = value[key]
    return value


def _object(text: str) -> Object:
    """The text that people compare, as data; {} where there is none or it is no map."""
    try:
        loaded = yaml_dialect.load_native(text) if text else {}
    except ValueError:
        return {}
    return loaded if isinstance(loaded, Mapping) else {}
