"""The recorded `secrets` probes with files that age really encrypts: the same values, read in process, shown to nobody."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pyrage
import pytest
import yaml

from tests import conformance
from tests.providers.test_secrets_and_references import sops_file
from tests.state import planner, real


@pytest.fixture
def twin(tmp_path: Path) -> tuple[Path, dict[str, str]]:
    """The probes' folder with its secrets encrypted, and an environment that can read them."""
    probe = conformance.path("helmfile/probes/secrets_2")
    identity = pyrage.x25519.Identity.generate()
    root = tmp_path / "root"
    shutil.copytree(probe / "input", root)
    for name in ("sec.yaml", "rsec.yaml"):
        plain = yaml.safe_load((root / name).read_text(encoding="utf-8"))
        (root / name).write_text(json.dumps(sops_file(plain, identity)), encoding="utf-8")
        assert "secret" not in (root / name).read_text(encoding="utf-8").replace("secrets", "")
    planner.write_chart(root / "c", "c", "0.1.0")
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "SOPS_AGE_KEY": str(identity)}
    return root, {**env, "HELMFLOW_CACHE_HOME": str(tmp_path / "cache"), "NO_COLOR": "1"}


def test_the_environment_has_the_recorded_values(twin: tuple[Path, dict[str, str]]) -> None:
    root, env = twin
    ran = real.run(["print-env"], root, env)
    assert ran.code == 0, ran.error
    assert yaml.safe_load(ran.out)["values"] == {"a": "plain", "b": "***", "c": "***"}
    (root / "helmfile.yaml.gotmpl").write_text(
        (root / "helmfile.yaml").read_text(encoding="utf-8").replace("name: r", "name: {{ .Values.b }}-r")
    )
    (root / "helmfile.yaml").unlink()
    named = real.run(["list", "--output", "json"], root, env)
    assert "secret-r" not in named.out
    assert "***-r" in named.out


def test_the_release_has_the_recorded_values(twin: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    root, env = twin
    recorded = planner.recorded(conformance.path("helmfile/probes/secrets_2"))
    want = next(dict(one.values or {}) for one in recorded if one.operation == "template")
    for show, expected in (
        ("--show-secrets", want),
        ("", {"k": "v", "rk": "***", "t": "***", "inline": "s"}),
    ):
        journal = tmp_path / f"journal{show}.jsonl"
        ran = real.run(["template", f"--journal={journal}", *filter(None, [show])], root, env)
        assert ran.code == 0, ran.error
        assert dict(planner.journaled(journal)[-1].values or {}) == expected


def test_the_key_is_needed(twin: tuple[Path, dict[str, str]]) -> None:
    root, env = twin
    ran = real.run(["template"], root, {**env, "SOPS_AGE_KEY": ""})
    assert ran.code == 1
    assert "secret.age-key" in ran.error or "sops" in ran.error
    assert not list(root.glob("*.dec*"))
