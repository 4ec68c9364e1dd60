"""The operation journal: one JSON line per release operation, for audits, debugging and comparisons."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helmflow.core.errors import ConfigError
from helmflow.core.events import Emit, Event, ReleaseFinished, StepStarted
from helmflow.core.ids import ReleaseId
from helmflow.core.records import dataclass, field
from helmflow.flows.session import Session

if TYPE_CHECKING:
    from helmflow.flows.prepare import Preparation
    from helmflow.plan.model import Plan, ReleasePlan
    from helmflow.state.model import DesiredState, Release

_OPERATIONS = {  # by the value of ActionKind: commands that plan nothing do without its module
    "install": "upgrade",
    "upgrade": "upgrade",
    "adopt": "upgrade",
    "recover": "upgrade",
    "uninstall": "delete",
    "rollback": "rollback",
    "test": "test",
}
_HOOK_STEPS = {"RunLocalHooks": "local", "RunChartHooks": "chart"}


@dataclass(slots=True)
class Journal:
    """Writes lines to the file that `--journal` names; does nothing without one.

    Values are masked by every known secret unless `--show-secrets` says otherwise.
    """

    session: Session
    desired: DesiredState
    preparation: Preparation | None = None
    _hooks: dict[ReleaseId, dict[str, list[str]]] = field(default_factory=dict)

    @property
    def on(self) -> bool:
        """Whether anything is written."""
        return bool(self.session.options.running.journal)

    def planned(self, plan: Plan) -> None:
        """A `diff` line for every release that was compared."""
        skipped = self.session.options.show.skip_installs
        for release in plan.releases:
            if skipped and release.action.kind.value == "install":
                continue
            if self._prepared(release.id):
                outcome = "changed" if release.action.writes else release.action.kind.value
                self.record("diff", release.release, plan=release, outcome=outcome)

    def watching(self, plan: Plan) -> Emit:
        """The session's emit, which also notes what becomes of every release of `plan`."""
        if not self.on:
            return self.session.emit
        plans = {release.id: release for release in plan.releases}

        def emit(event: Event) -> None:
            self.session.emit(event)
            if isinstance(event, StepStarted) and event.step in _HOOK_STEPS:
                kinds = self._hooks.setdefault(event.release, {})
                kinds.setdefault(_HOOK_STEPS[event.step], []).append(event.detail)
            elif isinstance(event, ReleaseFinished) and event.outcome in ("done", "failed"):
                release = plans[event.release]
                operation = _OPERATIONS.get(release.action.kind)
                if operation:
                    self.record(operation, release.release, plan=release, outcome=event.outcome)

        return emit

    def record(
        self, operation: str, release: Release, *, plan: ReleasePlan | None = None, outcome: str = "done"
    ) -> None:
        """Append one line."""
        if not self.on:
            return
        line = {
            "operation": operation,
            "release": release.name,
            "namespace": release.namespace,
            "context": release.context,
            "chart": release.chart,
            "version": release.version,
            "options": self._options(release, plan),
            "values": self._values(release),
            "hooks": self._hooks.get(release.id, {}),
            "outcome": outcome,
            "reason": plan.action.reason if plan else "",
            "time": self.session.clock.now().isoformat(),
        }
        text = json.dumps(line, ensure_ascii=False, default=str)
        if not self.session.options.show.show_secrets:
            text = self.desired.secrets.mask(text)
        path = Path(self.session.options.running.journal)
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(text + "\n")
        except OSError as cause:
            raise ConfigError(
                f"cannot write the journal {path}: {cause.strerror}", error_id="cli.journal"
            ) from cause

    def _options(self, release: Release, plan: ReleasePlan | None) -> dict[str, Any]:
        """What the release says, then what holds in the end."""
        said = {f.name: getattr(release.options, f.name) for f in fields(release.options)}
        found = {name: value for name, value in said.items() if value is not None and value != ()}
        if plan is not None:
            found |= {f.name: getattr(plan.settings, f.name) for f in fields(plan.settings)}
        given = self.session.options
        if given.render.sets:
            found["set"] = list(given.render.sets)
        found["reset_values"] = not (given.running.reuse_values or bool(release.options.reuse_values))
        return found

    def _values(self, release: Release) -> Mapping[str, Any]:
        prepared = self._prepared(release.id)
        return prepared.values.values if prepared else {}

    def _prepared(self, release: ReleaseId) -> Any:
        return self.preparation.prepared.get(release) if self.preparation else None
