"""helmflow release: Helm's own operations on one chart and one release, without a state file, on the same path."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from helmflow.core.errors import Refusal
from helmflow.core.events import Emit
from helmflow.core.ids import ReleaseId
from helmflow.core.records import dataclass, field, replace
from helmflow.execute.report import RunReport
from helmflow.flows import destroy, planning, prepare, rendering, rollback, sync, test
from helmflow.flows.drafts import owner_of
from helmflow.flows.history import HistoryRow, history
from helmflow.flows.options import Confirm, NeedsMode, RunOptions, accept
from helmflow.flows.prepare import Preparation
from helmflow.flows.session import Session, session_for
from helmflow.flows.status import ReleaseState, status
from helmflow.helm.release import marks
from helmflow.helm.release.record import ReleaseStatus
from helmflow.plan import revisions

if TYPE_CHECKING:
    from helmflow.helm.release.record import Revision
    from helmflow.plan.model import Plan

UNNEEDED_CHART = "./no-chart-is-read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """One release. `chart` "" for operations that read none; `options` and `repository` in the state file's own words
    (wait, timeout; name, url, username)."""

    name: str
    namespace: str = ""
    chart: str = ""
    version: str = ""
    repository: Mapping[str, Any] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)

    def state(self) -> str:
        """The state file that says the same; JSON inside, so that nothing needs quoting, and nothing is a template."""
        release = {
            "name": self.name,
            "chart": self.chart or UNNEEDED_CHART,
            **({"namespace": self.namespace} if self.namespace else {}),
            **({"version": self.version} if self.version else {}),
            **self.options,
        }
        blocks = {"repositories": [dict(self.repository)] if self.repository else [], "releases": [release]}
        text = "".join(
            f"{name}:\n" + "".join(f"- {json.dumps(one)}\n" for one in entries)
            for name, entries in blocks.items()
            if entries
        )
        return text.replace("{{", '{{"{{"}}')


def install(
    named: Named,
    options: RunOptions,
    emit: Emit,
    confirm: Confirm = accept,
    given: Session | None = None,
    *,
    replacing: bool = False,
) -> RunReport:
    """Install a chart, `replacing` also over a failed release.

    Raises Refusal `release.name-in-use` where a release of that name is there.
    """
    found = current(named, options, emit, given)
    if found.status not in ("", "uninstalled", *(("failed",) if replacing else ())):
        raise Refusal(
            "cannot re-use a name that is still in use",
            error_id="release.name-in-use",
            hint=f"{named.name} is {found.status}; upgrade it, or uninstall it first",
        )
    wanted = _options(named, options)
    return sync.sync(wanted, emit, confirm, _on(given, wanted))


def upgrade(
    named: Named,
    options: RunOptions,
    emit: Emit,
    *,
    or_install: bool = False,
    confirm: Confirm = accept,
    given: Session | None = None,
) -> RunReport:
    """Upgrade to a chart: always a new revision, as Helm does. Raises Refusal `release.not-deployed` without one."""
    found = current(named, options, emit, given)
    if not or_install and found.status in ("", "uninstalled"):
        raise Refusal(
            f'"{named.name}" has no deployed releases',
            error_id="release.not-deployed",
            hint="use --install to install it where it is missing",
        )
    wanted = _options(named, options, always_upgrade=True)
    return sync.sync(wanted, emit, confirm, _on(given, wanted))


def uninstall(
    named: Named, options: RunOptions, emit: Emit, confirm: Confirm = accept, given: Session | None = None
) -> RunReport:
    """Uninstall a release; one that is not there is unchanged.

    Raises Refusal `release.prevent-destroy` where its record says that its file does not want that.
    """
    wanted = _options(named, options)

    def guarded(plan: Plan) -> bool:
        for one in plan.releases:
            stored = one.previous
            mark = marks.read(stored.labels, stored.number) if stored is not None else None
            if mark is not None and mark.prevent_destroy:
                raise Refusal(
                    f"the file of project {mark.project} says preventDestroy of {one.id.name}, so it is not uninstalled",
                    error_id="release.prevent-destroy",
                    hint="take preventDestroy out of that file, and destroy the release from there",
                )
        return confirm(plan)

    return destroy.destroy(wanted, emit, guarded, _on(given, wanted))


def roll_back(
    named: Named,
    revision: int,
    options: RunOptions,
    emit: Emit,
    confirm: Confirm = accept,
    given: Session | None = None,
) -> RunReport:
    """Go back to a revision (0: the one before)."""
    wanted = _options(named, options)
    return rollback.rollback(wanted, emit, revision, confirm, _on(given, wanted))


def run_tests(named: Named, options: RunOptions, emit: Emit, given: Session | None = None) -> RunReport:
    """Run the release's test hooks."""
    wanted = _options(named, options)
    return test.test(wanted, emit, _on(given, wanted))


def rehearse(
    named: Named, options: RunOptions, emit: Emit, *, offline: bool = False, given: Session | None = None
) -> Revision:
    """The revision that an install or upgrade would store; nothing is written, `offline` asks no cluster either.

    Raises HelmflowError where the run would be refused.
    """
    wanted = _options(named, options, always_upgrade=True)
    with session_for(wanted, emit, _on(given, wanted)) as session:
        desired = prepare.load(session, "diff")
        preparation = prepare.prepare(session, prepare.choose(session, desired), "diff")
        if offline:
            return _offline(session, preparation)
        (release,) = planning.make_plan(session, preparation, command="diff").releases
    if release.action.error is not None:
        why = release.action.error
        raise Refusal(why.message, error_id=why.error_id, hint=why.hint)
    assert release.revision is not None  # `always_upgrade` makes one
    fresh = release.previous is None or release.previous.status is ReleaseStatus.UNINSTALLED
    return _rehearsed(session, release.revision, fresh=fresh)


def _offline(session: Session, preparation: Preparation) -> Revision:
    """The first revision, from what is known without a cluster."""
    (prepared,) = preparation.prepared.values()
    named = prepared.release.id
    owner = ReleaseId(named.context, named.namespace or "default", named.name)
    capabilities = rendering.offline_capabilities(session, prepared, "")
    rendered = rendering.render(session, prepared, owner, capabilities, offline=True)
    values = prepared.values.values
    return _rehearsed(session, revisions.new(owner, 1, rendered, values, None), fresh=True)


def _rehearsed(session: Session, revision: Revision, *, fresh: bool) -> Revision:
    """As Helm's own dry run calls it: begun, now, and not ended."""
    from helmflow.helm.release.record import go_time

    return replace(
        revision,
        status=ReleaseStatus.PENDING_INSTALL if fresh else ReleaseStatus.PENDING_UPGRADE,
        last_deployed=go_time(session.clock.now()),
        description="Dry run complete",
    )


def past(
    named: Named, options: RunOptions, emit: Emit, given: Session | None = None
) -> tuple[HistoryRow, ...]:
    """Every stored revision, oldest first."""
    wanted = _options(named, options)
    return history(wanted, emit, _on(given, wanted))


def current(named: Named, options: RunOptions, emit: Emit, given: Session | None = None) -> ReleaseState:
    """The release as the cluster has it; its status is "" where it is not installed."""
    wanted = _options(named, options)
    (found,) = status(wanted, emit, _on(given, wanted))
    return found


def get(
    named: Named, options: RunOptions, emit: Emit, *, revision: int = 0, given: Session | None = None
) -> Revision:
    """A stored revision with everything in it (0: the newest); HelmflowError `release.not-found`."""
    from helmflow.helm.release import history as rules
    from helmflow.helm.release.storage import not_found

    wanted = _options(named, options)
    with session_for(wanted, emit, _on(given, wanted)) as session:
        desired = prepare.load(session, "get")
        (release,) = prepare.choose(session, desired, NeedsMode.SKIP).releases
        cluster = session.cluster_of(desired, release)
        owner = owner_of(cluster, release)
        store = cluster.store(owner.namespace)
        if revision:
            return store.get(owner.name, revision)
        newest = rules.last(store.history(owner.name))
        if newest is None:
            raise not_found(owner.name)
        return store.get(owner.name, newest.number)


def _options(named: Named, options: RunOptions, *, always_upgrade: bool = False) -> RunOptions:
    """The same options, reading the state that `named` says."""
    state = replace(options.state, file="-", text=named.state(), selectors=(), environment="default")
    running = replace(options.running, always_upgrade=always_upgrade or options.running.always_upgrade)
    return replace(options, state=state, running=running)


def _on(given: Session | None, wanted: RunOptions) -> Session | None:
    """A given session, working with these options."""
    if given is not None:
        given.options = wanted
    return given
