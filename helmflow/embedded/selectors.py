"""Label and field selectors, parsed and matched as the API server does."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from helmflow.embedded.status import ApiError
from helmflow.kube import label_selectors

Json = dict[str, Any]
Labels = dict[str, str]
Matcher = Callable[[Json], bool]

FIELDS: Final[dict[str, dict[str, tuple[str, ...]]]] = {
    "/pods": {
        "spec.nodeName": ("spec", "nodeName"),
        "spec.restartPolicy": ("spec", "restartPolicy"),
        "spec.schedulerName": ("spec", "schedulerName"),
        "spec.serviceAccountName": ("spec", "serviceAccountName"),
        "spec.hostNetwork": ("spec", "hostNetwork"),
        "status.phase": ("status", "phase"),
        "status.podIP": ("status", "podIP"),
        "status.nominatedNodeName": ("status", "nominatedNodeName"),
    },
    "/events": {
        **{f"involvedObject.{k}": ("involvedObject", k)
           for k in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")},
        "reason": ("reason",),
        "reportingComponent": ("reportingComponent",),
        "source": ("source", "component"),
        "type": ("type",),
    },
    "/secrets": {"type": ("type",)},
    "/namespaces": {"status.phase": ("status", "phase")},
    "/nodes": {"spec.unschedulable": ("spec", "unschedulable")},
    "/services": {"spec.clusterIP": ("spec", "clusterIP"), "spec.type": ("spec", "type")},
    "/replicationcontrollers": {"status.replicas": ("status", "replicas")},
    "apps/replicasets": {"status.replicas": ("status", "replicas")},
    "batch/jobs": {"status.successful": ("status", "succeeded")},
    "certificates.k8s.io/certificatesigningrequests": {"spec.signerName": ("spec", "signerName")},
}  # fmt: skip


def labels(text: str) -> Callable[[Labels], bool]:
    """A label selector such as `a=b,c!=d,e in (f,g),h,!i`. Raises ApiError 400."""
    try:
        return label_selectors.parse(text)
    except ValueError as cause:
        raise ApiError(400, str(cause)) from cause


def label_object(selector: Json | None) -> Callable[[Labels], bool]:
    """A LabelSelector object; an absent one matches nothing, an empty one everything."""
    if selector is None:
        return lambda found: False
    wanted = selector.get("matchLabels") or {}
    rules = selector.get("matchExpressions") or []

    def match(found: Labels) -> bool:
        return all(found.get(k) == v for k, v in wanted.items()) and all(
            label_selectors.holds(found, r["key"], r["operator"].lower(), r.get("values") or [])
            for r in rules
        )

    return match


def fields(text: str, resource: str, selectable: dict[str, tuple[str, ...]]) -> Matcher:
    """A field selector such as `metadata.name=a,status.phase!=Running`. Raises ApiError 400 for a field without support."""
    known: dict[str, tuple[str, ...]] = {
        "metadata.name": ("metadata", "name"),
        "metadata.namespace": ("metadata", "namespace"),
    }
    known |= FIELDS.get(resource, {}) | selectable
    terms: list[tuple[tuple[str, ...], str, bool]] = []
    for term in filter(None, text.split(",")):
        match = re.fullmatch(r"(.*?)(!=|==|=)(.*)", term)
        if match is None:
            raise ApiError(400, f"invalid selector: '{text}'; can't understand '{term}'")
        path = known.get(match[1])
        if path is None:
            raise ApiError(400, f"field label not supported: {match[1]}")
        terms.append((path, match[3], match[2] != "!="))
    return lambda found: all((_at(found, p) == v) is wanted for p, v, wanted in terms)


def name_in(text: str) -> str | None:
    """The name that a field selector asks for exactly, if it does."""
    match = re.fullmatch(r"metadata\.name==?([^,!=]+)", text)
    return match[1] if match else None


def _at(value: Any, path: tuple[str, ...]) -> str:
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return {"hostNetwork": "false", "unschedulable": "false", "replicas": "0", "succeeded": "0"}.get(
            path[-1], ""
        )
    return str(value)
