"""Read a cluster into the drafts of a plan: revisions, leases, objects and definitions, each asked for as seldom as possible."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from helmflow.core.ids import ObjectRef
from helmflow.core.records import dataclass
from helmflow.execute.lease import Leases, holder_of, is_stale
from helmflow.flows import definitions
from helmflow.flows.drafts import Draft
from helmflow.flows.session import Cluster, Session
from helmflow.helm.chart.deprecated_apis import successor
from helmflow.helm.release.record import parse_time
from helmflow.helm.render import manifests
from helmflow.helm.render.kinds import in_uninstall_order
from helmflow.plan import crds, observe, revisions, verification, versions
from helmflow.plan.decide import Hold
from helmflow.plan.objects import Target, known_scopes, targets

if TYPE_CHECKING:
    from helmflow.kube.discovery import Discovery

Json = Any
CRD = "CustomResourceDefinition"
FOREIGN_GRACE_S = 600.0  # a pending revision without a lease is another tool's for this long


def read_revisions(cluster: Cluster, drafts: list[Draft]) -> None:
    """What is stored of every release."""
    names = [(draft.owner.namespace, draft.owner.name) for draft in drafts]
    store = cluster.store("")
    stored = observe.stored_revisions(store, names)
    for draft in drafts:
        draft.max_record_bytes = store.max_record_bytes
        draft.revisions = stored.get((draft.owner.namespace, draft.owner.name), ())


def check_leases(session: Session, held: Leases, drafts: list[Draft]) -> None:
    """Who is behind a revision that is still pending: a run at work, a dead one, or a tool without our leases."""
    for draft in drafts:
        lease = held.releases.get((draft.owner.namespace, draft.owner.name))
        if lease is not None:
            draft.hold = Hold.STALE if is_stale(lease, session.clock) else Hold.HELD
            draft.holder = holder_of(lease)
            continue
        newest = revisions.newest(draft.revisions)
        if newest is None or not newest.status.pending:
            continue
        began = parse_time(newest.last_deployed)
        young = began is not None and (session.clock.now() - began).total_seconds() < FOREIGN_GRACE_S
        draft.hold = Hold.FOREIGN if young else Hold.STALE
        draft.holder = f"since {newest.last_deployed}"


def read_scopes(cluster: Cluster, drafts: list[Draft]) -> None:
    """Which kinds live in a namespace: what the cluster serves, and what definitions of this run will bring."""
    served = cluster.client.discovery()

    def lives_in_namespace(api_version: str, kind: str) -> bool | None:
        found = served.find(api_version, kind)
        return None if found is None else found.namespaced

    namespaced = known_scopes(_coming(drafts), lives_in_namespace)
    for draft in drafts:
        draft.namespaced = namespaced


def find_targets(cluster: Cluster, drafts: list[Draft]) -> None:
    """The objects that every release has and wants, named as this cluster serves them."""
    read_scopes(cluster, drafts)
    served = _Served(cluster.client.discovery(), crds.kinds(_coming(drafts)))
    for draft in drafts:
        seen: dict[ObjectRef, Target] = {}
        for revision in revisions.applied(draft.revisions):
            for target in targets(manifests.parse(revision.manifest), draft.owner, draft.namespaced):
                seen.setdefault(target.ref, target)
        if draft.rendered is not None:
            draft.targets = targets(draft.rendered.manifests, draft.owner, draft.namespaced)
        elif draft.goal is not None:
            draft.targets = targets(manifests.parse(draft.goal.manifest), draft.owner, draft.namespaced)
        draft.targets, draft.moved = versions.readable(draft.targets, served)
        stored, _ = versions.readable(seen.values(), served)
        stored = versions.aligned(stored, draft.targets)
        draft.stored = tuple(in_uninstall_order(list(stored), lambda target: target.ref.kind))


@dataclass(frozen=True, slots=True)
class _Served:
    """What a cluster serves, and what definitions of this run will bring."""

    now: Discovery
    coming: frozenset[tuple[str, str]]

    def serves(self, api_version: str, kind: str) -> bool:
        return self.now.find(api_version, kind) is not None or (api_version, kind) in self.coming

    def instead(self, api_version: str, kind: str) -> str:
        other = successor(api_version, kind)
        if other and self.now.find(other, kind) is not None:
            return other
        found = self.now.preferred(api_version.rpartition("/")[0], kind)
        return found.api_version if found is not None else ""


def check_namespaces(cluster: Cluster, drafts: list[Draft]) -> None:
    """Whether the namespaces are there that new releases go to."""
    unsure = {draft.owner.namespace for draft in drafts if draft.wanted and not draft.revisions}
    exists = observe.namespaces(cluster.client, unsure)
    for draft in drafts:
        draft.namespace_exists = exists.get(draft.owner.namespace, True)


def check_crds(cluster: Cluster, drafts: list[Draft]) -> None:
    """The definitions of the charts' crds/ against the cluster's."""
    wanted = [
        definitions.Wanted(
            release=draft.owner,
            crds=draft.rendered.crds if draft.rendered else (),
            settings=draft.settings,
            result=draft.definitions,
        )
        for draft in drafts
    ]
    definitions.compare(cluster.client, wanted)
    for draft in drafts:
        draft.compared.refusal = draft.compared.refusal or draft.definitions.refusal


def read_live(cluster: Cluster, drafts: list[Draft]) -> None:
    """The live objects of all drafts, in as few requests as possible."""
    known: set[ObjectRef] = set()
    new: set[ObjectRef] = set()
    missing = {draft.owner.namespace for draft in drafts if not draft.namespace_exists}
    for draft in drafts:
        stored = {target.ref for target in draft.stored}
        known |= stored
        new |= {t.ref for t in draft.targets if t.ref not in stored and t.ref.namespace not in missing}
    live, seen = observe.live_objects(
        cluster.client, observe.Wanted(known=frozenset(known), new=frozenset(new - known))
    )
    for draft in drafts:
        draft.live, draft.seen = live, seen


def verify(cluster: Cluster, drafts: list[Draft]) -> None:
    """Let the server say what it thinks of the objects that do not exist yet."""
    new = [
        (
            draft,
            verification.Newcomer(
                target=target, homeless=not draft.namespace_exists and _at_home(draft, target)
            ),
        )
        for draft in drafts
        for target in (draft.targets if draft.wanted and draft.compared.refusal is None else ())
        if draft.live.get(target.ref) is None
    ]
    mistakes = verification.refusals(cluster.client, [newcomer for _, newcomer in new], _coming(drafts))
    for (draft, _), mistake in zip(new, mistakes, strict=True):
        draft.compared.refusal = draft.compared.refusal or mistake


def _at_home(draft: Draft, target: Target) -> bool:
    return target.ref.namespace == draft.owner.namespace


def _coming(drafts: Iterable[Draft]) -> list[Mapping[str, Json]]:
    """Every definition that these drafts will bring."""
    return [body for draft in drafts for body in _definitions(draft)]


def _definitions(draft: Draft) -> Iterable[Mapping[str, Json]]:
    if draft.rendered is None:
        return ()
    templated = (manifest.body for manifest in draft.rendered.manifests if manifest.ref.kind == CRD)
    return (*(crd.body for crd in draft.rendered.crds), *templated)
