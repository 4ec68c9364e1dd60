"""Label and field selectors, parsed and matched as the API server does."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from helmflow.embedded.status import ApiError

Json = dict[str, Any]
Labels = dict[str, str]
Matcher = Callable[[Json], bool]

_TOKEN: Final = re.compile(r"\s*(==|!=|=|!|\(|\)|,|>|<|[^\s=!(),<>]+)")
_KEY: Final = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")

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
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != re.sub(r"\s+", "", text):
        raise _bad_label(text, f"unable to parse requirement: {text}")
    requirements: list[Callable[[Labels], bool]] = []
    at = 0
    while at < len(tokens):
        requirement, at = _requirement(tokens, at, text)
        requirements.append(requirement)
        if at < len(tokens):
            if tokens[at] != "," or at + 1 == len(tokens):
                raise _bad_label(text, f"found '{tokens[at]}', expected: ',' or 'end of string'")
            at += 1
    return lambda found: all(r(found) for r in requirements)


def label_object(selector: Json | None) -> Callable[[Labels], bool]:
    """A LabelSelector object; an absent one matches nothing, an empty one everything."""
    if selector is None:
        return lambda found: False
    wanted = selector.get("matchLabels") or {}
    rules = selector.get("matchExpressions") or []

    def match(found: Labels) -> bool:
        return all(found.get(k) == v for k, v in wanted.items()) and all(
            _holds(found, r["key"], r["operator"].lower(), r.get("values") or []) for r in rules
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


def _requirement(tokens: list[str], at: int, text: str) -> tuple[Callable[[Labels], bool], int]:
    negated = tokens[at] == "!"
    if negated:
        at += 1
    if at >= len(tokens) or not _KEY.fullmatch(tokens[at]):
        raise _bad_label(text, f"found '{tokens[at] if at < len(tokens) else ''}', expected: identifier")
    key = tokens[at]
    at += 1
    if negated:
        return lambda found: key not in found, at
    if at >= len(tokens) or tokens[at] == ",":
        return lambda found: key in found, at
    operator = tokens[at]
    at += 1
    if operator in ("in", "notin"):
        if at >= len(tokens) or tokens[at] != "(":
            raise _bad_label(text, f"found '{tokens[at] if at < len(tokens) else ''}' expected: '('")
        end = tokens.index(")", at) if ")" in tokens[at:] else -1
        if end < 0:
            raise _bad_label(text, "found '', expected: ',', or ')'")
        values = [t for t in tokens[at + 1 : end] if t != ","]
        return lambda found: _holds(found, key, operator, values), end + 1
    if operator not in ("=", "==", "!=", ">", "<"):
        raise _bad_label(text, f"found '{operator}', expected: in, notin, =, ==, !=, gt, lt")
    value = ""
    if at < len(tokens) and tokens[at] not in (",", ")"):
        value = tokens[at]
        at += 1
    return lambda found: _holds(found, key, operator, [value]), at


def _holds(found: Labels, key: str, operator: str, values: list[str]) -> bool:
    if operator in ("=", "==", "in"):
        return key in found and found[key] in values
    if operator in ("!=", "notin"):
        return key not in found or found[key] not in values
    if operator == "exists":
        return key in found
    if operator == "doesnotexist":
        return key not in found
    try:
        mine, theirs = int(found.get(key, "")), int(values[0])
    except ValueError:
        return False
    return mine > theirs if operator == ">" else mine < theirs


def _bad_label(text: str, why: str) -> ApiError:
    return ApiError(400, f"unable to parse requirement: {why}" if not why.startswith("unable") else why)
