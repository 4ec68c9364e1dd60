"""helmflow compare: two environments side by side, without a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from helmflow.core.errors import ConfigError
from helmflow.core.events import Emit
from helmflow.core.ids import ReleaseId
from helmflow.core.records import replace
from helmflow.flows import prepare, rendering
from helmflow.flows.options import RunOptions
from helmflow.flows.session import Session, session_for
from helmflow.state import comparing
from helmflow.state.comparing import ComparedRelease, Difference
from helmflow.state.load import load_desired

if TYPE_CHECKING:
    from helmflow.helm.render.engine import Rendered

Objects = Mapping[str, Mapping[str, Any]]  # fields by path, by kind, namespace and name
RANDOM: Final = "(random)"


def compare(
    options: RunOptions,
    emit: Emit,
    left: str,
    right: str,
    *,
    charts: bool = True,
    given: Session | None = None,
) -> Sequence[ComparedRelease]:
    """Which releases, versions, values and, with `charts`, rendered objects differ.

    Raises ConfigError for an environment that the files do not name, and what rendering raises.
    """
    with session_for(options, emit, given) as session:
        request = prepare.request(session)
        names = comparing.environment_names(request, emit)
        for name in (left, right):
            if name not in names:
                raise ConfigError(
                    f"there is no environment {name!r}",
                    error_id="state.unknown-environment",
                    hint=f"the files name {', '.join(names)}",
                )
        found = comparing.compare(request, left, right, emit)
        if not charts:
            return found
        sides = [_rendered(session, name, emit) for name in (left, right)]
        return [_with_objects(one, *(side.get(one.id, {}) for side in sides)) for one in found]


def _rendered(session: Session, environment: str, emit: Emit) -> dict[ReleaseId, Objects]:
    """What every release of an environment renders to, without a cluster; ids as `comparing` makes them."""
    request = replace(prepare.request(session, need_releases=False), environment=environment)
    desired = load_desired(request, emit)
    chosen = prepare.choose(session, desired, counting=prepare.RENDERED)
    preparation = prepare.prepare(session, chosen, "template")
    found: dict[ReleaseId, Objects] = {}
    for prepared in preparation.prepared.values():
        release = prepared.release
        file = desired.file_of(release)
        owner = ReleaseId(release.context, release.namespace or "default", release.name)
        capabilities = rendering.offline_capabilities(session, prepared, file.kube_version)
        first = rendering.render(session, prepared, owner, capabilities, offline=True)
        objects = _objects(first, release.namespace, desired.secrets.mask)
        if first.uses_random:  # what differs from one rendering to the next says nothing of environments
            again = rendering.render(session, prepared, owner, capabilities, offline=True)
            objects = _settled(objects, _objects(again, release.namespace, desired.secrets.mask))
        found[ReleaseId("", release.namespace, release.name)] = objects
    return found


def _objects(rendered: Rendered, namespace: str, mask: Callable[[str], str]) -> Objects:
    """Every rendered object's fields, by the object's name and the field's path."""
    return {
        mask(f"{one.ref.kind} {one.ref.namespace or namespace}/{one.ref.name}"): dict(
            _leaves(_masked(one.body, mask))
        )
        for one in rendered.manifests
    }


def _settled(first: Objects, second: Objects) -> Objects:
    return {
        name: {
            path: RANDOM if second.get(name, {}).get(path) != value else value
            for path, value in fields.items()
        }
        for name, fields in first.items()
    }


def _masked(body: Any, mask: Callable[[str], str]) -> Any:
    """An object as people may see it: the content of Secrets only by whether it is equal."""
    if isinstance(body, Mapping):
        secret = body.get("kind") == "Secret"
        return {
            key: _digests(value) if secret and key in ("data", "stringData") else _masked(value, mask)
            for key, value in body.items()
        }
    if isinstance(body, list):
        return [_masked(item, mask) for item in body]
    return body if not isinstance(body, str) or mask(body) == body else _hidden(body)


def _digests(values: Any) -> Any:
    return {key: _hidden(value) for key, value in values.items()} if isinstance(values, Mapping) else values


def _hidden(value: Any) -> _Hidden:
    import hashlib

    return _Hidden(hashlib.sha256(str(value).encode()).hexdigest())


class _Hidden(str):
    """A secret value: compared by its digest, shown as ***."""

    __slots__ = ()

    def __str__(self) -> str:
        return comparing.MASK


def _with_objects(one: ComparedRelease, left: Objects, right: Objects) -> ComparedRelease:
    if one.left is None or one.right is None:
        return one
    found = tuple(_object_differences(left, right))
    return replace(one, differences=(*one.differences, *found))


def _object_differences(left: Objects, right: Objects) -> Iterator[Difference]:
    for name in sorted({*left, *right}):
        if name not in left or name not in right:
            yield Difference(name, "present" if name in left else None, "present" if name in right else None)
            continue
        ours, theirs = left[name], right[name]
        for path in sorted({*ours, *theirs}):
            if ours.get(path) != theirs.get(path):
                yield Difference(f"{name}: {path}", _shown(ours.get(path)), _shown(theirs.get(path)))


def _shown(value: Any) -> Any:
    return str(value) if isinstance(value, _Hidden) else value


def _leaves(value: Any, at: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _leaves(item, f"{at}.{key}" if at else str(key))
    elif isinstance(value, list) and value:
        for number, item in enumerate(value):
            yield from _leaves(item, f"{at}[{number}]")
    else:
        yield at, value


def environments(options: RunOptions, emit: Emit, given: Session | None = None) -> Sequence[str]:
    """Every environment that the files name."""
    with session_for(options, emit, given) as session:
        return comparing.environment_names(prepare.request(session), emit)
