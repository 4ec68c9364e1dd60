"""Rendered and stored manifests as the objects that are sent: namespaced, owned, without nulls; pure."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, Final

from helmflow.core.ids import ObjectRef, ReleaseId
from helmflow.core.records import dataclass
from helmflow.helm.render.manifests import Manifest

Json = Any
Namespaced = Callable[[str, str], bool]
"""(apiVersion, kind) -> whether objects of that kind live in a namespace."""

MANAGED_BY: Final = "app.kubernetes.io/managed-by"
RELEASE_NAME: Final = "meta.helm.sh/release-name"
RELEASE_NAMESPACE: Final = "meta.helm.sh/release-namespace"
RESOURCE_POLICY: Final = "helm.sh/resource-policy"
_EXACT: Final = 2.0**63  # beyond, a float is no 64-bit integer

# Kinds of the core API that live in no namespace; used where the cluster does not know a kind yet.
_CLUSTER_SCOPED: Final = frozenset(
    {
        "APIService", "CertificateSigningRequest", "ClusterRole", "ClusterRoleBinding", "ComponentStatus",
        "CSIDriver", "CSINode", "CustomResourceDefinition", "FlowSchema", "IngressClass",
        "MutatingWebhookConfiguration", "Namespace", "Node", "PersistentVolume", "PriorityClass",
        "PriorityLevelConfiguration", "RuntimeClass", "StorageClass", "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding", "ValidatingWebhookConfiguration", "VolumeAttachment", "PodSecurityPolicy",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Target:
    """One object of a release: its identity in the cluster, its document's text and source, and what is sent."""

    ref: ObjectRef
    text: str
    source: str
    document: Mapping[str, Json]
    owner: ReleaseId | None

    @cached_property
    def body(self) -> dict[str, Json]:
        """The object as it is applied: with its namespace and Helm's ownership, nulls pruned, stringData folded."""
        return sendable(self.document, self.ref, self.owner)

    @property
    def keep(self) -> bool:
        """Whether the document says that uninstalling leaves the object."""
        return policy(self.document) == "keep"


def known_scopes(crds: Iterable[Mapping[str, Json]], served: Callable[[str, str], bool | None]) -> Namespaced:
    """Scopes from what the cluster serves, then from CRDs that are about to be applied, then from what is known."""
    planned: dict[tuple[str, str], bool] = {}
    for crd in crds:
        spec = _mapping(crd.get("spec"))
        kind = str(_mapping(spec.get("names")).get("kind") or "")
        for version in spec.get("versions") or ():
            name = str(_mapping(version).get("name") or "")
            planned[f"{spec.get('group')}/{name}", kind] = spec.get("scope") != "Cluster"

    def namespaced(api_version: str, kind: str) -> bool:
        found = served(api_version, kind)
        if found is None:
            found = planned.get((api_version, kind))
        return kind not in _CLUSTER_SCOPED if found is None else found

    return namespaced


def is_cluster_scoped(kind: str) -> bool:
    """Whether a kind of the core API lives in no namespace; for where no cluster is asked."""
    return kind in _CLUSTER_SCOPED


def targets(manifests: Iterable[Manifest], owner: ReleaseId, namespaced: Namespaced) -> tuple[Target, ...]:
    """The objects of a release in the manifests' order; a List gives its items."""
    return tuple(
        _target(document, text, manifest.source_path, owner, namespaced)
        for manifest in manifests
        for document, text in _items(manifest)
    )


def hook_target(manifest: Manifest, owner: ReleaseId, namespaced: Namespaced) -> Target:
    """A hook's object: hooks get no ownership labels."""
    found = _target(manifest.body, manifest.text, manifest.source_path, owner, namespaced)
    return Target(found.ref, found.text, found.source, found.document, None)


def sendable(document: Mapping[str, Json], ref: ObjectRef, owner: ReleaseId | None) -> dict[str, Json]:
    """A document as it is sent to the cluster."""
    body: dict[str, Json] = without_nulls(document)
    body.pop("status", None)
    metadata = dict(_mapping(body.get("metadata")))
    metadata.pop("creationTimestamp", None)
    if ref.namespace:
        metadata["namespace"] = ref.namespace
    else:
        metadata.pop("namespace", None)
    if owner is not None:
        metadata["labels"] = {**_mapping(metadata.get("labels")), MANAGED_BY: "Helm"}
        metadata["annotations"] = {
            **_mapping(metadata.get("annotations")),
            RELEASE_NAME: owner.name,
            RELEASE_NAMESPACE: owner.namespace,
        }
    body["metadata"] = metadata
    if ref.kind == "Secret" and ref.api_version == "v1":
        _fold_string_data(body)
    return body


def without_nulls(value: Json) -> Json:
    """A copy without mapping entries that are null: server-side apply would own them as values.

    Numbers, which are all floats in rendered YAML, become integers where they are whole, as JSON writes them.
    """
    if isinstance(value, float) and value.is_integer() and abs(value) < _EXACT:
        return int(value)
    if isinstance(value, Mapping):
        return {key: without_nulls(child) for key, child in value.items() if child is not None}
    if isinstance(value, list):
        return [without_nulls(child) for child in value]
    return value


def policy(obj: Mapping[str, Json]) -> str:
    """The value of helm.sh/resource-policy, lower case; "" without one."""
    annotations = _mapping(_mapping(obj.get("metadata")).get("annotations"))
    return str(annotations.get(RESOURCE_POLICY) or "").strip().lower()


def owned_by(obj: Mapping[str, Json]) -> tuple[str, str, str]:
    """(managed-by label, release name, release namespace) of a live object."""
    metadata = _mapping(obj.get("metadata"))
    labels, annotations = _mapping(metadata.get("labels")), _mapping(metadata.get("annotations"))
    return (
        str(labels.get(MANAGED_BY) or ""),
        str(annotations.get(RELEASE_NAME) or ""),
        str(annotations.get(RELEASE_NAMESPACE) or ""),
    )


def _target(
    document: Mapping[str, Json], text: str, source: str, owner: ReleaseId, namespaced: Namespaced
) -> Target:
    plain = _ref(document)
    namespace = ""
    if namespaced(plain.api_version, plain.kind):
        namespace = plain.namespace or owner.namespace
    return Target(plain._replace(namespace=namespace), text, source, document, owner)


def _items(manifest: Manifest) -> Iterator[tuple[Mapping[str, Json], str]]:
    body = manifest.body
    items = body.get("items")
    if not str(body.get("kind") or "").endswith("List") or not isinstance(items, list):
        yield body, manifest.text
        return
    from helmflow.core import yaml_dialect

    for item in items:
        if isinstance(item, Mapping):
            yield item, yaml_dialect.dump(dict(item))


def _ref(document: Mapping[str, Json]) -> ObjectRef:
    metadata = _mapping(document.get("metadata"))
    return ObjectRef(
        str(document.get("apiVersion") or ""),
        str(document.get("kind") or ""),
        str(metadata.get("namespace") or ""),
        str(metadata.get("name") or ""),
    )


def _fold_string_data(body: dict[str, Json]) -> None:
    texts = body.pop("stringData", None)
    if not isinstance(texts, Mapping) or not texts:
        return
    encoded = {key: base64.b64encode(str(text).encode()).decode() for key, text in texts.items()}
    body["data"] = {**_mapping(body.get("data")), **encoded}


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}
