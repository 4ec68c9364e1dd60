"""User values over chart defaults: globals, subchart scopes, and where a null deletes a default."""

from __future__ import annotations

import marshal

from helmflow.core import lazy, yaml_dialect
from helmflow.core.errors import ChartError
from helmflow.core.shared import NOTES
from helmflow.gotemplate.functions import Function, FunctionError, table
from helmflow.gotemplate.gotypes import GoObject, NamedMap
from helmflow.helm.chart.behaviour import HELM_3, HELM_4, Behaviour
from helmflow.helm.chart.model import Chart

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
    from typing import Any, ClassVar, Protocol

    from helmflow.helm.values import sharing

    Tree = dict[str, Any]
    Warn = Callable[[str], None]

    class Part(Protocol):
        """What of a chart is coalesced."""

        @property
        def name(self) -> str: ...
        @property
        def dependencies(self) -> Sequence[Part]: ...
        def own_values(self) -> Tree: ...
else:  # the first render of a chart shares nothing
    sharing = lazy.module("helmflow.helm.values.sharing")

GLOBAL = "global"


class Values(NamedMap, GoObject):
    """Helm's named map type of .Values, with the methods that Go lets templates call on it.

    `origin` are the user's values in a tree that shares the others with other renders, and `kept` keeps those shared.
    """

    origin: Tree | None = None
    kept: object = None
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
    run = Coalescing(warn or _ignore, keep_nulls=False, behaviour=behaviour)
    key = ("coalesced", behaviour.cleans_default_nulls)
    if key not in chart.memo:  # many charts are rendered once
        chart.memo[key] = b""
        return run.top(chart, user)
    return run.over_known_defaults(chart, user)


def read_only(
    chart: Chart, user: Tree, *, warn: Warn | None = None, behaviour: Behaviour = HELM_4
) -> Tree | None:
    """The same, sharing with other renders what `user` leaves as it is; None where renders of the chart do not share.

    Templates that are about to change what is shared meet `shared.Changed`: they must run again on what `apart` gives.
    """
    memo = chart.memo
    slot = ("shared", behaviour.cleans_default_nulls)
    made = memo.get(slot, _NOTHING)
    if made is _NOTHING:  # the first render
        made = memo[slot] = False
        return None
    run = Coalescing(warn or _ignore, keep_nulls=False, behaviour=behaviour)
    if made is False:
        try:
            made = memo[slot] = sharing.Sharing(chart, run.known(chart))
        except ChartError:  # wrong defaults that `user` may put right
            made = memo[slot] = None
    return None if made is None else made.make(user, run)


def apart(chart: Chart, values: Tree, part: Tree, *, behaviour: Behaviour = HELM_4) -> Tree:
    """The same values for templates that change `part` of them: they have it for themselves from now on, or everything."""
    assert isinstance(values, Values)
    assert values.origin is not None
    slot = ("shared", behaviour.cleans_default_nulls)
    made = chart.memo[slot]
    if made is not None and made.set_apart(values, part):
        own: Tree = made.make(values.origin, Coalescing(_ignore, keep_nulls=False, behaviour=behaviour))
        return own
    chart.memo[slot] = None
    return coalesce(chart, values.origin, behaviour=behaviour)


def merge(chart: Chart, user: Tree, *, warn: Warn | None = None, behaviour: Behaviour = HELM_4) -> Tree:
    """As `coalesce`, but every null stays: what import-values work on. Raises ChartError."""
    return Coalescing(warn or _ignore, keep_nulls=True, behaviour=behaviour).top(chart, user)


def merge_tables(over: Tree, under: Tree) -> Tree:
    """`over`, changed in place: keys of `under` that it lacks are added, maps merged. Nulls count as values.

    Where a map is only in `under`, the result shares it. `under` gets the nulls of `over`, as in Helm: who reads it
    afterwards sees them.
    """
    _nulls_down(over, under)
    Coalescing(_ignore, keep_nulls=True, behaviour=HELM_4).tables(over, under, "", keep_nulls=True)
    return over


def coalesce_tables(over: Tree, under: Tree, *, defaults: bool = True) -> Tree:
    """`over` on top of `under`, both plain tables, as a new tree: nulls of `over` delete.

    Nulls of `under` go where these are a chart's defaults, and stay where they are a user's.
    """
    merged: Tree = {}
    run = Coalescing(_ignore, keep_nulls=False, behaviour=HELM_4 if defaults else HELM_3)
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
    notes = NOTES.get(id(table))
    if notes is not None and "clean" in notes:
        return table
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
        if notes is not None:
            notes["clean"] = True
        return table
    return {key: changed.get(key, value) for key, value in table.items() if value is not None}


def _ignore(_: str) -> None:
    pass


class Coalescing:
    """One run: where warnings go and whether nulls stay. Trees given as `own` are changed in place, but for shared parts."""

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

        Only what `user` names is coalesced anew. What reaches into subcharts takes the long way.
        """
        if GLOBAL in user or any(sub.name in user for sub in chart.dependencies):
            return self.top(chart, user)
        try:
            known = self.known(chart)
        except ChartError:  # wrong defaults that `user` may put right
            return self.top(chart, user)
        mine = copied(user)
        own = self._type({**mine, **known, **mine})  # in the order that the long way gives
        defaults = {key: marshal.loads(blob) for key, blob in _blobs(chart, user)}
        self._complete(own, defaults, (), chart.name)
        return own

    def known(self, chart: Chart) -> Tree:
        """A copy of what the chart gives alone."""
        key = ("coalesced", self._cleans)
        blob = chart.memo.get(key)
        if not blob:
            blob = chart.memo[key] = marshal.dumps(_plain(self.top(chart, {})))
        return self._typed(chart, marshal.loads(blob))

    def _typed(self, chart: Chart, own: Tree) -> Tree:
        """The tree with Helm's type for the values of the chart and of every subchart."""
        for sub in chart.dependencies:
            own[sub.name] = self._typed(sub, own[sub.name])
        return self._type(own)

    def chart(self, chart: Part, own: Tree, prefix: str) -> Tree:
        """`own` completed by the chart's defaults, then every subchart's part of it by that subchart's."""
        path = f"{prefix}.{chart.name}" if prefix else chart.name
        self._complete(own, chart.own_values(), {sub.name for sub in chart.dependencies}, path)
        for sub in chart.dependencies:
            self._subchart(sub, own, path)
        return own

    def _subchart(self, sub: Part, own: Tree, path: str) -> None:
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
                    if id(value) in NOTES:
                        value = own[key] = dict(value)
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
                    if id(value) in NOTES:
                        value = over[key] = dict(value)
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


def _blobs(chart: Chart, keys: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """Single top-level defaults, serialised once per chart."""
    blobs: dict[str, bytes] = chart.memo.setdefault("value-blobs", {})
    for key in keys:
        if key not in chart.values:
            continue
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
