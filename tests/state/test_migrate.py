"""What `migrate --verify` reports, and that an ordinary project gives nothing."""

from __future__ import annotations

from pathlib import Path

from helmflow.providers.state_ports import state_ports
from helmflow.state.load import LoadRequest, load_desired
from helmflow.state.migrate import findings


def _ids(root: Path, files: dict[str, str]) -> list[str]:
    for name, text in files.items():
        (root / name).write_text(text, encoding="utf-8")
    desired = load_desired(LoadRequest(cwd=root, env={}, ports=state_ports()), lambda event: None)
    return [one.error_id for one in findings(desired)]


def test_an_ordinary_project_is_read_the_same(tmp_path: Path) -> None:
    text = "helmDefaults: {wait: true}\nreleases:\n- {name: a, chart: ./c, values: [{x: 1}]}\n"
    assert _ids(tmp_path, {"helmfile.yaml": text}) == []


def test_every_difference_is_found(tmp_path: Path) -> None:
    found = _ids(
        tmp_path,
        {
            "helmfile.yaml": "helmBinary: helm3\nenvironments:\n  default: {kubeContext: x}\n---\n"
            "helmDefaults: {args: [--foo], kubeContext: y, trackMode: kubedog}\nhelmfiles: [sub.yaml]\n"
            "releases:\n- {name: a, chart: ./c, values: [missing.yaml], needs: [b]}\n- {name: t, chart: ./c, transformers: [{}]}\n",
            "sub.yaml": "helmDefaults: {kubeContext: y}\nreleases:\n- {name: b, chart: ./c}\n- {name: a, chart: ./d}\n",
        },
    )
    assert found == [
        "state.no-effect", "state.helm-flag", "migrate.tracking", "migrate.shadowed-context", "file.missing",
        "migrate.two-files", "migrate.need-across-files",
    ]  # fmt: skip
