"""Masks that hide values and keep them comparable."""

from __future__ import annotations

from helmflow.core.ids import ObjectRef
from helmflow.plan.model import Change, ChangeKind
from helmflow.plan.redact import Redactor

SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: a}\nstringData: {one: %s, two: same}\n"


def change(kind: str, before: str, after: str) -> Change:
    return Change(
        ref=ObjectRef("v1", kind, "", "a"), kind=ChangeKind.UPDATE, before=before, after=after, body={"x": 1}
    )


def test_values_of_a_secret_are_masked_and_equal_ones_stay_equal() -> None:
    redactor = Redactor(lambda text: text)
    found = redactor.change(change("Secret", SECRET % "hunter2", SECRET % "hunter3"))
    assert "hunter" not in found.before + found.after
    before, after = found.before.splitlines(), found.after.splitlines()
    assert [a == b for a, b in zip(before, after, strict=True)].count(False) == 1
    assert found.body == {"x": 1}


def test_marks_mean_nothing_outside_of_a_run() -> None:
    one = Redactor(lambda text: text).text(SECRET % "hunter2", secret=True)
    two = Redactor(lambda text: text).text(SECRET % "hunter2", secret=True)
    assert one != two


def test_known_secrets_are_masked_everywhere() -> None:
    redactor = Redactor(lambda text: text.replace("hunter2", "***"))
    assert redactor.change(change("ConfigMap", "", "a: hunter2")).after == 'a: "***"'
