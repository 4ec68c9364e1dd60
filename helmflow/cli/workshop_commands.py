"""chart create, show, index, test: making and trying single charts, with Helm's flags."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from helmflow.cli import (
    chart_flags,
    dependency_commands,
    lint_commands,
    packaging_commands,
    registry_commands,
)
from helmflow.cli.exit_codes import ExitCode
from helmflow.cli.flags import Argument, add_command, flag, seconds
from helmflow.core.errors import ChartError, ConfigError

if TYPE_CHECKING:
    import typer

    from helmflow.helm.chart.model import Chart

_README_NAMES = ("readme.md", "readme.txt", "readme")


def register(chart: typer.Typer) -> None:
    """Add the commands to the `chart` group."""
    where = Argument("chart", "CHART", "Folder, archive, repository/chart, oci:// or https:// reference")
    version = flag("version", "--version", help="Version or range of a chart in a repository")
    devel = flag("devel", "--devel", kind=bool, help="Pre-releases too")
    add_command(
        chart,
        "create",
        create,
        (
            flag(
                "starter",
                "-p",
                "--starter",
                help="Starter chart: a path, or a name in Helm's starters folder",
            ),
        ),
        (Argument("name", "NAME", "Name of the chart, or a path that ends in it"),),
    )
    add_command(
        chart,
        "show",
        show,
        chart_flags.REMOTE,
        (Argument("part", "all|chart|values|readme|crds", "What to show"), where),
    )
    add_command(
        chart,
        "index",
        index,
        (
            flag("url", "--url", help="Where the archives will be"),
            flag("merge", "--merge", help="Index whose versions stay"),
            flag("json", "--json", kind=bool, help="Write JSON"),
        ),
        (Argument("folder", "FOLDER", "Folder of packaged charts"),),
    )
    add_command(
        chart,
        "test",
        test,
        (
            version,
            devel,
            flag("namespace", "-n", "--namespace", help="Namespace of the trial [default]"),
            flag("timeout", "--timeout", default="300s", help="How long each step may take: 90, 90s, 5m"),
            flag(
                "filter", "--filter", kind=list, help="Only tests with this attribute: name=NAME, !name=NAME"
            ),
            *chart_flags.VALUES,
        ),
        (where,),
    )
    for module in (dependency_commands, lint_commands, packaging_commands):
        module.register(chart)
    registry_commands.register_chart(chart)


def create(given: SimpleNamespace) -> int:
    """Make a new chart."""
    from helmflow.helm.chart import create as scaffold

    path = Path(given.name)
    with _starter(given.starter) as starter:
        made = scaffold.create(path.name, path.parent, starter)
    print(f"Creating {made}")  # noqa: T201
    return ExitCode.OK


def show(given: SimpleNamespace) -> int:
    """Show a chart's metadata, values, readme or CRDs."""
    chart = _load(given)
    parts: dict[str, list[str]] = {
        "chart": [_file(chart, "Chart.yaml")],
        "values": [_file(chart, "values.yaml")],
        "readme": [file.text for file in chart.raw if file.name.lower() in _README_NAMES][:1],
        "crds": [crd.text for _, part in chart.walk() for crd in _crds(part)],
    }
    if given.part not in (*parts, "all"):
        raise ConfigError(
            f"{given.part!r} is no part of a chart",
            error_id="cli.bad-part",
            hint="all, chart, values, readme or crds",
        )
    wanted = ("chart", "values", "readme", "crds") if given.part == "all" else (given.part,)
    texts = [text for part in wanted for text in parts[part] if text.strip()]
    sys.stdout.write("\n---\n".join(text.rstrip("\n") for text in texts) + "\n" if texts else "")
    return ExitCode.OK


def index(given: SimpleNamespace) -> int:
    """Write the index of a folder of packaged charts."""
    from helmflow.core import yaml_dialect
    from helmflow.providers.charts import indexing

    folder = Path(given.folder)
    if not folder.is_dir():
        raise ChartError(f"{folder} is no folder", error_id="repository.no-folder")
    made = indexing.of_folder(folder, url=given.url, created=datetime.now(UTC).isoformat())
    if given.merge:
        made = indexing.merged(made, Path(given.merge))
    text = json.dumps(made, indent=2) + "\n" if given.json else yaml_dialect.dump(made)
    (folder / "index.yaml").write_text(text, encoding="utf-8")
    return ExitCode.OK


def test(given: SimpleNamespace) -> int:
    """Install a chart on an embedded cluster of its own, run its tests with their logs, and remove it."""
    from helmflow.flows import chart_test as flow
    from helmflow.flows.options import RenderOptions
    from helmflow.ui import report_view

    trial = flow.run(
        given.chart,
        flow.Trial(
            version=given.version,
            devel=given.devel,
            namespace=given.namespace,
            timeout_s=seconds(given.timeout),
            filters=tuple(given.filter),
            render=RenderOptions(
                values_files=tuple(given.values),
                sets=tuple(given.set),
                set_strings=tuple(given.set_string),
                set_jsons=tuple(given.set_json),
                set_files=tuple(given.set_file),
                set_literals=tuple(given.set_literal),
            ),
        ),
        lambda event: None,
    )
    for failure in trial.failures:
        from helmflow.ui import error_view

        sys.stderr.write(error_view.render(failure) + "\n")
    if trial.tests is not None:
        print(report_view.render_tests(trial.tests))  # noqa: T201
        if not any(release.tests for release in trial.tests.releases):
            sys.stderr.write("WARNING: the chart has no tests (helm.sh/hook: test)\n")
    return ExitCode.OK if trial.ok else ExitCode.FAILED


def _load(given: SimpleNamespace) -> Chart:
    from helmflow.helm.chart import load
    from helmflow.providers.charts.fetch import ChartFetcher, local_path

    local = local_path(given.chart, Path.cwd()) if not given.repository else None
    if local is not None and given.verify:
        from helmflow.providers.charts import trust
        from helmflow.providers.charts.openpgp import Keyring

        trust.verify_archive(local, Keyring.load(chart_flags.keyring(given)))
    if local is not None or "::" in given.chart:
        if given.cosign_key or (given.verify and local is None):
            raise ChartError(
                f"{given.chart}: only packed charts of repositories and registries can be checked here",
                error_id="provenance.not-packed",
                hint="`helmflow chart pull --verify` a packed one first",
            )
        found = ChartFetcher(()).fetch(given.chart, given.version, Path.cwd(), devel=given.devel)
        return load.load(found.path)
    from helmflow.providers.charts.download import download

    return download(chart_flags.wanted(given, given.chart)).chart


def _file(chart: Chart, name: str) -> str:
    return next((file.text for file in chart.raw if file.name == name), "")


def _crds(chart: Chart) -> list[Any]:
    return [file for file in chart.raw if file.name.startswith("crds/")]


@contextlib.contextmanager
def _starter(name: str) -> Iterator[Path | None]:
    """A path, a name in one of Helm's starter folders, or a reference, which is fetched for as long as it is needed."""
    if not name:
        yield None
        return
    from helmflow.core.paths import helm_data_home

    old = Path(os.environ.get("HELM_HOME") or Path.home() / ".helm") / "starters"
    folders = (helm_data_home() / "starters", old)
    for candidate in (Path(name), *(folder / name for folder in folders)):
        if candidate.exists():
            yield candidate
            return
    if "/" not in name:
        raise ChartError(
            f"starter {name!r} is neither a path nor in {folders[0]} or {folders[1]}",
            error_id="chart.no-starter",
            hint="or a reference: oci://HOST/PATH/CHART, repository/chart, https://...",
        )
    from helmflow.providers.charts.fetch import ChartFetcher

    yield ChartFetcher(()).fetch(name, "", Path.cwd()).path
