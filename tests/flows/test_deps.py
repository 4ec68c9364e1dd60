"""Lock files: written whole, and through no link."""

from __future__ import annotations

from pathlib import Path

import pytest

from helmflow.core.errors import ConfigError
from helmflow.flows import deps


@pytest.mark.parametrize("link", ["helmflow.lock", ".helmflow.lock.partial"])
def test_a_link_beside_the_files_leads_nowhere(tmp_path: Path, link: str) -> None:
    victim = tmp_path / "victim"
    victim.write_text("precious", encoding="utf-8")
    project = tmp_path / "project"
    project.mkdir()
    (project / link).symlink_to(victim)
    lock = project / "helmflow.lock"
    if link == lock.name:
        with pytest.raises(ConfigError) as refused:
            deps.write(lock, {"version": "1"})
        assert refused.value.error_id == "lock.write"
    else:
        deps.write(lock, {"version": "1"})
        assert lock.read_text(encoding="utf-8").startswith("version: ")
        assert [path.name for path in project.iterdir()] == ["helmflow.lock"]
    assert victim.read_text(encoding="utf-8") == "precious"


def test_what_a_run_that_died_left_is_no_obstacle(tmp_path: Path) -> None:
    (tmp_path / ".helmflow.lock.partial").write_text("half", encoding="utf-8")
    deps.write(tmp_path / "helmflow.lock", {"version": "1"})
    assert [path.name for path in tmp_path.iterdir()] == ["helmflow.lock"]


def test_a_folder_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        deps.write(tmp_path / "missing" / "helmflow.lock", {})
    assert refused.value.error_id == "lock.write"
