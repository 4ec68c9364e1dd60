"""Tests of Helm 2: with --legacy-hooks, test-failure passes when its pod fails."""

from __future__ import annotations

import pytest

from helmflow.flows.options import RenderOptions
from tests.flows.town import Town, report_of

POD = """\
apiVersion: v1
kind: Pod
metadata:
  name: {{ .Release.Name }}-check
  annotations: {helm.sh/hook: EVENT, embedded.helmflow.dev/exit-code: "CODE"}
spec:
  restartPolicy: Never
  containers: [{name: a, image: "a:1"}]
"""


@pytest.mark.parametrize(
    ("event", "code", "ok"),
    [
        ("test-failure", "1", True),
        ("test-failure", "0", False),
        ("test-success", "0", True),
        ("test-success", "1", False),
    ],
)
def test_what_a_test_of_helm_2_expects(town: Town, event: str, code: str, ok: bool) -> None:
    town.chart("web", check=POD.replace("EVENT", event).replace("CODE", code))
    town.file("helmfile.yaml", "releases:\n  - {name: web, namespace: NS(apps), chart: ./charts/web}\n")
    rendering = RenderOptions(legacy_hooks=True)
    assert town.sync(render=rendering).ok
    report = town.test(render=rendering)
    assert report.ok is ok
    (result,) = report_of(report, "web").tests
    assert (result.phase == "Succeeded") is ok
