"""The plan's only reading: stored revisions, live objects and dry-runs, each asked for as seldom as possible."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from helmflow.core.errors import ClusterError
from helmflow.core.ids import ObjectRef
from helmflow.core.records import dataclass
from helmflow.helm.release.record import ReleaseStatus, Revision
from helmflow.helm.release.storage import RevisionStore
from helmflow.kube import applying
from helmflow.kube import objects as kube_objects
from helmflow.kube.client import KubeClient
from helmflow.plan.objects import MANAGED_BY

Json = Any
Live = Mapping[ObjectRef, Json]
"""Live objects by identity; None where it is known that there is none."""

_FEW: Final = 2  # new objects of one kind and scope that are cheaper to ask for one by one than to list


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Objects to read. `known` were written by a release before, so their label finds them; `new` may be anybody's."""

    known: frozenset[ObjectRef]
    new: frozenset[ObjectRef] = frozenset()


def stored_revisions(
    store: RevisionStore, releases: Iterable[tuple[str, str]]
) -> dict[tuple[str, str], tuple[Revision, ...]]:
    """The stored revisions of (namespace, name) pairs, oldest first, without superseded ones.

    Of those that cannot be read only what matters is there: the newest, and a deployed one.
    """
    found: dict[tuple[str, str], list[Revision]] = {}
    for revision in store.current(releases):
        found.setdefault((revision.namespace, revision.name), []).append(revision)
    return {
        key: tuple(
            one
            for one in group
            if not one.damaged or one is group[-1] or one.status is ReleaseStatus.DEPLOYED
        )
        for key, group in found.items()
    }


def live_objects(client: KubeClient, wanted: Wanted) -> tuple[dict[ObjectRef, Json], str]:
    """Every wanted object, None where it does not exist: one LIST per kind and scope, a GET for stragglers.

    With it comes the moment of the first LIST, "" without one: nothing that changes afterwards has been seen.
    """
    served = client.discovery()
    groups: dict[tuple[str, str, str], tuple[set[ObjectRef], set[ObjectRef]]] = {}
    for number, refs in enumerate((wanted.known, wanted.new)):
        for ref in refs:
            groups.setdefault((ref.api_version, ref.kind, ref.namespace), (set(), set()))[number].add(ref)
    asked = [
        (known, new)
        for (api_version, kind, _), (known, new) in sorted(groups.items())
        if served.find(api_version, kind) is not None
    ]
    answers = client.each([lambda k=known, n=new: _group(client, k, n) for known, new in asked])  # type: ignore[misc]
    found: dict[ObjectRef, Json] = dict.fromkeys(wanted.known | wanted.new)
    moments = []
    for answer in answers:
        if isinstance(answer, ClusterError):
            raise answer
        seen, moment = answer
        found.update(seen)
        moments.append(moment)
    return found, min((moment for moment in moments if moment.isdecimal()), key=int, default="")


def namespaces(client: KubeClient, names: Iterable[str]) -> dict[str, bool]:
    """Whether each namespace exists."""
    wanted = sorted(set(names))
    answers = client.each(
        [lambda n=name: client.find(ObjectRef("v1", "Namespace", "", n)) for name in wanted]  # type: ignore[misc]
    )
    found = {}
    for name, answer in zip(wanted, answers, strict=True):
        if isinstance(answer, ClusterError) and answer.status != 403:
            raise answer
        # Who may not read namespaces is taken to have been given an existing one.
        found[name] = isinstance(answer, ClusterError) or answer is not None
    return found


def dry_runs(
    client: KubeClient, bodies: Sequence[Mapping[str, Json]], *, force: bool = False
) -> Sequence[Json | ClusterError]:
    """What the server would store for each body; its refusal where it would refuse."""
    return client.each(
        [lambda b=body: applying.preview(client, dict(b), force=force).object for body in bodies]  # type: ignore[misc]
    )


def crd_names(client: KubeClient) -> frozenset[str]:
    """The names of all CRDs that exist."""
    listed = client.list("apiextensions.k8s.io/v1", "CustomResourceDefinition", metadata_only=True)
    return frozenset(kube_objects.ref(item).name for item in listed.items)


def _group(
    client: KubeClient, known: set[ObjectRef], new: set[ObjectRef]
) -> tuple[dict[ObjectRef, Json], str]:
    moment = ""
    found: dict[ObjectRef, Json] = {}
    some = next(iter(known or new))
    if len(new) > _FEW or known:
        selector = "" if len(new) > _FEW else f"{MANAGED_BY}=Helm"
        listed = client.list(some.api_version, some.kind, some.namespace, label_selector=selector)
        moment = listed.resource_version
        by_name = {kube_objects.ref(item).name: item for item in listed.items}
        complete = not selector
        for ref in known | new:
            item = by_name.get(ref.name)
            if item is not None or complete:
                found[ref] = item
    for ref in sorted((known | new) - set(found)):
        found[ref] = client.find(ref)
    return found, moment
