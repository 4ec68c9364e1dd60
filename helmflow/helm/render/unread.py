"""Values that are set but that no template reads, found by the words in the templates; and names that Helm 2 had."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from helmflow.core.errors import Mistake
from helmflow.core.lazy import pattern
from helmflow.helm.chart.model import Chart

_ACTION: Final = pattern(r"\{\{(.*?)\}\}", re.DOTALL)
_WORD: Final = pattern(r"[A-Za-z0-9_-]+")
_REFERENCE: Final = pattern(r"\.Values((?:\.[A-Za-z0-9_]+)*)")
# In an action with one of these words, or that assigns or ranges, a table may be read as a whole.
_WHOLE: Final = pattern(
    r":=|\brange\b|\btpl\b|\bto[A-Z]\w*|\bmerge|\bmustMerge|\bdeepCopy\b|\b(?:keys|values|pick|omit|dig|get|index|pluck"
    r"|quote|squote|print|printf|println|join|concat|append|list|tuple|set|hasKey)\b"
)
_OLD_NAMES: Final = {
    ".Release.Time": "there is no release time any more: use `now`",
    ".Capabilities.TillerVersion": "use .Capabilities.HelmVersion",
    ".Capabilities.Has": "use .Capabilities.APIVersions.Has",
    ".Chart.Engine": "Helm has one engine now: remove it",
    ".Chart.TillerVersion": "use kubeVersion in Chart.yaml",
}
_OLD_NAME: Final = pattern("(" + "|".join(map(re.escape, _OLD_NAMES)) + r")\b")


@dataclass(frozen=True, slots=True)
class _Reads:
    """What a chart's templates mention: words, and paths of tables that may be read as a whole."""

    words: frozenset[str]
    whole: frozenset[tuple[str, ...]]


def unread(chart: Chart, user: dict[str, Any]) -> tuple[Mistake, ...]:
    """A warning for every value in `user` that nothing in the chart or its subcharts reads, with the nearest name."""
    charts = [_reads(part) for _, part in chart.walk()]
    everything = _Reads(
        frozenset().union(*(one.words for one in charts)), frozenset().union(*(one.whole for one in charts))
    )
    search = _Search(everything, frozenset(_conditions(chart, ())))
    return tuple(search.chart(chart, user, ()))


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


def _reads(chart: Chart) -> _Reads:
    known: _Reads | None = chart.memo.get("reads")
    if known is None:
        words: set[str] = set()
        whole: set[tuple[str, ...]] = set()
        # values may hold templates for tpl, so their texts count like templates
        texts = [file.text for file in chart.templates]
        if chart.values_text and b"{{" in chart.values_text:
            texts.append(chart.values_text.decode("utf-8", "replace"))
        for text in texts:
            for action in _ACTION.findall(text):
                words.update(_WORD.findall(action))
                if _WHOLE.search(action):
                    whole.update(tuple(path.split(".")[1:]) for path in _REFERENCE.findall(action))
        known = chart.memo["reads"] = _Reads(frozenset(words), frozenset(whole))
    return known


@dataclass(frozen=True, slots=True)
class _Search:
    """One search: what all charts read together, and the paths that conditions name."""

    everything: _Reads
    conditions: frozenset[tuple[str, ...]]

    def chart(self, chart: Chart, values: dict[str, Any], prefix: tuple[str, ...]) -> Iterator[Mistake]:
        """What is unread of a chart's values, which stand at `prefix` in the user's."""
        subcharts = {sub.name: sub for sub in chart.dependencies}
        for key, value in values.items():
            if key in subcharts and isinstance(value, dict):
                yield from self.chart(subcharts[key], value, (*prefix, key))
            elif key not in ("global", "tags"):
                yield from self._value(chart, (key,), value, prefix)

    def _value(
        self, chart: Chart, path: tuple[str, ...], value: Any, prefix: tuple[str, ...]
    ) -> Iterator[Mistake]:
        own = _reads(chart)
        whole = (*prefix, *path)
        if path in own.whole or () in own.whole or whole in self.conditions:
            return
        if path[-1] not in own.words and path[-1] not in self.everything.words:
            if not any(condition[: len(whole)] == whole for condition in self.conditions):
                yield _mistake(chart, path, whole, self.everything)
        elif isinstance(value, dict):
            for key, item in value.items():
                yield from self._value(chart, (*path, key), item, prefix)


def _conditions(chart: Chart, prefix: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Full paths of every condition in the chart and its subcharts."""
    for dependency in chart.metadata.declared:
        for condition in dependency.condition.strip().split(","):
            yield (*prefix, *condition.split("."))
    for sub in chart.dependencies:
        yield from _conditions(sub, (*prefix, sub.name))


def _mistake(chart: Chart, path: tuple[str, ...], whole: tuple[str, ...], everything: _Reads) -> Mistake:
    from difflib import get_close_matches

    level: Any = chart.values
    for key in path[:-1]:
        level = level.get(key) if isinstance(level, dict) else None
    siblings = [key for key in level if key in everything.words] if isinstance(level, dict) else []
    words = sorted(_reads(chart).words)
    near = get_close_matches(path[-1], siblings, 1) or get_close_matches(path[-1], words, 1, 0.7)
    return Mistake(
        f"value {'.'.join(whole)} is set, but no template of {chart.name} reads it",
        error_id="values.unread",
        hint=f"did you mean {near[0]!r}?" if near else "",
    )
