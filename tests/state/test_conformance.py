"""Every recorded state-level case of Helmfile, run in process: exit code, output, files."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from helmflow.providers.state_ports import state_ports
from tests import conformance
from tests.state import drive

# build pulls charts of OCI registries in Helmfile, and the recording has no registry: helmflow's build needs no chart.
_NEEDS_REGISTRY = {
    "state-load/TestSubhelmfileInherits_Repositories",
    "state-load/TestSubhelmfile_NoWarnWhenRepoInherited",
}


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
    passed = skipped = 0
    for file in sorted(folder.glob("*/case.json")):
        case = json.loads(file.read_text(encoding="utf-8"))
        name = f"{suite}/{file.parent.name}"
        command = next((word for word in case["argv"] if word in drive.COMMANDS), None)
        if command is None or "exit" not in (case.get("recorded") or {}):
            continue
        if name in _NEEDS_REGISTRY:
            skipped += 1
            continue
        mistake = _differs(case, command, file.parent, tmp_path / file.parent.name)
        if mistake:
            failed.append(f"{name}: {mistake}")
        else:
            passed += 1
    if passed or failed or skipped:
        conformance.report(
            f"helmfile/{suite} (state level)", passed=passed, failed=len(failed), skipped=skipped
        )
    assert not failed, "\n".join(failed)


def _differs(case: dict[str, object], command: str, folder: Path, root: Path) -> str:
    """What differs from the recording, "" where nothing does."""
    shutil.copytree(folder / "input", root) if (folder / "input").exists() else root.mkdir()
    recorded = case["recorded"]
    assert isinstance(recorded, dict)
    env = {"PATH": os.environ.get("PATH", ""), "HOME": str(root / ".home"), **dict(case.get("env") or {})}  # type: ignore[call-overload]
    argv = [str(word) for word in case["argv"]]  # type: ignore[attr-defined]
    ran = drive.run(argv, root, env, state_ports())
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
