"""The recorded state-level cases, run in process: Helmfile's arguments to the functions that the CLI calls."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from helmflow.core.errors import HelmflowError
from helmflow.state import views
from helmflow.state.load import LoadRequest, load_desired
from helmflow.state.ports import Ports

COMMANDS = ("list", "build", "show-dag", "print-env", "write-values")


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command did."""

    code: int
    out: str
    error: str
    exception: HelmflowError | None = None


class _Usage(Exception):
    pass


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        raise _Usage(message)


def _parser() -> _Parser:
    parser = _Parser(add_help=False, allow_abbrev=False)
    parser.add_argument("-f", "--file", default="")
    parser.add_argument("-e", "--environment", "--env", default="")
    parser.add_argument("-l", "--selector", action="append", default=[])
    parser.add_argument("-n", "--namespace", default="")
    parser.add_argument("--kube-context", default="")
    parser.add_argument("-c", "--chart", default="")
    parser.add_argument("--state-values-set", action="append", default=[])
    parser.add_argument("--state-values-set-string", action="append", default=[])
    parser.add_argument("--state-values-file", action="append", default=[])
    parser.add_argument("--sequential-helmfiles", action="store_true")
    parser.add_argument("--allow-no-matching-release", action="store_true")
    parser.add_argument("--output", default="")
    parser.add_argument("--skip-charts", action="store_true")
    parser.add_argument("--skip-deps", action="store_true")
    parser.add_argument("--embed-values", action="store_true")
    parser.add_argument("--output-file-template", default="")
    parser.add_argument("command")
    return parser


def run(argv: list[str], cwd: Path, env: Mapping[str, str], ports: Ports | None = None) -> Ran:
    """Run a state-level command in `cwd`."""
    try:
        options = _parser().parse_args(argv)
    except _Usage as error:
        return Ran(3, "", str(error))
    request = LoadRequest(
        file=options.file,
        environment=options.environment,
        selectors=tuple(options.selector),
        namespace=options.namespace,
        kube_context=options.kube_context,
        chart=options.chart,
        state_values_set=tuple(options.state_values_set),
        state_values_set_string=tuple(options.state_values_set_string),
        state_values_files=tuple(options.state_values_file),
        allow_no_matching_release=options.allow_no_matching_release,
        need_releases=options.command != "print-env",
        cwd=cwd,
        env=dict(env),
        ports=ports or Ports(),
    )
    try:
        desired = load_desired(request, lambda event: None)
        return Ran(0, _VIEWS[options.command](desired, options), "")
    except HelmflowError as error:
        return Ran(
            error.exit_code, "", "\n".join(f"{m.span}: {m.message} [{m.hint}]" for m in error.mistakes), error
        )


def _list(desired: Any, options: Any) -> str:
    return views.list_json(desired) if options.output == "json" else views.list_table(desired)


def _write(desired: Any, options: Any) -> str:
    for written in views.write_values(desired, options.output_file_template):
        written.path.parent.mkdir(parents=True, exist_ok=True)
        written.path.write_text(written.text, encoding="utf-8")
    return ""


_VIEWS: dict[str, Callable[[Any, Any], str]] = {
    "list": _list,
    "build": lambda desired, options: views.build(desired, embed_values=options.embed_values),
    "show-dag": lambda desired, options: views.show_dag(desired),
    "print-env": lambda desired, options: views.print_env(desired, options.output or "yaml"),
    "write-values": _write,
}


def same(command: str, argv: list[str], got: str, want: str) -> bool:
    """Equal as text, or as the data that the text holds."""
    if got == want:
        return True
    try:
        if "json" in argv:
            return bool(json.loads(got) == json.loads(want))
        if command in ("build", "print-env", "write-values"):
            return list(yaml.safe_load_all(got)) == list(yaml.safe_load_all(want))
    except ValueError:
        return False
    return [line.split() for line in got.splitlines()] == [line.split() for line in want.splitlines()]
