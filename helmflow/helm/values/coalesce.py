"""User values over chart defaults: globals, subchart scopes, and where a null deletes a default."""

from __future__ import annotations

import marshal

from helmflow.core import yaml_dialect
from helmflow.core.errors import ChartError
from helmflow.core.shared import SharedTree
from helmflow.gotemplate.functions import Function, FunctionError, table
from helmflow.gotemplate.gotypes import GoObject, NamedMap
from helmflow.helm.chart.behaviour import HELM_3, HELM_4, Behaviour
from helmflow.helm.chart.model import Chart

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Mapping
    from typing import Any, ClassVar

    Tree = dict[str, Any]
    Warn = Callable[[str], None]

GLOBAL = "global"


class Values(NamedMap, GoObject):
    """Helm's named map type of .Values, with the methods that Go lets templates call on it.

    `origin` are the user's values in a tree that shares the others with other renders.
    """

    origin: Tree | None = None
    go_type = HELM_4.chart_values_type
    go_methods: ClassVar[Mapping[str, Function]] = table(
        Function("YAML", lambda self: yaml_dialect.dump(self), (), returns="string"),
        Function("AsMap", lambda self: dict(self), (), returns="map[string]any"),
        Function("Table", lambda self, name: _table_at(self, name), ("string",)),
        Function("PathValue", lambda self, path: _path_value(self, path), ("string",)),
    )


class Values3(Values):
    """The same in Helm 3, where the type has another name."""

    go_type = HELM_3.chart_values_type


def coalesce(chart: Chart, user: Tree, *, warn: Warn | None = None, behaviour: Behaviour = HELM_4) -> Tree:
    """What templates see as .Values, as a new tree that they may change: user values win, nulls delete defaults.

    `.Values.sub` and the .Values of subchart `sub` are the same object, as in Helm. Raises ChartError.
    """
    run = _Coalescing(warn or _ignore, keep_nulls=False, behaviour=behaviour)
    if not chart.values and not chart.dependencies:
        return run.top(chart, user)
    return run.over_known_defaults(chart, user)


def read_only(
    chart: Chart, user: Tree, *, warn: Warn | None = None, behaviour: Behaviour = HELM_4
) -> Tree | None:
    """The same, sharing with other renders what `user` leaves as it is; None where renders of the chart do not share.

    Templates that are about to change what is shared meet `shared.Changed`: they must run again on what `apart` gives.
    """
    return _Coalescing(warn or _ignore, keep_nulls=False, behaviour=behaviour).over_shared_defaults(
        chart, user
    )


def apart(chart: Chart, shared: Tree, *, behaviour: Behaviour = HELM_4) -> Tree:
    """The same values as templates got them that change them: these have their own from now on."""
    chart.memo[_APART] = True
    assert isinstance(shared, Values)
    assert shared.origin is not None
    return coalesce(chart, shared.origin, behaviour=behaviour)


def merge(chart: Chart, user: Tree, *, warn: Warn | None = None, behaviour: Behaviour = HELM_4) -> Tree:
    """As `coalesce`, but every null stays: what import-values work on. Raises ChartError."""
    return _Coalescing(warn or _ignore, keep_nulls=True, behaviour=behaviour).top(chart, user)


def merge_tables(over: Tree, under: Tree) -> Tree:
    """`over`, changed in place: keys of `under` that it lacks are added, maps merged. Nulls count as values.

    Where a map is only in `under`, the result shares it. `under` gets the nulls of `over`, as in Helm: who reads it
    afterwards sees them.
    """
    _nulls_down(over, under)
    _Coalescing(_ignore, keep_nulls=True, behaviour=HELM_4).tables(over, under, "", keep_nulls=True)
    return over


def coalesce_tables(over: Tree, under: Tree) -> Tree:
    """`over` on top of `under`, both plain tables, as a new tree: nulls of `over` delete."""
    merged: Tree = {}
    run = _Coalescing(_ignore, keep_nulls=False, behaviour=HELM_4)
    run.tables(merged, copied(over), "", keep_nulls=True)
    run.tables(merged, copied(under), "", keep_nulls=False)
    return merged


def copied(value: Any) -> Any:
    """A deep copy of a values tree; scalars are shared."""
    if isinstance(value, dict):
        return {key: copied(item) if isinstance(item, dict | list) else item for key, item in value.items()}
    if isinstance(value, list):
        return [copied(item) if isinstance(item, dict | list) else item for item in value]
    return value


def _nulls_down(over: Tree, under: Tree) -> None:
    for key, value in over.items():
        if value is None:
            under[key] = None
        elif isinstance(value, dict):
            below = under.get(key)
            if isinstance(below, dict):
                _nulls_down(value, below)


def _cleaned(table: Tree) -> Tree:
    """The map without nulls, itself where it has none."""
    changed: Tree = {}
    nulls = False
    for key, value in table.items():
        if value is None:
            nulls = True
        elif isinstance(value, dict):
            clean = _cleaned(value)
            if clean is not value:
                changed[key] = clean
    if not nulls and not changed:
        return table
    return {key: changed.get(key, value) for key, value in table.items() if value is not None}


def _ignore(_: str) -> None:
    pass


class _Coalescing:
    """One run: where warnings go and whether nulls stay. Trees given as `own` are changed in place."""

    def __init__(self, warn: Warn, *, keep_nulls: bool, behaviour: Behaviour) -> None:
        self._warn = warn
        self._keep_nulls = keep_nulls
        # what import-values make are default values again: plain maps
        self._type = dict if keep_nulls else Values if behaviour.chart_is_map else Values3
        self._cleans = behaviour.cleans_default_nulls and not keep_nulls

    def top(self, chart: Chart, user: Tree) -> Tree:
        """The whole chart's values on a copy of `user`."""
        return self.chart(chart, self._type(copied(user)), "")

    def over_known_defaults(self, chart: Chart, user: Tree) -> Tree:
        """The same as `top`, from what the chart gives without user values, which is worked out once per chart.

        Only what `user` names is coalesced anew: its own keys one by one, a subchart's as a whole. A global can reach
        anywhere, so it takes the long way.
        """
        subcharts = {sub.name: sub for sub in chart.dependencies}
        if GLOBAL in user or any(_names_global(user[name]) for name in subcharts if name in user):
            return self.top(chart, user)
        try:
            own = self._known(chart)
        except ChartError:  # wrong defaults that `user` may put right
            return self.top(chart, user)
        changed = [key for key in user if key in chart.values]
        defaults = {key: marshal.loads(blob) for key, blob in _blobs(chart, changed)}
        for key, value in user.items():
            own[key] = copied(value)
        if defaults:
            self._complete(own, defaults, subcharts, chart.name)
        for name, sub in subcharts.items():
            if name in user:
                self._subchart(sub, own, chart.name)
        return own

    def over_shared_defaults(self, chart: Chart, user: Tree) -> Tree | None:
        """The same on trees that renders share, None where they do not: at the chart's first render, where templates
        change values, and where `user` reaches into subcharts."""
        memo = chart.memo
        if _APART in memo or GLOBAL in user or any(sub.name in user for sub in chart.dependencies):
            return None
        slot = ("shared", self._cleans)
        if slot not in memo:
            memo[slot] = None
            return None
        trees = memo[slot]
        if trees is None:
            try:
                trees = memo[slot] = SharedTree(self._known(chart)), SharedTree(chart.own_values())
            except ChartError:
                return None
        alone, defaults = trees[0].value, trees[1].value
        own = (Values if self._type is Values else Values3)(alone)
        own.origin = user
        for key, value in user.items():
            own[key] = copied(value)
        self._complete(own, {key: defaults[key] for key in user if key in defaults}, (), chart.name)
        return own

    def _known(self, chart: Chart) -> Tree:
        """A copy of what the chart gives alone."""
        key = ("coalesced", self._cleans)
        blob = chart.memo.get(key)
        if blob is None:
            blob = chart.memo[key] = marshal.dumps(_plain(self.top(chart, {})))
        return self._typed(chart, marshal.loads(blob))

    def _typed(self, chart: Chart, own: Tree) -> Tree:
        """The tree with Helm's type for the values of the chart and of every subchart."""
        for sub in chart.dependencies:
            own[sub.name] = self._typed(sub, own[sub.name])
        return self._type(own)

    def chart(self, chart: Chart, own: Tree, prefix: str) -> Tree:
        """`own` completed by the chart's defaults, then every subchart's part of it by that subchart's."""
        path = f"{prefix}.{chart.name}" if prefix else chart.name
        self._complete(own, chart.own_values(), {sub.name for sub in chart.dependencies}, path)
        for sub in chart.dependencies:
            self._subchart(sub, own, path)
        return own

    def _subchart(self, sub: Chart, own: Tree, path: str) -> None:
        """The subchart's part of `own`, completed."""
        name = sub.name
        part = own.get(name, _NOTHING)
        if part is _NOTHING:
            part = {}
        if not isinstance(part, dict):
            from helmflow.gotemplate import printf

            raise ChartError(
                printf.sprintf("type mismatch on %s: %t", name, part),
                error_id="values.not-a-table",
                hint=f"{name} is a subchart: its values must be a table",
            )
        part = own[name] = self._type(part)
        self._globals(part, own, path)
        self.chart(sub, part, path)

    def _complete(self, own: Tree, defaults: Tree, subcharts: Container[str], path: str) -> None:
        """`own` completed by a chart's defaults, which are used up."""
        for key, default in defaults.items():
            if key not in own:
                if self._cleans:
                    if default is None:
                        continue
                    if isinstance(default, dict):
                        default = _cleaned(default)
                own[key] = default
                continue
            value = own[key]
            if value is None:
                if not self._keep_nulls:
                    del own[key]
            elif isinstance(value, dict):
                if isinstance(default, dict):
                    # a subchart's part keeps its nulls: they still have that subchart's defaults to delete
                    keep = self._keep_nulls or key in subcharts
                    self.tables(value, default, f"{path}.{key}", keep_nulls=keep)
                elif default is not None:
                    self._warn(f"skipped value for {path}.{key}: Not a table.")

    def tables(self, over: Tree, under: Tree, path: str, *, keep_nulls: bool) -> None:
        """`over` completed by `under`, both maps. A null in `over` deletes itself and what is below it; over nothing,
        or over another null, it stays."""
        cleans = self._cleans and not keep_nulls
        for key, below in under.items():
            if key not in over:
                if cleans:
                    if below is None:
                        continue
                    if isinstance(below, dict):
                        below = _cleaned(below)
                over[key] = below
                continue
            value = over[key]
            if value is None:
                if not keep_nulls and below is not None:
                    del over[key]
            elif isinstance(below, dict):
                if isinstance(value, dict):
                    self.tables(value, below, f"{path}.{key}" if path else key, keep_nulls=keep_nulls)
                else:
                    self._warn(f"cannot overwrite table with non table for {path}.{key}")
            elif isinstance(value, dict) and below is not None:
                self._warn(f"destination for {path}.{key} is a table. Ignoring non-table value")

    def _globals(self, part: Tree, own: Tree, path: str) -> None:
        """The parent's globals into a subchart's: the parent wins, maps are merged, maps inside maps are shared."""
        target = part.get(GLOBAL, {})
        source = own.get(GLOBAL, {})
        if not isinstance(target, dict):
            self._warn(f"skipping globals because destination {GLOBAL} is not a table.")
            return
        if not isinstance(source, dict):
            self._warn(f"skipping globals because source {GLOBAL} is not a table.")
            return
        for key, value in source.items():
            if isinstance(value, dict):
                if key not in target:
                    target[key] = dict(value)
                elif isinstance(target[key], dict):
                    shared = dict(value)
                    self.tables(shared, target[key], f"{path}.{key}", keep_nulls=True)
                    target[key] = shared
                else:
                    self._warn(f'Conflict: cannot merge map onto non-map for "{key}". Skipping.')
            elif isinstance(target.get(key), dict):
                self._warn(f"key {key} is table. Skipping")
            else:
                target[key] = value
        part[GLOBAL] = target


_NOTHING = object()
_APART = "values-apart"


def _names_global(value: Any) -> bool:
    return isinstance(value, dict) and (GLOBAL in value or any(map(_names_global, value.values())))


def _blobs(chart: Chart, keys: list[str]) -> Iterator[tuple[str, bytes]]:
    """Single top-level defaults, serialised once per chart."""
    blobs: dict[str, bytes] = chart.memo.setdefault("value-blobs", {})
    for key in keys:
        blob = blobs.get(key)
        if blob is None:
            blob = blobs[key] = marshal.dumps(chart.values[key])
        yield key, blob


def _plain(own: Tree) -> Tree:
    """The tree without Helm's types; maps that are shared stay shared."""
    seen: dict[int, Tree] = {}

    def plain(value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        made = seen.get(id(value))
        if made is None:
            made = seen[id(value)] = {}
            made.update((key, plain(item)) for key, item in value.items())
        return made

    found: Tree = plain(own)
    return found


def _table_at(values: Tree, path: str) -> Tree:
    current: Any = values
    for part in path.split("."):
        current = current.get(part)
        if not isinstance(current, dict):
            raise FunctionError(f'"{path}" is not a table')
    found: Tree = current
    return found


def _path_value(values: Tree, path: str) -> Any:
    if not path:
        raise FunctionError("YAML path cannot be empty")
    *tables, key = path.split(".")
    current: Any = values
    for part in tables:
        current = current.get(part) if isinstance(current, dict) else None
    found = current.get(key, _NOTHING) if isinstance(current, dict) else _NOTHING
    if found is _NOTHING or isinstance(found, dict):
        raise FunctionError(f'"{key}" is not a value')
    return found
