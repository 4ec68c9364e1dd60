"""What a new user does with the shop, and what has to be true after each step."""

from __future__ import annotations

import json
import signal
import subprocess
import time

import pytest

from helmflow.kube.client import KubeClient
from tests.scenarios.shop import Shop

DEV = ("--env", "dev")


def names(client: KubeClient, api_version: str, kind: str, namespace: str) -> set[str]:
    return {item["metadata"]["name"] for item in client.list(api_version, kind, namespace).items}


def release_records(client: KubeClient) -> dict[str, str]:
    """Every stored revision and its status label."""
    found = client.list("v1", "Secret", "", label_selector="owner=helm").items
    return {item["metadata"]["name"]: item["metadata"]["labels"]["status"] for item in found}


@pytest.fixture
def synced(shop: Shop) -> Shop:
    done = shop.run("sync", *DEV)
    assert done.code == 0, done.err + done.out
    return shop


def test_the_tour(shop: Shop) -> None:
    done = shop.run("sync", *DEV)
    assert done.code == 0, done.err + done.out
    ended = [
        line.split("] ")[1].split()[0]
        for line in done.err.splitlines()
        if line.startswith("[") and " done in " in line
    ]
    assert set(ended) >= {
        "shop-data/database",
        "shop-apps/catalog",
        "shop-apps/orders",
        "shop-edge/storefront",
    }
    assert (
        ended.index("shop-data/database")
        < ended.index("shop-apps/catalog")
        < ended.index("shop-edge/storefront")
    )
    assert "NOTES of shop-edge/storefront" in done.out
    assert "The shop is open at https://dev.shop.example/" in done.out
    client = shop.cluster()
    assert names(client, "apps/v1", "Deployment", "shop-apps") == {"catalog", "orders"}
    assert names(client, "apps/v1", "StatefulSet", "shop-data") == {"database"}
    ready = client.list("apps/v1", "Deployment", "shop-apps").items
    assert all(item["status"]["readyReplicas"] == item["spec"]["replicas"] for item in ready)
    assert set(release_records(client).values()) == {"deployed"}
    # import-values: the exporter's port arrived in the parent.
    catalog = next(item for item in ready if item["metadata"]["name"] == "catalog")
    assert catalog["spec"]["template"]["metadata"]["annotations"]["prometheus.io/port"] == "9100"


def test_a_second_sync_writes_nothing_and_says_so(synced: Shop) -> None:
    before = release_records(synced.cluster())
    done = synced.run("sync", *DEV)
    assert done.code == 0
    assert "nothing was written" in done.out
    assert release_records(synced.cluster()) == before


def test_always_upgrade_gives_a_new_revision_each_time(synced: Shop) -> None:
    done = synced.run("sync", *DEV, "--always-upgrade", "-l", "name=queue")
    assert done.code == 0
    records = release_records(synced.cluster())
    assert records["sh.helm.release.v1.queue.v1"] == "superseded"
    assert records["sh.helm.release.v1.queue.v2"] == "deployed"


def test_diff_after_sync_is_empty_and_shows_one_edit_exactly(synced: Shop) -> None:
    done = synced.run("diff", *DEV, "--detailed-exitcode")
    assert done.code == 0, done.out
    assert not [line for line in done.out.splitlines() if line.startswith(("+", "-"))]
    synced.edit("values/storefront/values.yaml", "tag: 5.0.2", "tag: 5.0.3")
    done = synced.run("diff", *DEV, "--detailed-exitcode")
    assert done.code == 2
    changed = [line for line in done.out.splitlines() if line.startswith(("+ ", "- "))]
    assert [line.split("image: ")[1] for line in changed] == [
        "registry.example/shop/storefront:5.0.2",
        "registry.example/shop/storefront:5.0.3",
    ]
    assert synced.run("diff", *DEV).code == 0


def test_a_failing_release_stops_only_its_dependents(shop: Shop) -> None:
    shop.edit(
        "helmflow.yaml",
        "    needs: [shop-apps/catalog, shop-apps/orders]",
        "    needs: [shop-apps/newsletter]",
    )
    done = shop.run("sync", *DEV, "--state-values-set", "newsletter.enabled=true")
    assert done.code == 1
    report = done.out
    assert "missing/newsletter" in report  # the image that cannot be pulled
    assert "shop-apps/newsletter failed" in report
    assert "(because of shop-apps/newsletter)" in report
    records = release_records(shop.cluster())
    assert records["sh.helm.release.v1.orders.v1"] == "deployed"
    assert records["sh.helm.release.v1.newsletter.v1"] == "failed"
    assert not any("storefront" in name for name in records)
    fixed = shop.run(
        "sync",
        *DEV,
        "--state-values-set",
        "newsletter.enabled=true,newsletter.image=registry.example/shop/newsletter",
    )
    assert fixed.code == 0, fixed.err + fixed.out
    assert release_records(shop.cluster())["sh.helm.release.v1.storefront.v1"] == "deployed"


def test_destroy_goes_backwards_keeps_what_says_keep_and_can_be_repeated(synced: Shop) -> None:
    done = synced.run("destroy", *DEV)
    assert done.code == 0, done.err + done.out
    ended = [line.split("] ")[1].split()[0] for line in done.err.splitlines() if line.startswith("[")]
    assert (
        ended.index("shop-edge/storefront")
        < ended.index("shop-apps/catalog")
        < ended.index("shop-data/database")
    )
    assert "kept by shop-data/database: Secret shop-data/database-admin" in done.out
    client = synced.cluster()
    assert names(client, "apps/v1", "Deployment", "") == set()
    assert "database-admin" in names(client, "v1", "Secret", "shop-data")
    assert release_records(client) == {}
    again = synced.run("destroy", *DEV)
    assert again.code == 0
    assert "nothing was written" in again.out


@pytest.mark.parametrize("delay_s", [0.8, 1.6, 3.0])
def test_a_killed_sync_converges_at_the_next_one(shop: Shop, delay_s: float) -> None:
    process = subprocess.Popen(
        shop.command("sync", *DEV),
        cwd=shop.folder,
        env=shop.environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(delay_s)
    process.send_signal(signal.SIGKILL)
    process.wait()
    done = shop.run("sync", *DEV)
    assert done.code == 0, done.err + done.out
    records = release_records(shop.cluster())
    assert not [name for name, status in records.items() if status.startswith("pending")]
    assert sum(status == "deployed" for status in records.values()) == 6
    history = shop.run("history", *DEV, "-l", "name=orders", "--output", "json")
    assert json.loads(history.out)[-1]["status"] == "deployed"


def test_prod_needs_a_cluster_and_says_so(shop: Shop) -> None:
    done = shop.run("sync", "--env", "prod")
    assert done.code == 1
    assert "Traceback" not in done.err
    assert "shop-prod" in done.err
    assert release_records_or_none(shop) is None
    done = shop.run("sync", "--env", "prod", "--kube-context", shop.context)
    assert done.code == 0, done.err + done.out
    orders = shop.cluster().list("apps/v1", "Deployment", "shop-apps").items
    assert {item["metadata"]["name"]: item["spec"]["replicas"] for item in orders}["orders"] == 4


def release_records_or_none(shop: Shop) -> dict[str, str] | None:
    """None where nothing was ever installed, not even an embedded cluster."""
    path = shop.home / "state" / "embedded" / "cluster.db"
    return release_records(shop.cluster()) or None if path.exists() or shop.transport else None


def test_test_hooks_say_that_they_were_simulated(synced: Shop) -> None:
    done = synced.run("test", *DEV, "-l", "name=orders", "--logs")
    assert done.code == 0, done.err + done.out
    assert "TEST SUITE:     orders-reachable" in done.out
    assert "Phase:          Succeeded" in done.out
    assert "this pod is simulated" in done.out


def test_interactive_asks_before_it_writes(shop: Shop) -> None:
    done = shop.run("-i", "sync", *DEV, stdin="n\n")
    assert done.code == 0
    assert "Do you really want to sync? [y/n]" in done.out
    assert not release_records(shop.cluster())
    assert shop.run("-i", "sync", *DEV, stdin="").code == 1
