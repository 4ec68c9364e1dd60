"""explain, compare, schema: why things are as they are, and what a state file may say."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from helmflow.cli import options
from helmflow.cli.exit_codes import ExitCode
from helmflow.cli.flags import Argument, add_command, flag
from helmflow.cli.inspect_commands import quiet_emit

if TYPE_CHECKING:
    import typer

    from helmflow.state.comparing import ComparedRelease


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    import typer

    form = options.JSON
    explain = typer.Typer(help="Say why things are as they are.", no_args_is_help=True)
    add_command(
        explain,
        "values",
        values,
        (*options.EVERYWHERE, *options.VALUES, form),
        (
            Argument("release", "RELEASE", "Name of the release"),
            Argument("path", "[PATH]", "Only this value and what is below it: image.tag", required=False),
        ),
    )
    add_command(
        explain,
        "chart",
        chart,
        (*options.EVERYWHERE, form),
        (Argument("name", "RELEASE|CHART", "A release, or a chart's folder or archive"),),
    )
    app.add_typer(explain, name="explain")
    add_command(
        app,
        "compare",
        compare,
        (
            *options.EVERYWHERE,
            form,
            flag("detailed_exitcode", "--detailed-exitcode", kind=bool, help="Exit 2 where they differ"),
            flag("skip_charts", "--skip-charts", kind=bool, help="Files only: charts are not rendered"),
        ),
        (
            Argument("left", "ENVIRONMENT", "One environment"),
            Argument("right", "ENVIRONMENT", "The other one"),
        ),
    )
    add_command(app, "schema", schema, ())


def values(given: SimpleNamespace) -> int:
    """Where every value of a release came from, and what it overrode."""
    from helmflow.flows import explain as flow

    found = flow.values(options.run_options(given), quiet_emit(given), given.release, given.path)
    if given.output == "json":
        rows = [
            {
                "path": one.name,
                "value": one.value,
                "from": str(one.origin),
                "overrode": [{"value": old.value, "from": str(old.origin)} for old in one.overrode],
            }
            for one in found
        ]
        _write(json.dumps(rows, indent=2, default=str))
        return ExitCode.OK
    for one in found:
        _write(f"{one.name}: {_shown(one.value)}    # {one.origin}")
        for old in one.overrode:
            _write(f"    over {_shown(old.value)}    # {old.origin}")
    return ExitCode.OK


def chart(given: SimpleNamespace) -> int:
    """Which subcharts are on or off, by which condition, tag or default, and where that is said."""
    from helmflow.flows import explain as flow
    from helmflow.ui.jsonl import as_json
    from helmflow.ui.text import columns

    found = flow.chart(options.run_options(given), quiet_emit(given), given.name)
    if given.output == "json":
        _write(json.dumps([as_json(one) for one in found], indent=2))
        return ExitCode.OK
    if not found:
        _write("the chart declares no dependencies")
        return ExitCode.OK
    rows = [("SUBCHART", "STATE", "DECIDED BY", "PATH", "SAID AT")]
    rows.extend((one.path, "on" if one.enabled else "off", one.by, one.because, one.where) for one in found)
    _write("\n".join(columns(rows)))
    return ExitCode.OK


def compare(given: SimpleNamespace) -> int:
    """Compare two environments: releases, versions, values and rendered objects; no cluster is needed."""
    from helmflow.flows import compare as flow

    found = flow.compare(
        options.run_options(given), quiet_emit(given), given.left, given.right, charts=not given.skip_charts
    )
    if given.output == "json":
        rows = [
            {
                "release": str(one.id),
                given.left: one.left is not None,
                given.right: one.right is not None,
                "differences": [
                    {"path": d.path, given.left: d.left, given.right: d.right} for d in one.differences
                ],
            }
            for one in found
            if not one.equal
        ]
        _write(json.dumps(rows, indent=2, default=str))
    else:
        for line in _compared(found, given.left, given.right):
            _write(line)
    differ = any(not one.equal for one in found)
    return ExitCode.CHANGES if differ and given.detailed_exitcode else ExitCode.OK


def schema(given: SimpleNamespace) -> int:
    """Print the JSON Schema of the state file, for editors."""
    from helmflow.state.json_schema import json_schema

    _write(json.dumps(json_schema(), indent=2))
    return ExitCode.OK


def _compared(found: Any, left: str, right: str) -> Iterator[str]:
    equal = 0
    one: ComparedRelease
    for one in found:
        if one.equal:
            equal += 1
        elif one.left is None or one.right is None:
            yield f"{one.id}: only in {left if one.right is None else right}"
        else:
            yield f"{one.id}:"
            for difference in one.differences:
                yield f"  {difference.path}: {_shown(difference.left)} -> {_shown(difference.right)}"
    yield f"{equal} of {len(found)} releases are equal in {left} and {right}"


def _shown(value: Any) -> str:
    from helmflow.ui.text import sanitize

    if isinstance(value, float) and value.is_integer():
        value = int(value)  # as the file says it: only templates see 1.0
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return sanitize(text) if text else '""'


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
