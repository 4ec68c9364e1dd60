"""Every recorded state-level case of Helmfile through the real command line: exit code, output, files."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from tests import conformance
from tests.state import drive, real


def _suites() -> list[str]:
    folder = conformance.ROOT / "helmfile"
    return (
        sorted({path.parent.parent.name for path in folder.glob("*/*/case.json")})
        if folder.exists()
        else ["absent"]
    )


@pytest.mark.parametrize("suite", _suites())
def test_recorded_cases(suite: str, tmp_path: Path) -> None:
    """Exit codes, output and written files equal the recording."""
    folder = conformance.path("helmfile") / suite
    failed: list[str] = []
    passed = 0
    for file in sorted(folder.glob("*/case.json")):
        case = json.loads(file.read_text(encoding="utf-8"))
        name = f"{suite}/{file.parent.name}"
        command = next((word for word in case["argv"] if word in drive.COMMANDS), None)
        if command is None or "exit" not in (case.get("recorded") or {}):
            continue
        mistake = _differs(case, command, file.parent, tmp_path / file.parent.name)
        if mistake:
            failed.append(f"{name}: {mistake}")
        else:
            passed += 1
    if passed or failed:
        conformance.report(f"helmfile/{suite} (state level)", passed=passed, failed=len(failed))
    assert not failed, "\n".join(failed)


def _differs(case: dict[str, object], command: str, folder: Path, root: Path) -> str:
    """What differs from the recording, "" where nothing does."""
    shutil.copytree(folder / "input", root) if (folder / "input").exists() else root.mkdir()
    recorded = case["recorded"]
    assert isinstance(recorded, dict)
    home = {"HOME": str(root / ".home"), "HELMFLOW_CACHE_HOME": str(root / ".home" / "cache")}
    env = {"PATH": os.environ.get("PATH", ""), **home, **dict(case.get("env") or {})}  # type: ignore[call-overload]
    argv = [str(word) for word in case["argv"]]  # type: ignore[attr-defined]
    ran = real.run(argv, root, env)
    if ran.code != recorded["exit"]:
        return f"exit {ran.code} instead of {recorded['exit']}: {ran.error}"
    want = folder / "expected.stdout"
    wanted = want.read_text(encoding="utf-8") if want.exists() else ""
    if ran.code == 0 and not drive.same(command, argv, ran.out.replace(str(root), "$ROOT"), wanted):
        return "other output"
    for path, text in (recorded.get("created_files") or {}).items():
        written = root / path
        if not written.exists() or not drive.same(
            "write-values", [], written.read_text(encoding="utf-8"), text
        ):
            return f"other file {path}"
    return ""
