"""Names, labels, annotations and the metadata that an update may not change, in the API server's own words."""

from __future__ import annotations

import re
from typing import Any, Final

from helmflow.embedded.kinds import Resource
from helmflow.embedded.status import Cause, forbidden, invalid, required

Json = dict[str, Any]
Causes = list[Cause]

LABEL_RE: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
SUBDOMAIN_RE: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
_QUALIFIED_RE: Final = re.compile(r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]")
_VALUE_RE: Final = re.compile(r"(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?")
LABEL_TEXT: Final = (
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an "
    "alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
)
SUBDOMAIN_TEXT: Final = (
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
IMMUTABLE: Final = "field is immutable"
_FREE_NAMES: Final = ("rbac.authorization.k8s.io",)
_LABEL_NAMED: Final = ("namespaces", "statefulsets")


def check_new(resource: Resource, value: Json) -> Causes:
    """What is wrong with a new object's metadata."""
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
            causes.append(invalid("metadata.name", name, LABEL_TEXT))
        elif len(name) > 63:
            causes.append(invalid("metadata.name", name, "must be no more than 63 characters"))
    elif resource.plural in _LABEL_NAMED and resource.group in ("", "apps"):
        if len(name) > 63:
            causes.append(invalid("metadata.name", name, "must be no more than 63 characters"))
        if not LABEL_RE.fullmatch(name):
            causes.append(invalid("metadata.name", name, LABEL_TEXT))
    else:
        if len(name) > 253:
            causes.append(invalid("metadata.name", name, "must be no more than 253 characters"))
        if not SUBDOMAIN_RE.fullmatch(name):
            causes.append(invalid("metadata.name", name, SUBDOMAIN_TEXT))
    return causes + check_maps(metadata) + _owners(metadata)


def check_maps(metadata: Json) -> Causes:
    """What is wrong with an object's labels and annotations."""
    causes = check_labels(metadata.get("labels"), "metadata.labels")
    annotations = metadata.get("annotations") or {}
    for key in annotations:
        causes += _qualified(key.lower(), "metadata.annotations")
    if sum(len(k) + len(v.encode()) for k, v in annotations.items()) > 256 * 1024:
        causes.append(
            Cause("metadata.annotations", "FieldValueTooLong", "Too long: may not be more than 262144 bytes")
        )
    return causes


def check_labels(labels: Json | None, path: str) -> Causes:
    """What is wrong with a map of labels."""
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
    if slash and (not prefix or not SUBDOMAIN_RE.fullmatch(prefix)):
        why = "prefix part must be non-empty" if not prefix else "prefix part " + SUBDOMAIN_TEXT
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


def check_kept(old: Json, new: Json) -> Causes:
    """What of the metadata an update may not touch."""
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
            causes.append(invalid(f"metadata.{key}", new.get(key, ""), IMMUTABLE))
    return causes


def _go_strings(values: list[str]) -> str:
    return "[]string{" + ", ".join(f'"{v}"' for v in values) + "}"
