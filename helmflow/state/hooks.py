"""What a local hook runs: its command and arguments rendered for the event that fires it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from helmflow.state.model import DesiredState, KubectlApply, LocalHook, Release


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedHook:
    """A hook ready to run in `cwd`: either a command with arguments or manifests to apply."""

    name: str
    event: str
    command: str
    args: tuple[str, ...]
    show_logs: bool
    cwd: Path
    kubectl_apply: KubectlApply | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """The event that fires: its name, the error text so far (Helmfile shows "<nil>" for none) and the command."""

    event: str
    command: str
    error: str | None = None


def hooks_for(hooks: tuple[LocalHook, ...], event: str) -> tuple[LocalHook, ...]:
    """The hooks that hang on `event`, in order."""
    return tuple(hook for hook in hooks if event in hook.events)


def render(
    desired: DesiredState, file: int, release: Release | None, hook: LocalHook, firing: Firing
) -> RenderedHook:
    """`hook` rendered for `firing`. `release` is None for a file's global hooks. Raises TemplateError or ConfigError."""
    raise NotImplementedError
