"""Create, update, apply and delete, for requests and controllers alike: every rule between a decoded object and storage."""

from __future__ import annotations

from typing import Any, Final

from helmflow.core.records import dataclass, field
from helmflow.embedded import (
    converting,
    customs,
    decoding,
    defaulting,
    managing,
    quotas,
    strategies,
    validation,
)
from helmflow.embedded.cluster import Cluster, copy_of, new_uid, random_suffix, stamp
from helmflow.embedded.kinds import Resource
from helmflow.embedded.managing import Writer
from helmflow.embedded.status import (
    MODIFIED,
    ApiError,
    already_exists,
    conflict,
    denied,
    invalid,
    not_found,
    unprocessable,
)
from helmflow.kube import structural

Json = dict[str, Any]

FOREGROUND: Final = "foregroundDeletion"
ORPHAN: Final = "orphan"
_MAX_NAME_BASE: Final = 58
_CREATE_TRIES: Final = 8


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """Who writes and how: field manager, dry run, what to do about unknown fields."""

    manager: str = "unknown"
    dry_run: bool = False
    validation: str = "Warn"
    warnings: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """How to delete: propagation, grace, preconditions, dry run."""

    propagation: str = ""
    grace: int | None = None
    uid: str = ""
    revision: str = ""
    dry_run: bool = False


def decode(resource: Resource, sent: Json, options: WriteOptions, *, patch: bool = False) -> Json:
    """An incoming object with unknown fields dropped (or refused) and defaults filled in."""
    shown = f'{resource.kind} in version "{resource.version}" cannot be handled as a {resource.kind}'
    if resource.crd is not None:
        value, unknown = _decode_custom(resource, sent, shown)
    else:
        decoder = decoding.Decoder()
        try:
            value = decoder.object(sent, resource.schema)
        except decoding.DecodeError as error:
            raise ApiError(400, f"{shown}: {error}") from None
        unknown = decoder.unknown
        strategies.normalise(resource, value)
        defaulting.apply(value, resource.schema)
    _report(unknown, options, shown, patch=patch)
    value = {"kind": resource.kind, "apiVersion": resource.api_version, **value}
    value["kind"], value["apiVersion"] = resource.kind, resource.api_version
    return value


def _decode_custom(resource: Resource, sent: Json, shown: str) -> tuple[Json, list[str]]:
    from helmflow.embedded import schema as schemas

    value = copy_of(sent)
    metadata = value.get("metadata")
    decoder = decoding.Decoder()
    try:
        cleaned = decoder.object(metadata if isinstance(metadata, dict) else {}, schemas.object_meta())
    except decoding.DecodeError as error:
        raise ApiError(400, f"{shown}: {error}") from None
    value["metadata"] = cleaned
    unknown = [f"metadata.{path}" for path in decoder.unknown]
    unknown += customs.prune(value, resource.schema)
    defaulting.custom(value, resource.schema.raw)
    return value, unknown


def _report(unknown: list[str], options: WriteOptions, shown: str, *, patch: bool) -> None:
    if not unknown or options.validation == "Ignore":
        return
    texts = [f'unknown field "{path}"' for path in unknown]
    if options.validation == "Strict":
        message = "strict decoding error: " + ", ".join(texts)
        raise ApiError(
            422 if patch else 400, f'.  "" is invalid: patch: {message}' if patch else f"{shown}: {message}"
        )
    options.warnings.extend(texts)


def empty(resource: Resource) -> Json:
    """What a new object is compared with: the kind's zero value."""
    if resource.crd is not None:
        return {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": {}}
    return decoding.empty_object(resource.schema, resource.api_version, resource.kind)


def writer(cluster: Cluster, resource: Resource, options: WriteOptions, subresource: str = "") -> Writer:
    """Who writes, for managedFields."""
    return Writer(
        options.manager, resource.api_version, subresource, cluster.now(), resource.ignored_by(subresource)
    )


def create(
    cluster: Cluster, resource: Resource, value: Json, options: WriteOptions, *, applied: bool = False
) -> Json:
    """Store a new decoded object; returns it as served. `applied` says that its managedFields are already right."""
    metadata = value["metadata"]
    generated = not metadata.get("name") and metadata.get("generateName")
    if metadata.pop("resourceVersion", None) and not applied:
        raise ApiError(500, "resourceVersion should not be set on objects to be created", reason="")
    check_namespace(cluster, resource, metadata)
    if not applied:
        managing.track_update(empty(resource), value, resource.schema, writer(cluster, resource, options))
    for _ in range(_CREATE_TRIES):
        if generated:
            metadata["name"] = str(generated)[:_MAX_NAME_BASE] + random_suffix()
        if (
            not generated
            or cluster.storage.get(resource.key, metadata.get("namespace", ""), metadata["name"]) is None
        ):
            break
    _begin(cluster, resource, value)
    if metadata.get("name"):
        strategies.prepare_create(cluster, resource, value)
    _check_new(resource, value)
    if cluster.storage.get(resource.key, metadata.get("namespace", ""), metadata["name"]) is not None:
        raise already_exists(resource.group, resource.plural, metadata["name"])
    quotas.admit(cluster, resource, value)
    if options.dry_run:
        return value
    stored = converting.to_stored(resource, value)
    cluster.write(resource.key, None, stored)
    metadata["resourceVersion"] = stored["metadata"]["resourceVersion"]
    return value


def _begin(cluster: Cluster, resource: Resource, value: Json) -> None:
    """The metadata and status that the server, not the client, decides on at birth."""
    metadata = value["metadata"]
    for key in ("selfLink", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"):
        metadata.pop(key, None)
    metadata["uid"] = new_uid()
    metadata["creationTimestamp"] = cluster.now()
    generation = strategies.first_generation(resource)
    if generation:
        metadata["generation"] = generation
    if resource.has_status:
        value.pop("status", None)
        zero = empty(resource).get("status")
        if zero is not None:
            value["status"] = zero


def _check_new(resource: Resource, value: Json) -> None:
    validation.create(resource, value)
    _check_custom(resource, value)


def _check_custom(resource: Resource, value: Json) -> None:
    if resource.crd is not None:
        causes = structural.check(value, resource.schema.raw)
        if causes:
            raise unprocessable(resource.group, resource.kind, value["metadata"].get("name", ""), causes)


def check_namespace(cluster: Cluster, resource: Resource, metadata: Json) -> None:
    """404 for an absent namespace, 403 for one that is going away."""
    namespace = metadata.get("namespace", "")
    if not resource.namespaced:
        metadata.pop("namespace", None)
        return
    found = cluster.get("/namespaces", "", namespace)
    if found is None:
        raise not_found("", "namespaces", namespace)
    if found["metadata"].get("deletionTimestamp"):
        cause = {
            "reason": "NamespaceTerminating",
            "message": f"namespace {namespace} is being terminated",
            "field": "metadata.namespace",
        }
        name = metadata.get("name", "") or metadata.get("generateName", "")
        why = f"unable to create new content in namespace {namespace} because it is being terminated"
        raise denied(resource.group, resource.plural, name, why, [cause])


def update(
    cluster: Cluster,
    resource: Resource,
    old: Json,
    new: Json,
    options: WriteOptions,
    *,
    subresource: str = "",
    applied: bool = False,
) -> Json:
    """Replace a stored object by a decoded one; returns it as served. Equal objects are not written."""
    metadata, before = new["metadata"], old["metadata"]
    _check_identity(resource, before, metadata, applied=applied)
    for key in (
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "selfLink",
    ):
        metadata.pop(key, None)
        if key in before:
            metadata[key] = before[key]
    metadata["resourceVersion"] = before["resourceVersion"]
    if not resource.namespaced:
        metadata.pop("namespace", None)  # charts write one on cluster-scoped objects; the server drops it
    if not applied:
        managing.track_update(old, new, resource.schema, writer(cluster, resource, options, subresource))
    _keep_other_half(resource, old, new, subresource)
    if not subresource:
        strategies.prepare_update(cluster, resource, old, new)
    if subresource != "status":
        generation = strategies.generation_after(resource, old, new)
        if generation:
            metadata["generation"] = generation
    validation.update(resource, old, new, subresource)
    if not subresource or subresource == "status":
        _check_custom(resource, new)
    if managing.same_but_times(old, new):
        return old
    if options.dry_run:
        return new
    stored_old, stored = converting.to_stored(resource, old), converting.to_stored(resource, new)
    if metadata.get("deletionTimestamp") and not _held(resource, stored):
        cluster.remove(resource.key, stored)
    else:
        cluster.write(resource.key, stored_old, stored)
    metadata["resourceVersion"] = stored["metadata"]["resourceVersion"]
    return new


def _held(resource: Resource, value: Json) -> bool:
    """Whether something still keeps a deleted object."""
    if value["metadata"].get("finalizers"):
        return True
    if value["metadata"].get("deletionGracePeriodSeconds"):
        return True
    return resource.key == "/namespaces" and bool((value.get("spec") or {}).get("finalizers"))


def _check_identity(resource: Resource, before: Json, metadata: Json, *, applied: bool) -> None:
    name = before["name"]
    uid = metadata.get("uid")
    if uid and uid != before.get("uid"):
        if applied:
            raise unprocessable(
                resource.group, resource.kind, name, [invalid("metadata.uid", uid, "field is immutable")]
            )
        why = f"Precondition failed: UID in precondition: {uid}, UID in object meta: {before.get('uid')}"
        raise conflict(resource.group, resource.plural, name, why)
    revision = metadata.get("resourceVersion")
    if revision and revision != before["resourceVersion"]:
        raise conflict(resource.group, resource.plural, name, MODIFIED)


def _keep_other_half(resource: Resource, old: Json, new: Json, subresource: str) -> None:
    """The main resource leaves status alone, /status leaves the rest alone."""
    if subresource == "status":
        for key in set(old) | set(new):
            if key not in ("metadata", "status"):
                new.pop(key, None)
                if key in old:
                    new[key] = old[key]
        if resource.crd is not None:
            managed = new["metadata"].get("managedFields")
            new["metadata"] = (
                {**old["metadata"], "managedFields": managed} if managed else dict(old["metadata"])
            )
        elif resource.group == "apps":
            _carry(old["metadata"], new["metadata"], "labels")
    elif resource.has_status and subresource != "scale":
        _carry(old, new, "status")


def _carry(old: Json, new: Json, key: str) -> None:
    new.pop(key, None)
    if key in old:
        new[key] = old[key]


def delete(cluster: Cluster, resource: Resource, old: Json, options: DeleteOptions) -> tuple[Json, bool]:
    """Delete a stored object; returns its last state and whether it is gone at once."""
    metadata = old["metadata"]
    _check_preconditions(resource, metadata, options)
    value = copy_of(old)
    finalizers = _deletion_finalizers(resource, metadata, options)
    grace = _grace(resource, old, options)
    if resource.key == "/namespaces" and metadata["name"] in ("default", "kube-system", "kube-public"):
        raise denied("", "namespaces", metadata["name"], "this namespace may not be deleted")
    if finalizers != (metadata.get("finalizers") or []):
        value["metadata"]["finalizers"] = finalizers
        if not finalizers:
            del value["metadata"]["finalizers"]
    waits = bool(finalizers) or grace > 0 or resource.key == "/namespaces"
    if not waits:
        if not options.dry_run:
            cluster.remove(resource.key, value)
        return value, True
    _mark(cluster, resource, value, grace)
    if value == old:
        return old, False
    if not options.dry_run:
        cluster.write(resource.key, old, value)
    return value, False


def _mark(cluster: Cluster, resource: Resource, value: Json, grace: int) -> None:
    metadata = value["metadata"]
    if "deletionTimestamp" not in metadata:
        metadata["deletionTimestamp"] = stamp(cluster.moment() + grace)
        metadata["deletionGracePeriodSeconds"] = grace
        if metadata.get("generation"):
            metadata["generation"] += 1
    elif grace < metadata.get("deletionGracePeriodSeconds", 0):
        metadata["deletionTimestamp"] = stamp(cluster.moment() + grace)
        metadata["deletionGracePeriodSeconds"] = grace
    if resource.key == "/namespaces":
        metadata.pop("deletionGracePeriodSeconds", None)
        value["status"] = {**value.get("status", {}), "phase": "Terminating"}


def _check_preconditions(resource: Resource, metadata: Json, options: DeleteOptions) -> None:
    if options.uid and options.uid != metadata.get("uid"):
        why = f"Precondition failed: UID in precondition: {options.uid}, UID in object meta: {metadata.get('uid')}"
        raise conflict(resource.group, resource.plural, metadata["name"], why)
    if options.revision and options.revision != metadata["resourceVersion"]:
        why = (
            f"Precondition failed: ResourceVersion in precondition: {options.revision}, "
            f"ResourceVersion in object meta: {metadata['resourceVersion']}"
        )
        raise conflict(resource.group, resource.plural, metadata["name"], why)


def _deletion_finalizers(resource: Resource, metadata: Json, options: DeleteOptions) -> list[str]:
    finalizers = [f for f in metadata.get("finalizers") or () if f not in (FOREGROUND, ORPHAN)]
    had = metadata.get("finalizers") or []
    propagation = options.propagation
    if not propagation:
        propagation = "Orphan" if ORPHAN in had else "Foreground" if FOREGROUND in had else "Background"
    if propagation == "Orphan":
        return [*finalizers, ORPHAN]
    if propagation == "Foreground":
        return [*finalizers, FOREGROUND]
    return finalizers


def _grace(resource: Resource, value: Json, options: DeleteOptions) -> int:
    """Pods on a node end within their grace period; everything else at once."""
    if resource.key != "/pods":
        return 0
    if not value["spec"].get("nodeName") or (value.get("status") or {}).get("phase") in (
        "Succeeded",
        "Failed",
    ):
        return 0
    if options.grace is not None:
        return max(options.grace, 0)
    return int(value["spec"].get("terminationGracePeriodSeconds") or 0)
