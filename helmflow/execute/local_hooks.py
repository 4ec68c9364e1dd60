"""Run the commands that the user hung on events, on this machine, without a shell."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from helmflow.core import process
from helmflow.core.errors import HelmflowError
from helmflow.core.events import Emit, LocalHookOutput
from helmflow.core.ids import ReleaseId

if TYPE_CHECKING:
    from helmflow.state.hooks import RenderedHook

ApplyManifests = Callable[["RenderedHook", Emit], None]
"""Apply the files of a `kubectlApply` hook to the release's cluster."""


def run(
    hook: RenderedHook, release: ReleaseId | None, emit: Emit, apply: ApplyManifests | None = None
) -> None:
    """Run one hook; its output is emitted line by line where it asks for that.

    Raises HelmflowError `hook.failed` where the command ends with another status than 0.
    """
    if hook.kubectl_apply is not None:
        if apply is not None:
            apply(hook, emit)
        return

    def shown(line: str) -> None:
        if hook.show_logs:
            emit(LocalHookOutput(release=release, hook_event=hook.event, line=line))

    finished = process.run((hook.command, *hook.args), cwd=hook.cwd, on_line=shown)
    if finished.status != 0:
        tail = "\n".join(finished.stdout.rstrip().splitlines()[-10:])
        raise HelmflowError(
            f"hook[{hook.event}] {hook.name or hook.command}: {hook.command} exited with status {finished.status}"
            + (f"\n{tail}" if tail else ""),
            error_id="hook.failed",
            hint=f"it ran in {hook.cwd}"
            + ("" if hook.show_logs else "; `showlogs: true` shows all that it says"),
        )
