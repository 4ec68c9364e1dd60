"""permissions, fetch, cache, init, create, migrate, graph --all-environments, and how a run ends by SIGTERM."""

from __future__ import annotations

import signal
import subprocess
import time
from pathlib import Path

import pytest
import yaml

from tests.scenarios.shop import Shop

DEV = ("-e", "dev")


def test_permissions_prints_roles_that_bind_the_named_user(shop: Shop) -> None:
    done = shop.run("permissions", *DEV, "-l", "name=catalog", "--user", "deployer")
    assert done.code == 0, done.err
    found = list(yaml.safe_load_all(done.out))
    assert {one["kind"] for one in found} == {"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"}
    roles = {one["metadata"]["namespace"]: one for one in found if one["kind"] == "Role"}
    assert sorted(roles) == ["default", "shop-apps"]  # the inventory's namespace, and the release's
    assert [rule["resources"] for rule in roles["default"]["rules"]] == [["leases"]]
    role = roles["shop-apps"]
    assert any("deployments" in rule["resources"] and "patch" in rule["verbs"] for rule in role["rules"])
    bound = [one["subjects"][0]["name"] for one in found if "subjects" in one]
    assert set(bound) == {"deployer"}


def test_fetch_unpacks_charts_below_the_folder_and_leaves_local_ones(shop: Shop) -> None:
    done = shop.run("fetch", *DEV, "--output-dir", "got", "--write-output")
    assert done.code == 0, done.err
    charts = sorted(
        path.relative_to(shop.folder / "got").as_posix() for path in shop.folder.rglob("got/**/Chart.yaml")
    )
    assert any(name.startswith("shop-data/database/postgres/") for name in charts), charts
    assert not any("service" in name for name in charts)
    assert "./charts/service is local: " in done.err
    document = next(
        one for one in yaml.safe_load_all(done.out) if any(r["name"] == "database" for r in one["releases"])
    )
    database = next(one for one in document["releases"] if one["name"] == "database")
    assert (Path(database["chart"]) / "Chart.yaml").is_file()
    assert "version" not in database


def test_fetch_takes_a_template_for_each_folder(shop: Shop) -> None:
    template = "{{ .OutputDir }}/{{ .Environment.Name }}-{{ .Release.Name }}"
    done = shop.run(
        "fetch", *DEV, "-l", "name=database", "--output-dir", "got", "--output-dir-template", template
    )
    assert done.code == 0, done.err
    assert (shop.folder / "got" / "dev-database" / "postgres" / "Chart.yaml").is_file()


def test_the_cache_is_shown_and_emptied(shop: Shop) -> None:
    assert shop.run("fetch", *DEV).code == 0
    shown = shop.run("cache", "info")
    assert shown.out.startswith(f"Cache directory: {shop.home / 'cache'}\n")
    assert "  charts" in shown.out
    assert shop.run("cache", "cleanup").out.startswith(f"Deleted from {shop.home / 'cache'}:\n")
    assert list((shop.home / "cache").iterdir()) == []
    assert shop.run("cache", "cleanup").out == f"{shop.home / 'cache'} is empty\n"


def test_init_has_nothing_to_install(shop: Shop) -> None:
    done = shop.run("init")
    assert (done.code, done.out.splitlines()[-1]) == (0, "nothing to install")


def test_create_writes_a_project_that_loads_and_replaces_nothing_unasked(shop: Shop) -> None:
    done = shop.run("create", "market")
    assert done.out.splitlines() == [
        "wrote market/helmfile.yaml.gotmpl",
        "wrote market/environments/default.yaml",
        "wrote market/values/.gitkeep",
    ]
    assert shop.run("print-env", "-f", "market/helmfile.yaml.gotmpl").code == 0
    again = shop.run("create", "market")
    assert (again.code, "create.exists" in again.err) == (1, True)
    assert shop.run("create", "market", "--force").code == 0
    assert shop.run("create", "-o", "other").code == 0
    assert "namespace: other" in (shop.folder / "other" / "environments" / "default.yaml").read_text()
    assert "create.bad-name" in shop.run("create", "../evil").err


def test_migrate_lists_what_is_read_differently(shop: Shop) -> None:
    assert shop.run("migrate").out.startswith("nothing to convert")
    done = shop.run("migrate", "--verify", *DEV)
    assert (done.code, done.out) == (0, "helmflow reads these files as Helmfile does\n"), done.err
    (shop.folder / "old.yaml").write_text(
        "helmDefaults:\n  args: [--kube-as-user=x]\nreleases:\n"
        "  - {name: web, namespace: apps, chart: ./charts/service, values: [missing.yaml]}\n"
    )
    done = shop.run("migrate", "--verify", "-f", "old.yaml")
    assert done.code == 1
    assert "warning[state.helm-flag]" in done.out
    assert "warning[file.missing]" in done.out or "missing.yaml" in done.out
    assert "old.yaml:2" in done.out


def test_the_graph_of_all_environments_says_where_a_release_is_wanted(shop: Shop) -> None:
    done = shop.run("graph", "--all-environments")
    assert done.code == 0, done.err
    assert " dev" in done.out
    assert " staging" in done.out
    assert " prod" in done.out


def test_sigterm_ends_a_run_in_order_with_143(shop: Shop) -> None:
    (shop.folder / "slow.yaml").write_text(
        "releases:\n  - name: web\n    namespace: apps\n    chart: ./charts/service\n    kubeContext: embedded\n"
        "    values: [{image: {repository: example.org/web}}]\n"
        "    hooks:\n      - {events: [presync], command: sh, args: [-c, 'touch started; sleep 5']}\n"
    )
    process = subprocess.Popen(
        shop.command("sync", "-f", "slow.yaml"),
        cwd=shop.folder,
        env=shop.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    patience = time.monotonic() + 40
    while not (shop.folder / "started").exists() and time.monotonic() < patience:
        time.sleep(0.1)
    process.send_signal(signal.SIGTERM)
    out, _ = process.communicate(timeout=60)
    assert process.returncode == 143, out.decode()


@pytest.mark.parametrize("command", ["sync", "apply", "diff"])
def test_the_flags_of_locks_and_data_are_taken(shop: Shop, command: str) -> None:
    done = shop.run(command, *DEV, "-l", "name=catalog", "--delete-data", "--lease-duration", "5")
    assert done.code == 0, done.err
