"""The documents of a release, rendered or stored, in the one form in which they are compared; pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from helmflow.helm.release.record import HookRecord, Revision
from helmflow.helm.render import manifests
from helmflow.plan.diff import Document

if TYPE_CHECKING:
    from helmflow.helm.render.engine import Rendered
    from helmflow.helm.render.manifests import Manifest


def rendered(release: Rendered) -> list[Document]:
    """What a chart renders to now."""
    found = [
        Document(
            key=("object", *manifest.ref),
            text=manifest.text,
            content=manifest.body,
            ref=manifest.ref,
            source=manifest.source_path,
        )
        for manifest in release.manifests
    ]
    found += [
        Document(
            key=("hook", hook.path, *hook.manifest.ref),
            text=hook.manifest.text,
            content=hook.manifest.body,
            ref=hook.manifest.ref,
            hook=True,
            source=hook.path,
        )
        for hook in release.hooks
    ]
    return found


def stored(revision: Revision) -> list[Document]:
    """What a revision holds."""
    found = [
        Document(
            key=("object", *manifest.ref),
            text=manifest.text,
            content=manifest.body,
            ref=manifest.ref,
            source=manifest.source_path,
        )
        for manifest in manifests.parse(revision.manifest)
    ]
    for hook in revision.hooks:
        found += [_stored_hook(hook, manifest) for manifest in manifests.parse(hook.manifest)[:1]]
    return found


def _stored_hook(hook: HookRecord, manifest: Manifest) -> Document:
    return Document(
        key=("hook", hook.path, *manifest.ref),
        text=hook.manifest,
        content=manifest.body,
        ref=manifest.ref,
        hook=True,
        source=hook.path,
    )
