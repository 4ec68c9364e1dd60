"""Values that renders of one chart share: only what a user's values touch is coalesced anew, the rest is what it was.

Keys of a table do not depend on each other when values are coalesced, nor do keys of `global`, with one exception: naming
a subchart keeps the nulls that charts above it have for it. So the usual rules run over a chart cut down to the keys that
a user's values name, and those with such nulls, and what they give is laid over what the chart gives alone.
"""

from __future__ import annotations

import marshal

from helmflow.core.shared import NOTES, SharedTree
from helmflow.helm.values.coalesce import GLOBAL, Coalescing, copied

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Hashable, Iterator
    from typing import Any, Final

    from helmflow.helm.chart.model import Chart
    from helmflow.helm.values.coalesce import Tree, Values

    Path = tuple[str | int, ...]
    Names = dict[str, Any]  # of subcharts, with the same of each

_PLANS_KEPT: Final = 32  # shapes of values for one chart
_OWN_PARTS: Final = 8  # maps that templates of a chart change before a render gets everything for itself


class Sharing:
    """One chart's values. `make` gives what templates see, on trees that other renders see too."""

    def __init__(self, chart: Chart, alone: Tree) -> None:
        """`alone` is what the chart gives without a user's values."""
        self._chart = chart
        self._alone = SharedTree(alone)
        self._plans: dict[Hashable, _Plan] = {}
        self._names = _names(chart)
        self._changed: tuple[Path, ...] = ()  # what templates change: each render has it for itself
        self._regular = _regular(chart)

    def make(self, user: Tree, run: Coalescing) -> Values | None:
        """The values, None where they cannot be shared. Raises ChartError."""
        names = self._names
        if GLOBAL in user or not names.keys().isdisjoint(user):
            shape = _shape(user, names) if self._regular else None
            if shape is None:
                return None
        else:
            shape = tuple(user)
        plan = self._plans.get(shape)
        if plan is None:
            if len(self._plans) >= _PLANS_KEPT:
                self._plans.clear()
            plan = self._plans[shape] = _Plan(self._chart, user)
        own = plan.laid_over(self._alone.value, user, run)
        own.origin, own.kept = user, (self, plan)  # `kept`: what is shared stays so as long as it is used
        for path in self._changed:
            _make_own(own, path)
        return own

    def set_apart(self, values: Tree, part: Tree) -> object:
        """From now on every render has this part of the values for itself. Whether that can be."""
        paths = tuple(_paths_to(values, part, ()))
        for path in paths:
            # further down, maps in globals of a chart and of its subcharts are the same
            if GLOBAL in path and len(path) - path.index(GLOBAL) > 2:
                return False
        if not paths or len(self._changed) + len(paths) > _OWN_PARTS:
            return False
        self._changed += paths
        return True


class _Plan:
    """What users' values of one shape need."""

    def __init__(self, chart: Chart, user: Tree) -> None:
        cut = _Cut()
        top = cut.scope(chart, user)
        cut.add_nulls(chart, user, top)
        if cut.globals is not None:
            cut.widen(chart, top)
        shared: list[Any] = []
        self._top = top
        self._part = _Part(chart, top, cut, shared)
        self._globals = None if cut.globals is None else tuple(cut.globals)
        self._shared = SharedTree(shared)

    def laid_over(self, alone: Any, user: Tree, run: Coalescing) -> Values:
        """The values."""
        mine: Any = run.chart(self._part, type(alone)(copied(user)), "")
        if self._top.subs or self._globals is not None:
            return self._laid_over(alone, mine, user, self._top)
        changed = dict(mine)
        mine.update(alone)
        mine.update(changed)
        if len(changed) < len(self._top.keys):  # nulls deleted some
            for key in self._top.keys.keys() - changed.keys():
                mine.pop(key, None)
        own: Values = mine
        return own

    def _laid_over(self, alone: Any, mine: Tree, user: Tree, scope: _Scope) -> Values:
        own: Values = type(alone)(user)  # first of all for the order of keys
        own.update(alone)
        for key in scope.keys:
            if key in mine:
                own[key] = mine[key]
            else:
                own.pop(key, None)
        for name, sub in scope.subs.items():
            own[name] = self._laid_over(alone[name], mine[name], user.get(name) or {}, sub)
        if self._globals is not None and GLOBAL in mine:
            changed = mine[GLOBAL]
            table = own[GLOBAL] = {**changed, **alone.get(GLOBAL, {}), **changed}
            for key in self._globals:
                if key not in changed:
                    table.pop(key, None)
        return own


class _Scope:
    """Keys of one chart's values that are coalesced anew, and the same for charts in it."""

    __slots__ = ("keys", "subs")

    def __init__(self) -> None:
        self.keys: dict[str, None] = {}
        self.subs: dict[str, _Scope] = {}

    def sub(self, name: str) -> _Scope:
        found = self.subs.get(name)
        if found is None:
            found = self.subs[name] = _Scope()
        return found


class _Cut:
    """Finds what is coalesced anew. `globals` are keys of `global` at any place, None where nobody names it."""

    def __init__(self) -> None:
        self.globals: dict[str, None] | None = None

    def scope(self, chart: Chart, user: Tree) -> _Scope:
        """What the user names."""
        made = _Scope()
        subs = {sub.name: sub for sub in chart.dependencies}
        for key, value in user.items():
            if key in subs:
                made.subs[key] = self.scope(subs[key], value)
            elif key == GLOBAL:
                self.globals = {**(self.globals or {}), **dict.fromkeys(value)}
            else:
                made.keys[key] = None
        return made

    def add_nulls(self, chart: Chart, user: Tree, scope: _Scope) -> None:
        """What the nulls in `chart` reach in subcharts that the user names, and in those the nulls there."""
        for sub in chart.dependencies:
            if sub.name in user:
                table = chart.values.get(sub.name)
                if table:
                    self._nulls(sub, table, scope.sub(sub.name))
                self.add_nulls(sub, user[sub.name], scope.sub(sub.name))

    def _nulls(self, chart: Chart, table: Tree, scope: _Scope) -> None:
        subs = {sub.name: sub for sub in chart.dependencies}
        for key, value in table.items():
            if not _has_null(value):
                continue
            if key in subs:
                self._nulls(subs[key], value, scope.sub(key))
            elif key == GLOBAL:
                found = [name for name, item in value.items() if _has_null(item)]
                self.globals = {**(self.globals or {}), **dict.fromkeys(found)}
            else:
                scope.keys[key] = None

    def widen(self, chart: Chart, scope: _Scope) -> None:
        """Globals reach every subchart."""
        for sub in chart.dependencies:
            self.widen(sub, scope.sub(sub.name))


class _Part:
    """A chart cut down to what is coalesced anew."""

    __slots__ = ("_defaults", "dependencies", "name")

    def __init__(self, chart: Chart, scope: _Scope, cut: _Cut, shared: list[Any]) -> None:
        self.name = chart.name
        self.dependencies = tuple(
            _Part(sub, scope.subs[sub.name], cut, shared)
            for sub in chart.dependencies
            if sub.name in scope.subs
        )
        self._defaults = _Table(chart.values, scope, cut, shared)

    def own_values(self) -> Tree:
        """Its defaults: maps that coalescing may change, in which those of users' own keys are shared."""
        return self._defaults.fresh()


class _Table:
    """A table of default values for a chart, cut down."""

    __slots__ = ("_globals", "_keys", "_subs")

    def __init__(self, values: Tree, scope: _Scope, cut: _Cut, shared: list[Any]) -> None:
        self._keys = {key: copied(values[key]) for key in scope.keys if key in values}
        shared.append(self._keys)
        self._subs = {
            name: _Table(values[name], sub, cut, shared) for name, sub in scope.subs.items() if name in values
        }
        self._globals = b""
        if cut.globals is not None and GLOBAL in values:
            # maps in globals are the same in parents and subcharts, and change in all of them: none is shared
            named = {key: copied(values[GLOBAL][key]) for key in cut.globals if key in values[GLOBAL]}
            self._globals = marshal.dumps(named)

    def fresh(self) -> Tree:
        """A copy whose maps are the caller's, but for those below keys of the chart's own."""
        if not self._subs and not self._globals:
            return self._keys  # who coalesces only reads it
        made = dict(self._keys)
        for name, sub in self._subs.items():
            made[name] = sub.fresh()
        if self._globals:
            made[GLOBAL] = marshal.loads(self._globals)
        return made


def _names(chart: Chart) -> Names:
    return {sub.name: _names(sub) for sub in chart.dependencies}


def _shape(user: Tree, names: Names) -> Hashable | None:
    """What plans depend on, None where the user has no table where one belongs."""
    found: list[Hashable] = []
    for key, value in user.items():
        if key in names:
            inner = _shape(value, names[key]) if isinstance(value, dict) else None
            if inner is None:
                return None
            found.append((key, inner))
        elif key == GLOBAL:
            if not isinstance(value, dict):
                return None
            found.append((key, tuple(value)))
        else:
            found.append(key)
    return tuple(found)


def _regular(chart: Chart) -> bool:
    """Whether there are tables, or nothing, wherever charts have values for subcharts and globals, and names are unique."""
    names = _names(chart)
    return (
        len(names) == len(chart.dependencies)
        and GLOBAL not in names
        and _tables_in(chart.values, names)
        and all(map(_regular, chart.dependencies))
    )


def _tables_in(values: Tree, names: Names) -> bool:
    if not isinstance(values.get(GLOBAL, {}), dict):
        return False
    for name, inner in names.items():
        table = values.get(name, {})
        if not isinstance(table, dict) or not _tables_in(table, inner):
            return False
    return True


def _has_null(value: Any) -> bool:
    return value is None or (isinstance(value, dict) and any(map(_has_null, value.values())))


def _paths_to(value: Any, part: Tree, at: Path) -> Iterator[Path]:
    """Where `part` itself is in a tree."""
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        if item is part:
            yield (*at, key)
        elif isinstance(item, dict | list):
            yield from _paths_to(item, part, (*at, key))


def _make_own(values: Any, path: Path) -> None:
    """Copy what is shared along a path, as far as there is something."""
    for key in path:
        if isinstance(values, dict):
            item = values.get(key)
        else:
            item = values[key] if type(key) is int and key < len(values) else None
        if not isinstance(item, dict | list):
            return
        if id(item) in NOTES:
            item = values[key] = type(item)(item)
        values = item
