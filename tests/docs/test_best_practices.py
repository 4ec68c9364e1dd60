"""The pipeline of docs/best-practices.md is run from its first command to its last, with a real registry and keys."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from helmflow.cli.main import run_cli
from tests.charts import write_chart
from tests.helm_chart.test_lint_practices import GOOD
from tests.providers import registries
from tests.providers.keys import PASSPHRASE, Keys

porcelain = pytest.importorskip("dulwich.porcelain", reason="dulwich is not installed")
PAGE = Path(__file__).parents[2] / "docs" / "best-practices.md"
HOST = "registry.example.com"
TO_REGISTRIES = ("push", "pull", "login")


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with registries.running(tmp_path_factory.mktemp("oci"), user=("ci", "from the vault")) as host:
        yield host


@pytest.fixture
def project(tmp_path: Path, keys: Keys, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A chart in a git repository, changed since main and raised to 1.1.0, with the keys that the page names."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HELMFLOW_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("HELM_REGISTRY_CONFIG", "HELM_CONFIG_HOME", "XDG_CONFIG_HOME", "DOCKER_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "project"
    chart = write_chart(
        folder / "charts" / "web", {**GOOD, "Chart.yaml": GOOD["Chart.yaml"] + "icon: https://x/y\n"}
    )
    porcelain.init(folder)
    porcelain.add(folder, paths=[str(path) for path in chart.rglob("*") if path.is_file()])
    porcelain.commit(folder, message=b"m", author=b"a <a@b>", committer=b"a <a@b>")
    porcelain.branch_create(folder, "main", force=True)
    about = chart / "Chart.yaml"
    about.write_text(about.read_text().replace("1.0.0", "1.1.0") + "description: new\n")
    (folder / "secring.gpg").write_bytes(keys.file("all.sec.gpg").read_bytes())
    (folder / "pubring.gpg").write_bytes(keys.file("all.pub.gpg").read_bytes())
    (folder / "passphrase").write_text(PASSPHRASE + "\n")
    monkeypatch.chdir(folder)
    return folder


def commands() -> list[str]:
    return re.findall(r"^helmflow .*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)


def test_the_pipeline(
    project: Path, registry: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import io

    assert len(commands()) == 7
    for command in commands():
        words = [word.replace(HOST, registry) for word in shlex.split(command)[1:]]
        if words[1] in TO_REGISTRIES:
            words.append("--plain-http")  # the test's registry has no certificate
        monkeypatch.setattr("sys.stdin", io.StringIO("from the vault\n"))
        code = run_cli(words)
        told = capsys.readouterr()
        assert code == 0, f"{command}\n{told.out}{told.err}"
    assert "Signed by: Bob Builder <bob@example.com>" in told.out
    assert sorted(path.name for path in (project / "vendor").iterdir()) == [
        "web-1.1.0.tgz",
        "web-1.1.0.tgz.prov",
    ]


def test_a_chart_that_breaks_a_rule_ends_the_pipeline(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (project / "charts" / "web" / "values-production.yaml").write_text("hots: x\n")
    assert run_cli(shlex.split(commands()[0])[1:]) == 1
    assert "[environment-values]" in capsys.readouterr().out


def test_the_state_file_is_one(project: Path) -> None:
    from helmflow.core import yaml_dialect
    from helmflow.state.load import LoadRequest, load_desired

    (text,) = re.findall(r"```yaml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    (project / "helmflow.yaml").write_text(text)
    assert yaml_dialect.load(text)
    desired = load_desired(LoadRequest(cwd=project), lambda event: None)
    assert desired.releases[0].options.verify
    assert desired.releases[0].options.keyring == "keys/pubring.gpg"
