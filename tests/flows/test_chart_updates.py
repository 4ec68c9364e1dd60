"""`helmflow deps` and the dependencies of local charts: Chart.lock and charts/ as `helm dependency update` leaves them."""

from __future__ import annotations

import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from helmflow.core import yaml_dialect
from tests.charts import write_chart
from tests.providers import project as projects
from tests.providers.http_parts import Site, serving
from tests.providers.project import Project, packed


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return projects.new(tmp_path)


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with serving(Site(packed(tmp_path, ("db", "1.0.0"), ("db", "1.1.0")))) as served:
        yield served


def local(folder: Path, name: str, *declared: str) -> Path:
    listed = f"dependencies: [{', '.join(declared)}]\n" if declared else ""
    return write_chart(
        folder / name,
        {
            "Chart.yaml": f"apiVersion: v2\nname: {name}\nversion: 0.1.0\n{listed}",
            "templates/a.yaml": f"apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}}}\n",
        },
    )


def from_site(site: Site, version: str) -> str:
    return f"{{name: db, version: '{version}', repository: '{site.url}'}}"


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_charts_and_lock_are_written_as_helm_does(project: Project, site: Site) -> None:
    web = local(project.folder, "web", from_site(site, "^1.0.0"))
    project.write("releases: [{name: a, chart: ./web}, {name: b, chart: ./web}]\n")
    said = project.run("deps")
    assert [line for line in said.splitlines() if "web" in line] == [
        f"wrote {web}/Chart.lock",
        f"wrote {web}/charts/db-1.1.0.tgz",
    ]
    lock = yaml_dialect.load((web / "Chart.lock").read_text())
    assert lock["dependencies"] == [{"name": "db", "version": "1.1.0", "repository": site.url}]
    assert "\tok" in project.run("chart", "dependency", "list", "web")
    assert "wrote" not in project.run("deps").replace(f"wrote {project.folder}/helmflow.lock", "")


def test_a_newer_version_replaces_what_was_there(project: Project, site: Site, tmp_path: Path) -> None:
    web = local(project.folder, "web", from_site(site, "^1.0.0"))
    project.write("releases: [{name: a, chart: ./web}]\n")
    project.run("deps")
    site.files.update(packed(tmp_path, ("db", "1.2.0")))
    project.run("template")
    assert (web / "charts" / "db-1.1.0.tgz").is_file()  # only deps looks for newer ones
    project.run("deps")
    assert files(web / "charts") == ["db-1.2.0.tgz"]


def test_the_locks_hold_with_and_without_the_folder(project: Project, site: Site) -> None:
    web = local(project.folder, "web", from_site(site, "^1.0.0"))
    project.write("releases: [{name: a, chart: ./web}]\n")
    project.run("deps")
    project.run("template", "--locked")
    (web / "charts" / "db-1.1.0.tgz").unlink()  # as after a clone, where .gitignore names charts/
    project.run("template", "--locked")
    assert files(web) == ["Chart.lock", "Chart.yaml", "templates/a.yaml"]  # template writes nothing


def test_a_chart_beside_it_is_put_in_with_what_it_depends_on(project: Project, site: Site) -> None:
    """Helm puts it in as it is; so does `chart dependency update`, and what is there is used."""
    local(project.folder, "base", from_site(site, "1.0.0"))
    web = local(project.folder, "web", "{name: base, version: 0.1.0, repository: 'file://../base'}")
    project.write("releases: [{name: a, chart: ./web}]\n")
    project.run("deps")
    with tarfile.open(web / "charts" / "base-0.1.0.tgz") as tar:
        assert "base/charts/db/Chart.yaml" in tar.getnames()
    assert "kind: Deployment" in project.run("template")
    project.run("chart", "dependency", "update", "web")
    assert "kind: Deployment" not in project.run("template")


@pytest.mark.parametrize("word", ["--skip-charts", "--untrusted"])
def test_switches_leave_the_folders_alone(project: Project, site: Site, word: str) -> None:
    web = local(project.folder, "web", from_site(site, "1.0.0"))
    project.write("releases: [{name: a, chart: ./web}]\n")
    project.run("deps", word)
    assert not (web / "Chart.lock").exists()


def test_repositories_stay_as_they_are_cached(project: Project, site: Site, tmp_path: Path) -> None:
    web = local(project.folder, "web", from_site(site, "^1.0.0"))
    project.write("releases: [{name: a, chart: ./web}]\n")
    project.run("deps")
    site.files.update(packed(tmp_path, ("db", "1.2.0")))
    project.run("deps", "--skip-repos")
    assert files(web / "charts") == ["db-1.1.0.tgz"]


def test_a_failure_names_the_chart_and_changes_nothing(project: Project, site: Site) -> None:
    web = local(project.folder, "web", from_site(site, "^9.0.0"))
    project.write("releases: [{name: a, chart: ./web}]\n")
    assert "chart.no-such-version" in project.run("deps", code=1)
    assert files(web) == ["Chart.yaml", "templates/a.yaml"]


def test_what_was_fetched_is_never_written_to(project: Project, site: Site, tmp_path: Path) -> None:
    upstream = tmp_path / "upstream"
    local(upstream, "web", from_site(site, "1.0.0"))
    (upstream / "helmfile.yaml").write_text("releases: [{name: a, chart: ./web}]\n")
    projects.git(upstream, "init", "--quiet")
    projects.git(upstream, "add", ".")
    projects.git(upstream, "commit", "--quiet", "-m", "one")
    project.write(f"helmfiles: ['git::file://{upstream}@helmfile.yaml?ref=main']\n")
    assert "charts/" not in project.run("deps")
