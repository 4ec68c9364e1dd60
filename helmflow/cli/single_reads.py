"""release history|status|list|get: what the cluster stores of releases, in Helm's words or as json and yaml."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from helmflow.cli import single_flags
from helmflow.cli.exit_codes import ExitCode
from helmflow.cli.flags import Argument, add_command
from helmflow.cli.inspect_commands import quiet_emit
from helmflow.core.errors import ConfigError

if TYPE_CHECKING:
    import typer

    from helmflow.helm.release.record import Revision

_NAME: Final = Argument("name", "NAME", "The release")
_PARTS: Final = ("manifest", "values", "hooks", "notes", "metadata", "all")
_FORMS: Final = ("table", "json", "yaml")


def register(group: typer.Typer) -> None:
    """Add the commands to the group."""
    add_command(group, "history", history, single_flags.HISTORY, (_NAME,))
    add_command(group, "status", status, single_flags.STATUS, (_NAME,))
    add_command(group, "list", list_, single_flags.LIST)
    part = Argument("part", "|".join(_PARTS), "What to print")
    add_command(group, "get", get, single_flags.GET, (part, _NAME))


def history(given: SimpleNamespace) -> int:
    """Show every stored revision."""
    from helmflow.cli.single_commands import flow_options, named, not_found
    from helmflow.flows import release
    from helmflow.ui.jsonl import as_json
    from helmflow.ui.text import columns, sanitize

    form = _form(given)
    rows = release.past(named(given), flow_options(given), quiet_emit(given))
    if not rows:
        raise not_found(given.name)
    rows = rows[-given.max :] if given.max else rows
    if form != "table":
        return _document(form, [as_json(row) for row in rows])
    table = [("REVISION", "UPDATED", "STATUS", "CHART", "APP VERSION", "DESCRIPTION")]
    table.extend(
        (str(row.revision), row.updated, row.status, row.chart, row.app_version, sanitize(row.description))
        for row in rows
    )
    _write("\n".join(columns(table)))
    return ExitCode.OK


def list_(given: SimpleNamespace) -> int:
    """List the releases of a namespace, or of all."""
    from helmflow.cli.single_commands import flow_options
    from helmflow.flows import listing
    from helmflow.helm.release.record import ReleaseStatus
    from helmflow.ui.jsonl import as_json
    from helmflow.ui.text import columns, sanitize

    given.quiet = False
    form = _form(given)
    words = [word for word in single_flags.STATUSES if getattr(given, word)]
    several = {"pending": listing.PENDING}
    statuses = tuple(status for word in words for status in several.get(word, (ReleaseStatus(word),)))
    rows = listing.listing(
        flow_options(given),
        quiet_emit(given),
        listing.Wanted(
            namespace=given.namespace or "",
            everywhere=given.all_namespaces,
            statuses=tuple(ReleaseStatus) if given.all else statuses,
            pattern=given.filter or "",
            selector=given.selector or "",
            by_date=given.date,
            reverse=given.reverse,
            maximum=given.max,
            offset=given.offset,
        ),
    )
    if form != "table":
        return _document(form, [as_json(row) for row in rows])
    if given.short:
        sys.stdout.write("".join(f"{row.name}\n" for row in rows))
        return ExitCode.OK
    table = [("NAME", "NAMESPACE", "REVISION", "UPDATED", "STATUS", "CHART", "APP VERSION")]
    table.extend(
        (
            row.name,
            row.namespace,
            str(row.revision),
            _when(row.updated, given.time_format),
            row.status,
            row.chart,
            sanitize(row.app_version),
        )
        for row in rows
    )
    lines = columns(table)
    _write("\n".join(lines[1:] if given.no_headers else lines))
    return ExitCode.OK


def status(given: SimpleNamespace) -> int:
    """Show a release as the cluster has it."""
    from helmflow.cli.single_commands import flow_options, named, not_found
    from helmflow.flows import release
    from helmflow.ui import release_view
    from helmflow.ui.jsonl import as_json

    form = _form(given)
    wanted = named(given), flow_options(given), quiet_emit(given)
    if given.revision or form == "table":
        found = release.get(*wanted, revision=given.revision)
        if form == "table":
            sys.stdout.write(release_view.status(found))
            return ExitCode.OK
        return _document(form, _summary(found))
    state = release.current(*wanted)
    if not state.status:
        raise not_found(given.name)
    return _document(form, as_json(state))


def get(given: SimpleNamespace) -> int:
    """Print what is stored of a release."""
    from helmflow.cli.single_commands import flow_options, named
    from helmflow.core import yaml_dialect
    from helmflow.flows import release

    if given.part not in _PARTS:
        raise ConfigError(
            f"{given.part!r} is no part of a release", error_id="cli.bad-part", hint=", ".join(_PARTS)
        )
    form = _form(given)
    found = release.get(named(given), flow_options(given), quiet_emit(given), revision=given.revision)
    if given.template:
        _write(_templated(given.template, found))
        return ExitCode.OK
    values = dict(found.config)
    hooks = "".join(f"---\n# Source: {hook.path}\n{hook.manifest.rstrip()}\n" for hook in found.hooks)
    parts: dict[str, Any] = {
        "metadata": _metadata(found),
        "values": _computed(found) if given.all else values,
        "hooks": hooks,
        "manifest": found.manifest,
        "notes": found.notes,
    }
    wanted = tuple(parts) if given.part == "all" else (given.part,)
    if form != "table":
        alone = parts[given.part] if given.part in ("values", "metadata") else None
        return _document(form, {name: parts[name] for name in wanted} if alone is None else alone)
    for name in wanted:
        part = parts[name]
        text = part if isinstance(part, str) else yaml_dialect.dump(part)
        if len(wanted) > 1:
            _write(f"{name.upper()}:")
        _write(text.rstrip("\n"))
    return ExitCode.OK


def _metadata(found: Revision) -> dict[str, Any]:
    metadata = found.chart.get("metadata") or {}
    return {
        "name": found.name,
        "chart": found.chart_name,
        "version": found.chart_version,
        "appVersion": found.app_version,
        "annotations": dict(metadata.get("annotations") or {}),
        "labels": dict(found.labels),
        "dependencies": list(metadata.get("dependencies") or ()),
        "namespace": found.namespace,
        "revision": found.number,
        "status": found.status.value,
        "deployedAt": found.last_deployed,
        "applyMethod": str(found.apply_method or "csa"),
    }


def _computed(found: Revision) -> Mapping[str, Any]:
    """The values with the stored chart's own below them. Subcharts are not stored, so theirs are missing, as in Helm."""
    from helmflow.helm.values.coalesce import coalesce_tables

    own = found.chart.get("values")
    return coalesce_tables(dict(found.config), dict(own) if isinstance(own, Mapping) else {})


def _templated(text: str, found: Revision) -> str:
    chart = found.chart
    data = {
        "Release": {
            "Name": found.name,
            "Namespace": found.namespace,
            "Version": found.number,
            "Config": dict(found.config),
            "Manifest": found.manifest,
            "Labels": dict(found.labels),
            "Info": {
                "Status": found.status.value,
                "Description": found.description,
                "Notes": found.notes,
                "FirstDeployed": found.first_deployed,
                "LastDeployed": found.last_deployed,
            },
            "Chart": {
                "Metadata": {
                    "Name": found.chart_name,
                    "Version": found.chart_version,
                    "AppVersion": found.app_version,
                },
                "Values": chart.get("values") or {},
            },
        }
    }
    return _execute(text, data)


def _execute(text: str, data: Any) -> str:
    from helmflow.gotemplate.templates import TemplateSet
    from helmflow.sprig.table import functions

    templates = TemplateSet(functions())
    templates.parse("template", text)
    return templates.execute("template", data)


def _summary(found: Revision) -> dict[str, Any]:
    return {
        "name": found.name,
        "namespace": found.namespace,
        "status": found.status.value,
        "revision": found.number,
        "chart": f"{found.chart_name}-{found.chart_version}",
        "app_version": found.app_version,
        "last_deployed": found.last_deployed,
        "description": found.description,
        "notes": found.notes,
    }


def _when(updated: str, form: str) -> str:
    if not form:
        return updated
    text = '{{ dateInZone .form (toDate "2006-01-02T15:04:05Z07:00" .updated) "UTC" }}'
    return _execute(text, {"form": form, "updated": updated})


def _form(given: SimpleNamespace) -> str:
    """What --output asks for. Raises ConfigError `cli.bad-choice`."""
    word = given.output or "table"
    if word not in _FORMS:
        raise ConfigError(
            f"--output does not take {word!r}", error_id="cli.bad-choice", hint=", ".join(_FORMS)
        )
    return str(word)


def _document(form: str, content: Any) -> int:
    from helmflow.core import yaml_dialect

    _write(
        json.dumps(content, indent=2) if form == "json" else yaml_dialect.dump(_plain(content)).rstrip("\n")
    )
    return ExitCode.OK


def _plain(content: Any) -> Any:
    return json.loads(json.dumps(content))


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
