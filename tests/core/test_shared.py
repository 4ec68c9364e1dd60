"""Trees that many readers share."""

from __future__ import annotations

from helmflow.core.shared import NOTES, SharedTree


def test_every_part_has_notes_while_the_tree_lives() -> None:
    inner = {"b": [1, {"c": None}]}
    tree = SharedTree({"a": inner, "again": inner})
    parts = [id(tree.value), id(inner), id(inner["b"]), id(inner["b"][1])]
    assert all(part in NOTES for part in parts)
    del tree
    assert not any(part in NOTES for part in parts)
