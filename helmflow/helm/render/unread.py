"""Values that are set but that no template reads, found by the words in the templates; and names that Helm 2 had."""

from __future__ import annotations

import re
from _blake2 import blake2b  # hashlib's own, without what importing hashlib costs
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, Final

from helmflow.core.errors import Mistake
from helmflow.core.lazy import pattern
from helmflow.helm.chart.model import Chart
from helmflow.helm.render import reads

if TYPE_CHECKING:
    from helmflow.gotemplate.program_cache import ProgramCache
    from helmflow.gotemplate.templates import TemplateSet

_ACTION: Final = pattern(r"\{\{(.*?)\}\}", re.DOTALL)
_WORD: Final = pattern(r"[A-Za-z0-9_-]+")
_OLD_NAMES: Final = {
    ".Release.Time": "there is no release time any more: use `now`",
    ".Capabilities.TillerVersion": "use .Capabilities.HelmVersion",
    ".Capabilities.Has": "use .Capabilities.APIVersions.Has",
    ".Chart.Engine": "Helm has one engine now: remove it",
    ".Chart.TillerVersion": "use kubeVersion in Chart.yaml",
}
_OLD_NAME: Final = pattern("(" + "|".join(map(re.escape, _OLD_NAMES)) + r")\b")


def old_names(chart: Chart) -> tuple[Mistake, ...]:
    """One warning for each name that only Helm 2 had, with today's form."""
    known: tuple[Mistake, ...] | None = chart.memo.get("old-names")
    if known is None:
        known = chart.memo["old-names"] = tuple(_old_names(chart))
    return known


def old_name_hint(text: str) -> str:
    """Today's form of a name of Helm 2's in a template's failure, "" where there is none."""
    found = _OLD_NAME.search(text)
    return _OLD_NAMES[found[1]] if found else ""


def _old_names(chart: Chart) -> Iterator[Mistake]:
    seen: set[str] = set()
    for path, part in chart.walk():
        for file in part.templates:
            for name in _OLD_NAME.findall(file.text):
                if name not in seen:
                    seen.add(name)
                    yield Mistake(
                        f"{path}/{file.name} uses {name}, which only Helm 2 had",
                        error_id="chart.old-name",
                        hint=_OLD_NAMES[name],
                    )


class Readers:
    """Which values a chart's templates, and those of its subcharts, may read."""

    def __init__(
        self,
        chart: Chart,
        templates: TemplateSet,
        executed: Iterable[tuple[str, object, str]],
        *,
        cache: ProgramCache | None = None,
    ) -> None:
        found = _found(templates, {path: _place(owner) for path, _, owner in executed}, cache)
        for path in _outside_templates(chart, ()):
            found.touch(path)
            found.whole.add(path)
        self.root = _Node()
        for path in found.touched | found.whole:
            self.root.add(path).whole |= path in found.whole
        # what texts in values and files read when `tpl` runs them is not followed: every word in them counts
        texts = [part.values_text or b"" for _, part in chart.walk()]
        if any(b".Files" in file.data for _, part in chart.walk() for file in part.templates):
            texts += [f.data for _, part in chart.walk() for f in part.files if not f.name.endswith(".md")]
        self.words: frozenset[str] = frozenset().union(*map(_template_words, texts))


def _found(templates: TemplateSet, dots: dict[str, reads.Path], cache: ProgramCache | None) -> reads.Reads:
    """What the templates read, from the cache if another process worked it out."""
    if cache is None or templates.entry is None:
        return reads.of(templates.bodies(), dots)
    from helmflow.gotemplate.program_cache import pack, unpack

    layout = blake2b(repr(sorted(dots.items())).encode("utf-8", "surrogateescape"), digest_size=8)
    key = f"{templates.entry.key}-reads-{layout.hexdigest()}"
    found = reads.Reads()
    known = unpack(cache.load(key))
    if known is None:
        found = reads.of(templates.bodies(), dots)
        cache.store(key, pack((sorted(found.touched), sorted(found.whole))))
    else:
        found.touched.update(known[0])
        found.whole.update(known[1])
    return found


class _Node:
    """A value in the tree of what is read."""

    __slots__ = ("children", "whole")

    def __init__(self) -> None:
        self.children: dict[str, _Node] = {}
        self.whole = False

    def add(self, path: Iterable[str]) -> _Node:
        node = self
        for key in path:
            node = node.children.setdefault(key, _Node())
        return node


def unread(
    chart: Chart, user: dict[str, Any], readers: Readers, *, given: Chart | None = None
) -> tuple[Mistake, ...]:
    """A warning for every value in `user` that nothing in the chart or its subcharts reads, with the nearest name.

    `given` is the chart with the subcharts that are off, whose values are not expected to be read.
    """
    if readers.root.whole:
        return ()
    search = _Search(chart, readers.words | _template_words(repr(user).encode()))
    off = {dependency.alias or dependency.name for dependency in (given or chart).metadata.declared}
    off -= {sub.name for sub in chart.dependencies}
    shown = {key: value for key, value in user.items() if key not in ("global", "tags") and key not in off}
    return tuple(search.table(shown, [readers.root], ()))


def _place(owner: str) -> reads.Path:
    """Where the values of the chart with this full path stand: parent/charts/sub is ("sub",)."""
    return tuple(owner.split("/charts/")[1:])


def _outside_templates(chart: Chart, prefix: reads.Path) -> Iterator[reads.Path]:
    """Full paths of what conditions and import-values read, in the chart and its subcharts."""
    for dependency in chart.metadata.declared:
        name = dependency.alias or dependency.name
        for condition in dependency.condition.strip().split(","):
            yield (*prefix, *condition.split("."))
        for wanted in dependency.import_values:
            child = wanted.get("child") if isinstance(wanted, dict) else f"exports.{wanted}"
            yield (*prefix, name, *str(child).split("."))
    for sub in chart.dependencies:
        yield (*prefix, sub.name, "global")
        yield from _outside_templates(sub, (*prefix, sub.name))


def _template_words(text: bytes) -> frozenset[str]:
    if b"{{" not in text:
        return frozenset()
    actions = _ACTION.findall(text.decode("utf-8", "replace"))
    return frozenset(word for action in actions for word in _WORD.findall(action))


class _Search:
    """One search through what a user set."""

    def __init__(self, chart: Chart, words: frozenset[str]) -> None:
        self._chart = chart
        self._words = words

    def table(self, values: dict[str, Any], readers: list[_Node], path: reads.Path) -> Iterator[Mistake]:
        """What is unread of a table that stands at `path`."""
        for key, value in values.items():
            inner = [
                child
                for node in readers
                for child in (node.children.get(key), node.children.get(reads.ANY))
                if child is not None
            ]
            if key in self._words or any(node.whole for node in inner):
                continue
            if inner:
                yield from self._inside(value, inner, (*path, key))
            else:
                yield self._mistake((*path, key), readers)

    def _inside(self, value: Any, readers: list[_Node], path: reads.Path) -> Iterator[Mistake]:
        if isinstance(value, dict):
            yield from self.table(value, readers, path)
        elif isinstance(value, list) and any(node.children for node in readers):
            items = {str(index): item for index, item in enumerate(value) if isinstance(item, (dict, list))}
            yield from self.table(items, readers, path)

    def _mistake(self, path: reads.Path, readers: list[_Node]) -> Mistake:
        from difflib import get_close_matches

        names = sorted({name for node in readers for name in node.children if name != reads.ANY})
        near = get_close_matches(path[-1], names, 1)
        chart, prefix = self._chart, path
        while (sub := next((one for one in chart.dependencies if one.name == prefix[0]), None)) and prefix[
            1:
        ]:
            chart, prefix = sub, prefix[1:]
        return Mistake(
            f"value {'.'.join(path)} is set, but no template of {chart.name} reads it",
            error_id="values.unread",
            hint=f"did you mean {near[0]!r}?" if near else "",
        )
