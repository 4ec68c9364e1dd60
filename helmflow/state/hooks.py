"""What a local hook runs: its command and arguments rendered for the event that fires it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from helmflow.core.errors import ConfigError, TemplateError
from helmflow.core.records import dataclass
from helmflow.core.source import SourceText
from helmflow.state.context import Trust
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
    """The event that fires: its name, the command that runs, and the error so far (None: none)."""

    event: str
    command: str
    error: str | None = None


def hooks_for(hooks: tuple[LocalHook, ...], event: str) -> tuple[LocalHook, ...]:
    """The hooks that hang on `event`, in order."""
    return tuple(hook for hook in hooks if event in hook.events)


def render(
    desired: DesiredState, file: int, release: Release | None, hook: LocalHook, firing: Firing
) -> RenderedHook:
    """`hook` rendered for `firing`; `release` is None for a file's global hooks. Raises TemplateError, ConfigError."""
    context = desired.context
    if context.trust is Trust.UNTRUSTED:
        raise ConfigError(
            f"hook {hook.name!r}: hooks are switched off by --untrusted", error_id="state.untrusted"
        )
    if context.variable("HELMFILE_DISABLE_HOOKS") == "true":
        raise ConfigError(
            f"hook {hook.name!r}: hooks are disabled due to HELMFILE_DISABLE_HOOKS", error_id="hooks.disabled"
        )
    view = desired.files[file]
    data = hook_data(desired, file, release, firing)

    def rendered(text: str, what: str) -> str:
        source = SourceText(f"{view.file}: hooks[{hook.name}].{what}", text)
        try:
            return context.renderer.render(text, data, view.base_dir, source)
        except TemplateError as error:
            raise TemplateError(
                f"hook[{firing.event}]: {error}",
                error_id=error.error_id, span=error.span, hint=error.hint, frames=error.frames,
            ) from error  # fmt: skip

    apply = hook.kubectl_apply
    if apply is not None:
        apply = KubectlApply(
            filename=rendered(apply.filename, "kubectlApply.filename"),
            kustomize=rendered(apply.kustomize, "kubectlApply.kustomize"),
        )
    return RenderedHook(
        name=hook.name,
        event=firing.event,
        command=rendered(hook.command, "command"),
        args=tuple(rendered(text, f"args[{index}]") for index, text in enumerate(hook.args)),
        show_logs=hook.show_logs,
        cwd=view.base_dir,
        kubectl_apply=apply,
    )


class NoError:
    """Go's nil error: prints <nil> and counts as false."""

    go_type = "error"

    def __bool__(self) -> bool:
        return False

    def __str__(self) -> str:
        return "<nil>"


def hook_data(desired: DesiredState, file: int, release: Release | None, firing: Firing) -> dict[str, Any]:
    """What a hook's templates see."""
    view = desired.files[file]
    env = view.loaded.env
    data: dict[str, Any] = {
        "Environment": {
            "Name": env.name,
            "KubeContext": env.kube_context,
            "Values": env.values,
            "Defaults": env.defaults,
            "CLIOverrides": env.cli,
        },
        "Namespace": view.namespace,
        "Event": {"Name": firing.event, "Error": firing.error if firing.error is not None else NoError()},
        "HelmfileCommand": firing.command,
    }
    if release is not None:
        data["Values"] = dict(view.environment.values)
        data["Release"] = go_release(release)
    return data


_GO_NAMES = {
    "set": "SetValues",
    "setString": "SetStringValues",
    "setTemplate": "SetValuesTemplate",
    "env": "EnvValues",
    "jsonPatches": "JSONPatches",
    "skipCRDs": "SkipCRDs",
}


def go_release(release: Release) -> dict[str, Any]:
    """A release under the field names that Helmfile's Go struct has; what is not written is Go's zero."""
    fields: dict[str, Any] = dict.fromkeys(
        ("Name", "Namespace", "Chart", "Version", "KubeContext", "Directory"), ""
    )
    fields |= {"Labels": {}, "Values": [], "Needs": [], "Secrets": [], "Hooks": []}
    for key, value in release.spec.items():
        fields[_GO_NAMES.get(key, key[:1].upper() + key[1:])] = plain(value)
    return fields


def plain(value: Any) -> Any:
    """Blocks as plain maps, which templates take for map[string]any."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return [plain(item) for item in value] if isinstance(value, list) else value
