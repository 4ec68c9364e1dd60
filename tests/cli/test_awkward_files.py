"""State files as editors, other systems and generators write them: read as meant, or refused with a place."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.cli.project import project

PLAIN = "releases:\n- {name: a, chart: ./web}\n"
LOOP = "loop.yaml"

READ: dict[str, dict[str, str | bytes]] = {
    "byte-order-mark": {"helmflow.yaml": b"\xef\xbb\xbf" + PLAIN.encode()},
    "windows-lines": {
        "helmflow.yaml": "environments:\r\n  default: {values: [{x: 1}]}\r\n---\r\nreleases:\r\n- name: a\r\n  chart: ./web\r\n"
    },
    "windows-template": {
        "helmflow.yaml.gotmpl": 'releases:\r\n- name: {{ "a" }}\r\n{{- if true }}\r\n  chart: ./web\r\n{{- end }}\r\n'
    },
    "nulls": {
        "helmflow.yaml": "releases:\n- null\n- {name: a, chart: ./web, values: [null], needs: [], labels: null}\n"
    },
    "other-numbers": {
        "helmflow.yaml": "releases:\n- {name: a, chart: ./web, labels: {n: 0x10, o: 010, t: yes}}\n"
    },
    "unicode": {"helmflow.yaml": "releases:\n- {name: a, chart: ./web, labels: {owner: Zoë, 日本: ok}}\n"},
}
REFUSED: dict[str, tuple[str | bytes, str]] = {
    "number-beyond-int": (
        PLAIN.replace("./web", "./web, timeout: 99999999999999999999999"),
        "state.wrong-type",
    ),
    "half-a-number": (PLAIN.replace("./web", "./web, historyMax: 1.5"), "state.wrong-type"),
    "no-number": (PLAIN.replace("./web", "./web, timeout: .nan"), "state.wrong-type"),
    "endless": (PLAIN.replace("./web", "./web, timeout: -.inf"), "state.wrong-type"),
    "latin-1": (
        'releases:\n- {name: a, chart: ./web, labels: {x: "\xe9"}}\n'.encode("latin-1"),
        "state.yaml",
    ),
    "zero-byte": (b'releases:\n- {name: "a\x00b", chart: ./web}\n', "state.yaml"),
    "utf-16": (PLAIN.encode("utf-16"), "state.empty"),
    "a-list": ("- a\n", "state.empty"),
    "base-that-links-to-itself": (f"bases: [{LOOP}]\n---\n{PLAIN}", "file.missing"),
    "base-that-is-a-folder": (f"bases: [web]\n---\n{PLAIN}", "file.missing"),
}


@pytest.mark.parametrize("name", READ)
def test_awkward_texts_are_read(name: str, tmp_path: Path) -> None:
    ran = project(tmp_path, READ[name]).run("list", "-q")
    assert (ran.code, ran.err) == (0, "")
    assert [line.split()[0] for line in ran.out.splitlines()] == ["NAME", "a"]


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_meant_is_refused_by_name(name: str, tmp_path: Path) -> None:
    text, error_id = REFUSED[name]
    made = project(tmp_path, {"helmflow.yaml": text})
    (made.folder / LOOP).symlink_to(LOOP)
    ran = made.run("list")
    assert (ran.code, f"error[{error_id}]" in ran.err, "helmflow.yaml" in ran.err) == (1, True, True), ran.err


def test_bases_may_be_links_and_standard_input_a_template(tmp_path: Path) -> None:
    made = project(tmp_path, {"shared/base.yaml": "commonLabels: {team: blue}\n"})
    (made.folder / "base.yaml").symlink_to("shared/base.yaml")
    made.environ["WHO"] = "eve"
    ran = made.run(
        "-f", "-", "list", stdin=f"bases: [base.yaml]\r\n---\r\n{PLAIN.replace('a,', '{{ env `WHO` }},')}"
    )
    assert (ran.code, "eve" in ran.out, "team:blue" in ran.out) == (0, True, True), ran.err
