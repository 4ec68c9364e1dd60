"""Which values a chart's templates can read, worked out from their trees without running them.

Every branch counts as taken, so what is not found here is read in no render. A value is followed through variables,
`with`, `range`, `include` and the tables that helpers are handed; a function that may look at all of a table reads all.
"""

from __future__ import annotations

import fnmatch
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple

from helmflow.core.lazy import pattern
from helmflow.gotemplate import nodes

Path = tuple[str, ...]
ANY: Final = "*"  # a key, or a part of a text, that is known only when the template runs
MAX_CALLS: Final = (
    10_000  # templates times the different things they are handed; large charts need about 2,000
)
_MAX_DOTS: Final = 6  # different things that one template is handed before they are taken together
_MAX_ROUNDS: Final = 100  # looks at one template; what it is handed beyond that counts as read
# Helpers that hand themselves a part of what they were handed end here; below it, everything counts as read.
_MAX_NESTING: Final = 3  # tables in tables
_MAX_PARTS: Final = 200  # tables and what is in them, taken together; values that one expression may be
_MAX_PATH: Final = 16  # keys
_VERB: Final = pattern(r"%[^a-zA-Z%]*[a-zA-Z]")

# Give one of their arguments back, or a table that holds them.
_PASSING: Final = frozenset(
    [
        "default",
        "unset",
        "coalesce",
        "ternary",
        "and",
        "or",
        "required",
        "deepCopy",
        "mustDeepCopy",
        "last",
        "mustLast",
    ]
)
_MERGING: Final = frozenset(("merge", "mustMerge", "mergeOverwrite", "mustMergeOverwrite"))
_LISTS: Final = frozenset(
    [
        "concat",
        "append",
        "mustAppend",
        "prepend",
        "mustPrepend",
        "compact",
        "mustCompact",
        "uniq",
        "mustUniq",
        "reverse",
        "mustReverse",
        "rest",
        "mustRest",
        "initial",
        "mustInitial",
        "slice",
        "mustSlice",
        "without",
        "mustWithout",
    ]
)
# Write a whole table; a chart's dot goes into other functions by mistake only, or to say what it is.
_WRITING: Final = frozenset(
    ["toYaml", "toYamlPretty", "toJson", "toPrettyJson", "toRawJson", "toToml", "keys", "values"]
)
# Look at a table without reading what is in it.
_LOOKING: Final = frozenset(
    ["not", "empty", "kindIs", "kindOf", "typeIs", "typeIsLike", "typeOf", "len", "all", "any"]
)


class Places(NamedTuple):
    """Where something may come from: values by path, and dots by the path of their chart's values."""

    paths: frozenset[Path] = frozenset()
    dots: frozenset[Path] = frozenset()
    subcharts: frozenset[Path] = frozenset()
    texts: frozenset[str] = frozenset()
    table: tuple[tuple[str, Places], ...] = ()
    items: Places | None = None

    def __or__(self, other: Places) -> Places:
        if other == NOWHERE or self == other:
            return self
        if self == NOWHERE:
            return other
        table = dict(self.table)
        for key, places in other.table:
            table[key] = table.get(key, NOWHERE) | places
        items = (
            self.items
            if other.items is None
            else other.items
            if self.items is None
            else self.items | other.items
        )
        return Places(
            self.paths | other.paths,
            self.dots | other.dots,
            self.subcharts | other.subcharts,
            self.texts | other.texts,
            tuple(sorted(table.items(), key=lambda entry: entry[0])),
            items,
        )

    def inside(self) -> Places:
        """What a table or list that helpers were handed holds, under any key."""
        found = self.items or NOWHERE
        for _, places in self.table:
            found |= places
        return found


NOWHERE: Final = Places()


class Reads:
    """What is read: `touched` values are looked at, of `whole` ones everything may be."""

    def __init__(self) -> None:
        self.touched: set[Path] = set()
        self.whole: set[Path] = set()

    def touch(self, path: Path) -> None:
        """Remember the path and the tables on the way to it."""
        while path and path not in self.touched:
            self.touched.add(path)
            path = path[:-1]


def of(templates: Mapping[str, list[nodes.Item]], dots: Mapping[str, Path]) -> Reads:
    """What the templates read, by name; `dots` are those that are run by themselves, with their chart's place in the
    values. Where working it out would take too long, everything is read.
    """
    walk = _Walk(templates)
    for _ in range(2):  # what `set` puts into a table may be read by a template that came before
        walk.run({name: Places(dots=frozenset((place,))) for name, place in dots.items()})
        if not walk.added:
            break
    return walk.reads


class _Walk:
    """One pass over all templates."""

    def __init__(self, templates: Mapping[str, list[nodes.Item]]) -> None:
        self.reads = Reads()
        self._seen: dict[str, list[Places]] = {}
        self._calls: deque[tuple[str, Places | None]] = (
            deque()
        )  # None: all that the template was handed, together
        self._waiting: set[str] = set()  # the templates of those
        self._patterns: dict[str, list[str]] = {}
        self.added: dict[str, Places] = {}  # by key: what `set` put into some table
        self._templates = templates
        self._functions = {
            "include": self._include, "tpl": self._tpl, "dict": self._dict, "list": self._list, "tuple": self._list,
            "index": self._index, "get": self._index, "hasKey": self._has_key, "dig": self._dig, "pluck": self._pluck,
            "pick": self._pick,
            "first": self._first, "mustFirst": self._first, "set": self._set, "print": self._print, "printf": self._printf,
        }  # fmt: skip

    def run(self, dots: Mapping[str, Places]) -> None:
        """What these templates read, and all that they call."""
        self._seen.clear()
        self._calls.clear()
        self._waiting.clear()
        for name, dot in dots.items():
            self._template(name, dot)
        for _ in range(MAX_CALLS):
            if () in self.reads.whole or not self._calls:
                return
            name, handed = self._calls.popleft()
            if handed is None:
                self._waiting.remove(name)
            dot = handed or self._seen[name][-1]
            self._body(self._templates[name], dot, [{"$": dot}])
        self.reads.whole.add(())

    def _template(self, name: str, dot: Places) -> None:
        """Have a template looked at, unless it was with this dot."""
        if name not in self._templates:
            return
        seen = self._seen.setdefault(name, [])
        if len(seen) >= _MAX_ROUNDS:
            self._whole(dot)
            self.reads.whole |= _dots(dot)
            return
        together = len(seen) >= _MAX_DOTS
        if together:
            dot = self._flat(seen[-1] | dot if len(seen) > _MAX_DOTS else _union([*seen, dot]))
        if dot in seen:
            return
        if name in self._waiting:
            seen[-1] = dot
        else:
            seen.append(dot)
            self._calls.append((name, None if together else dot))
            self._waiting.update((name,) if together else ())

    def _body(self, body: Iterable[nodes.Item], dot: Places, scopes: list[dict[str, Places]]) -> None:
        for item in body:
            if isinstance(item, nodes.Action):
                places = self._pipe(item.pipe, dot, scopes)
                if not item.pipe.declared:
                    self._whole(places)
            elif isinstance(item, nodes.Template):
                self._template(item.name, self._pipe(item.pipe, dot, scopes) if item.pipe else NOWHERE)
            elif isinstance(item, nodes.Block):
                self._block(item, dot, [*scopes, {}])

    def _block(self, item: nodes.Block, dot: Places, scopes: list[dict[str, Places]]) -> None:
        places = self._pipe(item.pipe, dot, scopes)
        inner = dot
        if isinstance(item, nodes.With):
            inner = places
        elif isinstance(item, nodes.Range):
            inner = self._elements(places)
            declared = item.pipe.declared
            if declared:
                self._bind(declared[-1].names[0], inner, scopes, item.pipe.assigns)
            if len(declared) > 1:
                keys = frozenset(key for key, _ in places.table)
                self._bind(declared[0].names[0], Places(texts=keys), scopes, item.pipe.assigns)
            # a variable that a later line of the loop assigns is read by the next round
            self._body(item.body, inner, [*scopes, {}])
        self._body(item.body, inner, [*scopes, {}])
        if item.otherwise is not None:
            self._body(item.otherwise, dot, [*scopes, {}])

    def _bind(self, name: str, places: Places, scopes: list[dict[str, Places]], assigns: object) -> None:
        if assigns:
            for scope in reversed(scopes):
                if name in scope:
                    scope[name] |= places
                    return
        scopes[-1][name] = places

    # -- expressions ---------------------------------------------------------------------------------------------

    def _pipe(self, pipe: nodes.Pipe, dot: Places, scopes: list[dict[str, Places]]) -> Places:
        places: Places | None = None
        for command in pipe.commands:
            places = self._command(command, places, dot, scopes)
        assert places is not None
        if len(pipe.declared) == 1:
            self._bind(pipe.declared[0].names[0], places, scopes, pipe.assigns)
        return places

    def _command(
        self, command: nodes.Command, piped: Places | None, dot: Places, scopes: list[dict[str, Places]]
    ) -> Places:
        first = command.args[0]
        arguments = [self._operand(one, dot, scopes) for one in command.args[1:]]
        if piped is not None:
            arguments.append(piped)
        if not isinstance(first, nodes.Identifier):
            places = self._operand(first, dot, scopes)
            for argument in arguments:  # a method, such as .Files.Get
                self._whole(argument)
            return places
        places = self._call(first.name, arguments)
        if first.name == "set" and len(arguments) == 3 and len(command.args) > 1:
            self._changed(command.args[1], arguments, scopes)
        return places

    def _operand(self, node: nodes.Node, dot: Places, scopes: list[dict[str, Places]]) -> Places:
        match node:
            case nodes.Dot():
                return dot
            case nodes.String() | nodes.Number():
                return Places(texts=frozenset((node.text,)))
            case nodes.Field():
                return self._fields(dot, node.names)
            case nodes.Variable():
                known = next(
                    (scope[node.names[0]] for scope in reversed(scopes) if node.names[0] in scope), NOWHERE
                )
                return self._fields(known, node.names[1:])
            case nodes.Chain():
                return self._fields(self._operand(node.node, dot, scopes), node.names)
            case nodes.Pipe():
                return self._pipe(node, dot, scopes)
            case nodes.Identifier():
                return self._call(node.name, [])
            case _:
                return NOWHERE

    def _fields(self, places: Places, names: Iterable[str]) -> Places:
        for name in names:
            places = self._field(places, name)
        return places

    def _field(self, places: Places, name: str) -> Places:
        """What `.name` of it is; ANY for a key that is not known."""
        long = len(places.paths) > _MAX_PARTS
        beyond = {path for path in places.paths if long or len(path) >= _MAX_PATH}
        paths = {(*path, name) for path in places.paths - beyond}
        self.reads.whole |= beyond
        for path in paths:
            self.reads.touch(path)
        paths.update(places.dots if name == "Values" else ())
        dots = {(*path, name) for path in places.subcharts}
        subcharts = places.dots if name == "Subcharts" else frozenset()
        found = Places(frozenset(paths), frozenset(dots), subcharts)
        if name == ANY:
            return found | places.inside()
        known = next((own for key, own in places.table if key == name), None)
        if known is not None:
            found |= known
        if places.items is not None:
            found |= places.items
        if places.table or places.dots:
            found |= self.added.get(name, NOWHERE)
        return found

    def _elements(self, places: Places) -> Places:
        """What `range` hands its body."""
        self.reads.whole.update(places.dots)
        return self._field(places, ANY) if places != NOWHERE else NOWHERE

    def _whole(self, places: Places) -> None:
        """Everything in it may be read, but for what only a dot leads to."""
        self.reads.whole.update(places.paths)
        for path in places.paths:
            self.reads.touch(path)
        for _, own in places.table:
            self._whole(own)
        if places.items is not None:
            self._whole(places.items)

    # -- functions -----------------------------------------------------------------------------------------------

    def _call(self, name: str, arguments: list[Places]) -> Places:
        special = self._functions.get(name)
        if special is not None:
            return special(arguments)
        if name in _PASSING:
            places = _union(arguments)
            return places | places.inside() if name in ("last", "mustLast") else places
        if name in _MERGING:
            # The first table takes the others' keys, so these may be read through it from now on.
            for argument in arguments[1:]:
                self._whole(argument)
            return _union(arguments)
        if name in _LISTS:
            return Places(items=_union([self._field(argument, ANY) | argument for argument in arguments]))
        if name not in _LOOKING:
            for argument in arguments:
                self._whole(argument)
                if name in _WRITING:
                    self.reads.whole.update(argument.dots)
        return NOWHERE

    def _include(self, arguments: list[Places]) -> Places:
        if len(arguments) == 2:
            names, dot = arguments
            for name in names.texts or (ANY,):
                for known in self._named(name):
                    self._template(known, dot)
        return NOWHERE

    def _named(self, name: str) -> Iterable[str]:
        """The templates that a name with ANY in it may mean."""
        if ANY not in name:
            return (name,)
        if name not in self._patterns:
            self._patterns[name] = fnmatch.filter(self._templates, name)
        return self._patterns[name]

    def _tpl(self, arguments: list[Places]) -> Places:
        # What texts in values read is not followed: unread counts every word in them as read.
        for argument in arguments[:1]:
            self._whole(argument)
        return NOWHERE

    def _dict(self, arguments: list[Places]) -> Places:
        table: dict[str, Places] = {}
        rest = NOWHERE
        for keys, value in zip(arguments[::2], arguments[1::2], strict=False):
            inner = self._flat(value)
            for key in keys.texts:
                table[key] = table.get(key, NOWHERE) | inner
            if not keys.texts:
                rest |= inner
        items = rest if rest != NOWHERE else None
        return Places(table=tuple(sorted(table.items(), key=lambda entry: entry[0])), items=items)

    def _list(self, arguments: list[Places]) -> Places:
        return Places(table=tuple((str(index), self._flat(one)) for index, one in enumerate(arguments)))

    def _flat(self, places: Places) -> Places:
        """The same, with an end to tables in tables."""
        depth, parts = _measure(places)
        if depth < _MAX_NESTING and parts < _MAX_PARTS:
            return places
        self._whole(places)
        return places._replace(table=(), items=None)

    def _index(self, arguments: list[Places]) -> Places:
        if not arguments:
            return NOWHERE
        places = arguments[0]
        for keys in arguments[1:]:
            self._whole(keys)
            places = self._under(places, keys)
        return places

    def _under(self, places: Places, keys: Places) -> Places:
        known = {key for key in keys.texts if ANY not in key}
        found = [self._field(places, key) for key in sorted(known)]
        if keys.paths or len(known) < len(keys.texts) or not found:
            found.append(self._field(places, ANY))
        return _union(found)

    def _first(self, arguments: list[Places]) -> Places:
        return _union([self._field(one, "0") for one in arguments])

    def _has_key(self, arguments: list[Places]) -> Places:
        self._index(arguments)
        return NOWHERE

    def _dig(self, arguments: list[Places]) -> Places:
        if len(arguments) < 3:
            return _union(arguments)
        *keys, default, table = arguments
        return default | self._index([table, *keys])

    def _pluck(self, arguments: list[Places]) -> Places:
        if not arguments:
            return NOWHERE
        keys, *tables = arguments
        return Places(items=_union([self._index([table, keys]) for table in tables]))

    def _pick(self, arguments: list[Places]) -> Places:
        if not arguments:
            return NOWHERE
        table, *keys = arguments
        picked = [self._dict([key, self._under(table, key)]) for key in keys]
        return _union(picked)

    def _set(self, arguments: list[Places]) -> Places:
        if len(arguments) != 3:
            return _union(arguments)
        table, keys, value = arguments
        for key in keys.texts:
            known = self.added.get(key, NOWHERE)
            self.added[key] = known | self._flat(value)
        if not keys.texts:
            self._whole(value)
        return table | self._dict([keys, value])

    def _changed(self, node: nodes.Node, arguments: list[Places], scopes: list[dict[str, Places]]) -> None:
        """What `set` did to a table in a variable."""
        if isinstance(node, nodes.Variable) and len(node.names) == 1:
            self._bind(node.names[0], self._dict(arguments[1:]), scopes, "=")

    def _print(self, arguments: list[Places]) -> Places:
        return self._text("%v" * len(arguments), arguments)

    def _printf(self, arguments: list[Places]) -> Places:
        if not arguments:
            return NOWHERE
        return _union([self._text(text, arguments[1:]) for text in arguments[0].texts])

    def _text(self, layout: str, arguments: list[Places]) -> Places:
        """A printed text, with ANY for what is not known of it."""
        for argument in arguments:
            self._whole(argument)
        known = [next(iter(one.texts)) if len(one.texts) == 1 and not one.paths else ANY for one in arguments]
        parts = _VERB.split(layout)
        filled = [*known, *[ANY] * len(parts)][: len(parts) - 1]
        return Places(
            texts=frozenset(("".join(part + text for part, text in zip(parts, [*filled, ""], strict=True)),))
        )


def _union(many: Iterable[Places]) -> Places:
    found = NOWHERE
    for one in many:
        found |= one
    return found


def _dots(places: Places) -> frozenset[Path]:
    """All dots in it."""
    inner = [_dots(own) for _, own in places.table]
    return places.dots.union(*inner, _dots(places.items) if places.items is not None else ())


def _measure(places: Places) -> tuple[int, int]:
    """How deep tables stand in tables, and how many parts there are."""
    inner = [_measure(own) for _, own in places.table]
    if places.items is not None:
        inner.append(_measure(places.items))
    return max((1 + depth for depth, _ in inner), default=0), 1 + sum(parts for _, parts in inner)
