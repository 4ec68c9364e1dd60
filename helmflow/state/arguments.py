"""Flags for the helm command (`args`, `syncArgs`, `diffArgs`, `templateArgs`, --args) as the options that mean the same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

_TRUE, _FALSE = "on", "off"
_NUMBER, _TEXT, _LIST, _SECONDS = "number", "text", "list", "seconds"

# Flag of helm -> field of ReleaseOptions, and what stands behind the flag.
FLAGS: Final[dict[str, tuple[str, str]]] = {
    "--wait": ("wait", _TRUE),
    "--wait-for-jobs": ("wait_for_jobs", _TRUE),
    "--timeout": ("timeout_s", _SECONDS),
    "--atomic": ("atomic", _TRUE),
    "--rollback-on-failure": ("rollback_on_failure", _TRUE),
    "--cleanup-on-fail": ("cleanup_on_fail", _TRUE),
    "--force": ("force", _TRUE),
    "--force-replace": ("force", _TRUE),
    "--force-conflicts": ("force_conflicts", _TRUE),
    "--history-max": ("history_max", _NUMBER),
    "--create-namespace": ("create_namespace", _TRUE),
    "--skip-crds": ("skip_crds", _TRUE),
    "--reuse-values": ("reuse_values", _TRUE),
    "--reset-values": ("reuse_values", _FALSE),
    "--verify": ("verify", _TRUE),
    "--keyring": ("keyring", _TEXT),
    "--devel": ("devel", _TRUE),
    "--enable-dns": ("enable_dns", _TRUE),
    "--skip-schema-validation": ("skip_schema_validation", _TRUE),
    "--insecure-skip-tls-verify": ("insecure_skip_tls_verify", _TRUE),
    "--plain-http": ("plain_http", _TRUE),
    "--post-renderer": ("post_renderer", _TEXT),
    "--post-renderer-args": ("post_renderer_args", _LIST),
    "--cascade": ("cascade", _TEXT),
    "--take-ownership": ("take_ownership", _TRUE),
    "--description": ("description", _TEXT),
    "--suppress-output-line-regex": ("suppress_output_line_regex", _LIST),
    "--suppress-diff": ("suppress_diff", _TRUE),
}
# What helmflow always does: nothing is lost by not saying more about them.
_ALWAYS: Final = frozenset(
    {
        "--install",
        "--debug",
        "--three-way-merge",
        "--allow-unreleased",
        "--detailed-exitcode",
        "--suppress-secrets",
    }
)
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|m|s|ms)")
_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


@dataclass(slots=True)
class Arguments:
    """What flags mean: fields of ReleaseOptions, and those that mean nothing here."""

    options: dict[str, Any] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)


def parse(written: Sequence[str]) -> Arguments:
    """Entries may hold several words; a value follows behind `=` or as the next word; later flags win."""
    found = Arguments()
    words = [word for entry in written for word in str(entry).split()]
    position = 0
    while position < len(words):
        word = words[position]
        position += 1
        if not word.startswith("-"):
            continue  # Helmfile drops words that belong to no flag
        name, equals, value = word.partition("=")
        follows = position < len(words) and not words[position].startswith("-")
        if name not in FLAGS:
            position += int(not equals and follows)
            if name not in _ALWAYS:
                found.unknown.append(name)
            continue
        field_, kind = FLAGS[name]
        if kind not in (_TRUE, _FALSE) and not equals:
            if not follows:
                found.unknown.append(name)
                continue
            value = words[position]
            position += 1
        _take(found, field_, kind, value, name)
    return found


def _take(found: Arguments, field_: str, kind: str, value: str, name: str) -> None:
    options = found.options
    if kind in (_TRUE, _FALSE):
        options[field_] = (value.lower() not in ("false", "f", "0")) is (kind == _TRUE)
    elif kind == _LIST:
        options[field_] = (*options.get(field_, ()), value)
    elif kind == _TEXT:
        options[field_] = value
    else:
        number = seconds(value) if kind == _SECONDS else (float(value) if value.isdigit() else None)
        if number is None:
            found.unknown.append(f"{name}={value}")
        else:
            options[field_] = int(number)


def seconds(text: str) -> float | None:
    """A duration as Go writes it, such as 1h30m or 90s; None for anything else."""
    pieces = _DURATION.findall(text)
    if not pieces or "".join(number + unit for number, unit in pieces) != text:
        return None
    return sum(float(number) * _UNITS[unit] for number, unit in pieces)
