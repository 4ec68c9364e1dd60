"""What a run keeps of its charts for the next process: programs, never texts that came from values."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CODE = """
import sys
from helmflow.cli.main import run_cli
status = run_cli(["template"])
print([name for name in ("helmflow.gotemplate.lexer", "helmflow.gotemplate.sources") if name in sys.modules], file=sys.stderr)
sys.exit(status)
"""


def test_the_next_process_parses_nothing_and_no_value_lies_in_the_cache(tmp_path: Path) -> None:
    templates = tmp_path / "web/templates"
    templates.mkdir(parents=True)
    (tmp_path / "web/Chart.yaml").write_text("apiVersion: v2\nname: web\nversion: 1.0.0\n")
    (templates / "config.yaml").write_text(
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: {{ .Release.Name }}}\n"
        "data:\n  text: {{ .Values.text | quote }}\n{{- if .Values.tpl }}\n  of: {{ tpl .Values.tpl . }}{{ end }}\n"
    )
    state = "releases: [{name: a, chart: ./web, values: [{text: %s}]}]\n"
    (tmp_path / "helmflow.yaml").write_text(state % "plain")
    first = _run(tmp_path)
    (tmp_path / "helmflow.yaml").write_text(state % "changed")
    second = _run(tmp_path)
    assert 'text: "plain"' in first.stdout
    assert 'text: "changed"' in second.stdout
    assert "gotemplate" in first.stderr
    assert second.stderr.endswith("[]\n")

    (tmp_path / "secret.yaml").write_text("text: x\ntpl: very-secret-{{ .Release.Name }}\n")
    (tmp_path / "helmflow.yaml.gotmpl").write_text(
        "releases: [{name: a, chart: ./web, values: [secret.yaml]}]\n"
    )
    (tmp_path / "helmflow.yaml").unlink()
    assert "of: very-secret-a" in _run(tmp_path).stdout
    kept = [file.read_bytes() for file in (tmp_path / "cache").rglob("*") if file.is_file()]
    assert kept
    assert not any(b"very-secret" in content for content in kept)


def _run(folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {"HELMFLOW_CACHE_HOME": str(folder / "cache"), "PATH": "/usr/bin:/bin", "HOME": str(folder)}
    done = subprocess.run(
        [sys.executable, "-c", CODE], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done


def test_a_misspelt_strictness_is_refused(tmp_path: Path) -> None:
    (tmp_path / "helmflow.yaml").write_text("releases: []\n")
    for words in (["template"], ["chart", "template", "a", "."]):
        command = [sys.executable, "-m", "helmflow", *words, "--strict-values", "eror"]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == 3, done
        assert "--strict-values does not take 'eror'" in done.stderr
