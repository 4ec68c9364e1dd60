"""Compiled JSON schemas: checking a value is a walk over closures, in the reference library's order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, Final

from helmflow.core.shared import NOTES
from helmflow.helm.values.schema_errors import Problem, number, one_of, quote, quoted

Scope = (
    tuple[Any, Any] | None
)  # the schema resources entered so far, innermost first: (resource, outer scope)
Check = Callable[[Any, Scope, "Seen | None", list[Problem]], None]

OBJECT: Final = "object"
ARRAY: Final = "array"
STRING: Final = "string"
NUMBER: Final = "number"
_KINDS: Final[dict[type, str]] = {
    dict: OBJECT, list: ARRAY, str: STRING, float: NUMBER, int: NUMBER, bool: "boolean", type(None): "null",
}  # fmt: skip
TYPE_ORDER: Final = ("null", "boolean", "number", "integer", "string", "array", "object")


def kind_of(value: Any) -> str:
    """A value's JSON type."""
    known = _KINDS.get(type(value))
    if known is not None:
        return known
    for base, kind in (
        (dict, OBJECT),
        (list, ARRAY),
        (str, STRING),
        (bool, "boolean"),
        (int, NUMBER),
        (float, NUMBER),
    ):
        if isinstance(value, base):
            return kind
    return type(value).__name__


class Seen:
    """Which properties and items some keyword has looked at, for unevaluatedProperties and unevaluatedItems."""

    __slots__ = ("all_items", "all_properties", "items", "properties")

    def __init__(self) -> None:
        self.properties: set[str] = set()
        self.items: set[int] = set()
        self.all_properties = False
        self.all_items = False

    def merge(self, other: Seen) -> None:
        """Add what another schema has looked at."""
        self.properties |= other.properties
        self.items |= other.items
        self.all_properties = self.all_properties or other.all_properties
        self.all_items = self.all_items or other.all_items


class Schema:
    """A compiled schema. Its parts are filled in after it exists, since schemas may refer to themselves."""

    __slots__ = (
        "allowed", "boolean", "by_kind", "early", "late", "modern", "reference", "resource", "unevaluated_items",
        "unevaluated_properties", "wanted",
    )  # fmt: skip

    def __init__(self, resource: Any, *, modern: bool) -> None:
        self.resource = resource
        self.modern = modern
        self.boolean: bool | None = None
        self.allowed: frozenset[str] | None = None
        self.wanted = ""
        self.early: tuple[Callable[[Any], Problem | None], ...] = ()
        self.reference: Callable[[Any, Scope, Seen | None], Problem | None] | None = None
        self.by_kind: Mapping[str, Sequence[Check]] = {}
        self.late: tuple[Check, ...] = ()
        self.unevaluated_properties: Schema | None = None
        self.unevaluated_items: Schema | None = None

    def check(self, value: Any, scope: Scope, seen: Seen | None) -> Problem | None:
        """What is wrong with the value, None when nothing is."""
        if self.boolean is not None:
            return None if self.boolean else Problem("false schema")
        if scope is None or scope[0] is not self.resource:
            scope = (self.resource, scope)
        kind = _KINDS.get(type(value)) or kind_of(value)
        allowed = self.allowed
        if (
            allowed is not None
            and kind not in allowed
            and not (kind == NUMBER and "integer" in allowed and float(value).is_integer())
        ):
            return Problem(f"got {kind}, want {self.wanted}")
        for early in self.early:
            found = early(value)
            if found is not None:
                return found
        if self.unevaluated_properties is not None or self.unevaluated_items is not None:
            seen = seen or Seen()
        problems: list[Problem] = []
        if self.reference is not None:
            found = self.reference(value, scope, seen)
            if not self.modern:
                return found
            if found is not None:
                problems.append(found)
        for check in self.by_kind.get(kind, ()):
            check(value, scope, seen, problems)
        for check in self.late:
            check(value, scope, seen, problems)
        if seen is not None:
            self._unevaluated(value, kind, scope, seen, problems)
        return one_of(problems)

    def _unevaluated(self, value: Any, kind: str, scope: Scope, seen: Seen, problems: list[Problem]) -> None:
        """What no other keyword has looked at."""
        if kind == OBJECT and self.unevaluated_properties is not None:
            if not seen.all_properties:
                for name in sorted(value):
                    if name not in seen.properties:
                        child(self.unevaluated_properties, value[name], name, scope, problems)
            seen.all_properties = True
        if kind == ARRAY and self.unevaluated_items is not None:
            if not seen.all_items:
                for index, item in enumerate(value):
                    if index not in seen.items:
                        child(self.unevaluated_items, item, str(index), scope, problems)
            seen.all_items = True

    def on_same(self, value: Any, scope: Scope, seen: Seen | None) -> Problem | None:
        """Check the value as a part of another schema; what is looked at counts when nothing is wrong."""
        if seen is None:
            return self.check(value, scope, None)
        inner = Seen()
        found = self.check(value, scope, inner)
        if found is None:
            seen.merge(inner)
        return found


def child(schema: Schema, value: Any, token: str, scope: Scope, problems: list[Problem]) -> None:
    """Check a property or item."""
    found = schema.check(value, scope, None)
    if found is not None:
        problems.append(found.under(token))


def equal(left: Any, right: Any) -> bool:
    """JSON equality: numbers by value, booleans are no numbers."""
    kind = kind_of(left)
    if kind != kind_of(right):
        return False
    if kind == OBJECT:
        return left.keys() == right.keys() and all(equal(item, right[key]) for key, item in left.items())
    if kind == ARRAY:
        return len(left) == len(right) and all(map(equal, left, right))
    return bool(left == right)


# ---- objects


def count_properties(limit: int, name: str, *, least: bool) -> Check:
    """minProperties and maxProperties, minItems and maxItems."""

    def check(value: Any, scope: Scope, seen: Seen | None, problems: list[Problem]) -> None:
        size = len(value)
        if size < limit if least else size > limit:
            problems.append(Problem(f"{name}: got {size:,}, want {limit:,}"))

    return check


def required(names: Sequence[str]) -> Check:
    """required"""

    def check(value: Any, scope: Scope, seen: Seen | None, problems: list[Problem]) -> None:
        missing = [name for name in names if name not in value]
        if missing:
            noun = "property" if len(missing) == 1 else "properties"
            problems.append(Problem(f"missing {noun} {quoted(missing)}"))

    return check


def properties(
    named: Mapping[str, Schema],
    patterns: Sequence[tuple[Callable[[str], bool], Schema]],
    additional: Schema | None,
) -> Check:
    """properties, patternProperties and additionalProperties."""
    forbidden = additional is not None and additional.boolean is False
    allows_all = additional is not None and additional.boolean is True

    def check(value: Any, scope: Scope, seen: Seen | None, problems: list[Problem]) -> None:
        surplus: list[str] = []
        before = len(problems)
        alone = (
            scope is not None and scope[1] is None
        )  # one resource: what is right depends on the value only
        for name, item in value.items():
            schema = named.get(name)
            evaluated = schema is not None
            if schema is not None and schema.boolean is not True:
                notes = NOTES.get(id(item)) if alone else None
                if notes is None or schema not in notes:
                    found = schema.check(item, scope, None)
                    if found is not None:
                        problems.append(found.under(name))
                    elif notes is not None:
                        notes[schema] = True
            for matches, pattern_schema in patterns:
                if matches(name):
                    evaluated = True
                    child(pattern_schema, item, name, scope, problems)
            if not evaluated and additional is not None:
                evaluated = True
                if forbidden:
                    surplus.append(name)
                elif not allows_all:
                    child(additional, item, name, scope, problems)
            if evaluated and seen is not None:
                seen.properties.add(name)
        if len(problems) > before + 1:  # Go's order of properties is random; ours is the alphabet's
            problems[before:] = sorted(problems[before:], key=lambda problem: problem.tokens)
        if surplus:
            problems.append(Problem(f"additional properties {quoted(sorted(surplus))} not allowed"))

    return check


def property_names(schema: Schema) -> Check:
    """propertyNames"""

    def check(value: Any, scope: Scope, seen: Seen | None, problems: list[Problem]) -> None:
        for name in sorted(value):
            found = schema.check(name, scope, None)
            if found is not None:
                problem = Problem(f"invalid propertyName {quote(name)}", (found,))
                problem.rooted = True
                problems.append(problem)

    return check


def dependent(dependencies: Mapping[str, Sequence[str] | Schema]) -> Check:
    """dependencies, dependentSchemas and dependentRequired."""

    def check(value: Any, scope: Scope, seen: Seen | None, problems: list[Problem]) -> None:
        for name, dependency in dependencies.items():
            if name not in value:
                continue
            if isinstance(dependency, Schema):
                found = dependency.on_same(value, scope, seen)
                if found is not None:
                    problems.append(found)
                continue
            missing = [other for other in dependency if other not in value]
            if missing:
                problems.append(Problem(f"properties {quoted(missing)} required, if {quote(name)} exists"))

    return check


# ---- arrays


def unique_items(value: Any, scope: Scope, seen: Seen | None, problems: list[Problem]) -> None:
    """uniqueItems"""
    places: dict[Any, list[int]] = {}
    for index, item in enumerate(value):
        kind = kind_of(item)
        mark = (kind, len(item) if kind in (OBJECT, ARRAY) else item)
        others = places.setdefault(mark, [])
        for other in others:
            if equal(value[other], item):
                problems.append(Problem(f"items at {other:,} and {index:,} are equal"))
                return
        others.append(index)


def items(leading: Sequence[Schema], rest: Schema | None, *, modern: bool, all_items: bool) -> Check:
    """prefixItems and items (2020), or items and additionalItems; `all_items`: one schema for every item."""
    forbidden = rest is not None and rest.boolean is False and not modern and not all_items

    def check(value: Any, scope: Scope, seen: Seen | None, problems: list[Problem]) -> None:
        for index, (schema, item) in enumerate(zip(leading, value, strict=False)):
            child(schema, item, str(index), scope, problems)
        start = min(len(leading), len(value))
        if seen is not None:
            seen.items.update(range(start))
        if rest is None:
            return
        if seen is not None:
            seen.all_items = True
        if forbidden:
            if start < len(value):
                problems.append(Problem(f"last {len(value) - start:,} additionalItem(s) not allowed"))
            return
        if rest.boolean is True:
            return
        # The reference library counts these items from the first one that no leading schema took.
        for index, item in enumerate(value[start:]):
            child(rest, item, str(index), scope, problems)

    return check


def contains(schema: Schema, least: int | None, most: int | None, *, marks: bool) -> Check:
    """contains, minContains and maxContains; `marks`: matching items count as looked at."""

    def check(value: Any, scope: Scope, seen: Seen | None, problems: list[Problem]) -> None:
        failed: list[Problem] = []
        matched: list[int] = []
        for index, item in enumerate(value):
            found = schema.check(item, scope, None)
            if found is None:
                matched.append(index)
            else:
                failed.append(found.under(str(index)))
        if marks and seen is not None:
            seen.items.update(matched)
        places = " ".join(map(str, matched))
        if least is not None:
            if len(matched) < least:
                got = f"matched {len(matched):,} items at {places}" if matched else "none matched"
                problems.append(
                    Problem(f"min {least:,} items required to match contains schema, but {got}", failed)
                )
        elif not matched:
            problems.append(Problem("no items match contains schema", failed))
        if most is not None and len(matched) > most:
            text = f"max {most:,} items required to match contains schema, but matched {len(matched):,} items"
            problems.append(Problem(f"{text} at {places}"))

    return check


# ---- strings and numbers


def length(limit: int, name: str, *, least: bool) -> Check:
    """minLength and maxLength."""
    return count_properties(limit, name, least=least)


def pattern(matches: Callable[[str], bool], source: str) -> Check:
    """pattern"""

    def check(value: Any, scope: Scope, seen: Seen | None, problems: list[Problem]) -> None:
        if not matches(value):
            problems.append(Problem(f"{quote(value)} does not match pattern {quote(source)}"))

    return check


def bound(limit: float, name: str, fails: Callable[[float, float], bool]) -> Check:
    """minimum, maximum and their exclusive forms."""

    def check(value: Any, scope: Scope, seen: Seen | None, problems: list[Problem]) -> None:
        if fails(value, limit):
            problems.append(Problem(f"{name}: got {number(value)}, want {number(limit)}"))

    return check


def multiple_of(factor: float) -> Check:
    """multipleOf, exact in decimal."""
    exact = Fraction(repr(float(factor)))

    def check(value: Any, scope: Scope, seen: Seen | None, problems: list[Problem]) -> None:
        if Fraction(repr(float(value))) % exact:
            problems.append(Problem(f"multipleOf: got {number(value)}, want {number(factor)}"))

    return check


# ---- combinations


def negated(schema: Schema) -> Check:
    """not"""

    def check(value: Any, scope: Scope, seen: Seen | None, problems: list[Problem]) -> None:
        if schema.on_same(value, scope, seen) is None:
            problems.append(Problem("'not' failed"))

    return check


def all_of(schemas: Sequence[Schema]) -> Check:
    """allOf"""

    def check(value: Any, scope: Scope, seen: Seen | None, problems: list[Problem]) -> None:
        failed = [found for schema in schemas if (found := schema.on_same(value, scope, seen)) is not None]
        if failed:
            problems.append(Problem("'allOf' failed", failed))

    return check


def any_of(schemas: Sequence[Schema]) -> Check:
    """anyOf"""

    def check(value: Any, scope: Scope, seen: Seen | None, problems: list[Problem]) -> None:
        failed: list[Problem] = []
        matched = False
        for schema in schemas:
            found = schema.on_same(value, scope, seen)
            if found is not None:
                failed.append(found)
            elif seen is None:
                return
            else:
                matched = True
        if not matched:
            problems.append(Problem("'anyOf' failed", failed))

    return check


def exactly_one_of(schemas: Sequence[Schema]) -> Check:
    """oneOf"""

    def check(value: Any, scope: Scope, seen: Seen | None, problems: list[Problem]) -> None:
        failed: list[Problem] = []
        first = -1
        for index, schema in enumerate(schemas):
            found = schema.on_same(value, scope, seen)
            if found is not None:
                failed.append(found)
            elif first < 0:
                first = index
            else:
                problems.append(Problem(f"'oneOf' failed, subschemas {first:,}, {index:,} matched"))
                return
        if first < 0:
            problems.append(Problem("'oneOf' failed, none matched", failed))

    return check


def conditional(condition: Schema, then: Schema | None, otherwise: Schema | None) -> Check:
    """if, then and else."""

    def check(value: Any, scope: Scope, seen: Seen | None, problems: list[Problem]) -> None:
        chosen = then if condition.on_same(value, scope, seen) is None else otherwise
        if chosen is not None:
            found = chosen.on_same(value, scope, seen)
            if found is not None:
                problems.append(found)

    return check
