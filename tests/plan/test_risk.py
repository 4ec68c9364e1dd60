"""Which changes deserve a second look."""

from __future__ import annotations

import pytest

from helmflow.core.ids import ObjectRef, ReleaseId
from helmflow.plan import risk
from helmflow.plan.model import Action, ActionKind, Change, ChangeKind, ReleasePlan
from helmflow.plan.settings import Settings
from helmflow.state.model import Release

ID = ReleaseId("", "apps", "web")


def plan(*changes: Change, kind: ActionKind = ActionKind.UPGRADE) -> ReleasePlan:
    return ReleasePlan(
        id=ID,
        owner=ID,
        release=Release(id=ID, chart="./web"),
        action=Action(kind=kind, code="x", reason="x"),
        settings=Settings(),
        changes=changes,
    )


def change(
    kind: str, before: str, after: str, *, how: ChangeKind = ChangeKind.UPDATE, name: str = "web"
) -> Change:
    return Change(ref=ObjectRef("v1", kind, "apps", name), kind=how, before=before, after=after)


POD = "spec: {{selector: {{a: {selector}}}, template: {{spec: {{containers: [{{image: '{image}', envFrom: [{{configMapRef: {{name: web}}}}]}}]}}}}}}\n"
ROLE = "rules: [{{apiGroups: [''], resources: [pods], verbs: [{verbs}]}}]\n"


@pytest.mark.parametrize(
    ("given", "codes"),
    [
        (change("Deployment", POD.format(selector=1, image="a"), POD.format(selector=1, image="b")), ["restart"]),
        (change("Deployment", POD.format(selector=1, image="a"), POD.format(selector=2, image="a")), ["selector"]),
        (change("Service", "spec: {selector: {a: b}}\n", "spec: {selector: {a: c}}\n"), ["selector"]),
        (change("PersistentVolumeClaim", "a: 1\n", "", how=ChangeKind.DELETE), ["delete-data"]),
        (change("CustomResourceDefinition", "a: 1\n", "", how=ChangeKind.DELETE), ["delete-crd"]),
        (change("Namespace", "a: 1\n", "", how=ChangeKind.DELETE), ["delete-namespace"]),
        (change("ConfigMap", "a: 1\n", "", how=ChangeKind.DELETE), ["delete"]),
        (change("Job", "a: 1\n", "a: 2\n", how=ChangeKind.REPLACE), ["replace"]),
        (change("PersistentVolumeClaim", "a: 1\n", "a: 2\n"), ["claim"]),
        (change("CustomResourceDefinition", "spec: {versions: [{name: v1}, {name: v2}]}\n", "spec: {versions: [{name: v2}]}\n"), ["crd-version"]),
        (change("Role", ROLE.format(verbs="get"), ROLE.format(verbs="get, delete")), ["rbac"]),
        (change("Role", ROLE.format(verbs="get, delete"), ROLE.format(verbs="get")), []),
        (change("ClusterRole", "", ROLE.format(verbs="get"), how=ChangeKind.CREATE), ["rbac"]),
        (change("RoleBinding", "subjects: [{kind: User, name: a}]\n", "subjects: [{kind: User, name: b}]\n"), ["rbac"]),
        (change("ConfigMap", "data: {a: 1}\n", "data: {a: 2}\n"), []),
        (change("ConfigMap", "", "data: {a: 2}\n", how=ChangeKind.CREATE), []),
    ],
)  # fmt: skip
def test_a_change_has_its_risk(given: Change, codes: list[str]) -> None:
    assert [found.code for found in risk.of_release(plan(given))] == codes


def test_a_workload_that_keeps_its_old_configuration_is_named() -> None:
    same = POD.format(selector=1, image="a")
    deployment = Change(
        ref=ObjectRef("apps/v1", "Deployment", "apps", "web"),
        kind=ChangeKind.UNCHANGED,
        before=same,
        after=same,
    )
    found = risk.of_release(plan(change("ConfigMap", "data: {a: 1}\n", "data: {a: 2}\n"), deployment))
    assert [one.code for one in found] == ["stale-config"]


def test_an_uninstalled_release_is_a_risk_of_its_own() -> None:
    assert [one.code for one in risk.of_release(plan(kind=ActionKind.UNINSTALL))] == ["uninstall"]
