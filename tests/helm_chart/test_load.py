"""Loading charts: every recorded chart of Helm's own tests, and the shapes that Helm refuses."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from helmflow.core.errors import ChartError, TemplateError
from helmflow.helm.chart.load import load, load_files, load_values
from helmflow.helm.chart.model import Chart, ChartFile
from helmflow.helm.render.engine import RenderOptions, prepare, render_files
from tests import conformance
from tests.charts import files_of, write_chart

MINIMAL = "apiVersion: v2\nname: c\nversion: 1.2.3\n"
_KEYS = {
    "apiVersion": "api_version", "appVersion": "app_version", "kubeVersion": "kube_version",
    "import-values": "import_values",
}  # fmt: skip


def plain(value: Any, recorded: Any) -> Any:
    """A dataclass's fields under the keys that the recording has."""
    if isinstance(recorded, dict) and not isinstance(value, dict):
        return {key: plain(getattr(value, _KEYS.get(key, key)), item) for key, item in recorded.items()}
    if isinstance(recorded, list) and isinstance(value, tuple | list) and len(value) == len(recorded):
        return [plain(one, item) for one, item in zip(value, recorded, strict=True)]
    return value


def loaded(chart: Chart) -> dict[str, Any]:
    return {
        "values": chart.values,
        "files": [file.name for file in chart.files],
        "templates": [file.name for file in chart.templates],
        "crds": [crd.filename for crd in chart.crds],
        "dependencies": sorted(sub.name for sub in chart.dependencies),
    }


def differences(row: dict[str, Any], path: Path) -> list[str]:
    """What is not as recorded."""
    try:
        chart = load(path)
    except ChartError as error:
        text = str(error).replace(f"{path.absolute().parent}/", f"{Path(row['path']).parent}/")
        return [] if text == row.get("load_error") else [f"load: {text}"]
    if "load_error" in row:
        return ["loads"]
    row = {**row, "dependencies": sorted(row["dependencies"]), "values": row["values"] or {}}
    wrong = [key for key, value in loaded(chart).items() if row[key] != value]
    if row["digest"] and row["digest"] != chart.digest:
        wrong.append("digest")
    if plain(chart.metadata, row["metadata"]) != row["metadata"]:
        wrong.append("metadata")
    return wrong + render_differences(row, chart)


def render_differences(row: dict[str, Any], chart: Chart) -> list[str]:
    options = RenderOptions(release_name="rel", namespace="ns", installable=False)
    try:
        prepared = prepare(chart, {}, options)
        files = render_files(prepared.chart, prepared.values, options)
    except (ChartError, TemplateError) as error:
        return [] if str(error) == row.get("render_error") else [f"render: {error}"]
    if "render_error" in row:
        return ["renders"]
    return [
        name for name in {*files, *row["rendered"]} if not alike(files.get(name), row["rendered"].get(name))
    ]


def alike(ours: str | None, recorded: str | None) -> bool:
    """Equal, but for lines that are random in Helm itself: names and passwords made by randAlphaNum."""
    if ours is None or recorded is None:
        return ours == recorded
    pairs = list(zip(ours.split("\n"), recorded.split("\n"), strict=False))
    random_line = ("password:", "-test-")
    return ours.count("\n") == recorded.count("\n") and all(
        a == b or any(mark in a and mark in b for mark in random_line) for a, b in pairs
    )


def test_recorded_charts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = conformance.path("helm/testdata")
    rows = conformance.data("helm/oracle/load_testdata.json")
    wrong = []
    monkeypatch.chdir(folder)
    for row in rows:
        path = Path(row["path"])
        if row["path"].endswith(
            "frobnitz_with_dev_null"
        ):  # the recording had a link that an archive cannot keep
            path = tmp_path / path.name
            shutil.copytree(folder / row["path"], path)
            os.chmod(path, 0o755)
            (path / "null").symlink_to("/dev/null")
        if found := differences(row, path):
            wrong.append((row["path"], found))
    conformance.report("oracle/load", passed=len(rows) - len(wrong), failed=len(wrong))
    assert not wrong


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "Chart.yaml file is missing"),
        ({"Chart.yaml": ""}, "validation: chart.metadata.name is required"),
        (
            {"Chart.yaml": "- a"},
            (
                "cannot load Chart.yaml: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go "
                "value of type v2.Metadata"
            ),
        ),
        (
            {"Chart.yaml": MINIMAL, "charts/README.md": ""},
            "error unpacking subchart README.md in c: Chart.yaml file is missing",
        ),
        (
            {"Chart.yaml": MINIMAL, "charts/x.tgz/Chart.yaml": MINIMAL},
            "error unpacking subchart tar in c: expected x.tgz, got x.tgz/Chart.yaml",
        ),
        (
            {"Chart.yaml": MINIMAL, "values.yaml": "- a"},
            (
                "cannot load values.yaml: cannot unmarshal yaml document: error unmarshaling JSON: while decoding JSON: json: "
                "cannot unmarshal array into Go value of type map[string]interface {}"
            ),
        ),
        (
            {"Chart.yaml": MINIMAL, "values.yaml": "a: 1\n--- |\n  b\n"},
            "cannot load values.yaml: error reading yaml document: invalid Yaml document separator: |",
        ),
        (
            {"Chart.yaml": MINIMAL, "Chart.lock": "x"},
            (
                "cannot load Chart.lock: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal string into Go "
                "value of type v2.Lock"
            ),
        ),
    ],
)
def test_what_helm_refuses(files: dict[str, str], message: str) -> None:
    with pytest.raises(ChartError) as caught:
        load_files(files_of(files))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("", {}),
        ("null", {}),
        ("a: 1\n---\nb: 2\na:\n  c: 1\n", {"a": {"c": 1.0}, "b": 2.0}),
        ("---\n# c\n---\nb: 2\n", {"b": 2.0}),
        ("a: {x: 1}\n--- # more\na: {z: null}\n", {"a": {"x": 1.0, "z": None}}),
        ("a: |\n  x", {"a": "x\n"}),
        ("a: 1\r\nb: |\r\n  x\r\n", {"a": 1.0, "b": "x\n"}),
        ("a: 1\n...\nb: 2\n", {"a": 1.0}),
    ],
)
def test_values_files(text: str, values: dict[str, Any]) -> None:
    assert load_values(text.encode()) == values


def test_requirements_of_a_v1_chart_become_its_dependencies() -> None:
    chart = load_files(
        files_of(
            {
                "Chart.yaml": "name: c\nversion: 1.0.0\n",
                "requirements.yaml": "dependencies: [{name: a, version: 1.x, tags: [t]}]",
                "requirements.lock": "digest: sha256:00\ndependencies: [{name: a, version: 1.2.0}]",
            }
        )
    )
    assert chart.metadata.api_version == "v1"
    assert [(d.name, d.version, d.tags) for d in chart.metadata.declared] == [("a", "1.x", ("t",))]
    assert chart.lock is not None
    assert chart.lock.dependencies[0].version == "1.2.0"
    assert [file.name for file in chart.files] == ["requirements.yaml", "requirements.lock"]


def test_a_link_out_of_the_chart_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("no")
    path = write_chart(tmp_path / "c", {"Chart.yaml": MINIMAL, "files/a": "x"})
    (path / "inside").symlink_to("files/a")
    assert [file.name for file in load(path).files] == ["files/a", "inside"]
    (path / "files" / "outside").symlink_to(tmp_path / "secret")
    with pytest.raises(ChartError) as caught:
        load(path)
    assert caught.value.error_id == "chart.symlink"
    (path / ".helmignore").write_text("outside\n")
    assert {file.name for file in load(path).files} == {".helmignore", "files/a", "inside"}


@pytest.mark.parametrize("target", [".", "gone"])
def test_links_that_lead_nowhere(tmp_path: Path, target: str) -> None:
    path = write_chart(tmp_path / "c", {"Chart.yaml": MINIMAL})
    (path / "link").symlink_to(target)
    with pytest.raises(ChartError) as caught:
        load(path)
    assert caught.value.error_id in ("chart.too-deep", "chart.unreadable")


def test_a_pipe_is_refused_without_being_opened(tmp_path: Path) -> None:
    path = write_chart(tmp_path / "c", {"Chart.yaml": MINIMAL})
    os.mkfifo(path / "pipe")
    with pytest.raises(ChartError) as caught:
        load(path)
    assert caught.value.error_id == "chart.irregular-file"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.yaml", b"a: 1", "file '{}' seems to be a YAML file, but expected a gzipped archive"),
        (
            "a.txt",
            b"hello",
            "file '{}' does not appear to be a gzipped archive; got 'application/octet-stream'",
        ),
        ("a.zip", b"PK\3\4", "file '{}' does not appear to be a gzipped archive; got 'application/zip'"),
    ],
)
def test_files_that_are_no_archives(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    with pytest.raises(ChartError) as caught:
        load(path)
    assert str(caught.value) == message.format(path)


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(ChartError) as caught:
        load(tmp_path / "none")
    assert str(caught.value) == f"stat {tmp_path}/none: no such file or directory"


def test_too_big_a_file(tmp_path: Path) -> None:
    path = write_chart(tmp_path / "c", {"Chart.yaml": MINIMAL})
    (path / "big").write_bytes(b"0" * (5 * 1024 * 1024 + 1))
    with pytest.raises(ChartError) as caught:
        load(path)
    assert str(caught.value) == 'chart file "big" is larger than the maximum file size 5242880'


def test_files_keep_their_bytes() -> None:
    chart = load_files([*files_of({"Chart.yaml": MINIMAL}), ChartFile("b.bin", b"\xff\x00")])
    assert chart.files[0].data == b"\xff\x00"
    assert chart.files[0].text.encode("utf-8", "surrogateescape") == b"\xff\x00"


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("Chart.lock", "generated: 2020\n",
         "cannot load Chart.lock: error unmarshaling JSON: while decoding JSON: Time.UnmarshalJSON: input is not a JSON string"),
        ("Chart.lock", "generated: x\n",
         ('cannot load Chart.lock: error unmarshaling JSON: while decoding JSON: parsing time "x" as '
         '"2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"')),
    ],
)  # fmt: skip
def test_lock_with_a_strange_time(name: str, text: str, message: str) -> None:
    with pytest.raises(ChartError) as caught:
        load_files(files_of({"Chart.yaml": MINIMAL, name: text}))
    assert str(caught.value) == message


def test_old_lock_without_metadata() -> None:
    with pytest.raises(ChartError) as caught:
        load_files(files_of({"requirements.lock": "dependencies: []\n"}))
    assert str(caught.value) == "validation: chart.metadata.apiVersion is required"
