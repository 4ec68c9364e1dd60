"""sync, apply, diff, destroy, test, rollback: commands that plan and run releases."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING

from helmflow.cli import options, reporters
from helmflow.cli.exit_codes import ExitCode, stopped_by
from helmflow.cli.flags import Argument, add_command, flag
from helmflow.core.errors import ConfigError
from helmflow.execute.report import Outcome, RunReport

if TYPE_CHECKING:
    import typer

    from helmflow.plan.model import Plan


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    common = (*options.EVERYWHERE, *options.VALUES, *options.NEEDS, *options.CHANGED)
    add_command(app, "sync", sync, (*common, *options.RENDER, *options.RUN, *options.SHOW, *options.RESUME))
    saved = Argument("plan", "[PLAN]", "Plan that `helmflow plan --out` froze", required=False)
    planning = (*common, *options.RENDER, *options.RUN, *options.SHOW)
    add_command(app, "apply", apply, (*planning, *options.TEMPLATE, *options.RESUME), (saved,))
    out = flag("out", "--out", help="File to freeze the plan in")
    add_command(app, "plan", plan, (*planning, *options.ONLY, out))
    add_command(app, "diff", diff, (*planning, *options.ONLY, *options.AGAINST))
    add_command(
        app,
        "destroy",
        destroy,
        (
            *options.EVERYWHERE,
            *options.RUN,
            *options.VALUES,
            *options.REPORT,
            *options.RESUME,
            flag("output", "-o", "--output", help="text, json, jsonl, markdown or html"),
            flag("skip_charts", "--skip-charts", kind=bool, help="Accepted: destroying needs no charts"),
            flag("delete_wait", "--deleteWait", kind=bool, help="Wait until everything is gone"),
            flag("delete_timeout", "--deleteTimeout", kind=int, default=300, help="Seconds to wait for it"),
        ),
    )
    add_command(
        app,
        "test",
        test,
        (
            *options.EVERYWHERE,
            *options.CONCURRENCY,
            *options.JOURNAL,
            flag("args", "--args", help="Extra Helm flags"),
            flag("logs", "--logs", kind=bool, help="Print what the test pods wrote"),
            flag("cleanup", "--cleanup", kind=bool, help="Delete the test pods afterwards"),
            flag(
                "timeout",
                "--timeout",
                kind=int,
                default=300,
                help="Seconds that one release's tests may take",
            ),
        ),
    )
    add_command(app, "runs", runs, (*options.EVERYWHERE, options.JSON))
    add_command(
        app,
        "rollback",
        rollback,
        (
            *options.EVERYWHERE,
            *options.RUN,
            flag("run", "--run", help="Go back to what was before this run (helmflow runs lists them)"),
        ),
        (
            Argument(
                "revision", "[REVISION]", "Revision to go back to; the one before by default", required=False
            ),
        ),
    )


def runs(given: SimpleNamespace) -> int:
    """Show who changed what when: the runs that the cluster still knows of, newest first."""
    import json

    from helmflow.cli.inspect_commands import quiet_emit
    from helmflow.flows import runs as flow
    from helmflow.ui.jsonl import as_json
    from helmflow.ui.text import columns, sanitize

    found = flow.runs(options.run_options(given), quiet_emit(given))
    if given.output == "json":
        sys.stdout.write(json.dumps([as_json(run) for run in found], indent=2) + "\n")
        return ExitCode.OK
    table = [("RUN", "STARTED", "COMMAND", "BY", "COMMIT", "OUTCOME", "RELEASES")]
    for run in found:
        said = ", ".join(
            f"{one.id.name}:{one.revision}" + ("" if one.outcome == "done" else f" ({one.outcome})")
            for one in run.releases
        )
        table.append((run.id, run.started, run.command, run.by, run.commit[:12], run.outcome, sanitize(said)))
    sys.stdout.write("\n".join(columns(table)) + "\n")
    return ExitCode.OK


def sync(given: SimpleNamespace) -> int:
    """Make the cluster what the files say."""
    from helmflow.flows import sync as flow

    with reporters.reporting(given) as reporter:
        report = flow.sync(options.run_options(given), reporter.emit, reporter.confirm)
        reporter.finish(report)
    return _exit_code(report, detailed=given.detailed_exitcode)


def apply(given: SimpleNamespace) -> int:
    """Show what would change, then change it."""
    from helmflow.flows import apply as flow

    with reporters.reporting(given) as reporter:
        wanted = options.run_options(given)
        if given.plan:
            from helmflow.flows import saved

            report = saved.apply_saved(wanted, reporter.emit, Path(given.plan), reporter.show_and_confirm)
        else:
            report = flow.apply(wanted, reporter.emit, reporter.show_and_confirm)
        reporter.finish(report)
    return _exit_code(report, detailed=given.detailed_exitcode)


def plan(given: SimpleNamespace) -> int:
    """Show what apply would do; with --out, freeze it so that apply does exactly that."""
    from helmflow.flows import diff as flow
    from helmflow.flows import saved

    with reporters.reporting(given) as reporter:
        wanted = options.run_options(given)
        made = (
            saved.save(wanted, reporter.emit, Path(given.out))
            if given.out
            else flow.diff(wanted, reporter.emit)
        )
        reporter.show(made)
    return ExitCode.CHANGES if given.detailed_exitcode and made.writes else ExitCode.OK


def diff(given: SimpleNamespace) -> int:
    """Show what sync would change in the cluster."""
    from helmflow.flows import diff as flow

    with reporters.reporting(given) as reporter:
        plan = flow.diff(options.run_options(given), reporter.emit)
        reporter.show(plan)
    if _refused(plan):
        return ExitCode.FAILED
    return ExitCode.CHANGES if given.detailed_exitcode and plan.writes else ExitCode.OK


def destroy(given: SimpleNamespace) -> int:
    """Uninstall every selected release, dependents first."""
    from helmflow.flows import destroy as flow

    with reporters.reporting(given) as reporter:
        report = flow.destroy(options.run_options(given), reporter.emit, reporter.confirm)
        reporter.finish(report)
    return _exit_code(report, detailed=given.detailed_exitcode)


def test(given: SimpleNamespace) -> int:
    """Run the charts' test hooks."""
    from helmflow.flows import test as flow

    with reporters.reporting(given) as reporter:
        report = flow.test(options.run_options(given), reporter.emit)
        reporter.finish(report)
    return _exit_code(report, detailed=False)


def rollback(given: SimpleNamespace) -> int:
    """Make an earlier revision of the selected releases the current one again."""
    from helmflow.flows import rollback as flow

    try:
        revision = int(given.revision or 0)
    except ValueError:
        raise ConfigError(f"{given.revision!r} is no revision number", error_id="cli.bad-revision") from None
    if given.run:
        if given.revision:
            raise ConfigError("a revision and --run exclude each other", error_id="cli.bad-revision")
        from helmflow.flows import runs as by_run

        with reporters.reporting(given) as reporter:
            report = by_run.roll_back_run(
                options.run_options(given), reporter.emit, given.run, reporter.confirm
            )
            reporter.finish(report)
        return _exit_code(report, detailed=False)
    with reporters.reporting(given) as reporter:
        report = flow.rollback(options.run_options(given), reporter.emit, revision, reporter.confirm)
        reporter.finish(report)
    return _exit_code(report, detailed=False)


def _exit_code(report: RunReport, *, detailed: bool) -> int:
    if report.cancelled:
        return stopped_by(report.signal)
    if not report.ok:
        return ExitCode.FAILED
    sys.stdout.flush()
    return ExitCode.CHANGES if detailed and report.having(Outcome.DONE) else ExitCode.OK


def _refused(plan: Plan) -> bool:
    from helmflow.plan.model import ActionKind

    return any(release.action.kind is ActionKind.REFUSE for release in plan.releases)
