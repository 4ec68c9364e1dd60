"""helmflow release: Helm's own operations on one chart and one release, without a state file, on the same path."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from helmflow.core.errors import Refusal
from helmflow.core.events import Emit
from helmflow.execute.report import RunReport
from helmflow.flows import destroy, planning, prepare, rollback, sync, test
from helmflow.flows.history import HistoryRow, history
from helmflow.flows.options import Confirm, NeedsMode, RunOptions, accept
from helmflow.flows.session import Session, session_for
from helmflow.flows.status import ReleaseState, status

if TYPE_CHECKING:
    from helmflow.helm.release.record import Revision

UNNEEDED_CHART = "./no-chart-is-read"


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """One release. `chart` "" for operations that read none; `options` in the state file's own words (wait, timeout)."""

    name: str
    namespace: str = ""
    chart: str = ""
    version: str = ""
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
        text = json.dumps(release).replace("{{", '{{"{{"}}')
        return f"releases:\n- {text}\n"


def install(
    named: Named, options: RunOptions, emit: Emit, confirm: Confirm = accept, given: Session | None = None
) -> RunReport:
    """Install a chart. Raises Refusal `release.name-in-use` where a release of that name is there."""
    found = current(named, options, emit, given)
    if found.status not in ("", "uninstalled"):
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
    """Uninstall a release; one that is not there is unchanged."""
    wanted = _options(named, options)
    return destroy.destroy(wanted, emit, confirm, _on(given, wanted))


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
    from helmflow.helm.release.store import ReleaseStore, not_found

    wanted = _options(named, options)
    with session_for(wanted, emit, _on(given, wanted)) as session:
        desired = prepare.load(session, "get")
        (release,) = prepare.choose(session, desired, NeedsMode.SKIP).releases
        cluster = session.cluster_of(desired, release)
        owner = planning.owner_of(cluster, release)
        store = ReleaseStore(cluster.client, owner.namespace, cluster.driver)
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
