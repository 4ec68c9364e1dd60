"""Programs that outlive the process that compiled them."""

from __future__ import annotations

from pathlib import Path

import pytest

from helmflow.gotemplate import templates as module
from helmflow.gotemplate.errors import ExecError
from helmflow.gotemplate.program_cache import FolderCache, unpack
from helmflow.gotemplate.templates import TemplateSet

TEXTS = ['{{define "a"}}<{{.x.y}}>{{end}}', 'x: {{template "a" .}}\n{{range .l}}{{.}},{{end}}']


def fresh() -> TemplateSet:
    """A set as a new process has it: nothing in memory."""
    module._KNOWN.clear()
    return TemplateSet({})


DIGESTS = {text: text.encode() for text in TEXTS}


def fill(templates: TemplateSet, cache: FolderCache) -> TemplateSet:
    templates.load_programs(DIGESTS, cache)
    for number, text in enumerate(TEXTS):
        templates.parse(f"file{number}", text)
    return templates


def test_programs_come_back_and_do_the_same(tmp_path: Path) -> None:
    cache = FolderCache(tmp_path / "programs")
    first = fill(fresh(), cache)
    data = {"x": {"y": "z"}, "l": [1.0, "b"]}
    expected = first.execute("file1", data)
    first.save_programs(cache)
    second = fill(fresh(), cache)
    assert second.templates["file1"].tree.body is None
    assert second.execute("file1", data) == expected


def test_errors_of_a_cached_program_have_their_place(tmp_path: Path) -> None:
    cache = FolderCache(tmp_path / "programs")
    first = fill(fresh(), cache)
    first.save_programs(cache)
    second = fill(fresh(), cache)
    with pytest.raises(ExecError) as raised:
        second.execute("file1", {"x": 1.0})
    assert str(raised.value) == (
        'template: file0:1:19: executing "a" at <.x.y>: can\'t evaluate field y in type interface {}'
    )


def test_other_texts_and_damaged_entries_are_not_used(tmp_path: Path) -> None:
    cache = FolderCache(tmp_path / "programs")
    fill(fresh(), cache).save_programs(cache)
    assert not fresh().load_programs({**DIGESTS, "more": b"more"}, cache)
    (entry,) = (tmp_path / "programs").iterdir()
    entry.write_bytes(entry.read_bytes()[:-1] + b"?")
    assert unpack(entry.read_bytes()) is None
    assert not fresh().load_programs(DIGESTS, cache)


def test_a_folder_that_others_can_write_is_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "programs"
    cache = FolderCache(folder)
    fill(fresh(), cache).save_programs(cache)
    folder.chmod(0o777)
    assert not fresh().load_programs(DIGESTS, cache)


def test_texts_that_came_up_while_running_are_kept_with_the_others(tmp_path: Path) -> None:
    cache = FolderCache(tmp_path / "programs")
    first = fill(fresh(), cache)
    met = first.parse_text("gotpl", "{{.a}}{{.b}}")
    expected = first.execute_text("gotpl", met, {"a": "1", "b": "2"})
    first.save_programs(cache)
    second = fill(fresh(), cache)
    again = second.parse_text("gotpl", "{{.a}}{{.b}}")
    assert again.main.body is None
    assert second.execute_text("gotpl", again, {"a": "1", "b": "2"}) == expected == "12"
    second.parse_text("gotpl", "{{.c}}")
    second.save_programs(cache)
    third = fill(fresh(), cache)
    assert third.parse_text("gotpl", "{{.a}}{{.b}}").main.body is None
    assert third.parse_text("gotpl", "{{.c}}").main.body is None
