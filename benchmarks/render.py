"""Rendering against the real Helm, side by side in one process: `python -m benchmarks.render [--charts N] [--quick]`.

Both sides render the same charts as shipped, sample by sample in turn; equal output is asserted first, and every sample
changes one value that reaches the output. Figures are medians; ratios are geometric means. Warm, helmflow has the compiled
programs, `tpl` strings, schema verdicts of unchanged parts of the values, and the YAML and JSON of such parts; it has no
rendered text. Cold, it has nothing. Prints the tables and writes them with a plot to --out (render.md and render.svg).
Whole processes are measured by benchmarks/chart_template.
"""

from __future__ import annotations

import argparse
import gc
import math
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import helm_python

from helmflow.core import answers, go_json, yaml_read, yaml_write
from helmflow.core.errors import HelmflowError
from helmflow.gotemplate import printf, quickparse, templates
from helmflow.helm.chart.load import load, load_values
from helmflow.helm.chart.model import Chart
from helmflow.helm.render import engine, functions, manifests
from tests.charts_cases import cases, folder

OUT = Path(__file__).parent / "out"
# Dominated by bcrypt or RSA in both: they measure neither engine.
LEFT_OUT = (
    "bcrypt",
    "htpasswd",
    "genPrivateKey",
    "genCA",
    "genSelfSignedCert",
    "genSignedCert",
    "derivePassword",
)
VALUES = ("fullnameOverride", "nameOverride", "image.tag", "image.repository", "replicaCount")
TRIED = 40  # of a chart's own default texts, where none of VALUES reaches the output
GOALS = {
    "warm, schemas on: Helm / helmflow": (">=", 9.0),
    "warm, worst chart": (">=", 3.5),
    "warm, no schemas: Helm / helmflow": (">=", 7.0),
    "cold: helmflow / Helm": ("<=", 2.0),
    "toYaml: Helm / helmflow": (">=", 6.0),
    "values load: helmflow / Helm": ("<=", 1.0),
    "100 releases: helmflow / Helm on two threads": ("<=", 0.25),
}


# What is remembered by content, whichever chart it was met in.
CONTENT_CACHES: tuple[dict[Any, Any], ...] = (
    templates._KNOWN, functions._texts, functions._written, manifests._heads, answers.known, printf._floats,
    go_json.quoted(), *yaml_write.forms(), yaml_write._sort_keys, yaml_write._blocks, quickparse._MEANINGS,
    yaml_read._values, yaml_read._integers, yaml_read._keys,
)  # fmt: skip


@dataclass
class Subject:
    """A chart on both sides, and where the value is that a sample changes."""

    name: str
    path: Path
    ours: Chart
    theirs: Any
    changed: tuple[str, ...]


def values_at(path: tuple[str, ...], text: str) -> dict[str, Any]:
    value: Any = text
    for key in reversed(path):
        value = {key: value}
    made: dict[str, Any] = value
    return made


def ours(chart: Chart, values: dict[str, Any], release: str) -> dict[str, str]:
    options = engine.RenderOptions(release_name=release, namespace="demo-ns", installable=False)
    prepared = engine.prepare(chart, values, options)
    return engine.render_files(prepared.chart, prepared.values, options)


def theirs(chart: Any, values: dict[str, Any], release: str) -> dict[str, str]:
    made: dict[str, str] = chart.render(values, name=release, namespace="demo-ns")
    return made


def sample(subject: Subject, number: int) -> tuple[dict[str, Any], str]:
    """Values and release name of one sample."""
    return values_at(subject.changed, f"v{number}"), "demo"


def texts_in(values: dict[str, Any], at: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Where texts are in a chart's default values."""
    for key, value in values.items():
        if isinstance(value, dict):
            yield from texts_in(value, (*at, key))
        elif isinstance(value, str):
            yield (*at, key)


def subject_of(path: Path, dominated: list[str]) -> Subject | None:
    """The chart, if both sides give the same and a value can be changed that reaches the output.

    Charts that hash passwords or make keys are added to `dominated`.
    """
    chart = load(path)
    real = helm_python.Chart.load(str(path))
    try:
        base = ours(chart, {}, "demo")
        if base != theirs(real, {}, "demo"):  # random content
            text = b"".join(file.data for _, part in chart.walk() for file in part.templates)
            if any(word.encode() in text for word in LEFT_OUT):
                dominated.append(path.parent.name)
            return None
    except (HelmflowError, helm_python.HelmError):
        return None
    known = [tuple(value.split(".")) for value in VALUES]
    for changed in [*known, *islice(texts_in(chart.values), TRIED)]:
        try:
            values = values_at(changed, "v1")
            if ours(chart, values, "demo") != base and ours(chart, values, "demo") == theirs(
                real, values, "demo"
            ):
                return Subject(path.parent.name, path, chart, real, changed)
        except (HelmflowError, helm_python.HelmError):
            continue
    return None


def choose(count: int) -> tuple[list[Subject], list[str]]:
    """Charts by the size of their templates, largest first, one per family of equal names; and who was left out for
    bcrypt or RSA."""
    root = folder() / "charts"
    names = sorted({case.chart_id for case in cases()})
    sized = sorted(
        names,
        key=lambda name: (
            -sum(f.stat().st_size for f in (root / name / "chart").rglob("templates/*") if f.is_file())
        ),
    )
    chosen: list[Subject] = []
    families: set[str] = set()
    dominated: list[str] = []
    for name in sized:
        family = name.rpartition("~")[2]
        if len(chosen) == count:
            break
        if family not in families and (found := subject_of(root / name / "chart", dominated)):
            families.add(family)
            chosen.append(found)
    return chosen, dominated


def timed(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return (time.perf_counter() - start) * 1000


def side_by_side(subject: Subject, samples: int) -> tuple[float, float]:
    """Median milliseconds of helmflow and of Helm, taken in turn after the caches are warm."""
    for number in range(3):
        values, release = sample(subject, number)
        assert ours(subject.ours, values, release) == theirs(subject.theirs, values, release)
    mine, real = [], []
    gc.collect()
    for number in range(10, 10 + samples):
        values, release = sample(subject, number)
        mine.append(timed(partial(ours, subject.ours, values, release)))
        real.append(timed(partial(theirs, subject.theirs, values, release)))
    return statistics.median(mine), statistics.median(real)


def without_schemas(subject: Subject, scratch: Path) -> Subject:
    """A copy of the chart whose schemas are gone, packed ones included, on both sides."""
    target = scratch / subject.name
    shutil.copytree(subject.path, target)
    for schema in target.rglob("values.schema.json"):
        schema.unlink()
    return Subject(subject.name, target, load(target), helm_python.Chart.load(str(target)), subject.changed)


def forget() -> None:
    """Empty every cache in memory, as a new process has them."""
    for cache in CONTENT_CACHES:
        cache.clear()
    for module in [module for name, module in sys.modules.items() if name.startswith("helmflow.")]:
        for value in list(vars(module).values()):
            clear = getattr(value, "cache_clear", None)
            if clear is not None and module.__name__ not in (
                "helmflow.sprig.table",
                "helmflow.helm.render.functions",
            ):
                clear()


def cold(subject: Subject) -> tuple[float, float]:
    """Milliseconds of loading and rendering with empty caches."""
    mine, real = [], []
    for _ in range(3):
        forget()
        mine.append(timed(lambda: ours(load(subject.path), {}, "demo")))
        real.append(timed(lambda: theirs(helm_python.Chart.load(str(subject.path)), {}, "demo")))
    return min(mine), min(real)


def geometric(ratios: list[float]) -> float:
    return math.exp(sum(map(math.log, ratios)) / len(ratios)) if ratios else math.nan


def to_yaml_ratio(subjects: list[Subject]) -> float:
    """Helm / helmflow for toYaml of each chart's default values: a template with 21 calls less one with one."""
    ratios = []
    for subject in subjects[:15]:
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch) / "c"
            (path / "templates").mkdir(parents=True)
            (path / "Chart.yaml").write_text("apiVersion: v2\nname: c\nversion: 1.0.0\n")
            (path / "values.yaml").write_bytes(subject.ours.values_text or b"{}")
            few: list[float] = []
            many: list[float] = []
            for count, found in ((1, few), (21, many)):
                (path / "templates" / "t.txt").write_text(
                    "{{ .Values.x }}" + "{{ len (toYaml .Values) }}" * count
                )
                found += side_by_side(
                    Subject("c", path, load(path), helm_python.Chart.load(str(path)), ("x",)), samples=9
                )
            if many[0] - few[0] > 0.02:
                ratios.append((many[1] - few[1]) / (many[0] - few[0]))
    return geometric([ratio for ratio in ratios if ratio > 0])


def values_load_ratio(subjects: list[Subject]) -> float:
    """helmflow / Helm for reading each chart's values.yaml."""
    ratios = []
    for subject in subjects:
        text = subject.ours.values_text or b""
        if len(text) < 2000:
            continue
        decoded = text.decode()
        load_values(text)
        pairs = [
            (timed(partial(load_values, text)), timed(partial(helm_python.values_from_yaml, decoded)))
            for _ in range(7)
        ]
        mine, real = (statistics.median(column) for column in zip(*pairs, strict=True))
        ratios.append(mine / real)
    return geometric(ratios)


def hundred_releases(subjects: list[Subject]) -> float:
    """helmflow in one thread / the SDK on two, for 100 releases of mixed charts."""
    jobs = [(subjects[number % len(subjects)], number) for number in range(100)]

    def mine() -> None:
        for subject, number in jobs:
            ours(subject.ours, *sample(subject, 1000 + number))

    def real(job: tuple[Subject, int]) -> None:
        theirs(job[0].theirs, *sample(job[0], 1000 + job[1]))

    with ThreadPoolExecutor(2) as pool:
        pairs = [(timed(mine), timed(lambda: list(pool.map(real, jobs)))) for _ in range(3)]
    mine_ms, real_ms = (statistics.median(column) for column in zip(*pairs, strict=True))
    return float(mine_ms / real_ms)


def plot(rows: list[tuple[str, float, float]]) -> str:
    """Horizontal bars: how many times faster each chart renders."""
    height = 18 * len(rows) + 40
    widest = max(real / own for _, own, real in rows)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="760" height="{height}" font-family="sans-serif" font-size="11">'
    ]
    lines.append('<text x="10" y="16" font-size="13">Helm time / helmflow time, warm, per chart</text>')
    for number, (name, own, real) in enumerate(rows):
        y, width = 30 + 18 * number, 420 * (real / own) / widest
        lines.append(f'<text x="10" y="{y + 11}">{name[-38:]}</text>')
        lines.append(f'<rect x="260" y="{y}" width="{width:.0f}" height="13" fill="#3b7dd8"/>')
        lines.append(f'<text x="{265 + width:.0f}" y="{y + 11}">{real / own:.1f}</text>')
    return "\n".join([*lines, "</svg>", ""])


def report(rows: list[tuple[str, float, float]], figures: dict[str, float], dominated: list[str]) -> str:
    lines = ["| chart | helmflow ms | Helm ms | ratio |", "|---|---|---|---|"]
    lines += [f"| {name} | {own:.2f} | {real:.2f} | {real / own:.1f} |" for name, own, real in rows]
    lines += ["", "| figure | measured | goal | |", "|---|---|---|---|"]
    for name, (sign, goal) in GOALS.items():
        value = figures.get(name, math.nan)
        reached = value >= goal if sign == ">=" else value <= goal
        verdict = "not measured" if math.isnan(value) else "reached" if reached else "NOT reached"
        lines.append(f"| {name} | {value:.2f} | {sign} {goal:g} | {verdict} |")
    lines += ["", f"Left out, for bcrypt and RSA dominate both sides: {', '.join(dominated) or 'none'}."]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measure, print and write the report."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--charts", type=int, default=35)
    parser.add_argument("--samples", type=int, default=15)
    parser.add_argument("--out", type=Path, default=OUT, help="the folder for render.md and render.svg")
    parser.add_argument("--quick", action="store_true", help="10 charts, 5 samples")
    given = parser.parse_args()
    count, samples = (10, 5) if given.quick else (given.charts, given.samples)
    helm_python.disable_logging()
    subjects, dominated = choose(count)
    rows = [(subject.name, *side_by_side(subject, samples)) for subject in subjects]
    rows.sort(key=lambda row: row[2] / row[1])
    figures = {
        "warm, schemas on: Helm / helmflow": geometric([real / own for _, own, real in rows]),
        "warm, worst chart": min(real / own for _, own, real in rows),
    }
    with tempfile.TemporaryDirectory() as scratch:
        bare = [side_by_side(without_schemas(subject, Path(scratch)), samples) for subject in subjects]
    figures["warm, no schemas: Helm / helmflow"] = geometric([real / own for own, real in bare])
    figures["100 releases: helmflow / Helm on two threads"] = hundred_releases(subjects)
    figures["toYaml: Helm / helmflow"] = to_yaml_ratio(subjects)
    figures["values load: helmflow / Helm"] = values_load_ratio(subjects)
    figures["cold: helmflow / Helm"] = geometric([own / real for own, real in map(cold, subjects)])
    text = report(rows, figures, dominated)
    given.out.mkdir(parents=True, exist_ok=True)
    (given.out / "render.md").write_text(text, encoding="utf-8")
    (given.out / "render.svg").write_text(plot(rows), encoding="utf-8")
    print(text)
    print(f"Written to {given.out / 'render.md'}, plotted in {given.out / 'render.svg'}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
