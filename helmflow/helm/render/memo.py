"""What named templates gave earlier in the same render, for includes that ask for it again.

Charts include the same names and labels with the same data over and over. A text is kept only where nothing but the data
could have made it: while it was made, no map was changed that had been there before, nothing random or from the cluster was
asked for, and nobody looked at .Template, which is another in every file. What is kept is dropped when anything changes
that templates reach from a dot. Nothing outlives the render.
"""

from __future__ import annotations

from _thread import get_ident

from helmflow.core.limits import KIB, MIB
from helmflow.core.shared import LISTENERS, NOTES, Changed
from helmflow.helm.values.coalesce import Values

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Final

    from helmflow.gotemplate.gotypes import NamedMap
    from helmflow.gotemplate.templates import TemplateSet

    Key = tuple[Any, ...]

_FIRST: Final = 6  # includes of a render before it is worth looking at what they are given
_TEXTS_KEPT: Final = 4096
_LONGEST_KEPT: Final = 64 * KIB
_MOST_KEPT: Final = 16 * MIB  # of all texts together
_LARGEST_DATA: Final = 16  # entries of a map or list told by its content; larger ones seldom come twice
_DEEPEST_DATA: Final = 3
_LONGEST_TOLD: Final = 4 * KIB  # of a text in data, which lives as long as what is told by it
_PATIENCE: Final = 4  # includes of a name in vain before it is looked for no more; each known one adds to it
_MOST_PATIENCE: Final = 16
_FEW: Final = 24  # includes known again in a render do not make up for looking
_MOST_VAIN: Final = (
    2  # renders that were not worth it, or changes of what hangs on a dot, before a chart is given up
)
_VAIN: Final = ""  # counts them beside the names; a template of this name would only end the looking sooner
_TREES: Final = (dict, list)


class _Untold(Exception):
    """Data that cannot be told from other data, or not cheaply."""


class Memo:
    """The texts of one render, by its own templates and for the dots of its charts. Used by one thread; `close` it.

    `texts` are by name and data: by the identity of what hangs on the dots, by the content of what was made for an
    include. `patience` is what earlier renders of the chart found out about each name: which includes come again.
    """

    __slots__ = (
        "_dots", "_early", "_held", "_looked", "_patience", "_rooted", "_size", "_tree", "_under_way", "made", "templates",
        "texts", "unsettled",
    )  # fmt: skip

    def __init__(
        self, templates: TemplateSet, dots: Mapping[str, dict[str, Any]], patience: dict[str, int]
    ) -> None:
        self.templates = templates  # a text with defines that `tpl` runs sees others
        self.texts: dict[Key, str] = {}
        self.unsettled = 0  # counts what keeps the texts that are under way from being kept
        self._dots = dots
        self._early = _FIRST
        self._patience = patience
        self._rooted: set[int] = set()  # what is told by its identity,
        self._held: list[Any] = []  # which nothing else may get meanwhile
        self._tree: set[int] = set()  # the maps that hang on the dots, once somebody changes one
        self._under_way: set[int] = set()  # the maps that includes under way were given
        self.made: list[int] = []  # the maps that the last `key` met and that hang on no dot
        self._looked = 0  # for what was not known
        self._size = 0  # of the texts

    @staticmethod
    def is_worth(patience: dict[str, int]) -> bool:
        """Whether to look for what comes again, by what earlier renders found out."""
        return patience.get(_VAIN, 0) <= _MOST_VAIN

    def key(self, name: str, data: Any) -> Key | None:
        """What tells this include from others, None where that cannot be told or is not worth it."""
        if self._early:
            self._early -= 1
            if not self._early:
                self._open()
            return None
        self._looked += 1
        self.made = made = list[int]()
        if id(data) in self._rooted:
            return name, id(data)
        left = self._patience.get(name, _PATIENCE)
        if not left:
            return None
        try:
            key = name, self._content(data, made, 0)
        except _Untold:
            key = None
        if key in self.texts:
            self._looked -= 1
            self._patience[name] = min(left + 1, _MOST_PATIENCE)
        else:
            self._patience[name] = left - 1
        return key

    def _content(self, value: Any, made: list[int], depth: int) -> Any:
        kind = type(value)
        if kind is str:
            if len(value) > _LONGEST_TOLD:
                raise _Untold
            return value
        if id(value) in self._rooted or id(value) in NOTES:
            return id(value)
        if kind is dict or kind is list:
            if len(value) > _LARGEST_DATA or depth > _DEEPEST_DATA:
                raise _Untold
            content: list[Any] = [kind]
            if kind is dict:
                made.append(id(value))
                content += value
                if sum(map(len, value)) > _LONGEST_TOLD:
                    raise _Untold
                value = value.values()
            for item in value:
                short = type(item) is str and len(item) <= _LONGEST_TOLD
                content.append(item if short else self._content(item, made, depth + 1))
            return tuple(content)
        if value is None or kind is bool or kind is int:
            return kind, value
        if kind is float:
            return kind, repr(value)  # 0.0 equals -0.0, and NaN nothing
        raise _Untold

    def enter(self) -> list[int]:
        """The include of the last `key`, which `made` maps for it, begins; `leave` is to be given what this returns."""
        entered = [each for each in self.made if each not in self._under_way]
        self._under_way.update(entered)
        return entered

    def leave(self, entered: list[int]) -> None:
        """The include that entered is over."""
        self._under_way.difference_update(entered)

    def keep(self, key: Key, text: str) -> None:
        """Remember the include's text."""
        size = len(text)
        if size <= _LONGEST_KEPT:
            self._size += size
            if len(self.texts) >= _TEXTS_KEPT or self._size > _MOST_KEPT:
                self.texts.clear()
                self._size = size
            self.texts[key] = text

    def forget(self) -> None:
        """Something that templates reach has changed."""
        self.unsettled += 1
        self.texts.clear()
        if self._in_vain() > _MOST_VAIN:
            self._stop()

    def _in_vain(self) -> int:
        vain = self._patience[_VAIN] = self._patience.get(_VAIN, 0) + 1
        return vain

    def _stop(self) -> None:
        if not self._early:
            del LISTENERS[get_ident()], _OPEN[get_ident()]
            self._early = -1

    def close(self, known: int) -> None:
        """The render is over; so many includes were `known`."""
        if not self._early and known < max(self._looked, _FEW):
            self._in_vain()
        self._stop()

    def _open(self) -> None:
        LISTENERS[get_ident()], _OPEN[get_ident()] = self._changes, self
        for dot in self._dots.values():
            self._held += (dot, *dot.values())
        self._rooted = {id(each) for each in self._held if type(each) is not Template}

    def _changes(self, mapping: dict[Any, Any], value: Any) -> None:
        if not self._tree:
            for dot in self._dots.values():
                self._hang(dot)
        if id(mapping) in self._tree:
            self.forget()
            if isinstance(value, _TREES):
                self._hang(value)
        elif id(mapping) in self._under_way:
            self.unsettled += 1

    def _hang(self, value: Any) -> None:
        """The maps of a value can be reached from now on."""
        tree = self._tree
        found = [value]
        lists: set[int] = set()  # lists that hold lists twice double with each level
        for each in found:
            if id(each) in NOTES:
                continue
            if isinstance(each, dict):
                if id(each) in tree or type(each) is Template:
                    continue
                tree.add(id(each))
                each = each.values()
            elif id(each) in lists:
                continue
            else:
                lists.add(id(each))
            found += [item for item in each if isinstance(item, _TREES)]


_OPEN: Final[dict[int, Memo]] = {}  # by thread


def _noticed(name: str) -> Callable[..., Any]:
    read = getattr(dict, name)

    def noticed(self: Template, *arguments: Any) -> Any:
        memo = _OPEN.get(get_ident())
        if memo is not None:
            memo.unsettled += 1
        return read(self, *arguments)

    return noticed


class Template(Values):
    """What .Template is in one file. Whatever looks into it is told to the thread's memo: it holds for this file only."""

    common = False  # whether renders share it
    __hash__ = None  # type: ignore[assignment]

    @classmethod
    def shared(cls, path: str, base_path: str) -> Template:
        """The map of a file, for every render: changing it raises shared.Changed."""
        made = cls(Name=path, BasePath=base_path)
        made.common = True
        return made

    get = _noticed("get")
    items = _noticed("items")
    keys = _noticed("keys")
    values = _noticed("values")
    copy = _noticed("copy")
    __getitem__ = _noticed("__getitem__")
    __iter__ = _noticed("__iter__")
    __eq__ = _noticed("__eq__")
    __ne__ = _noticed("__ne__")

    def __setitem__(self, key: str, value: Any) -> None:
        self._change()
        super().__setitem__(key, value)

    def __delitem__(self, key: str) -> None:
        self._change()
        super().__delitem__(key)

    def unnamed(self) -> NamedMap:
        """Nobody is told of what looks into that map, and it would stay with what renders share."""
        self._change()
        return super().unnamed()

    def _change(self) -> None:
        if self.common:
            raise Changed(self)
        memo = _OPEN.get(get_ident())
        if memo is not None:
            memo.forget()
