"""What is done with a release and why: one table from the situation to an Action; pure."""

from __future__ import annotations

from enum import StrEnum

from helmflow.core.errors import Mistake
from helmflow.core.records import dataclass
from helmflow.helm.release.record import ReleaseStatus
from helmflow.plan.model import Action, ActionKind


class Content(StrEnum):
    """How what would be deployed now differs from what is deployed."""

    SAME = "same"
    RANDOM = "random"
    CHANGED = "changed"


class Hold(StrEnum):
    """Who holds an operation that began and did not end: nobody, a dead run, a living one, or another tool."""

    FREE = "free"
    STALE = "stale"
    HELD = "held"
    FOREIGN = "foreign"


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """Everything the decision depends on.

    `last` is the newest revision's status, None where nothing is stored. `deployed`: some revision was deployed
    once. `difference` says in a phrase what CHANGED means. `missing` and `drifted` count live objects that are
    gone or were changed by others; `adopted` those that exist and belong to nobody yet; `definitions` CRDs of the
    chart that are kept up to date and changed.
    """

    wanted: bool
    last: ReleaseStatus | None = None
    deployed: bool = False
    content: Content = Content.SAME
    difference: str = ""
    missing: int = 0
    drifted: int = 0
    adopted: int = 0
    definitions: int = 0
    hold: Hold = Hold.FREE
    holder: str = ""
    refusal: Mistake | None = None
    prevent_destroy: bool = False
    always_upgrade: bool = False
    refresh_random: bool = False


def decide(situation: Situation) -> Action:
    """The action for one release. First matching row wins."""
    if situation.refusal is not None:
        return _refuse(situation.refusal)
    return _wanted(situation) if situation.wanted else _unwanted(situation)


def _unwanted(situation: Situation) -> Action:
    match situation.last:
        case None:
            return _act(ActionKind.KEEP, "absent", "is not installed")
        case ReleaseStatus.UNINSTALLED:
            return _act(ActionKind.KEEP, "absent", "was already uninstalled")
    if situation.prevent_destroy:
        return _refuse(
            Mistake(
                "the release says preventDestroy, so it is not uninstalled",
                "release.prevent-destroy",
                hint="remove preventDestroy from the release first",
            )
        )
    if situation.hold is Hold.FOREIGN:
        return _foreign(situation)
    if situation.last is ReleaseStatus.UNINSTALLING:
        return _act(ActionKind.UNINSTALL, "resume-uninstall", "an uninstall was interrupted")
    return _act(ActionKind.UNINSTALL, "unwanted", "is not wanted")


def _wanted(situation: Situation) -> Action:
    last = situation.last
    if last is None:
        return _first_install(situation, "not-installed", "is not installed")
    if last is ReleaseStatus.UNINSTALLED:
        return _first_install(situation, "was-uninstalled", "was uninstalled, its history was kept")
    if last is ReleaseStatus.UNINSTALLING:
        return _act(ActionKind.RECOVER, "uninstall-interrupted", "an uninstall was interrupted")
    if last.pending:
        if situation.hold is Hold.FOREIGN:
            return _foreign(situation)
        return _act(ActionKind.RECOVER, "interrupted", f"an earlier run was interrupted ({last})")
    if last is ReleaseStatus.FAILED:
        return _act(ActionKind.UPGRADE, "last-failed", "the last revision failed")
    return _deployed(situation)


def _deployed(situation: Situation) -> Action:
    if situation.content is Content.CHANGED:
        return _act(ActionKind.UPGRADE, "changed", situation.difference or "content changed")
    if situation.missing or situation.drifted:
        return _act(ActionKind.UPGRADE, "drift", _drift(situation.missing, situation.drifted))
    if situation.definitions:
        count = situation.definitions
        return _act(ActionKind.UPGRADE, "crds", f"{count} CRD{'s' * (count != 1)} of the chart changed")
    if situation.always_upgrade:
        return _act(ActionKind.UPGRADE, "always", "nothing changed, but every release is upgraded on request")
    if situation.content is Content.RANDOM:
        if situation.refresh_random:
            return _act(ActionKind.UPGRADE, "refresh-random", "random content is refreshed")
        return _act(ActionKind.KEEP, "random", "unchanged (random content)")
    return _act(ActionKind.KEEP, "unchanged", "unchanged")


def _first_install(situation: Situation, code: str, reason: str) -> Action:
    if situation.adopted:
        count = situation.adopted
        return _act(
            ActionKind.ADOPT, "adopts", f"{reason}; {count} existing object{'s' * (count != 1)} adopted"
        )
    return _act(ActionKind.INSTALL, code, reason)


def _drift(missing: int, drifted: int) -> str:
    parts = []
    if missing:
        parts.append(f"{missing} object{'s are' if missing != 1 else ' is'} gone")
    if drifted:
        parts.append(f"{drifted} object{'s were' if drifted != 1 else ' was'} changed")
    return f"{' and '.join(parts)} in the cluster"


def _foreign(situation: Situation) -> Action:
    return _refuse(
        Mistake(
            f"another operation is in progress: the newest revision is {situation.last}"
            + (f" ({situation.holder})" if situation.holder else ""),
            "release.locked",
            hint="wait until the other tool is done; if it died, `helmflow rollback` or `helm rollback` unlocks it",
        )
    )


def _refuse(mistake: Mistake) -> Action:
    return Action(kind=ActionKind.REFUSE, code=mistake.error_id, reason=mistake.message, error=mistake)


def _act(kind: ActionKind, code: str, reason: str) -> Action:
    return Action(kind=kind, code=code, reason=reason)
