"""helmflow images: every container image that the rendered releases would run, hooks and custom resources included."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from helmflow.core.events import Emit
from helmflow.core.ids import ReleaseId
from helmflow.core.records import dataclass
from helmflow.flows import prepare, rendering
from helmflow.flows.options import RunOptions
from helmflow.flows.session import Session, session_for

_DIGEST: Final = re.compile(r"@(sha256:[0-9a-f]{64})$")
_CONTAINERS: Final = ("containers", "initContainers", "ephemeralContainers")
# A text under `image` or `...Image` of a custom resource that looks like a reference.
_REFERENCE: Final = re.compile(
    r"[a-zA-Z0-9][\w.-]*(?::\d+)?(?:/[\w.-]+)*(?::[\w][\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """One image and where it would run. `guessed`: found by its key in an object whose kind is not known."""

    image: str
    release: str
    kind: str
    name: str
    container: str
    guessed: bool = False

    @property
    def digest(self) -> str:
        """The digest that it is pinned to, "" without one."""
        found = _DIGEST.search(self.image)
        return found[1] if found else ""


def images(options: RunOptions, emit: Emit, given: Session | None = None) -> list[Image]:
    """The images of every chosen release, in the order of releases and manifests."""
    with session_for(options, emit, given) as session:
        desired = prepare.load(session, "images")
        chosen = prepare.choose(session, desired, counting=prepare.RENDERED)
        preparation = prepare.prepare(session, chosen, "images")
        found: list[Image] = []
        for release in chosen.order:
            prepared = preparation.prepared.get(release)
            if prepared is None:
                continue
            owner = ReleaseId(release.context, release.namespace or "default", release.name)
            version = desired.file_of(prepared.release).kube_version
            capabilities = rendering.offline_capabilities(session, prepared, version)
            rendered = rendering.render(session, prepared, owner, capabilities, offline=True)
            for manifest in (*rendered.manifests, *(hook.manifest for hook in rendered.hooks)):
                if isinstance(manifest.body, Mapping):
                    found.extend(_of_object(release.name, manifest.body))
        return list(dict.fromkeys(found))


def _of_object(release: str, body: Mapping[str, Any]) -> Iterator[Image]:
    if str(body.get("kind", "")).endswith("List") and isinstance(body.get("items"), list):
        for item in body["items"]:
            if isinstance(item, Mapping):
                yield from _of_object(release, item)
        return
    metadata = body.get("metadata")
    name = str(metadata.get("name", "")) if isinstance(metadata, Mapping) else ""
    for image, container, guessed in _walk(body, "", 0):
        yield Image(
            image=image, release=release, kind=str(body.get("kind", "")), name=name,
            container=container, guessed=guessed,
        )  # fmt: skip


def _walk(node: Any, path: str, depth: int) -> Iterator[tuple[str, str, bool]]:
    if depth > 200:
        return
    if isinstance(node, list):
        for item in node:
            yield from _walk(item, path, depth + 1)
        return
    if not isinstance(node, Mapping):
        return
    for key, value in node.items():
        where = f"{path}.{key}" if path else str(key)
        if key in _CONTAINERS and isinstance(value, list):
            for one in value:
                if isinstance(one, Mapping) and isinstance(one.get("image"), str) and one["image"]:
                    yield one["image"], str(one.get("name", "")), False
        elif isinstance(value, str) and value and (key == "image" or str(key).endswith("Image")):
            if _REFERENCE.fullmatch(value):
                yield value, where, True
        else:
            yield from _walk(value, where, depth + 1)
