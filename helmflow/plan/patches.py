"""Kustomize's JSON patches, strategic merge patches and namespaces on rendered documents; pure."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from helmflow.core.errors import ConfigError
from helmflow.core.records import dataclass
from helmflow.plan.objects import is_cluster_scoped

Json = Any

# Lists of Kubernetes' own types whose items are merged by a key; every other list replaces.
_MERGE_KEYS: Final[Mapping[str, tuple[str, ...]]] = {
    "containers": ("name",), "initContainers": ("name",), "ephemeralContainers": ("name",), "env": ("name",),
    "volumes": ("name",), "imagePullSecrets": ("name",), "secrets": ("name",), "volumeMounts": ("mountPath",),
    "volumeDevices": ("devicePath",), "hostAliases": ("ip",), "topologySpreadConstraints": ("topologyKey",),
    "ports": ("containerPort", "port"), "ownerReferences": ("uid",), "conditions": ("type",),
    "webhooks": ("name",), "podIPs": ("ip",),
}  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Patching:
    """What is changed in rendered documents, in kustomize's own shapes. Namespaces come first, then patches."""

    json_patches: Sequence[Mapping[str, Json]] = ()
    strategic_merge_patches: Sequence[Mapping[str, Json]] = ()
    force_namespace: str = ""

    def apply(self, documents: Sequence[dict[str, Json]]) -> list[dict[str, Json]]:
        """The changed documents; one that a patch deletes is left out.

        Raises ConfigError `patch.no-target` where a strategic merge patch fits no document, `patch.failed` where an
        operation cannot be carried out.
        """
        found = [copy.deepcopy(document) for document in documents]
        if self.force_namespace:
            for document in found:
                if not is_cluster_scoped(str(document.get("kind") or "")):
                    document["metadata"] = {
                        **(document.get("metadata") or {}),
                        "namespace": self.force_namespace,
                    }
        for patch in self.strategic_merge_patches:
            found = _merge_into(found, patch)
        for entry in self.json_patches:
            target = entry.get("target") or {}
            for number, document in enumerate(found):
                if targets(target, document):
                    found[number] = json_patch(document, entry.get("patch") or [])
        return found


def strategic_merge(document: Json, patch: Mapping[str, Json]) -> dict[str, Json]:
    """`patch` over `document`: maps merge, null deletes, lists with a merge key merge by it, `$patch` directs."""
    base = dict(document) if isinstance(document, Mapping) else {}
    if patch.get("$patch") == "replace":
        return {key: value for key, value in patch.items() if key != "$patch"}
    for key, value in patch.items():
        if key == "$patch" or key.startswith("$setElementOrder"):
            continue
        if value is None:
            base.pop(key, None)
        elif isinstance(value, Mapping):
            if value.get("$patch") == "delete":
                base.pop(key, None)
            else:
                base[key] = strategic_merge(base.get(key), value)
        elif isinstance(value, list) and isinstance(base.get(key), list):
            base[key] = _merge_lists(key, base[key], value)
        else:
            base[key] = value
    return base


def json_patch(document: dict[str, Json], operations: Json) -> dict[str, Json]:
    """RFC 6902 operations on a document; `operations` as data or as YAML text."""
    if isinstance(operations, str):
        from helmflow.core import yaml_dialect

        operations = yaml_dialect.load(operations)
    root: Json = copy.deepcopy(document)
    for operation in operations or ():
        try:
            root = _operate(root, operation)
        except (KeyError, IndexError, ValueError, TypeError) as cause:
            name = (document.get("metadata") or {}).get("name")
            raise ConfigError(
                f"jsonPatches: cannot {operation.get('op')} {operation.get('path')} of {document.get('kind')} {name}",
                error_id="patch.failed",
                hint="check the path against what `helmflow template` prints",
            ) from cause
    return root if isinstance(root, dict) else {}


def _operate(root: Json, operation: Mapping[str, Json]) -> Json:
    path = _pointer(str(operation["path"]))
    match operation["op"]:
        case "add":
            return _put(root, path, operation["value"], insert=True)
        case "replace":
            _get(root, path)
            return _put(root, path, operation["value"], insert=False)
        case "remove":
            _remove(root, path)
        case "copy":
            value = copy.deepcopy(_get(root, _pointer(str(operation["from"]))))
            return _put(root, path, value, insert=True)
        case "move":
            source = _pointer(str(operation["from"]))
            value = _get(root, source)
            _remove(root, source)
            return _put(root, path, value, insert=True)
        case "test":
            if _get(root, path) != operation["value"]:
                raise ValueError("test failed")
        case other:
            raise ValueError(other)
    return root


def _pointer(text: str) -> list[str]:
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _get(value: Json, path: Sequence[str]) -> Json:
    for key in path:
        value = value[int(key)] if isinstance(value, list) else value[key]
    return value


def _put(root: Json, path: Sequence[str], value: Json, *, insert: bool) -> Json:
    if not path:
        return value
    parent, last = _get(root, path[:-1]), path[-1]
    if not isinstance(parent, list):
        parent[last] = value
    elif last == "-":
        parent.append(value)
    elif insert:
        if int(last) > len(parent):
            raise IndexError(last)
        parent.insert(int(last), value)
    else:
        parent[int(last)] = value
    return root


def _remove(root: Json, path: Sequence[str]) -> None:
    parent, last = _get(root, path[:-1]), path[-1]
    del parent[int(last) if isinstance(parent, list) else last]


def _merge_into(documents: list[dict[str, Json]], patch: Mapping[str, Json]) -> list[dict[str, Json]]:
    metadata = patch.get("metadata") or {}
    hits = 0
    found = []
    for document in documents:
        own = document.get("metadata") or {}
        same = (document.get("apiVersion"), document.get("kind"), own.get("name")) == (
            patch.get("apiVersion"),
            patch.get("kind"),
            metadata.get("name"),
        ) and metadata.get("namespace") in (None, own.get("namespace"))
        hits += same
        if same and patch.get("$patch") == "delete":
            continue
        found.append(strategic_merge(document, patch) if same else document)
    if not hits:
        raise ConfigError(
            f"strategicMergePatches: no {patch.get('kind')} {metadata.get('name')} ({patch.get('apiVersion')}) "
            "is rendered",
            error_id="patch.no-target",
            hint="apiVersion, kind and metadata.name must be those of a document that `helmflow template` prints",
        )
    return found


def _merge_lists(key: str, base: list[Json], patch: list[Json]) -> list[Json]:
    merge_key = next(
        (
            name
            for name in _MERGE_KEYS.get(key, ())
            if all(isinstance(item, Mapping) and name in item for item in (*base, *patch))
        ),
        None,
    )
    if merge_key is None:
        return patch
    found = list(base)
    for item in patch:
        at = next((n for n, other in enumerate(found) if other[merge_key] == item[merge_key]), None)
        if item.get("$patch") == "delete":
            if at is not None:
                del found[at]
        elif at is None:
            found.append(item)
        else:
            found[at] = strategic_merge(found[at], item)
    return found


def targets(target: Mapping[str, Json], document: Mapping[str, Json]) -> bool:
    """Whether a document is meant. Kustomize's target: kind, name and namespace are anchored patterns, group and version words."""
    group, _, version = str(document.get("apiVersion") or "").rpartition("/")
    metadata = document.get("metadata") or {}
    facts = {
        "group": group,
        "version": version,
        "kind": str(document.get("kind") or ""),
        "name": str(metadata.get("name") or ""),
        "namespace": str(metadata.get("namespace") or ""),
    }
    for key, fact in facts.items():
        if target.get(key) and not re.fullmatch(str(target[key]), fact):
            return False
    return _selects(target.get("labelSelector"), metadata.get("labels")) and _selects(
        target.get("annotationSelector"), metadata.get("annotations")
    )


def _selects(selector: Json, labels: Json) -> bool:
    have = labels if isinstance(labels, Mapping) else {}
    for term in str(selector or "").split(","):
        if not term:
            continue
        key, operator, value = re.split(r"(==|!=|=|$)", term, maxsplit=1)
        wanted = value.strip()
        found = have.get(key.strip())
        if operator == "!=" and found == wanted:
            return False
        if operator in ("=", "==") and found != wanted:
            return False
        if not operator and key.strip() not in have:
            return False
    return True
