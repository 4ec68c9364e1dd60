"""Comparing documents and states."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from helmflow.core.ids import ObjectRef
from helmflow.plan import diff
from helmflow.plan.diff import Document

TREES = st.recursive(
    st.none() | st.integers(0, 3) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


def document(content: Any, key: str = "k", text: str = "") -> Document:
    return Document(
        key=(key,), text=text or repr(content), content=content, ref=ObjectRef("v1", "X", "", key)
    )


@given(TREES)
def test_every_document_is_the_same_as_itself(tree: Any) -> None:
    assert diff.same_documents([document(tree)], [document(tree, text="another text")])
    assert diff.differs_only_at([document(tree)], [document(tree)], [document(tree)])


def test_a_comment_is_no_difference() -> None:
    assert diff.same_content(document({"a": 1}, text="a: 1"), document({"a": 1}, text="# hi\na: 1"))
    assert not diff.same_content(document({"a": 1}), document({"a": 2}))


def test_random_places_do_not_count() -> None:
    stored = [document({"data": {"password": "x1", "user": "u"}})]
    first = [document({"data": {"password": "x2", "user": "u"}})]
    again = [document({"data": {"password": "x3", "user": "u"}})]
    assert diff.differs_only_at(stored, first, again)
    assert not diff.differs_only_at([document({"data": {"password": "x1", "user": "v"}})], first, again)
    assert not diff.differs_only_at([document({"data": {"user": "u"}})], first, again)
    assert not diff.differs_only_at([*stored, document({}, "more")], first, again)


def test_bookkeeping_and_status_are_no_state() -> None:
    one = {
        "metadata": {"name": "a", "resourceVersion": "1", "managedFields": []},
        "status": {"x": 1},
        "spec": {},
    }
    two = {"metadata": {"name": "a", "resourceVersion": "2"}, "spec": {}}
    assert diff.same_state(one, two)
    assert not diff.same_state(one, {**two, "spec": {"a": 1}})


def test_changed_objects_are_counted_without_hooks() -> None:
    before = [document(1, "same"), document(1, "changed"), document(1, "gone")]
    after = [document(1, "same"), document(2, "changed"), document(1, "new")]
    assert diff.changed_count(before, after) == 3
