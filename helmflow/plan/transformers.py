"""Kustomize's built-in transformers on rendered documents; pure. Others are plugins, which only kustomize runs."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from helmflow.core.errors import ConfigError
from helmflow.plan.objects import is_cluster_scoped
from helmflow.plan.patches import Json, Patching, json_patch, strategic_merge, targets

Documents = list[dict[str, Json]]

# Where one object names another: field -> kind of what it names, by the key above it or by itself.
_REFERENCES: Final[Mapping[str, tuple[str, str]]] = {
    "configMap": ("name", "ConfigMap"),
    "configMapRef": ("name", "ConfigMap"),
    "configMapKeyRef": ("name", "ConfigMap"),
    "secretRef": ("name", "Secret"),
    "secretKeyRef": ("name", "Secret"),
    "imagePullSecrets": ("name", "Secret"),
    "persistentVolumeClaim": ("claimName", "PersistentVolumeClaim"),
    "service": ("name", "Service"),
}
_NAMES: Final[Mapping[str, str]] = {
    "secretName": "Secret",
    "serviceAccountName": "ServiceAccount",
    "serviceName": "Service",
    "claimName": "PersistentVolumeClaim",
    "priorityClassName": "PriorityClass",
    "ingressClassName": "IngressClass",
}


def known(transformer: Mapping[str, Json]) -> bool:
    """Whether a transformer is one of those that run here."""
    return transformer.get("apiVersion") == "builtin" and transformer.get("kind") in _RUN


def apply(documents: Sequence[dict[str, Json]], transformers: Sequence[Mapping[str, Json]]) -> Documents:
    """The documents after every transformer in turn. Raises ConfigError `patch.failed` or `patch.transformers`."""
    found = [copy.deepcopy(document) for document in documents]
    for transformer in transformers:
        if not known(transformer):
            raise ConfigError(
                f"the transformer {transformer.get('kind')} ({transformer.get('apiVersion')}) is a plugin of kustomize",
                error_id="patch.transformers",
                hint="install kustomize, or use one of: " + ", ".join(sorted(_RUN)),
            )
        found = _RUN[str(transformer["kind"])](found, transformer)
    return found


def _labels(documents: Documents, given: Mapping[str, Json]) -> Documents:
    return _in_maps(documents, given, given.get("labels") or {})


def _annotations(documents: Documents, given: Mapping[str, Json]) -> Documents:
    return _in_maps(documents, given, given.get("annotations") or {})


def _in_maps(documents: Documents, given: Mapping[str, Json], entries: Mapping[str, Json]) -> Documents:
    texts = {key: value if isinstance(value, str) else str(value) for key, value in sorted(entries.items())}

    def added(value: Json) -> Json:
        return {**(value or {}), **texts}

    return _at_fields(documents, given, added) if texts else documents


def _namespace(documents: Documents, given: Mapping[str, Json]) -> Documents:
    wanted = (given.get("metadata") or {}).get("namespace")
    if not wanted:
        return documents
    only_unset = bool(given.get("unsetOnly"))
    subjects = given.get("setRoleBindingSubjects") or "defaultOnly"
    for document in documents:
        kind = str(document.get("kind") or "")
        metadata = document.setdefault("metadata", {})
        if not is_cluster_scoped(kind) and not (only_unset and metadata.get("namespace")):
            metadata["namespace"] = wanted
        if kind not in ("RoleBinding", "ClusterRoleBinding") or subjects == "none":
            continue
        for subject in document.get("subjects") or ():
            account = subject.get("kind") == "ServiceAccount"
            if only_unset and subject.get("namespace"):
                continue
            if account and (subjects == "allServiceAccounts" or subject.get("name") == "default"):
                subject["namespace"] = wanted
    others = [spec for spec in given.get("fieldSpecs") or () if spec.get("path") != "metadata/namespace"]
    return _at_fields(
        documents, {"fieldSpecs": others}, lambda value: value if only_unset and value else wanted
    )


def _affixes(documents: Documents, given: Mapping[str, Json]) -> Documents:
    prefix, suffix = str(given.get("prefix") or ""), str(given.get("suffix") or "")
    before = [_identity(document) for document in documents]
    skipped = ("CustomResourceDefinition", "APIService", "Namespace")
    for document in documents:
        if document.get("kind") not in skipped:
            _at_fields([document], given, lambda value: f"{prefix}{value}{suffix}")
    renamed = {old: new[1] for old, new in zip(before, map(_identity, documents), strict=True) if old != new}
    return [_renamed(document, renamed) for document in documents] if renamed else documents


def _identity(document: Mapping[str, Json]) -> tuple[str, str]:
    return str(document.get("kind") or ""), str((document.get("metadata") or {}).get("name") or "")


def _renamed(value: Json, names: Mapping[tuple[str, str], str]) -> Json:
    """References to renamed objects follow."""
    if isinstance(value, list):
        return [_renamed(item, names) for item in value]
    if not isinstance(value, dict):
        return value
    out = {key: _renamed(item, names) for key, item in value.items()}
    for key, item in out.items():
        kind = _NAMES.get(key)
        if kind and isinstance(item, str):
            out[key] = names.get((kind, item), item)
        elif key in _REFERENCES:
            field, kind = _REFERENCES[key]
            for one in item if isinstance(item, list) else [item]:
                if isinstance(one, dict) and isinstance(one.get(field), str):
                    one[field] = names.get((kind, one[field]), one[field])
        elif key in ("roleRef", "scaleTargetRef", "subjects", "targetRef"):
            for one in item if isinstance(item, list) else [item]:
                if isinstance(one, dict) and "name" in one and not one.get("namespace"):
                    one["name"] = names.get((str(one.get("kind")), one["name"]), one["name"])
        elif key in ("sources", "secret") and isinstance(item, dict) and "name" in item:
            item["name"] = names.get(("Secret", item["name"]), item["name"])
    return out


def _image(documents: Documents, given: Mapping[str, Json]) -> Documents:
    wanted = given.get("imageTag") or {}

    def changed(value: Json) -> Json:
        return _retagged(value, wanted) if isinstance(value, str) else value

    def walk(value: Json) -> None:
        if isinstance(value, list):
            for item in value:
                walk(item)
        elif isinstance(value, dict):
            for key, item in value.items():
                if key in ("containers", "initContainers") and isinstance(item, list):
                    for container in item:
                        if isinstance(container, dict) and "image" in container:
                            container["image"] = changed(container["image"])
                else:
                    walk(item)

    for document in documents:
        if document.get("kind") != "CustomResourceDefinition":
            walk(document)
    return _at_fields(documents, given, changed, create=False)


def _retagged(image: str, wanted: Mapping[str, Json]) -> str:
    """An image whose name is the wanted one with another name, tag or digest."""
    rest, at, digest = image.partition("@")
    name, colon, tag = rest.rpartition(":")
    if not colon or "/" in tag:
        name, tag = rest, ""
    if not re.fullmatch(str(wanted.get("name") or ""), name):
        return image
    name = str(wanted.get("newName") or name)
    if wanted.get("digest"):
        return (
            f"{name}@{wanted['digest']}"
            if not wanted.get("newTag")
            else f"{name}:{wanted['newTag']}@{wanted['digest']}"
        )
    if wanted.get("newTag"):
        return f"{name}:{wanted['newTag']}"
    return f"{name}{':' + tag if tag else ''}{at}{digest}"


def _replicas(documents: Documents, given: Mapping[str, Json]) -> Documents:
    wanted = given.get("replica") or {}
    mine = [document for document in documents if _identity(document)[1] == wanted.get("name")]
    _at_fields(mine, given, lambda value: wanted.get("count"))
    return documents


def _patch(documents: Documents, given: Mapping[str, Json]) -> Documents:
    """One patch, JSON or strategic merge, on what its target names or on the object that it names itself."""
    body = _read(given)
    target = given.get("target")
    if isinstance(body, list):
        return [json_patch(one, body) if targets(target or {}, one) else one for one in documents]
    if not target:
        return Patching(strategic_merge_patches=(body,)).apply(documents)
    kept = {key: value for key, value in body.items() if key not in ("apiVersion", "kind", "metadata")}
    metadata = {k: v for k, v in (body.get("metadata") or {}).items() if k not in ("name", "namespace")}
    kept |= {"metadata": metadata} if metadata else {}
    found = []
    for one in documents:
        if not targets(target, one):
            found.append(one)
        elif body.get("$patch") != "delete":
            found.append(strategic_merge(one, kept))
    return found


def _json_patch(documents: Documents, given: Mapping[str, Json]) -> Documents:
    return _patch(documents, {**given, "patch": given.get("jsonOp")})


def _merge_patches(documents: Documents, given: Mapping[str, Json]) -> Documents:
    from helmflow.core import yaml_dialect

    if given.get("paths"):
        raise _no_files(given)
    written = given.get("patches") or ""
    bodies = yaml_dialect.load_all(written) if isinstance(written, str) else written
    return Patching(strategic_merge_patches=tuple(body for body in bodies if body)).apply(documents)


def _read(given: Mapping[str, Json]) -> Json:
    from helmflow.core import yaml_dialect

    if given.get("path") and not given.get("patch"):
        raise _no_files(given)
    body = given.get("patch")
    return yaml_dialect.load(body) if isinstance(body, str) else body or []


def _no_files(given: Mapping[str, Json]) -> ConfigError:
    return ConfigError(
        f"the transformer {given.get('kind')} reads its patch from a file, which is not done here",
        error_id="patch.transformers",
        hint="write the patch itself under `patch`, or use jsonPatches and strategicMergePatches, which take paths",
    )


def _at_fields(
    documents: Documents, given: Mapping[str, Json], change: Callable[[Json], Json], *, create: bool = True
) -> Documents:
    """`change` at every field that the transformer's fieldSpecs name."""
    for spec in given.get("fieldSpecs") or ():
        path = [step.replace("\0", "/") for step in str(spec.get("path", "")).replace("\\/", "\0").split("/")]
        chosen = {key: spec[key] for key in ("group", "version", "kind") if spec.get(key)}
        for document in documents:
            if targets(chosen, document):
                _at(document, path, change, create=create and bool(spec.get("create")))
    return documents


def _at(value: Json, path: Sequence[str], change: Callable[[Json], Json], *, create: bool) -> None:
    step, rest = path[0].removesuffix("[]"), path[1:]
    if isinstance(value, list):
        for item in value:
            _at(item, path, change, create=create)
        return
    if not isinstance(value, dict) or (value.get(step) is None and not create):
        return
    if not rest and not path[0].endswith("[]"):
        value[step] = change(value.get(step))
        return
    if value.get(step) is None:
        if path[0].endswith("[]"):
            return
        value[step] = {}
    if rest:
        _at(value[step], rest, change, create=create)
    elif isinstance(value[step], list):
        value[step] = [change(item) for item in value[step]]


_RUN: Final[Mapping[str, Callable[[Documents, Mapping[str, Any]], Documents]]] = {
    "LabelTransformer": _labels,
    "AnnotationsTransformer": _annotations,
    "NamespaceTransformer": _namespace,
    "PrefixSuffixTransformer": _affixes,
    "PrefixTransformer": _affixes,
    "SuffixTransformer": _affixes,
    "ImageTagTransformer": _image,
    "ReplicaCountTransformer": _replicas,
    "PatchTransformer": _patch,
    "PatchJson6902Transformer": _json_patch,
    "PatchStrategicMergeTransformer": _merge_patches,
}
