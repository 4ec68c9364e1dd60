"""release ...: Helm's own commands on one chart and one release, without a state file; Helm 3 and 4 flag names."""

from __future__ import annotations

import json
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from helmflow.cli import options, reporters
from helmflow.cli.exit_codes import ExitCode
from helmflow.cli.flags import Argument, add_command, flag, seconds
from helmflow.cli.inspect_commands import quiet_emit
from helmflow.core.errors import ConfigError

if TYPE_CHECKING:
    import typer

    from helmflow.execute.report import RunReport
    from helmflow.flows.release import Named

_GLOBAL: Final = tuple(
    one
    for one in options.EVERYWHERE
    if one.dest in {
        "namespace", "kube_context", "kubeconfig", "as_user", "as_groups", "quiet", "debug", "log_level", "log_file",
        "color", "no_color", "interactive", "offline",
    }
)  # fmt: skip
_VALUES: Final = (
    flag("values", "-f", "--values", kind=list, help="Values file; later ones win"),
    flag("set", "--set", kind=list, help="Values: a.b=c"),
    flag("set_string", "--set-string", kind=list, help="Values that stay strings"),
    flag("set_json", "--set-json", kind=list, help="Values as JSON"),
    flag("set_file", "--set-file", kind=list, help="Values from files"),
    flag("set_literal", "--set-literal", kind=list, help="Values without any syntax"),
    flag("version", "--version", help="Version or range of the chart"),
    flag("devel", "--devel", kind=bool, help="Pre-releases too"),
)
_RUN: Final = (
    flag("wait", "--wait", kind=bool, help="Wait until everything is ready"),
    flag("wait_for_jobs", "--wait-for-jobs", kind=bool, help="Wait for Jobs too"),
    flag("timeout", "--timeout", default="300s", help="How long the operation may take: 90, 90s, 5m"),
    flag("atomic", "--atomic", "--rollback-on-failure", kind=bool, help="Undo what failed; waits"),
    flag("force", "--force", "--force-replace", kind=bool, help="Replace what cannot be changed"),
    flag("force_conflicts", "--force-conflicts", kind=bool, help="Take fields from other field managers"),
    flag("take_ownership", "--take-ownership", kind=bool, help="Adopt objects of other releases"),
    flag("no_hooks", "--no-hooks", kind=bool, help="Run no chart hooks"),
    flag("skip_crds", "--skip-crds", kind=bool, help="Leave crds/ alone"),
    flag("skip_schema_validation", "--skip-schema-validation", kind=bool, help="Ignore values.schema.json"),
    flag("description", "--description", help="Description of the revision"),
    flag("hide_notes", "--hide-notes", kind=bool, help="Do not print notes"),
)
_STATUSES: Final = ("deployed", "failed", "pending", "superseded", "uninstalled", "uninstalling")
_LIST: Final = (
    flag("all_namespaces", "-A", "--all-namespaces", kind=bool, help="Every namespace"),
    flag("all", "-a", "--all", kind=bool, help="Whatever their status"),
    *(flag(word, f"--{word}", kind=bool, help=f"Those that are {word}") for word in _STATUSES),
    flag("filter", "--filter", help="Only names that this pattern is found in"),
    flag("selector", "-l", "--selector", help="Only records with these labels"),
    flag("date", "-d", "--date", kind=bool, help="By the time of the last change"),
    flag("reverse", "-r", "--reverse", kind=bool, help="The other way round"),
    flag("short", "-q", "--short", kind=bool, help="Names only"),
    flag("max", "-m", "--max", kind=int, default=256, help="At most so many; 0 for all"),
    flag("offset", "--offset", kind=int, default=0, help="Leave so many out at the beginning"),
)
_NAME: Final = Argument("name", "NAME", "The release")
_CHART: Final = Argument("chart", "CHART", "Folder, archive, repository/chart, oci:// or https:// reference")
_PARTS: Final = ("manifest", "values", "hooks", "notes", "metadata", "all")


def register(app: typer.Typer) -> None:
    """Add the group to the app."""
    import typer

    group = typer.Typer(
        help="Work on one release without a state file, with Helm's flags.", no_args_is_help=True
    )
    create = flag(
        "create_namespace", "--create-namespace", kind=bool, help="Make the namespace where it is missing"
    )
    keep = flag("history_max", "--history-max", kind=int, default=10, help="Revisions to keep; 0 keeps all")
    add_command(group, "install", install, (*_GLOBAL, *_VALUES, *_RUN, create), (_NAME, _CHART))
    add_command(
        group,
        "upgrade",
        upgrade,
        (
            *_GLOBAL,
            *_VALUES,
            *_RUN,
            create,
            keep,
            flag("install", "-i", "--install", kind=bool, help="Install where it is missing"),
            flag(
                "cleanup_on_fail", "--cleanup-on-fail", kind=bool, help="Delete what a failed upgrade created"
            ),
            flag("reuse_values", "--reuse-values", kind=bool, help="Start from the deployed values"),
            flag(
                "reset_values",
                "--reset-values",
                kind=bool,
                help="Start from the chart's values (the default where values are given)",
            ),
            flag(
                "reset_then_reuse_values",
                "--reset-then-reuse-values",
                kind=bool,
                help="The deployed values over the new chart's own",
            ),
        ),
        (_NAME, _CHART),
    )
    add_command(
        group,
        "rollback",
        rollback,
        (*_GLOBAL, *_RUN, keep),
        (_NAME, Argument("revision", "[REVISION]", "Revision to go back to", required=False)),
    )
    add_command(
        group,
        "uninstall",
        uninstall,
        (*_GLOBAL, *_RUN, flag("keep_history", "--keep-history", kind=bool, help="Keep the records")),
        (_NAME,),
    )
    form = flag("output", "-o", "--output", help="json for machines")
    add_command(group, "history", history, (*_GLOBAL, form), (_NAME,))
    add_command(group, "status", status, (*_GLOBAL, form), (_NAME,))
    # Helm's -q is --short here.
    common = (one for one in _GLOBAL if one.dest != "quiet")
    add_command(group, "list", list_, (*common, *_LIST, form))
    add_command(
        group,
        "get",
        get,
        (
            *_GLOBAL,
            form,
            flag("revision", "--revision", kind=int, default=0, help="Revision; the newest by default"),
        ),
        (Argument("part", "|".join(_PARTS), "What to print"), _NAME),
    )
    add_command(
        group,
        "test",
        test,
        (*_GLOBAL, flag("logs", "--logs", kind=bool, help="Print what the test pods wrote"), *_RUN[2:3]),
        (_NAME,),
    )
    app.add_typer(group, name="release")


def install(given: SimpleNamespace) -> int:
    """Install a chart."""
    from helmflow.flows import release

    with reporters.reporting(given) as reporter:
        report = release.install(_named(given), _options(given), reporter.emit, reporter.confirm)
        reporter.finish(report)
    return _code(report)


def upgrade(given: SimpleNamespace) -> int:
    """Upgrade a release to a chart."""
    from helmflow.flows import release

    with reporters.reporting(given) as reporter:
        report = release.upgrade(
            _named(given), _options(given), reporter.emit, or_install=given.install, confirm=reporter.confirm
        )
        reporter.finish(report)
    return _code(report)


def rollback(given: SimpleNamespace) -> int:
    """Go back to an earlier revision."""
    from helmflow.flows import release

    if given.revision and not given.revision.isdigit():
        raise ConfigError(f"{given.revision!r} is no revision number", error_id="cli.bad-revision")
    with reporters.reporting(given) as reporter:
        report = release.roll_back(
            _named(given), int(given.revision or 0), _options(given), reporter.emit, reporter.confirm
        )
        reporter.finish(report)
    return _code(report)


def uninstall(given: SimpleNamespace) -> int:
    """Uninstall a release."""
    from helmflow.flows import release

    with reporters.reporting(given) as reporter:
        report = release.uninstall(_named(given), _options(given), reporter.emit, reporter.confirm)
        reporter.finish(report)
    return _code(report)


def test(given: SimpleNamespace) -> int:
    """Run a release's test hooks."""
    from helmflow.flows import release

    with reporters.reporting(given) as reporter:
        report = release.run_tests(_named(given), _options(given), reporter.emit)
        reporter.finish(report)
    return _code(report)


def history(given: SimpleNamespace) -> int:
    """Show every stored revision."""
    from helmflow.flows import release
    from helmflow.ui.jsonl import as_json
    from helmflow.ui.text import columns, sanitize

    rows = release.past(_named(given), _options(given), quiet_emit(given))
    if given.output == "json":
        _write(json.dumps([as_json(row) for row in rows], indent=2))
        return ExitCode.OK
    table = [("REVISION", "UPDATED", "STATUS", "CHART", "APP VERSION", "DESCRIPTION")]
    table.extend(
        (str(row.revision), row.updated, row.status, row.chart, row.app_version, sanitize(row.description))
        for row in rows
    )
    _write("\n".join(columns(table)))
    return ExitCode.OK


def list_(given: SimpleNamespace) -> int:
    """List the releases of a namespace, or of all."""
    from helmflow.flows import listing
    from helmflow.helm.release.record import ReleaseStatus
    from helmflow.ui.jsonl import as_json
    from helmflow.ui.text import columns, sanitize

    given.quiet = False
    words = [word for word in _STATUSES if getattr(given, word)]
    named = {"pending": listing.PENDING}
    statuses = tuple(status for word in words for status in named.get(word, (ReleaseStatus(word),)))
    rows = listing.listing(
        _options(given),
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
    if given.output == "json":
        _write(json.dumps([as_json(row) for row in rows], indent=2))
        return ExitCode.OK
    if given.short:
        sys.stdout.write("".join(f"{row.name}\n" for row in rows))
        return ExitCode.OK
    table = [("NAME", "NAMESPACE", "REVISION", "UPDATED", "STATUS", "CHART", "APP VERSION")]
    table.extend(
        (
            row.name,
            row.namespace,
            str(row.revision),
            row.updated,
            row.status,
            row.chart,
            sanitize(row.app_version),
        )
        for row in rows
    )
    _write("\n".join(columns(table)))
    return ExitCode.OK


def status(given: SimpleNamespace) -> int:
    """Show a release as the cluster has it."""
    from helmflow.flows import release
    from helmflow.ui.jsonl import as_json
    from helmflow.ui.text import sanitize

    found = release.current(_named(given), _options(given), quiet_emit(given))
    if given.output == "json":
        _write(json.dumps(as_json(found), indent=2))
        return ExitCode.OK if found.status else ExitCode.FAILED
    if not found.status:
        raise ConfigError(f"release: not found: {given.name}", error_id="release.not-found")
    _write(f"NAME: {found.id.name}\nLAST DEPLOYED: {found.last_deployed}\nNAMESPACE: {found.id.namespace}")
    _write(f"STATUS: {found.status}\nREVISION: {found.revision}\nDESCRIPTION: {sanitize(found.description)}")
    if found.notes.strip():
        _write("NOTES:\n" + sanitize(found.notes.strip("\n")))
    return ExitCode.OK


def get(given: SimpleNamespace) -> int:
    """Print what is stored of a release."""
    from helmflow.core import yaml_dialect
    from helmflow.flows import release

    if given.part not in _PARTS:
        raise ConfigError(
            f"{given.part!r} is no part of a release", error_id="cli.bad-part", hint=", ".join(_PARTS)
        )
    found = release.get(_named(given), _options(given), quiet_emit(given), revision=given.revision)
    metadata = found.chart.get("metadata") or {}
    about = {
        "name": found.name,
        "chart": metadata.get("name", ""),
        "version": metadata.get("version", ""),
        "appVersion": metadata.get("appVersion", ""),
        "namespace": found.namespace,
        "revision": found.number,
        "status": found.status.value,
    }
    hooks = "".join(f"---\n# Source: {hook.path}\n{hook.manifest.rstrip()}\n" for hook in found.hooks)
    parts: dict[str, Any] = {
        "metadata": about,
        "values": dict(found.config),
        "hooks": hooks,
        "manifest": found.manifest,
        "notes": found.notes,
    }
    wanted = tuple(parts) if given.part == "all" else (given.part,)
    if given.output == "json":
        _write(json.dumps({name: parts[name] for name in wanted}, indent=2))
        return ExitCode.OK
    for name in wanted:
        part = parts[name]
        text = part if isinstance(part, str) else yaml_dialect.dump(part)
        if len(wanted) > 1:
            _write(f"{name.upper()}:")
        _write(text.rstrip("\n"))
    return ExitCode.OK


def _named(given: SimpleNamespace) -> Named:
    from helmflow.flows.release import Named

    get_ = vars(given).get
    said = {
        "wait": get_("wait") or get_("atomic") or None,
        "waitForJobs": get_("wait_for_jobs") or None,
        "timeout": seconds(get_("timeout") or "300s"),
        "atomic": get_("atomic") or None,
        "cleanupOnFail": get_("cleanup_on_fail") or None,
        "force": get_("force") or None,
        "createNamespace": get_("create_namespace"),
        "historyMax": get_("history_max"),
        "devel": get_("devel") or None,
    }
    return Named(
        name=given.name,
        namespace=given.namespace or "",
        chart=get_("chart") or "",
        version=get_("version") or "",
        options={key: value for key, value in said.items() if value is not None},
    )


def _options(given: SimpleNamespace) -> Any:
    from dataclasses import replace

    get_ = vars(given).get
    plain = SimpleNamespace(
        **{
            **vars(given),
            "namespace": "",
            "chart": "",
            "timeout": 0,
            "wait": None,
            "atomic": None,
        }
    )
    wanted = options.run_options(plain)
    render = replace(
        wanted.render,
        set_strings=tuple(get_("set_string") or ()),
        set_jsons=tuple(get_("set_json") or ()),
        set_files=tuple(get_("set_file") or ()),
        set_literals=tuple(get_("set_literal") or ()),
    )
    running = replace(
        wanted.running,
        reset_then_reuse_values=bool(get_("reset_then_reuse_values")),
        keep_values=True,
    )
    return replace(wanted, render=render, running=running)


def _code(report: RunReport) -> int:
    if report.cancelled:
        return ExitCode.INTERRUPTED
    return ExitCode.OK if report.ok else ExitCode.FAILED


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
