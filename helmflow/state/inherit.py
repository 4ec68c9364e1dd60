"""Release templates: defaultInherit, inherit with except, and how templates merge into releases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from helmflow.core.errors import ConfigError
from helmflow.state import merging
from helmflow.state.reading import Located, span_of
from helmflow.state.schema import RELEASE

Spec = dict[str, Any]
_EXCEPTIONS = ("labels", "values", "valuesTemplate", "set", "setString", "setTemplate", "secrets")


def inherited(release: Spec, templates: Mapping[str, Spec], defaults: Sequence[str]) -> Spec:
    """The release with its templates below it; `inherit` is gone from the result.

    Raises ConfigError for unknown templates, cycles and exceptions that are none.
    """
    entries = with_defaults(release.get("inherit") or (), defaults)
    if not entries:
        return _copy(release, release)
    merged = _merged(release, entries, templates, ())
    return _copy(merged, release)


def with_defaults(own: Sequence[Spec], defaults: Sequence[str]) -> list[Spec]:
    """`defaultInherit` before a release's own entries; names that are blank or already there are left out."""
    kept = [entry for entry in own if entry.get("template", "").strip()]
    seen = {entry["template"].strip() for entry in kept}
    first: list[Spec] = []
    for name in map(str.strip, defaults):
        if name and name not in seen:
            seen.add(name)
            first.append({"template": name})
    return first + kept


def _copy(merged: Mapping[str, Any], written: Mapping[str, Any]) -> Spec:
    values = {key: value for key, value in merged.items() if key != "inherit"}
    return Located(values, written.node, written.source) if isinstance(written, Located) else values


def _merged(
    spec: Spec, entries: Sequence[Spec], templates: Mapping[str, Spec], path: tuple[str, ...]
) -> Spec:
    merged: Spec = {}
    for index, entry in enumerate(entries):
        name = entry["template"].strip()
        span = span_of(entry, "template") or span_of(spec, "inherit", index) or span_of(spec)
        if name in path:
            raise ConfigError(
                f"cyclic inheritance detected: {'->'.join([*path, name])}",
                error_id="state.inherit-cycle",
                span=span,
            )
        template = templates.get(name)
        if template is None:
            raise ConfigError(
                f'release "{spec.get("name", "")}" tried to inherit inexistent release template "{name}"',
                error_id="state.unknown-template",
                span=span,
                hint=_close(name, templates),
            )
        own = with_defaults(template.get("inherit") or (), ())
        source = _merged(template, own, templates, (*path, name))
        for index_, field in enumerate(entry.get("except") or ()):
            if field not in _EXCEPTIONS:
                allowed = ", ".join(_EXCEPTIONS)
                raise ConfigError(
                    f'"{field}" is not allowed under `inherit`: except takes {allowed}',
                    error_id="state.inherit-except",
                    span=span_of(entry, "except", index_) or span,
                )
            source.pop(field, None)
        merged = merging.blocks(RELEASE, merged, source, merging.Mode.APPEND)
    own_part = {key: value for key, value in spec.items() if key != "inherit"}
    return merging.blocks(RELEASE, merged, own_part, merging.Mode.APPEND)


def _close(name: str, templates: Mapping[str, Any]) -> str:
    import difflib

    close = difflib.get_close_matches(name, list(templates), 1)
    return f"did you mean {close[0]!r}?" if close else ""
