"""Behaviour 15 for real: admission webhooks that bear no dry-run, that are down, and that refuse."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from helmflow.core.ids import ObjectRef
from helmflow.execute.report import Outcome
from helmflow.kube import errors
from helmflow.plan.model import Change, ChangeKind
from tests.apiserver import fixture
from tests.flows.test_diff import changed_lines, edit, web
from tests.flows.test_real_diff import real, webhook
from tests.flows.town import Town, plan_of, report_of

__all__ = ["real"]
pytestmark = pytest.mark.apiserver
GROUP = "admissionregistration.k8s.io/v1"
KIND = "ValidatingWebhookConfiguration"


def validating(town: Town, reached: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A configuration that calls a webhook for every changed ConfigMap of the town's namespace."""
    hook = {
        "name": "old.example.org",
        "clientConfig": reached,
        "rules": [
            {
                "apiGroups": [""],
                "apiVersions": ["v1"],
                "operations": ["UPDATE"],
                "resources": ["configmaps"],
                "scope": "*",
            }
        ],
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": town.ns("apps")}},
        "objectSelector": {},
        "admissionReviewVersions": ["v1"],
        "matchPolicy": "Equivalent",
        "failurePolicy": "Fail",
        "timeoutSeconds": 5,
        **more,
    }
    name = f"old-{town.number}"
    return {"apiVersion": GROUP, "kind": KIND, "metadata": {"name": name}, "webhooks": [hook]}


@contextmanager
def registered(town: Town, register: Callable[[], Any]) -> Iterator[None]:
    """The configuration while it is registered."""
    register()
    try:
        yield
    finally:
        town.client.delete(ObjectRef(GROUP, KIND, "", f"old-{town.number}"))


def until_called(town: Town, sign: str) -> None:
    """The server needs a moment until it calls a new webhook: a dry-run tells by being refused."""
    deadline = time.monotonic() + 20
    probe = ObjectRef("v1", "ConfigMap", town.ns("apps"), "web")
    while time.monotonic() < deadline:
        live = town.client.get(probe)
        live["metadata"].pop("managedFields", None)
        try:
            town.client.replace({**live, "data": {**live["data"], "probe": "x"}}, dry_run=True)
        except errors.ClusterError as refusal:
            if sign in str(refusal):
                return
            raise
        time.sleep(0.2)
    raise AssertionError("the webhook was never called")


def config_change(town: Town) -> Change:
    return next(c for c in plan_of(town.diff(), "web").changes if c.ref.kind == "ConfigMap" and c.shows)


@pytest.mark.parametrize("effects", ["Some", "Unknown"])
def test_a_webhook_with_side_effects_costs_only_the_preview(
    real: Town, tmp_path_factory: pytest.TempPathFactory, effects: str
) -> None:
    """Such a webhook cannot be registered any more, but clusters that were upgraded still have theirs."""
    web(real)
    real.file("values.yaml", "color: green\n")
    cluster = fixture.cluster()
    with webhook(tmp_path_factory.mktemp("webhook"), []) as reached:
        old = validating(real, reached, sideEffects=effects)
        with pytest.raises(errors.Invalid, match="sideEffects"):
            real.client.create(old)
        metadata = {
            **old["metadata"],
            "uid": f"00000000-0000-4000-8000-{real.number.replace('-', ''):0>12}",
            "creationTimestamp": "2020-01-01T00:00:00Z",
            "generation": 1,
        }
        path = f"validatingwebhookconfigurations/{metadata['name']}"
        with registered(real, lambda: cluster.remember(path, {**old, "metadata": metadata})):
            until_called(real, "does not support dry run")
            change = config_change(real)
            assert change.kind is ChangeKind.UPDATE
            assert change.reason == "not verified by the cluster"
            assert changed_lines(change) == ['-   color: "red"', '+   color: "green"']
            report = real.apply()
            assert report.ok, report_of(report, "web").failure
            live = real.find("ConfigMap", "web")
            assert live is not None
            assert live["data"]["color"] == "green"
            assert not real.diff().writes


def test_a_webhook_that_is_down_is_named_and_costs_the_plan_nothing(real: Town) -> None:
    """Nobody listens: the plan shows what would be sent, the run says which webhook is in the way, the next one ends well."""
    web(real)
    real.file("values.yaml", "color: green\n")
    reached = {"url": "https://127.0.0.1:1/"}
    down = validating(real, reached, sideEffects="None", timeoutSeconds=1)
    with registered(real, lambda: real.client.create(down)):
        until_called(real, "failed calling webhook")
        change = config_change(real)
        assert change.kind is ChangeKind.UPDATE
        assert change.reason == "not verified by the cluster"
        assert changed_lines(change) == ['-   color: "red"', '+   color: "green"']
        failed = report_of(real.sync(), "web")
        assert failed.outcome is Outcome.FAILED
        assert failed.failure is not None
        assert failed.failure.error_id == "cluster.webhook"
        assert "old.example.org" in failed.failure.message
        assert real.statuses("web") == ["deployed", "failed"]
    assert real.sync().ok
    assert real.statuses("web")[-1] == "deployed"


def test_what_a_webhook_refuses_is_refused_in_the_plan(
    real: Town, tmp_path_factory: pytest.TempPathFactory
) -> None:
    web(real)
    real.file("values.yaml", "color: green\n")
    with webhook(tmp_path_factory.mktemp("webhook"), [], refuses="no green on Fridays") as reached:
        strict = validating(real, reached, sideEffects="None")
        with registered(real, lambda: real.client.create(strict)):
            until_called(real, "no green on Fridays")
            action = plan_of(real.diff(), "web").action
            assert action.kind == "refuse"
            assert "no green on Fridays" in action.reason
            assert not real.sync().ok
            assert real.wire is not None
            assert real.wire.writes == []
    edit(real, "ConfigMap", {"data": {"color": "red"}})
    assert real.sync().ok
