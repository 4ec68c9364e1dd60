"""release install|upgrade|rollback|uninstall|test: one chart and one release, without a state file; Helm's flag names."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final

from helmflow.cli import options, reporters, single_flags, single_reads
from helmflow.cli.exit_codes import ExitCode, stopped_by
from helmflow.cli.flags import Argument, add_command, seconds
from helmflow.cli.inspect_commands import quiet_emit
from helmflow.core.errors import ConfigError

if TYPE_CHECKING:
    import typer

    from helmflow.execute.report import RunReport
    from helmflow.flows.options import Confirm, RunOptions
    from helmflow.flows.release import Named
    from helmflow.plan.model import Plan

_GIVEN: Final = "given-by-flags"  # the name of the repository that --repo describes
_NAME: Final = Argument("name", "NAME", "The release")
_SOURCE: Final = "Folder, archive, repository/chart, oci:// or https:// reference"
_CHART: Final = Argument("chart", "CHART", _SOURCE)


def register(app: typer.Typer) -> None:
    """Add the group to the app."""
    import typer

    group = typer.Typer(
        help="Work on one release without a state file, with Helm's flags.", no_args_is_help=True
    )
    # The name of an install may be left out, and then its chart is the first word.
    optional = Argument("name", "[NAME]", "The release", required=False)
    chart = Argument("chart", "CHART", _SOURCE, required=False)
    revision = Argument("revision", "[REVISION]", "Revision to go back to", required=False)
    add_command(group, "install", install, single_flags.INSTALL, (optional, chart))
    add_command(group, "upgrade", upgrade, single_flags.UPGRADE, (_NAME, _CHART))
    add_command(group, "rollback", rollback, single_flags.ROLLBACK, (_NAME, revision))
    names = Argument("names", "NAME...", "The releases", many=True)
    add_command(group, "uninstall", uninstall, single_flags.UNINSTALL, (names,))
    add_command(group, "test", test, single_flags.TEST, (_NAME,))
    single_reads.register(group)
    app.add_typer(group, name="release")


def install(given: SimpleNamespace) -> int:
    """Install a chart."""
    from helmflow.flows import release

    given.name, given.chart = single_flags.name_and_chart(given)
    if single_flags.dry_run(given):
        return _rehearse(given)
    with reporters.reporting(given) as reporter:
        report = release.install(
            named(given), flow_options(given), reporter.emit, reporter.confirm, replacing=given.replace
        )
        reporter.finish(report)
    return _code(report)


def upgrade(given: SimpleNamespace) -> int:
    """Upgrade a release to a chart."""
    from helmflow.flows import release

    if single_flags.dry_run(given):
        return _rehearse(given)
    with reporters.reporting(given) as reporter:
        report = release.upgrade(
            named(given),
            flow_options(given),
            reporter.emit,
            or_install=given.install,
            confirm=reporter.confirm,
        )
        reporter.finish(report)
    return _code(report)


def rollback(given: SimpleNamespace) -> int:
    """Go back to an earlier revision."""
    from helmflow.flows import release

    if given.revision and not given.revision.isdigit():
        raise ConfigError(f"{given.revision!r} is no revision number", error_id="cli.bad-revision")
    dry = single_flags.dry_run(given)
    with reporters.reporting(given) as reporter:
        report = release.roll_back(
            named(given),
            int(given.revision or 0),
            flow_options(given),
            reporter.emit,
            _only_shown(reporter) if dry else reporter.confirm,
        )
        if not dry:
            reporter.finish(report)
    return _code(report)


def uninstall(given: SimpleNamespace) -> int:
    """Uninstall releases."""
    from helmflow.flows import release

    code = int(ExitCode.OK)
    dry = single_flags.dry_run(given)
    for name in given.names:
        given.name = name
        with reporters.reporting(given) as reporter:
            one, wanted = named(given), flow_options(given)
            if not given.ignore_not_found and not release.current(one, wanted, quiet_emit(given)).status:
                raise not_found(name)
            confirm = _only_shown(reporter) if dry else reporter.confirm
            report = release.uninstall(one, wanted, reporter.emit, confirm)
            if not dry:
                reporter.finish(report)
        code = _code(report) or code
    return code


def test(given: SimpleNamespace) -> int:
    """Run a release's test hooks."""
    from helmflow.flows import release

    with reporters.reporting(given) as reporter:
        report = release.run_tests(named(given), flow_options(given), reporter.emit)
        reporter.finish(report)
    return _code(report)


def _rehearse(given: SimpleNamespace) -> int:
    """What --dry-run prints: the revision that would be stored, as Helm shows it."""
    from helmflow.flows import release
    from helmflow.ui import release_view

    offline = single_flags.dry_run(given) == "client" and hasattr(given, "generate_name")
    found = release.rehearse(named(given), flow_options(given), quiet_emit(given), offline=offline)
    sys.stdout.write(
        release_view.rehearsal(found, hide_secrets=given.hide_secret, notes=not given.hide_notes)
    )
    return ExitCode.OK


def _only_shown(reporter: reporters.Reporting) -> Confirm:
    """A Confirm that shows the plan and declines it: a dry run of what has no manifest of its own."""

    def decline(plan: Plan) -> bool:
        reporter.show(plan)
        return False

    return decline


def named(given: SimpleNamespace) -> Named:
    """The release of a command line, with what its flags say about it. Raises ConfigError."""
    from helmflow.flows.release import Named

    get_ = vars(given).get
    single_flags.check_server_side(given)
    if "take_ownership" in vars(given) and given.output not in ("", "table", "text", "json"):
        raise ConfigError(
            f"--output does not take {given.output!r}", error_id="cli.bad-choice", hint="table or json"
        )
    chart, repository = _where_from(given)
    said = {
        "wait": single_flags.waits(given) or get_("atomic") or None,
        "waitForJobs": get_("wait_for_jobs") or None,
        "timeout": seconds(get_("timeout") or "300s"),
        "atomic": get_("atomic") or None,
        "cleanupOnFail": get_("cleanup_on_fail") or None,
        "force": get_("force") or None,
        "createNamespace": get_("create_namespace"),
        "historyMax": get_("history_max"),
        "devel": (get_("devel") and not get_("version")) or None,
        "verify": get_("verify") or None,
        "keyring": get_("keyring") or None,
    }
    return Named(
        name=given.name,
        namespace=given.namespace or "",
        chart=chart,
        version=get_("version") or "",
        repository=repository,
        options={key: value for key, value in said.items() if value is not None},
    )


def _where_from(given: SimpleNamespace) -> tuple[str, dict[str, Any]]:
    """The chart, and the repository that --repo and the flags for logins describe ({}: none of its own)."""
    get_ = vars(given).get
    chart = get_("chart") or ""
    login: dict[str, Any] = {
        "username": get_("username"),
        "password": get_("password"),
        "caFile": get_("ca_file"),
        "certFile": get_("cert_file"),
        "keyFile": get_("key_file"),
        "skipTLSVerify": get_("insecure_skip_tls_verify"),
        "passCredentials": get_("pass_credentials"),
    }
    login = {key: value for key, value in login.items() if value}
    for key in ("caFile", "certFile", "keyFile"):
        if key in login:
            login[key] = str(Path(login[key]).absolute())
    repo = str(get_("repo") or "")
    if repo:
        if chart.startswith("oci://") or repo.startswith("oci://"):
            raise ConfigError(
                "--repo names a repository with an index; a registry has none",
                error_id="cli.bad-repo",
                hint="name the chart as oci://REGISTRY/PATH/CHART, without --repo",
            )
        return f"{_GIVEN}/{chart}", {"name": _GIVEN, "url": repo, **login}
    if not login:
        return chart, {}
    if chart.startswith("oci://"):
        where, _, name = chart.removeprefix("oci://").rpartition("/")
        plain = {"plainHttp": True} if get_("plain_http") else {}
        return f"{_GIVEN}/{name}", {"name": _GIVEN, "url": where, "oci": True, **login, **plain}
    if "://" in chart:
        raise ConfigError(
            "logins are for repositories and registries, not for the address of one archive",
            error_id="cli.bad-repo",
            hint="--repo URL CHART",
        )
    return chart, {}  # the chart of a known repository, which has its own login


def flow_options(given: SimpleNamespace) -> RunOptions:
    """What the flows need to know. Flags of Helm that stand for its variables are set as such."""
    from dataclasses import replace

    get_ = vars(given).get
    for dest, variable in single_flags.VARIABLES.items():
        if get_(dest):
            os.environ[variable] = str(get_(dest)).lower() if get_(dest) is True else str(get_(dest))
    plain = SimpleNamespace(
        **{
            **vars(given),
            "namespace": "",
            "chart": "",
            "timeout": seconds(get_("timeout") or "300s") if "filters" in vars(given) else 0,
            "wait": None,
            "atomic": None,
            "selector": (),
            "oci_plain_http": get_("plain_http"),
        }
    )
    wanted = options.run_options(plain)
    render = replace(
        wanted.render,
        set_strings=tuple(get_("set_string") or ()),
        set_jsons=tuple(get_("set_json") or ()),
        set_files=tuple(get_("set_file") or ()),
        set_literals=tuple(get_("set_literal") or ()),
        enable_dns=bool(get_("enable_dns")),
        subchart_notes=bool(get_("subchart_notes")),
    )
    running = replace(
        wanted.running,
        reset_then_reuse_values=bool(get_("reset_then_reuse_values")),
        keep_values=True,
        labels=tuple(single_flags.labels(given).items()),
        delete_wait=single_flags.waits(given) if "names" in vars(given) else None,
    )
    test = replace(wanted.test, filters=tuple(get_("filters") or ()))
    return replace(wanted, render=render, running=running, test=test)


def not_found(name: str) -> ConfigError:
    """The mistake of naming a release that is not there."""
    return ConfigError(f"release: not found: {name}", error_id="release.not-found")


def _code(report: RunReport) -> int:
    if report.cancelled:
        return stopped_by(report.signal)
    return ExitCode.OK if report.ok else ExitCode.FAILED
