"""The pull request comment: golden text, never too large, nothing gets out of its place."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helmflow.core.ids import ObjectRef, ReleaseId
from helmflow.plan.model import Action, ActionKind, Change, ChangeKind, Plan, ReleasePlan
from helmflow.plan.settings import Settings
from helmflow.state.model import Release
from helmflow.ui import markdown
from tests import golden

DEPLOYMENT = "apiVersion: apps/v1\nkind: Deployment\nspec:\n  replicas: {replicas}\n  template:\n    spec:\n      containers:\n      - image: web:{tag}\n"


def release(
    name: str, *changes: Change, kind: ActionKind = ActionKind.UPGRADE, reason: str = "values changed"
) -> ReleasePlan:
    identity = ReleaseId("", "apps", name)
    return ReleasePlan(
        id=identity, owner=identity, release=Release(id=identity, chart=f"shop/{name}"), chart=f"shop/{name}",
        action=Action(kind=kind, code="x", reason=reason), settings=Settings(), changes=changes,
    )  # fmt: skip


def update(name: str, before: str, after: str) -> Change:
    return Change(
        ref=ObjectRef("apps/v1", "Deployment", "apps", name),
        kind=ChangeKind.UPDATE,
        before=before,
        after=after,
    )


def plan(*releases: ReleasePlan) -> Plan:
    return Plan(command="diff", environment="prod", cluster="eu1", releases=releases, needs={})


SMALL = plan(
    release(
        "note", Change(ref=ObjectRef("v1", "ConfigMap", "apps", "a"), kind=ChangeKind.DELETE, before="a: 1\n")
    ),
    release("web", update("web", DEPLOYMENT.format(replicas=1, tag=1), DEPLOYMENT.format(replicas=1, tag=2))),
    release(
        "db",
        Change(
            ref=ObjectRef("v1", "PersistentVolumeClaim", "apps", "d"), kind=ChangeKind.DELETE, before="a: 1\n"
        ),
    ),
    release("kept", kind=ActionKind.KEEP),
)


def test_the_biggest_risk_comes_first() -> None:
    text = markdown.render(SMALL)
    golden.check("ui/comment", text)
    assert (
        text.index("apps/db (shop/db)")
        < text.index("apps/web (shop/web)")
        < text.index("apps/note (shop/note)")
    )


@pytest.mark.parametrize("count", [8, 120])
def test_a_large_plan_fits_and_says_what_it_left_out(count: int) -> None:
    big = DEPLOYMENT.format(replicas=1, tag=1) + "".join(f"x{i}: {i}\n" for i in range(400))
    releases = [release(f"r{i}", update(f"r{i}", big, big.replace(": ", ":  "))) for i in range(count)]
    text = markdown.render(plan(*releases))
    assert len(text) <= markdown.LIMIT
    assert "shortened" in text or "did not fit" in text
    assert text.count("<details>") == text.count("</details>")


NASTY = st.text(alphabet="`@#|<>/![]()*_~$&\n\r\x1b-:. abc", max_size=60)


@given(NASTY, NASTY, NASTY)
def test_nothing_from_a_chart_gets_out_of_its_place(reason: str, before: str, after: str) -> None:
    text = markdown.render(plan(release("web", update("web", before, after), reason=reason)))
    assert text.startswith("<!-- helmflow plan prod -->\n")
    fences = re.findall(r"^(`{3,})diff\n(.*?)\n\1$", text, flags=re.MULTILINE | re.DOTALL)
    assert len(fences) == 1
    outside = re.sub(r"^(`{3,})diff\n.*?\n\1$", "", text, flags=re.MULTILINE | re.DOTALL)
    tags = set(re.findall(r"<[^>]*>", re.sub(r"\\.", "", outside)))
    assert tags <= {"<!-- helmflow plan prod -->", "<details>", "<summary>", "</summary>", "</details>"}
    assert not re.search(r"(?<!\\)@", outside.split("\n", 2)[2].replace("prod @ eu1", ""))
    rows = [line for line in text.splitlines() if line.startswith("| apps/web")]
    assert len(rows) <= 1


def test_fifty_releases_with_a_twentieth_changed_fit_with_the_biggest_risk_first() -> None:
    releases = []
    for number in range(50):
        same = [
            Change(ref=ObjectRef("v1", "ConfigMap", "apps", f"c{i}"), kind=ChangeKind.UNCHANGED)
            for i in range(19)
        ]
        change = update(
            f"web{number}", DEPLOYMENT.format(replicas=1, tag=1), DEPLOYMENT.format(replicas=1, tag=2)
        )
        if number == 37:
            claim = ObjectRef("v1", "PersistentVolumeClaim", "apps", "data")
            change = Change(ref=claim, kind=ChangeKind.DELETE, before="kind: PersistentVolumeClaim\n")
        releases.append(release(f"web{number}", change, *same))
    text = markdown.render(plan(*releases))
    assert len(text) < markdown.LIMIT
    assert text.count("<details>") == 50
    assert "did not fit" not in text
    assert text.index("apps/web37 (") < text.index("apps/web0 (")
    assert text.index("| apps/web37 |") < text.index("| apps/web0 |")


def test_a_table_of_thousands_is_cut_and_says_so() -> None:
    releases = [
        release(f"a-release-with-a-long-name-{i}", update("w", "a: 1\n", "a: 2\n"), reason="x" * 80)
        for i in range(3000)
    ]
    text = markdown.render(plan(*releases))
    assert len(text) <= markdown.LIMIT
    assert "more releases, with smaller risks" in text
    assert "did not fit into a comment" in text
    assert text.endswith("`helmflow apply --environment prod`\n")
