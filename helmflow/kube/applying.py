"""Server-side apply with what it needs around it: ownership migrated, replicas handed over, unions switched."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from helmflow.core.ids import ObjectRef
from helmflow.kube import errors, objects, ownership
from helmflow.kube.client import JSON_PATCH, STRATEGIC_PATCH, Applied, KubeClient
from helmflow.kube.objects import KubeObject

ATTEMPTS = 5


def apply(
    client: KubeClient,
    config: KubeObject,
    *,
    live: KubeObject | None = None,
    last: Mapping[str, Any] | None = None,
    force: bool = False,
) -> Applied:
    """Apply `config` as Helm's manager.

    `live` is the object as it was last read: without it nothing is prepared, and an object that needs it is refused.
    `last` is the manifest that was applied before. One request where nothing special is to be done.
    """
    if live is not None:
        live = migrate(client, live, last=last)
        handover = ownership.replicas_handover(config, live)
        if handover is not None:
            client.apply(handover, manager=ownership.HANDOVER)
    try:
        return client.apply(config, force=force)
    except errors.Invalid as refusal:
        claim = ownership.union_claim(refusal, config, live or _read(client, config))
        if claim is None:
            raise
        client.apply(claim, force=force)
        return client.apply(config, force=force)


def create(client: KubeClient, config: KubeObject) -> KubeObject:
    """Apply an object that must not exist: Conflict where somebody made one of that name."""
    ref = objects.ref(config)
    if client.find(ref) is not None:
        raise errors.AlreadyExists(
            f"{ref} was made anew by somebody else while it was replaced", error_id="cluster.already-exists"
        )
    return client.apply(config).object


def preview(client: KubeClient, config: KubeObject, *, force: bool = False) -> Applied:
    """What `apply` will give, by dry-run; a union's switch is shown by a strategic merge patch."""
    try:
        return client.apply(config, force=force, dry_run=True)
    except errors.Invalid as refusal:
        patch = ownership.union_dry_run(refusal, config)
        if patch is None:
            raise
        shown = client.patch(objects.ref(config), STRATEGIC_PATCH, patch, dry_run=True)
        return Applied(shown, created=False)


def migrate(client: KubeClient, live: KubeObject, *, last: Mapping[str, Any] | None = None) -> KubeObject:
    """Make what client-side writers of this release own ours, in versions that are served; the object afterwards."""
    ref: ObjectRef = objects.ref(live)
    for attempt in range(1, ATTEMPTS + 1):
        patch = ownership.migration(live, last=last) or _renamed(client, live)
        if patch is None:
            return live
        try:
            return client.patch(ref, JSON_PATCH, patch, manager="")
        except errors.Conflict:
            if attempt == ATTEMPTS:
                raise
            live = client.get(ref)
    return live


def _read(client: KubeClient, config: KubeObject) -> KubeObject:
    return client.find(objects.ref(config)) or {}


def _renamed(client: KubeClient, live: KubeObject) -> list[dict[str, Any]] | None:
    """The patch for ownership in versions that the cluster no longer knows: with it nothing could be applied."""
    served = frozenset(client.discovery().versions)
    return ownership.renamed_version(live, served) if served else None
