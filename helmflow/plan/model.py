"""Plan, ReleasePlan, Change and the Step union: what will be done, as data."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from helmflow.core.ids import ObjectRef, ReleaseId
from helmflow.core.records import dataclass, field

if TYPE_CHECKING:
    from helmflow.core.errors import Mistake
    from helmflow.helm.release.marks import Mark
    from helmflow.helm.release.record import Revision
    from helmflow.plan.settings import Settings
    from helmflow.state.model import Release

Json = Any  # None | bool | int | float | str | list | dict, never changed after it is built


class ActionKind(StrEnum):
    """What is done with a release. The word is what people read in plans and events."""

    INSTALL = "install"
    UPGRADE = "upgrade"
    KEEP = "keep"
    RECOVER = "recover"
    ADOPT = "adopt"
    UNINSTALL = "uninstall"
    ROLLBACK = "rollback"
    TEST = "test"
    REFUSE = "refuse"


class ChangeKind(StrEnum):
    """What happens to one object."""

    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    ADOPT = "adopt"
    DELETE = "delete"
    KEEP = "keep"
    UNCHANGED = "unchanged"


class HookEvent(StrEnum):
    """Helm's hook events."""

    PRE_INSTALL = "pre-install"
    POST_INSTALL = "post-install"
    PRE_UPGRADE = "pre-upgrade"
    POST_UPGRADE = "post-upgrade"
    PRE_DELETE = "pre-delete"
    POST_DELETE = "post-delete"
    PRE_ROLLBACK = "pre-rollback"
    POST_ROLLBACK = "post-rollback"
    TEST = "test"


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """The decision for one release. `reason` is a phrase ("values changed"); `code` is its stable short name."""

    kind: ActionKind
    code: str
    reason: str
    error: Mistake | None = None

    @property
    def writes(self) -> bool:
        """Whether carrying this action out writes to the cluster."""
        return self.kind not in (ActionKind.KEEP, ActionKind.REFUSE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """Why one field changes: `planned` (chart or values want it so), `drift` (it was changed in the cluster), or both.

    `path` is as in `plan.shapes`; `manager` and `since` say who wrote the field last and when, "" where nobody knows.
    """

    path: tuple[str | int, ...]
    planned: bool
    drift: bool
    manager: str = ""
    since: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One object's change.

    `before` and `after` are the YAML texts people compare ("" where there is none); `body` is what is sent;
    `reason` says why (adopted, immutable field, drift of `fields`); `hook` marks an object of a chart hook;
    `force` takes fields from other managers, `taken` says which where the plan chose to; `orphans` replaces an object
    but leaves what it owns; `causes` say why each field changes; `ignored` counts the fields that
    are not shown, by the rule that dropped them; `uid` names the object that the plan was made for, `live` is that
    object as it was read and `last` the document that was applied to it before (None where not at hand).
    """

    ref: ObjectRef
    kind: ChangeKind
    before: str = ""
    after: str = ""
    body: Json = None
    source: str = ""
    reason: str = ""
    hook: bool = False
    drift: bool = False
    force: bool = False
    taken: tuple[str, ...] = ()
    orphans: bool = False
    causes: tuple[Cause, ...] = ()
    ignored: tuple[tuple[str, int], ...] = ()
    uid: str = ""
    live: Json = field(default=None, repr=False, compare=False)
    last: Json = field(default=None, repr=False, compare=False)

    @property
    def shows(self) -> bool:
        """Whether people see a difference."""
        return self.kind is not ChangeKind.UNCHANGED


@dataclass(frozen=True, slots=True, kw_only=True)
class HookRun:
    """One chart hook as a step needs it: what to create, and what to do with it after."""

    ref: ObjectRef
    name: str
    path: str
    text: str
    body: Json
    weight: int
    delete_policies: tuple[str, ...]
    output_log_policies: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class EnsureNamespace:
    """Create the release's namespace where it does not exist."""

    namespace: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyCrds:
    """Create the chart's CRDs that do not exist (or upgrade all of them) and wait until they are served."""

    crds: tuple[Change, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitForNeed:
    """Wait until the objects of a release that this one needs are ready (`needs: [{release, until: ready}]`)."""

    release: ReleaseId
    refs: tuple[ObjectRef, ...]
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RunLocalHooks:
    """Run the commands the user hung on an event."""

    event: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunChartHooks:
    """Run the chart's hooks of one event, by weight, one at a time.

    `logs` shows what they wrote whatever their policy says; `clean_up` deletes them in the end.
    """

    event: HookEvent
    hooks: tuple[HookRun, ...]
    timeout_s: float
    logs: bool = False
    clean_up: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ApplyObjects:
    """Create, update, replace or adopt objects in Helm's order.

    `migrated` stay as they are but for their owner: Helm applies what a revision says was applied server-side, and
    would conflict with what an earlier one had written client-side.
    """

    changes: tuple[Change, ...]
    migrated: tuple[Change, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteObjects:
    """Delete objects in order; `kept` are reported and stay."""

    changes: tuple[Change, ...]
    kept: tuple[ObjectRef, ...] = ()
    propagation: str = "Background"
    wait: bool = False
    timeout_s: float = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitUntilReady:
    """Wait until the objects are ready; Jobs too with `jobs`."""

    refs: tuple[ObjectRef, ...]
    timeout_s: float
    jobs: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveRevision:
    """Store this run's revision with a new status; `superseded` are the numbers that become superseded with it."""

    status: str
    description: str
    create: bool = False
    superseded: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RepairRevision:
    """Give a revision that a dead run left pending its final status."""

    number: int
    status: str
    description: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PruneRevisions:
    """Delete the oldest revisions beyond `keep`; the deployed one always stays."""

    keep: int


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteRevisions:
    """Delete every stored revision of the release: the end of an uninstall."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DropLease:
    """Remove the lease that a dead run left on a release which needs nothing else."""

    holder: str


Step = (
    EnsureNamespace
    | ApplyCrds
    | WaitForNeed
    | RunLocalHooks
    | RunChartHooks
    | ApplyObjects
    | DeleteObjects
    | WaitUntilReady
    | SaveRevision
    | RepairRevision
    | PruneRevisions
    | DeleteRevisions
    | DropLease
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleasePlan:
    """Everything that will be done for one release.

    `owner` is the release with the context and namespace it really goes to. `steps` run in order; `finally_steps` run after them, also after a failure. `revision` is the one that the
    run will store (None where nothing is stored), `previous` the newest stored one, `stored` all that are not
    superseded. `looked_up`: its templates read the cluster. `because` names what differs from the deployed revision
    (chart 1.0.0 -> 1.1.0, values, ...); `chart_digest` is the archive's, "" for a folder. `mark` is what its records
    are labelled with, None where the files have no name; `inventory` the namespace where the releases of the
    environment are written down, "" where nowhere yet, and `enlisted` whether this one is among them. `seen` is the
    resourceVersion up to which the plan has seen the cluster.
    """

    id: ReleaseId
    owner: ReleaseId
    release: Release
    action: Action
    settings: Settings
    chart: str = ""
    changes: tuple[Change, ...] = ()
    steps: tuple[Step, ...] = ()
    finally_steps: tuple[Step, ...] = ()
    revision: Revision | None = None
    previous: Revision | None = None
    stored: tuple[Revision, ...] = ()
    notes: str = ""
    warnings: tuple[Mistake, ...] = ()
    looked_up: bool = False
    because: tuple[str, ...] = ()
    chart_version: str = ""
    app_version: str = ""
    chart_digest: str = ""
    mark: Mark | None = None
    inventory: str = ""
    enlisted: bool = False
    seen: str = ""

    @property
    def brings_kinds(self) -> bool:
        """Whether carrying this plan out may change which kinds the cluster serves."""
        kinds = ("CustomResourceDefinition", "APIService")
        return any(change.ref.kind in kinds and change.shows for change in self.changes)

    def count(self, *kinds: ChangeKind) -> int:
        """How many objects, hooks apart, have changes of these kinds."""
        return sum(change.kind in kinds and not change.hook for change in self.changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Orphan:
    """A release that these files installed and no longer name: it stays until it is pruned."""

    id: ReleaseId
    revision: int
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The plan of a whole run: releases in the order they are shown, and the graph that is walked.

    `early` are those needs of a release that only have to have their definitions established. `orphans` are installed, belong to the files' inventory (`mark`) and are no longer named by them.
    """

    command: str
    environment: str
    cluster: str
    releases: tuple[ReleasePlan, ...]
    needs: Mapping[ReleaseId, frozenset[ReleaseId]]
    early: Mapping[ReleaseId, frozenset[ReleaseId]] = field(default_factory=dict)
    orphans: tuple[Orphan, ...] = ()
    mark: Mark | None = None
    format: int = 1

    @property
    def writes(self) -> bool:
        """Whether any release would write to the cluster."""
        return any(release.action.writes for release in self.releases)

    @property
    def changed(self) -> tuple[ReleasePlan, ...]:
        """The releases that would be written."""
        return tuple(release for release in self.releases if release.action.writes)

    def by_id(self, release: ReleaseId) -> ReleasePlan:
        """The plan of one release; KeyError where it is not part of this plan."""
        for plan in self.releases:
            if plan.id == release:
                return plan
        raise KeyError(release)
