"""Hostile charts through the real command line: a clear error, soon, small, and nothing touched outside of the chart."""

from __future__ import annotations

import gzip
import json
import os
import resource
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tests.charts import Content, archive_of, write_chart

SECONDS = 5
MEMORY = 512 << 20
META = "apiVersion: v2\nname: c\nversion: 0.1.0\n"
SECRET = "not-for-charts"
_BOMB = "a0: &a0 [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"a{n}: &a{n} [{','.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 10)
)
_DOUBLING = '{{ $x := "ab" }}{{ range until 60 }}{{ $x = printf "%s%s" $x $x }}{{ end }}{{ $x }}'
_LISTS = "{{ $x := list 1 }}{{ range until 60 }}{{ $x = concat $x $x }}{{ end }}{{ len $x }}"
_TPL = '{{ define "a" }}{{ tpl "{{ include \\"a\\" . }}" . }}{{ end }}{{ include "a" . }}'

# What is in the chart beside Chart.yaml, and a part of the message.
CHARTS: dict[str, tuple[dict[str, Content], str]] = {
    "include that includes itself": (
        {"templates/a.yaml": '{{ define "a" }}{{ include "a" . }}{{ end }}{{ include "a" . }}'},
        "nested reference name",
    ),
    "template that calls itself": (
        {"templates/a.yaml": '{{ define "a" }}{{ template "a" . }}{{ end }}{{ template "a" . }}'},
        "maximum template depth",
    ),
    "tpl that includes itself": ({"templates/a.yaml": _TPL}, "tpl|nested reference name"),
    "a text that doubles": ({"templates/a.yaml": _DOUBLING}, "longer than"),
    "a list that doubles": ({"templates/a.yaml": _LISTS}, "over the limit"),
    "a long repeat": ({"templates/a.yaml": '{{ repeat 2000000000 "ab" }}'}, "bytes|longer than"),
    "repeats of repeats": (
        {"templates/a.yaml": '{{ repeat 10000 (repeat 10000 (repeat 10000 "a")) }}'},
        "bytes|longer than",
    ),
    "a long indent": ({"templates/a.yaml": '{{ indent 2000000000 "a" }}'}, "bytes|longer than"),
    "a wide printf": ({"templates/a.yaml": '{{ printf "%999999999d" 1 }}'}, "longer than|YAML parse error"),
    "a billion numbers": ({"templates/a.yaml": "{{ until 1000000000 }}"}, "over the limit"),
    "a billion rounds": ({"templates/a.yaml": "{{ range 1000000000 }}{{ end }}"}, "more than"),
    "loops in loops": (
        {"templates/a.yaml": "{{ range until 10000 }}{{ range until 10000 }}{{ range until 10 }}x{{ end }}{{ end }}{{ end }}"},
        "steps|longer than|larger than",
    ),
    "a map in itself": (
        {"templates/a.yaml": '{{ $d := dict }}{{ $_ := set $d "d" $d }}{{ toYaml $d }}{{ toJson $d }}{{ $d }}'},
        "nested|cycle|depth|longer",
    ),
    "YAML aliases": ({"values.yaml": _BOMB, "templates/a.yaml": "a: 1"}, "excessive aliasing"),
    "YAML aliases from a template": (
        {"files/b.yaml": _BOMB, "templates/a.yaml": '{{ (.Files.Get "files/b.yaml" | fromYaml).Error | fail }}'},
        "excessive aliasing",
    ),
    "deep YAML": ({"values.yaml": "a: " + "[" * 100_000, "templates/a.yaml": "a: 1"}, "depth|deep|nest"),
    "deep rendered YAML": ({"templates/a.yaml": "a: " + "[" * 100_000}, "depth|deep|nest"),
    "a schema in a file": (
        {"values.schema.json": json.dumps({"$ref": "file:///etc/passwd"}), "templates/a.yaml": "a: 1"},
        "file:///etc/passwd",
    ),
    "a schema from the network": (
        {"values.schema.json": json.dumps({"$ref": "http://127.0.0.1:9/s.json"}), "templates/a.yaml": "a: 1"},
        "http://127.0.0.1:9/s.json",
    ),
    "a huge template": ({"templates/a.yaml": "x" * (6 << 20)}, "maximum file size"),
}  # fmt: skip


def run(
    chart: Path, cwd: Path, *flags: str, memory: int = MEMORY, seconds: int = SECONDS
) -> subprocess.CompletedProcess[str]:
    """`helmflow chart template` in bounds that kill it where it crosses them."""

    def bounds() -> None:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))

    home = cwd / "home"
    home.mkdir(exist_ok=True)
    env = {"PATH": os.defpath, "HOME": str(home), "PYTHONDONTWRITEBYTECODE": "1"}
    words = [sys.executable, "-m", "helmflow", "chart", "template", "rel", str(chart), *flags]
    root = Path(__file__).parents[2]
    return subprocess.run(
        words, cwd=cwd, capture_output=True, text=True, env={**env, "PYTHONPATH": str(root)}, preexec_fn=bounds,
        timeout=120, check=False,
    )  # fmt: skip


def outside(cwd: Path) -> set[str]:
    """The files around the chart; caches in the home folder are the program's own."""
    return {str(path) for path in cwd.rglob("*") if (cwd / "home") not in (path, *path.parents)}


def refused(chart: Path, cwd: Path, message: str) -> None:
    """The chart ends in an error that has one of the message's alternatives, and leaves everything as it was."""
    before = outside(cwd)
    ended = run(chart, cwd)
    text = ended.stderr + ended.stdout
    assert ended.returncode > 0, (ended.returncode, text[-500:])
    assert "Traceback" not in text, text[-1500:]
    assert "MemoryError" not in text, text[-500:]
    assert any(part in text for part in message.split("|")), text[-500:]
    assert SECRET not in text
    assert outside(cwd) == before


@pytest.mark.parametrize("name", CHARTS)
def test_hostile_charts_end_in_a_clear_error(name: str, tmp_path: Path) -> None:
    files, message = CHARTS[name]
    refused(write_chart(tmp_path / "c", {"Chart.yaml": META, **files}), tmp_path, message)


def test_a_schema_that_is_itself_ends(tmp_path: Path) -> None:
    files = {"Chart.yaml": META, "values.schema.json": '{"$ref": "#"}', "templates/a.yaml": "a: 1"}
    ended = run(write_chart(tmp_path / "c", files), tmp_path)
    assert ended.returncode in (0, 1)
    assert "Traceback" not in ended.stderr


def test_a_catastrophic_regex_is_linear(tmp_path: Path) -> None:
    text = '{{ regexMatch "^(a+)+$" (printf "%s!" (repeat 100000 "a")) }}'
    chart = write_chart(tmp_path / "c", {"Chart.yaml": META, "templates/a.yaml": f"ok: {text}"})
    ended = run(chart, tmp_path)
    assert (ended.returncode, "ok: false" in ended.stdout) == (0, True), ended.stderr


def member(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def bomb() -> bytes:
    info = tarfile.TarInfo("c/b")
    info.size = 8 << 30
    return gzip.compress(info.tobuf()) + gzip.compress(bytes(64 << 20)) * 8


ARCHIVES: dict[str, tuple[bytes, str]] = {
    "a zip bomb": (bomb(), "larger than the maximum"),
    "a member above the chart": (
        archive_of({"c/Chart.yaml": META, "c/../../x": "x"}),
        "references parent directory",
    ),
    "an absolute member": (archive_of({"c/Chart.yaml": META, "c//etc/x": "x"}), "absolute paths"),
    "no gzip": (b"hello", "gzip|format"),
}


@pytest.mark.parametrize("name", ARCHIVES)
def test_hostile_archives_end_in_a_clear_error(name: str, tmp_path: Path) -> None:
    data, message = ARCHIVES[name]
    path = tmp_path / "c-0.1.0.tgz"
    path.write_bytes(data)
    refused(path, tmp_path, message)


def test_links_and_devices_in_an_archive_give_nothing(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    path = tmp_path / "c-0.1.0.tgz"
    links = {
        "l": member("c/l", tarfile.SYMTYPE, str(tmp_path / "secret")),
        "h": member("c/h", tarfile.LNKTYPE, "../secret"),
        "d": member("c/d", tarfile.CHRTYPE),
    }
    read = 'a: "{{ .Files.Get "l" }}{{ .Files.Get "h" }}{{ .Files.Get "d" }}{{ .Files.Get "../secret" }}"'
    path.write_bytes(archive_of({"c/Chart.yaml": META, "c/templates/a.yaml": read, **links}))
    ended = run(path, tmp_path)
    assert (ended.returncode, 'a: ""' in ended.stdout) == (0, True), ended.stderr


@pytest.mark.parametrize("target", ["../secret", "/dev/zero", "pipe"])
def test_links_out_of_a_chart_folder_are_not_followed(target: str, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text(SECRET)
    chart = write_chart(
        tmp_path / "c", {"Chart.yaml": META, "templates/a.yaml": 'a: {{ .Files.Get "l" | quote }}'}
    )
    if target == "pipe":
        os.mkfifo(chart / "l")
    else:
        (chart / "l").symlink_to(target)
    ended = run(chart, tmp_path)
    text = ended.stdout + ended.stderr
    assert ended.returncode in (0, 1), text[-500:]
    assert SECRET not in text
    assert "Traceback" not in text


def test_a_chart_of_ten_thousand_documents_renders(tmp_path: Path) -> None:
    one = "---\napiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: c{{ . }}\ndata:\n  a: {{ . | quote }}\n"
    text = "{{ range until 10000 }}" + one + "{{ end }}"
    chart = write_chart(tmp_path / "c", {"Chart.yaml": META, "templates/a.yaml": text})
    ended = run(chart, tmp_path)
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("\nkind: ConfigMap") == 10_000
