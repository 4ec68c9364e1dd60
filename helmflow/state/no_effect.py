"""What changes nothing in helmflow: keys, each with its reason, and hooks on unknown events. A file is told so once."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from helmflow.state.context import Context
from helmflow.state.reading import span_of

EVENTS: Final = ("prepare", "preapply", "presync", "preuninstall", "postuninstall", "postsync", "cleanup")
_WAITING = "waiting always looks at every object of the release"
_LOGS = "waiting shows the log lines of failing Pods by itself"
_VALIDATION = "charts are rendered without asking the cluster to validate them"
_KUBEDOG = "kubedog is not used: waiting is built in"

# Block -> key -> why it has no effect.
REASONS: Final[Mapping[str, Mapping[str, str]]] = {
    "state file": {
        "helmBinary": "the chart engine is inside",
        "llm": "helmflow has no `doctor`",
        "filepath": "it is output of build",
        "renderedvalues": "it is output of build",
    },
    "helmDefaults": {
        "waitRetries": "Helmfile ignores it too",
        "recreatePods": "Helm ignores it since version 3",
        "disableValidation": _VALIDATION,
        "disableOpenAPIValidation": "the cluster checks every object that it stores",
        "disableAutoDetectedKubeVersionForDiff": "a diff shows what sync does, which knows the cluster's version",
        "serverSide": "objects are always applied on the server's side",
        "helmStuckGrace": "there is no helm process to kill",
    },
    "releases": {
        "chartPath": "it is output of build",
        "disableValidationOnInstall": _VALIDATION,
        "unitTests": "helmflow has no `unittest`",
        "trackLogs": _LOGS,
        "trackFailedLogs": _LOGS,
        "trackKinds": _WAITING,
        "skipKinds": _WAITING,
        "trackResources": _WAITING,
        "trackFailOnError": "a release that does not become ready has failed",
        "kubedogQPS": _KUBEDOG,
        "kubedogBurst": _KUBEDOG,
    },
    "repositories": {
        "managed": "`az` is not called: log in with `az acr login`, and its credentials are used",
    },
}
# Values that say what happens anyway, or nothing at all.
_NATURAL: Final[Mapping[str, Callable[[Any], bool]]] = {
    "helmBinary": lambda value: value == "helm",
    "serverSide": lambda value: value in ("true", "auto"),
    "trackFailOnError": lambda value: value is True,
    "disableValidation": lambda value: value is True,
    "trackLogs": lambda value: value is True,
    "trackFailedLogs": lambda value: value is True,
}
_QUIET: Final = frozenset({"filepath", "renderedvalues", "chartPath"})  # a built file may be read again


def reasons(block: str) -> Mapping[str, str]:
    """The keys without effect of a block; releases may say what helmDefaults may."""
    return {**REASONS["helmDefaults"], **REASONS["releases"]} if block == "releases" else REASONS[block]


def warn(context: Context, spec: Mapping[str, Any]) -> None:
    """Say which keys of a file have no effect, each once, and which hooks never run."""
    _warn(context, "state file", [spec])
    _warn(context, "helmDefaults", [spec.get("helmDefaults") or {}])
    _warn(context, "releases", spec.get("releases") or ())
    _warn(context, "repositories", spec.get("repositories") or ())
    _warn_of_events(context, spec)


def _warn_of_events(context: Context, spec: Mapping[str, Any]) -> None:
    """Hooks on events that never come."""
    owners = (spec, *(spec.get("releases") or ()))
    for hook in (hook for owner in owners for hook in (owner or {}).get("hooks") or ()):
        for event in hook.get("events") or ():
            if event in EVENTS:
                continue
            close = difflib.get_close_matches(event, EVENTS, 1)
            context.warn(
                f"hook event {event!r} never comes: the hook does not run",
                "state.unknown-event",
                span_of(hook, "events"),
                f"did you mean {close[0]!r}?" if close else f"events are {', '.join(EVENTS)}",
            )


def _warn(context: Context, block: str, specs: Iterable[Mapping[str, Any]]) -> None:
    known = reasons(block)
    keys = known.keys() - _QUIET
    said: set[str] = set()
    for spec in specs:
        for key in (spec.keys() & keys) - said:
            value = spec[key]
            if (not value and not isinstance(value, bool)) or (value is False and key != "trackFailOnError"):
                continue
            if key in _NATURAL and _NATURAL[key](value):
                continue
            said.add(key)
            where = "" if block == "state file" else f" of {block}"
            context.warn(f"`{key}`{where} has no effect: {known[key]}", "state.no-effect", span_of(spec, key))
