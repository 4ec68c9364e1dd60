"""The proof that an object need not be applied is never wrong, measured on real charts against the server's dry-run."""

from __future__ import annotations

import copy
import gzip
import json
import random
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest

from helmflow.core import yaml_dialect
from helmflow.core.errors import ClusterError
from helmflow.core.ids import ObjectRef, ReleaseId
from helmflow.kube import objects
from helmflow.kube.client import KubeClient
from helmflow.plan.diff import same_state
from helmflow.plan.objects import sendable
from helmflow.plan.proof import proven
from tests import conformance
from tests.apiserver import fixture

Object = dict[str, Any]
LEFT_OUT = {
    "Namespace",
    "CustomResourceDefinition",
    "APIService",
    "MutatingWebhookConfiguration",
    "ValidatingWebhookConfiguration",
}
MUTATIONS = 2  # per object


def charts(step: int) -> Iterator[tuple[str, list[Object]]]:
    """(name, documents) of every `step`-th chart's first recorded render."""
    with tarfile.open(conformance.path("charts/train.tar.xz")) as archive:
        number, before = 0, ""
        for member in archive:
            parts = member.name.split("/")
            if len(parts) != 4 or parts[1] != "expected" or parts[2] == before:
                continue
            file = archive.extractfile(member)
            assert file is not None
            recorded = json.loads(gzip.decompress(file.read()))
            if recorded["status"] != "ok":
                continue
            before = parts[2]
            number += 1
            if number % step == 0:
                texts = [doc["text"] for doc in recorded["docs"] if not doc.get("hook")]
                yield before, [doc for text in texts if isinstance(doc := yaml_dialect.load(text), dict)]


def mutated(body: Object, random_: random.Random) -> Object:
    """The body with one leaf of its content changed or removed."""
    changed = copy.deepcopy(body)
    leaves: list[tuple[Any, Any]] = []

    def walk(value: Any, parent: Any, key: Any) -> None:
        if isinstance(value, dict):
            for name in list(value):
                walk(value[name], value, name)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                walk(item, value, index)
        elif parent is not None:
            leaves.append((parent, key))

    for part in ("spec", "data", "rules"):
        if part in changed:
            walk(changed[part], changed, part)
    if not leaves:
        return changed
    parent, key = random_.choice(leaves)
    if random_.random() < 0.3 and isinstance(parent, dict):
        del parent[key]
    elif isinstance(parent[key], bool):
        parent[key] = not parent[key]
    elif isinstance(parent[key], int | float):
        parent[key] += 1
    else:
        parent[key] = f"{parent[key]}x"
    return changed


def applied(client: KubeClient, namespace: str, documents: list[Object]) -> list[tuple[Object, Object]]:
    """(config, live) of what the server took."""
    owner = ReleaseId("", namespace, "demo")
    found = []
    for document in documents:
        plain = objects.ref(document)
        resource = client.discovery().find(plain.api_version, plain.kind)
        if resource is None or plain.kind in LEFT_OUT or plain.kind.endswith("List"):
            continue
        ref = ObjectRef(plain.api_version, plain.kind, namespace if resource.namespaced else "", plain.name)
        body = sendable(document, ref, owner)
        try:
            client.apply(body, force=True)
            found.append((body, ref))
        except ClusterError:
            continue  # a chart that needs values to be valid
    return [(body, client.get(ref)) for body, ref in found]


def unchanged(client: KubeClient, body: Object) -> bool:
    """What the server says: twice where it says no, since controllers write between two requests."""
    for _ in range(2):
        live = client.get(objects.ref(body))
        if same_state(live, client.apply(body, force=True, dry_run=True).object):
            return True
    return False


@pytest.mark.apiserver
@pytest.mark.parametrize("step", [23, pytest.param(5, marks=pytest.mark.nightly)])
def test_a_proof_never_contradicts_the_server(step: int) -> None:
    client = fixture.cluster().client()
    random_ = random.Random(7)
    counts = {"unchanged": 0, "proven": 0, "mutations": 0, "rejected": 0}
    wrong: list[str] = []
    for number, (chart, documents) in enumerate(charts(step)):
        namespace = f"proof-{step}-{number}"
        client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        quiet = {"metadata": {"name": "quiet", "namespace": namespace}, "spec": {"hard": {"pods": "0"}}}
        client.create({"apiVersion": "v1", "kind": "ResourceQuota", **quiet})
        for body, live in applied(client, namespace, documents):
            where = f"{chart}: {objects.ref(body)}"
            same = unchanged(client, body)
            counts["unchanged"] += same
            counts["proven"] += proven(body, live)
            if proven(body, live) and not same:
                wrong.append(where)
            for _ in range(MUTATIONS):
                other = mutated(body, random_)
                if other == body:
                    continue
                counts["mutations"] += 1
                if not proven(other, live):
                    continue
                try:
                    if not unchanged(client, other):
                        wrong.append(f"{where} mutated")
                except ClusterError:
                    counts["rejected"] += 1
                    wrong.append(f"{where} mutated and refused")
        client.delete(ObjectRef("v1", "Namespace", "", namespace))
    print(f"\nproof, every {step}th chart: {counts}")
    assert wrong == []
    assert counts["proven"] >= 0.98 * counts["unchanged"] > 0
    conformance.report("kube/proof", passed=counts["unchanged"] + counts["mutations"])
