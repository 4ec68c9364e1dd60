"""One release while its plan is being made, and what files and flags say about it before any cluster is read."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from helmflow.core.ids import ObjectRef, ReleaseId
from helmflow.core.limits import MIB
from helmflow.core.records import dataclass, field, replace
from helmflow.flows import guard
from helmflow.flows.definitions import Definitions
from helmflow.flows.options import RunOptions
from helmflow.flows.prepare import Chosen, Preparation, Prepared
from helmflow.flows.session import Cluster, Session
from helmflow.helm.release.record import Revision
from helmflow.helm.release.storage import HELM_LABELS
from helmflow.plan import revisions, versions
from helmflow.plan.comparison import Compared
from helmflow.plan.decide import Content, Hold
from helmflow.plan.model import Change
from helmflow.plan.objects import Namespaced, Target, known_scopes
from helmflow.plan.settings import Overrides, Settings, settle

if TYPE_CHECKING:
    from helmflow.helm.render.engine import Rendered
    from helmflow.state.model import Release

Json = Any


@dataclass(slots=True)
class Draft:
    """One release while its plan is being made."""

    release: Release
    owner: ReleaseId
    cluster: Cluster
    settings: Settings
    prepared: Prepared | None
    goal: Revision | None = None
    revisions: tuple[Revision, ...] = ()
    rendered: Rendered | None = None
    content: Content = Content.CHANGED
    difference: str = ""
    stored: tuple[Target, ...] = ()
    targets: tuple[Target, ...] = ()
    hook_changes: tuple[Change, ...] = ()
    namespace_exists: bool = True
    moved: tuple[versions.Moved, ...] = ()
    definitions: Definitions = field(default_factory=Definitions)
    live: Mapping[ObjectRef, Json] = field(default_factory=dict)
    seen: str = ""
    compared: Compared = field(default_factory=Compared)
    hold: Hold = Hold.FREE
    holder: str = ""
    looked_up: bool = False
    max_record_bytes: int = MIB
    namespaced: Namespaced = field(default=known_scopes((), lambda *_: None))

    @property
    def wanted(self) -> bool:
        """Whether the release is to be there: from its chart, or from a stored revision it goes back to."""
        return self.prepared is not None or self.goal is not None

    @property
    def base(self) -> Revision | None:
        """The revision that the plan starts from, None where nothing is deployed."""
        return revisions.base(self.revisions)

    @property
    def number(self) -> int:
        """The next revision's."""
        newest = revisions.newest(self.revisions)
        return newest.number + 1 if newest else 1


def draft_of(session: Session, chosen: Chosen, release: Release, preparation: Preparation) -> Draft:
    """The draft of one release, with what files and flags ask of it."""
    cluster = session.cluster_of(chosen.desired, release)
    return Draft(
        release=release,
        owner=owner_of(cluster, release),
        cluster=cluster,
        settings=replace(_settings(session, chosen, release), labels=_stored_labels(session, release)),
        prepared=preparation.prepared.get(release.id),
    )


def owner_of(cluster: Cluster, release: Release) -> ReleaseId:
    """The release with the namespace it really goes to."""
    return ReleaseId(cluster.context, release.namespace or cluster.namespace, release.name)


def overrides(options: RunOptions) -> Overrides:
    """What the command line says for all releases."""
    running, wait = options.running, options.wait
    return Overrides(
        wait=wait.wait,
        wait_for_jobs=wait.wait_for_jobs,
        timeout_s=wait.timeout_s,
        atomic=running.atomic,
        cleanup_on_fail=running.cleanup_on_fail,
        history_max=running.history_max,
        skip_crds=options.render.skip_crds,
        no_hooks=options.render.no_hooks,
        take_ownership=running.take_ownership,
        force_conflicts=running.force_conflicts,
        keep_history=running.keep_history,
        cascade=running.cascade,
        delete_wait=running.delete_wait,
        delete_timeout_s=running.delete_timeout_s,
        delete_data=running.delete_data,
        description=running.description,
        always_upgrade=running.always_upgrade,
        refresh_random=running.refresh_random,
    )


def clusters_of(drafts: Iterable[Draft]) -> list[Cluster]:
    """Every cluster that the drafts go to, once."""
    return list({id(draft.cluster): draft.cluster for draft in drafts}.values())


def _settings(session: Session, chosen: Chosen, release: Release) -> Settings:
    over = overrides(session.options)
    match guard.rollback_mode(session, chosen.desired):
        case "none":
            over = replace(over, atomic=False)
        case "group":  # all go back as one, so no release does so by itself
            over = replace(over, atomic=False, wait=True if over.wait is None else over.wait)
        case "release":
            over = replace(over, atomic=True if over.atomic is None else over.atomic)
    return settle(release.options, over)


def _stored_labels(session: Session, release: Release) -> dict[str, str] | None:
    """What a command line or `syncReleaseLabels` puts on the release's record; Helm's own names are left out."""
    if session.options.running.labels:
        return dict(session.options.running.labels)
    own = release.options.sync_release_labels
    if not (session.options.running.sync_release_labels if own is None else own):
        return None
    return {key: value for key, value in release.labels.items() if key not in HELM_LABELS}
