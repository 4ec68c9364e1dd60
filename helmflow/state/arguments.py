"""Flags for the helm command (`args`, `syncArgs`, `diffArgs`, `templateArgs`, --args) as the options that mean the same."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final

from helmflow.core.records import dataclass, field

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
_ALWAYS: Final = frozenset({"--install", "--debug"})
# Values that a flag of helm adds to the release's own: flag -> field of ReleaseOptions.
_VALUES: Final[dict[str, tuple[str, str]]] = {
    "--values": ("values_files", _LIST),
    "-f": ("values_files", _LIST),
    "--set": ("sets", _LIST),
    "--set-string": ("set_strings", _LIST),
    "--set-json": ("set_jsons", _LIST),
    "--set-file": ("set_files", _LIST),
    "--set-literal": ("set_literals", _LIST),
}
_SYNC: Final = {**FLAGS, **_VALUES, "--no-hooks": ("no_hooks", _TRUE)}
# What a diff shows, by the flags of helm diff.
_SHOWN: Final[dict[str, tuple[str, str]]] = {
    "--context": ("diff_context", _NUMBER),
    "-C": ("diff_context", _NUMBER),
    "--suppress": ("diff_suppress", _LIST),
    "--suppress-secrets": ("diff_suppress_secrets", _TRUE),
    "--no-hooks": ("diff_no_hooks", _TRUE),
    "--include-tests": ("diff_include_tests", _TRUE),
    "--strip-trailing-cr": ("diff_strip_trailing_cr", _TRUE),
    "--suppress-output-line-regex": ("suppress_output_line_regex", _LIST),
    "--suppress-diff": ("suppress_diff", _TRUE),
}
_SHOWN_ALWAYS: Final = frozenset(
    {
        *(
            "--three-way-merge",
            "--allow-unreleased",
            "--detailed-exitcode",
            "--dry-run",
            "--normalize-manifests",
        ),
        *("--disable-validation", "--disable-openapi-validation", "--color", "--no-color", "--output"),
    }
)
# How charts are rendered without a cluster, by the flags of helm template.
_OFFLINE: Final[dict[str, tuple[str, str]]] = {
    "--kube-version": ("template_kube_version", _TEXT),
    "--api-versions": ("template_api_versions", _LIST),
    "-a": ("template_api_versions", _LIST),
    "--include-crds": ("template_include_crds", _TRUE),
    "--skip-tests": ("template_skip_tests", _TRUE),
    "--no-hooks": ("template_no_hooks", _TRUE),
    "--show-only": ("template_show_only", _LIST),
    "-s": ("template_show_only", _LIST),
    "--is-upgrade": ("template_is_upgrade", _TRUE),
}
_OFFLINE_ALWAYS: Final = frozenset({"--disable-openapi-validation"})
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(h|m|s|ms)")
_UNITS: Final = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


@dataclass(slots=True)
class Arguments:
    """What flags mean: fields of ReleaseOptions, and those that mean nothing here."""

    options: dict[str, Any] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)


def sync(written: Sequence[str]) -> Arguments:
    """Flags of helm upgrade."""
    return _parse(written, _SYNC, _ALWAYS | _SHOWN_ALWAYS)


def diff(written: Sequence[str], *, decides: bool) -> Arguments:
    """Flags of helm diff. Those that decide what is compared count only where nothing but a diff is made."""
    found = _parse(written, {**FLAGS, **_VALUES, **_SHOWN}, _ALWAYS | _SHOWN_ALWAYS)
    if not decides:
        shown = {field_ for field_, _ in _SHOWN.values()}
        found.options = {name: value for name, value in found.options.items() if name in shown}
    return found


def template(written: Sequence[str]) -> Arguments:
    """Flags of helm template."""
    return _parse(written, {**FLAGS, **_VALUES, **_OFFLINE}, _ALWAYS | _OFFLINE_ALWAYS)


def _parse(written: Sequence[str], flags: Mapping[str, tuple[str, str]], silent: frozenset[str]) -> Arguments:
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
        if name not in flags:
            position += int(not equals and follows)
            if name not in silent:
                found.unknown.append(name)
            continue
        field_, kind = flags[name]
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
