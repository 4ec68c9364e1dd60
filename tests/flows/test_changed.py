"""--changed-since: which releases a change in a git repository touches."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from dulwich import porcelain

from helmflow.core.errors import ConfigError
from helmflow.flows import files
from helmflow.flows.options import RunOptions, StateOptions
from helmflow.flows.session import Session

FILES = {
    "infra/helmfile.yaml.gotmpl": """\
bases: [base.yaml]
---
environments:
  default:
    values: [env.yaml]
---
releases:
  - name: web
    namespace: apps
    chart: ../charts/web
    values: [values/web.yaml, values/shared.yaml]
  - name: api
    namespace: apps
    chart: ../charts/api
    values: [values/shared.yaml, values/api.yaml.gotmpl]
  - name: db
    namespace: data
    chart: example/db
    version: {{ .Values.db }}
    set: [{name: key, file: values/key.txt}]
""",
    "infra/base.yaml": "helmDefaults: {wait: true}\n",
    "infra/env.yaml": "db: 1.0.0\nreplicas: 2\n",
    "infra/values/web.yaml": "a: 1\n",
    "infra/values/shared.yaml": "b: 1\n",
    "infra/values/api.yaml.gotmpl": "replicas: {{ .Values.replicas }}\n",
    "infra/values/key.txt": "k\n",
    "charts/web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.0\n",
    "charts/api/Chart.yaml": "apiVersion: v2\nname: api\nversion: 1.0.0\n",
    "README.md": "# Project\n",
}

# What is written (None: deleted) -> the releases that changed.
CHANGES: list[tuple[dict[str, str | None], set[str]]] = [
    ({}, set()),
    ({"README.md": "# Other\n"}, set()),
    ({"infra/values/web.yaml": "a: 2\n"}, {"web"}),
    ({"infra/values/shared.yaml": "b: 2\n"}, {"web", "api"}),
    ({"infra/values/key.txt": "other\n"}, {"db"}),
    ({"charts/api/templates/new.yaml": "kind: ConfigMap\n"}, {"api"}),
    ({"charts/web/Chart.yaml": "apiVersion: v2\nname: web\nversion: 1.0.1\n"}, {"web"}),
    ({"infra/env.yaml": "db: 1.1.0\nreplicas: 2\n"}, {"db"}),
    ({"infra/env.yaml": "db: 1.0.0\nreplicas: 3\n"}, {"api"}),
    ({"infra/env.yaml": "# said anew\ndb: 1.0.0\nreplicas: 2\n"}, set()),
    ({"infra/base.yaml": "helmDefaults: {wait: false}\n"}, {"web", "api", "db"}),
    (
        {
            "infra/helmfile.yaml.gotmpl": FILES["infra/helmfile.yaml.gotmpl"]
            + "  - {name: new, namespace: apps, chart: ../charts/web}\n"
        },
        {"new"},
    ),
    ({"infra/values/web.yaml": "a: 1\r\n"}, set()),  # only its line ends
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    porcelain.init(str(tmp_path))
    write(tmp_path, dict(FILES))
    commit(tmp_path, "first")
    return tmp_path


def write(project: Path, changes: dict[str, str | None]) -> None:
    for name, text in changes.items():
        path = project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if text is None:
            path.unlink()
        else:
            path.write_bytes(text.encode())


def commit(project: Path, message: str) -> str:
    porcelain.add(str(project), [str(path) for path in project.rglob("*") if ".git" not in path.parts])
    who = b"Some One <some@example.org>"
    return porcelain.commit(str(project), message=message.encode(), author=who, committer=who).decode()


def listed(project: Path, ref: str, **state: str) -> set[str]:
    given = replace(StateOptions(cwd=project / "infra", changed_since=ref), **state)
    options = RunOptions(state=given)
    session = Session(options=options, emit=lambda event: None)
    text = files.listing(options, session.emit, given=session)
    return {line.split()[0] for line in text.splitlines()[1:]}


@pytest.mark.parametrize(("changes", "expected"), CHANGES)
def test_what_a_change_touches(project: Path, changes: dict[str, str | None], expected: set[str]) -> None:
    write(project, changes)
    assert listed(project, "HEAD") == expected  # not committed yet
    commit(project, "second")
    assert listed(project, "HEAD~1") == expected
    assert listed(project, "HEAD") == set()


def test_a_branch_is_compared_from_where_the_two_parted(project: Path) -> None:
    porcelain.branch_create(str(project), "feature")
    write(project, {"infra/values/web.yaml": "a: 5\n"})
    commit(project, "on the main branch")
    main = porcelain.active_branch(str(project)).decode()
    porcelain.checkout(str(project), "feature")
    write(project, {"infra/values/key.txt": "other\n"})
    commit(project, "on the feature branch")
    assert listed(project, main) == {"db"}
    assert (project / "infra/values/web.yaml").read_text() == "a: 1\n"


def test_selectors_hold_too(project: Path) -> None:
    write(project, {"infra/values/shared.yaml": "b: 2\n"})
    assert listed(project, "HEAD", selectors=("name=web",)) == {"web"}


def test_a_state_that_could_not_be_loaded_then_changes_everything(project: Path) -> None:
    write(project, {"infra/helmfile.yaml.gotmpl": "releases: [\n"})
    commit(project, "broken")
    write(project, {"infra/helmfile.yaml.gotmpl": FILES["infra/helmfile.yaml.gotmpl"]})
    assert listed(project, "HEAD") == {"web", "api", "db"}


def test_a_ref_that_does_not_exist_and_a_folder_without_git(project: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        listed(project, "nowhere")
    assert caught.value.error_id == "git.unknown-ref"


def test_a_folder_without_git(tmp_path: Path) -> None:
    write(tmp_path, dict(FILES))
    with pytest.raises(ConfigError) as caught:
        listed(tmp_path, "HEAD")
    assert caught.value.error_id == "git.no-repository"
