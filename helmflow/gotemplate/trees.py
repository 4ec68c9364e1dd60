"""What a parsed template is to those who run it: a tree with its executable forms, apart from how it is parsed."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from helmflow.gotemplate import nodes


class Tree:
    """One template: its body and the text it stands in. Executable forms are kept on it by the set that runs it.

    `body` is None in a tree whose program came from a cache and whose text was not parsed; `defined` is then its name
    in the text, None for the text's own tree.
    """

    __slots__ = (
        "assigned",
        "body",
        "closures",
        "defined",
        "kept",
        "places",
        "program",
        "range_assigned",
        "render",
        "runs",
        "text",
    )

    def __init__(
        self, text: str, body: list[nodes.Item] | None, assigned: set[str], range_assigned: set[str]
    ) -> None:
        self.text = text
        self.body = body
        self.assigned = assigned  # variables that some `=` changes, which ends what is known of their values
        self.range_assigned = range_assigned
        self.closures: Any = None
        self.program: Any = None  # False where there can be none
        self.kept = b""  # a program from a cache that is still to be read
        self.places: Any = None  # where lines of the program come from, once one failed
        self.render: object = None  # the render that ran it last
        self.runs = 0
        self.defined: str | None = None

    @property
    def items(self) -> list[nodes.Item]:
        """The body of a tree that has one."""
        assert self.body is not None
        return self.body
