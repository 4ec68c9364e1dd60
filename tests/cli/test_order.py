"""In which order releases of several files come and go, through the real command line."""

from __future__ import annotations

from pathlib import Path

from tests.cli.project import project

FILES = {
    "helmflow.yaml": (
        "helmDefaults: {kubeContext: embedded}\nhelmfiles: [data.yaml, apps/apps.yaml, edge.yaml.gotmpl]\n"
        "releases:\n  - {name: portal, namespace: shop, chart: ./web, needs: [shop/gateway]}\n"
    ),
    "data.yaml": (
        "helmDefaults: {kubeContext: embedded}\nreleases:\n"
        "  - {name: queue, namespace: shop, chart: ./web, needs: [shop/disk]}\n"
        "  - {name: disk, namespace: shop, chart: ./web}\n"
    ),
    "apps/apps.yaml": (
        "helmDefaults: {kubeContext: embedded}\nreleases:\n"
        "  - {name: orders, namespace: shop, chart: ../web, needs: [shop/queue, shop/catalog]}\n"
        "  - {name: catalog, namespace: shop, chart: ../web, needs: [shop/disk]}\n"
    ),
    "edge.yaml.gotmpl": (
        "helmDefaults: {kubeContext: embedded}\nreleases:\n"
        '  - {name: {{ "gateway" }}, namespace: shop, chart: ./web, needs: [shop/orders]}\n'
    ),
}
NEEDS = {
    "queue": ["disk"], "catalog": ["disk"], "orders": ["queue", "catalog"], "gateway": ["orders"], "portal": ["gateway"]
}  # fmt: skip


def test_destroy_goes_against_the_needs_of_all_files(tmp_path: Path) -> None:
    made = project(tmp_path, dict(FILES))
    came = [line["release"] for line in made.journal("sync", "--concurrency", "1")]
    went = [
        line["release"] for line in made.journal("destroy", "--concurrency", "1") if line["outcome"] == "done"
    ]
    assert sorted(came) == sorted(went) == ["catalog", "disk", "gateway", "orders", "portal", "queue"]
    for dependent, needed in NEEDS.items():
        for one in needed:
            assert came.index(one) < came.index(dependent)
            assert went.index(dependent) < went.index(one), f"{one} went before {dependent}"
    # Side by side it is the same: what needs something is gone before that goes.
    made.journal("sync")
    went = [line["release"] for line in made.journal("destroy")]
    assert all(went.index(d) < went.index(one) for d, needed in NEEDS.items() for one in needed)
    assert made.run("status").out.count("deployed") == 0


def test_destroy_of_a_selection_leaves_what_it_needs(tmp_path: Path) -> None:
    made = project(tmp_path, dict(FILES))
    made.journal("sync")
    went = [line["release"] for line in made.journal("destroy", "-l", "name=gateway", "-l", "name=portal")]
    assert went == ["portal", "gateway"]
    left = made.run("status", "-l", "name=orders")
    assert (left.code, "deployed" in left.out) == (0, True)
