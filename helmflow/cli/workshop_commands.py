"""chart create, show, package, index: making single charts, with Helm's flags."""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from helmflow.cli.exit_codes import ExitCode
from helmflow.cli.flags import Argument, add_command, flag
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
        (version, devel),
        (Argument("part", "all|chart|values|readme|crds", "What to show"), where),
    )
    add_command(
        chart,
        "package",
        package,
        (
            flag("destination", "-d", "--destination", default=".", help="Folder for the package"),
            flag("version", "--version", help="Version to give it"),
            flag("app_version", "--app-version", help="appVersion to give it"),
            flag(
                "dependency_update",
                "-u",
                "--dependency-update",
                kind=bool,
                help="Fetch missing dependencies first",
            ),
        ),
        (Argument("charts", "CHART...", "Chart folders", many=True),),
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


def create(given: SimpleNamespace) -> int:
    """Make a new chart."""
    from helmflow.helm.chart import create as scaffold

    path = Path(given.name)
    starter = _starter(given.starter) if given.starter else None
    print(f"Creating {scaffold.create(path.name, path.parent, starter)}")  # noqa: T201
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


def package(given: SimpleNamespace) -> int:
    """Pack chart folders as Helm does; the same content gives the same bytes."""
    from helmflow.helm.chart import load
    from helmflow.helm.chart import package as packing

    for folder in given.charts:
        chart = load.load(Path(folder))
        if given.dependency_update:
            from helmflow.providers.charts import dependencies
            from helmflow.providers.charts.fetch import ChartFetcher

            chart = packing.with_dependencies(
                chart, dependencies.complete(chart, Path(folder), ChartFetcher(()))
            )
        chart = packing.versioned(chart, given.version, given.app_version)
        name, content = packing.archive(chart)
        target = Path(given.destination) / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
        print(f"Successfully packaged chart and saved it to: {target.resolve()}")  # noqa: T201
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


def _load(given: SimpleNamespace) -> Chart:
    from helmflow.helm.chart import load
    from helmflow.providers.charts.fetch import ChartFetcher

    found = ChartFetcher(()).fetch(given.chart, given.version, Path.cwd(), devel=given.devel)
    return load.load(found.path)


def _file(chart: Chart, name: str) -> str:
    return next((file.text for file in chart.raw if file.name == name), "")


def _crds(chart: Chart) -> list[Any]:
    return [file for file in chart.raw if file.name.startswith("crds/")]


def _starter(name: str) -> Path:
    """A path, or a name in Helm's starters folder, today's or the old one."""
    import os

    from helmflow.core.paths import helm_data_home

    old = Path(os.environ.get("HELM_HOME") or Path.home() / ".helm") / "starters"
    for candidate in (Path(name), helm_data_home() / "starters" / name, old / name):
        if candidate.exists():
            return candidate
    raise ChartError(
        f"starter {name!r} is neither a path nor in {helm_data_home() / 'starters'}",
        error_id="chart.no-starter",
    )
