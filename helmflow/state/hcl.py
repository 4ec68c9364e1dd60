"""HCL values files: `values` and `locals` blocks evaluated together, references in any order and across files."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from helmflow.core.errors import ConfigError
from helmflow.core.records import dataclass, field
from helmflow.core.source import SourceText, Span
from helmflow.state import hcl_functions

_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\"}
_ESCAPE = re.compile(r"\\(?:([nrt\"\\])|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8}))|(\$|%)\4\{")
_DEEPEST = 200


def evaluate(files: Sequence[tuple[str, str]]) -> dict[str, Any]:
    """What (name, text) files say together; a later definition merges over an earlier one, null keeps it.

    Numbers are floats, as Helmfile gets them through JSON. Raises ConfigError `hcl.*`.
    """
    definitions: dict[str, list[_Definition]] = {}
    for name, text in files:
        for one in _definitions(name, text):
            definitions.setdefault(one.name, []).append(one)
    scope = _Values(definitions)
    return {name: scope.value(name) for name in definitions}


@dataclass(frozen=True, slots=True, eq=False)
class _Definition:
    """One attribute of a values or locals block."""

    name: str
    expression: Any
    source: SourceText
    locals: _Locals | None = None


class _Locals:
    """A file's locals, evaluated when they are used."""

    def __init__(self) -> None:
        self.definitions: dict[str, _Definition] = {}
        self.found: dict[str, Any] = {}
        self.open: list[str] = []

    def value(self, name: str) -> Any:
        """A local; raises KeyError where there is none."""
        if name not in self.found:
            definition = self.definitions[name]
            _enter(self.open, name, f"local.{name}", definition.source)
            self.found[name] = _Evaluator(definition.source, self, None).value(definition.expression)
            self.open.pop()
        return self.found[name]


class _Values:
    """Every file's values, evaluated when they are used."""

    def __init__(self, definitions: Mapping[str, list[_Definition]]) -> None:
        self.definitions = definitions
        self.found: dict[str, Any] = {}
        self.open: list[str] = []

    def value(self, name: str) -> Any:
        """A value with all of its definitions merged; raises KeyError where there is none."""
        if name not in self.found:
            definitions = self.definitions[name]
            _enter(self.open, name, f"hv.{name}", definitions[0].source)
            merged: Any = None
            for one in definitions:
                merged = merge(merged, _Evaluator(one.source, one.locals, self).value(one.expression))
            self.found[name] = merged
            self.open.pop()
        return self.found[name]


def _enter(trail: list[str], name: str, shown: str, source: SourceText) -> None:
    if name in trail:
        loop = " -> ".join([*trail[trail.index(name) :], name])
        raise ConfigError(f"{shown} depends on itself: {loop}", error_id="hcl.cycle", span=Span(source, 0))
    trail.append(name)


def merge(lower: Any, upper: Any) -> Any:
    """A later definition over an earlier one: objects merge, null keeps what was there, anything else replaces."""
    if upper is None:
        return lower
    if isinstance(lower, dict) and isinstance(upper, dict):
        return {**lower, **{key: merge(lower.get(key), value) for key, value in upper.items()}}
    return upper


def _definitions(name: str, text: str) -> Iterator[_Definition]:
    """The attributes of a file's values blocks."""
    source = SourceText(name, text)
    tree = _parsed(source)
    own = _Locals()
    blocks = []
    for block in _trees(tree.children[0], "block"):
        kind = str(block.children[0].children[0])
        if kind not in ("values", "locals"):
            raise _mistake(
                source, block, f"unknown block {kind!r}: a file has `values` and `locals`", "hcl.block"
            )
        blocks.append((kind, block))
    if sum(kind == "locals" for kind, _ in blocks) > 1:
        raise ConfigError(f"{name}: a file has one locals block", error_id="hcl.block", span=Span(source, 0))
    for kind, block in blocks:
        for body in _trees(block, "body"):
            for attribute in _trees(body, "attribute"):
                label = str(attribute.children[0].children[0])
                definition = _Definition(label, _last(attribute), source, own)
                if kind == "locals":
                    own.definitions[label] = definition
                else:
                    yield definition


def _parsed(source: SourceText) -> Any:
    import hcl2
    from lark.exceptions import UnexpectedInput

    try:
        return hcl2.parses_to_tree(source.text if source.text.endswith("\n") else source.text + "\n")
    except UnexpectedInput as error:
        line, column = max(0, getattr(error, "line", 0)), max(0, getattr(error, "column", 0))
        raise ConfigError(
            f"{source.name} is not HCL", error_id="hcl.syntax", span=Span(source, line, column)
        ) from None


def _trees(tree: Any, kind: str) -> Iterator[Any]:
    return (child for child in tree.children if getattr(child, "data", None) == kind)


def _parts(tree: Any) -> list[Any]:
    """The children that carry meaning: line breaks and comments left out."""
    return [child for child in tree.children if getattr(child, "data", None) != "new_line_or_comment"]


def _nodes(tree: Any) -> list[Any]:
    """The children that are trees."""
    return [child for child in _parts(tree) if hasattr(child, "data")]


def _last(tree: Any) -> Any:
    return _nodes(tree)[-1]


def _mistake(source: SourceText, tree: Any, message: str, error_id: str, hint: str = "") -> ConfigError:
    line = _line(tree)
    return ConfigError(message, error_id=error_id, span=Span(source, line), hint=hint)


def _line(tree: Any) -> int:
    pending = [tree]
    while pending:
        node = pending.pop(0)
        if getattr(node, "line", None):
            return int(node.line)
        pending[:0] = list(getattr(node, "children", []))
    return 0


@dataclass(slots=True)
class _Evaluator:
    """Evaluates expressions of one file."""

    source: SourceText
    locals: _Locals | None
    values: _Values | None
    variables: dict[str, Any] = field(default_factory=dict)
    depth: int = 0

    def value(self, tree: Any) -> Any:
        """The value of an expression. Raises ConfigError."""
        kind = str(tree.data)
        evaluate_one = getattr(self, f"_{kind}", None)
        if evaluate_one is None:
            raise _mistake(self.source, tree, f"helmflow does not evaluate HCL's {kind}", "hcl.unsupported")
        self.depth += 1
        if self.depth > _DEEPEST:
            raise _mistake(
                self.source, tree, f"an expression is nested deeper than {_DEEPEST}", "hcl.unsupported"
            )
        try:
            return evaluate_one(tree)
        finally:
            self.depth -= 1

    def _expr_term(self, tree: Any) -> Any:
        inner = _nodes(tree)[0]
        if str(inner.data) == "identifier":
            return self.reference(inner)
        return self.value(inner)

    def reference(self, tree: Any) -> Any:
        """A name on its own: a variable of a for expression."""
        name = str(tree.children[0])
        if name in self.variables:
            return self.variables[name]
        if name in ("hv", "local"):
            raise _mistake(
                self.source,
                tree,
                f"{name!r} cannot be used as a whole: name one of its values",
                "hcl.reference",
            )
        raise _mistake(
            self.source,
            tree,
            f"unknown name {name!r}",
            "hcl.reference",
            "values are hv.NAME, locals are local.NAME",
        )

    def _literal_value(self, tree: Any) -> Any:
        return {"true": True, "false": False, "null": None}[str(tree.children[0])]

    def _int_lit(self, tree: Any) -> Any:
        return float("".join(str(part) for part in tree.children))

    def _float_lit(self, tree: Any) -> Any:
        return float("".join(str(part) for part in tree.children))

    def _identifier(self, tree: Any) -> Any:
        return str(tree.children[0])

    def _get_attr_expr_term(self, tree: Any) -> Any:
        holder, attribute = _nodes(tree)
        name = str(_nodes(attribute)[0].children[0])
        root = _root_name(holder)
        if root in ("hv", "local") and root not in self.variables:
            return self.root(root, name, tree)
        return self.item(self.value(holder), name, tree)

    def root(self, root: str, name: str, tree: Any) -> Any:
        """hv.NAME or local.NAME."""
        scope = self.values if root == "hv" else self.locals
        try:
            if scope is None:
                raise KeyError(name)
            return scope.value(name)
        except KeyError:
            pass
        raise _mistake(
            self.source, tree, f"{root}.{name} is not defined", "hcl.undefined",
            "locals cannot use hv" if scope is None else _close(name, list(scope.definitions)),
        )  # fmt: skip

    def item(self, holder: Any, key: Any, tree: Any) -> Any:
        """An element of a map or list."""
        if isinstance(holder, dict) and str(key) in holder:
            return holder[str(key)]
        if isinstance(holder, list) and hcl_functions.is_index(key) and 0 <= int(key) < len(holder):
            return holder[int(key)]
        raise _mistake(self.source, tree, f"there is no element {key!r}", "hcl.undefined")

    def _index_expr_term(self, tree: Any) -> Any:
        holder, index = _nodes(tree)
        inner = _nodes(index)[0] if _nodes(index) else None
        key = self.value(inner) if inner is not None else str(index.children[-1])
        return self.item(self.value(holder), hcl_functions.as_key(key), tree)

    def _full_splat_expr_term(self, tree: Any) -> Any:
        holder, splat = _nodes(tree)
        found = self.value(holder)
        items = found if isinstance(found, list) else ([] if found is None else [found])
        for step in _nodes(splat):
            if str(step.data) != "get_attr":
                raise _mistake(
                    self.source, step, "helmflow does not evaluate this HCL splat", "hcl.unsupported"
                )
            name = str(_nodes(step)[0].children[0])
            items = [self.item(item, name, step) for item in items]
        return items

    def _tuple(self, tree: Any) -> Any:
        return [self.value(child) for child in _nodes(tree)]

    def _object(self, tree: Any) -> Any:
        found: dict[str, Any] = {}
        for element in _trees(tree, "object_elem"):
            key, value = _nodes(element)
            inner = _nodes(key)[0]
            parenthesised = any(
                str(part) == "(" for part in getattr(inner, "children", ()) if not hasattr(part, "data")
            )
            name = inner if parenthesised else _plain_key(inner)
            found[name if isinstance(name, str) else hcl_functions.text(self.value(name))] = self.value(value)
        return found

    def _conditional(self, tree: Any) -> Any:
        condition, yes, no = _nodes(tree)
        return self.value(yes if hcl_functions.truth(self.value(condition)) else no)

    def _unary_op(self, tree: Any) -> Any:
        operator = str(next(part for part in _parts(tree) if not hasattr(part, "data")))
        value = self.value(_last(tree))
        return not hcl_functions.truth(value) if operator == "!" else -hcl_functions.number(value)

    def _binary_op(self, tree: Any) -> Any:
        left, term = _nodes(tree)[:2]
        operator_tree, right = _nodes(term)[:2]
        operator = str(operator_tree.children[0])
        if operator in ("&&", "||"):
            first = hcl_functions.truth(self.value(left))
            if (operator == "||") == first:
                return first
            return hcl_functions.truth(self.value(right))
        return self.guarded(
            tree, lambda: hcl_functions.operate(operator, self.value(left), self.value(right))
        )

    def guarded(self, tree: Any, work: Any) -> Any:
        """Work whose HclError gets its place."""
        try:
            return work()
        except hcl_functions.HclError as error:
            raise _mistake(self.source, tree, str(error), error.error_id, error.hint) from None

    def _function_call(self, tree: Any) -> Any:
        name = str(_nodes(tree)[0].children[0])
        arguments = next(_trees(tree, "arguments"), None)
        expressions = _nodes(arguments) if arguments is not None else []
        if name in ("try", "can"):
            return self.attempt(name, expressions, tree)
        given = [self.value(one) for one in expressions]
        if arguments is not None and any(
            str(part) == "..." for part in arguments.children if not hasattr(part, "data")
        ):
            *first, last = given
            given = [*first, *(last or [])]
        return self.guarded(tree, lambda: hcl_functions.call(name, given))

    def attempt(self, name: str, expressions: list[Any], tree: Any) -> Any:
        """try: the first expression that succeeds; can: whether one does."""
        for one in expressions:
            try:
                value = self.value(one)
            except ConfigError:
                continue
            return True if name == "can" else value
        if name == "can":
            return False
        raise _mistake(self.source, tree, "no expression of try() succeeds", "hcl.failed")

    def _for_tuple_expr(self, tree: Any) -> Any:
        return [self.value(result[0]) for result in self.each(tree)]

    def _for_object_expr(self, tree: Any) -> Any:
        return {hcl_functions.text(self.value(key)): self.value(value) for key, value in self.each(tree)}

    def each(self, tree: Any) -> Iterator[list[Any]]:
        """The result expressions of a for expression, once per element that its condition keeps."""
        intro, *rest = _nodes(tree)
        results = [one for one in rest if str(one.data) != "for_cond"]
        condition = next((one for one in rest if str(one.data) == "for_cond"), None)
        *names, collection = _nodes(intro)
        for bound in self.bound([str(one.children[0]) for one in names], self.value(collection)):
            outer = self.variables
            self.variables = {**outer, **bound}
            if condition is None or hcl_functions.truth(self.value(_last(condition))):
                yield results
            self.variables = outer

    def bound(self, names: list[str], collection: Any) -> Iterator[dict[str, Any]]:
        """The variables of each turn: the value, or key and value."""
        pairs = sorted(collection.items()) if isinstance(collection, dict) else enumerate(collection or [])
        for key, value in pairs:
            yield (
                {names[0]: value}
                if len(names) == 1
                else {names[0]: hcl_functions.as_number(key), names[1]: value}
            )

    def _string(self, tree: Any) -> Any:
        parts = list(_trees(tree, "string_part"))
        if len(parts) == 1 and _nodes(parts[0]) and str(_nodes(parts[0])[0].data) == "interpolation":
            return self.value(_nodes(_nodes(parts[0])[0])[0])
        return self.template(parts)

    def template(self, parts: Sequence[Any]) -> str:
        """A quoted text: pieces, interpolations and directives."""
        text, rest = self.until(list(parts), ())
        if rest:
            raise _mistake(self.source, rest[0], "a template directive has no beginning", "hcl.syntax")
        return text

    def until(self, parts: list[Any], ends: tuple[str, ...]) -> tuple[str, list[Any]]:
        """The text up to one of the directives in `ends`, and the parts from there."""
        out: list[str] = []
        while parts:
            part = parts[0]
            inner = _nodes(part)[0] if _nodes(part) else None
            kind = str(inner.data) if inner is not None else ""
            if kind in ends:
                return "".join(out), parts
            parts = parts[1:]
            if inner is None:
                out.append(_unescaped("".join(str(piece) for piece in part.children)))
            elif kind == "interpolation":
                value = self.value(_nodes(inner)[0])
                out.append(self.guarded(inner, lambda value=value: hcl_functions.text(value)))
            elif kind == "template_if_start":
                parts = self.condition(inner, parts, out)
            elif kind == "template_for_start":
                parts = self.loop(inner, parts, out)
            else:
                raise _mistake(
                    self.source, inner, f"helmflow does not evaluate HCL's {kind}", "hcl.unsupported"
                )
        if ends:
            raise ConfigError(
                "a template directive has no end", error_id="hcl.syntax", span=Span(self.source, 0)
            )
        return "".join(out), []

    def condition(self, start: Any, parts: list[Any], out: list[str]) -> list[Any]:
        """%{if}...%{else}...%{endif}."""
        taken = hcl_functions.truth(self.value(_nodes(start)[0]))
        yes, rest = self.branch(parts, ("template_else", "template_endif"), taken=taken)
        no = ""
        if str(_nodes(rest[0])[0].data) == "template_else":
            no, rest = self.branch(rest[1:], ("template_endif",), taken=not taken)
        out.append(yes if taken else no)
        return rest[1:]

    def branch(self, parts: list[Any], ends: tuple[str, ...], *, taken: bool) -> tuple[str, list[Any]]:
        """A branch's text; one that is not taken is skipped unevaluated."""
        return self.until(parts, ends) if taken else ("", _skip(parts, ends))

    def loop(self, start: Any, parts: list[Any], out: list[str]) -> list[Any]:
        """%{for x in list}...%{endfor}."""
        *names, collection = _nodes(start)
        after = _skip(parts, ("template_endfor",))
        for bound in self.bound([str(one.children[0]) for one in names], self.value(collection)):
            outer = self.variables
            self.variables = {**outer, **bound}
            out.append(self.until(parts, ("template_endfor",))[0])
            self.variables = outer
        return after[1:]


def _skip(parts: list[Any], ends: tuple[str, ...]) -> list[Any]:
    """The parts from the directive that ends a branch, nested directives passed over."""
    depth = 0
    for index, part in enumerate(parts):
        kind = str(_nodes(part)[0].data) if _nodes(part) else ""
        if depth == 0 and kind in ends:
            return parts[index:]
        if kind in ("template_if_start", "template_for_start"):
            depth += 1
        elif kind in ("template_endif", "template_endfor"):
            depth -= 1
    raise ConfigError("a template directive has no end", error_id="hcl.syntax")


def _plain_key(tree: Any) -> Any:
    """The name of an object's key where it is a plain word; the tree where it must be evaluated."""
    inner = _nodes(tree)
    if inner and str(inner[0].data) == "identifier":
        return str(inner[0].children[0])
    return tree


def _root_name(tree: Any) -> str:
    inner = _nodes(tree)
    if str(tree.data) == "expr_term" and inner and str(inner[0].data) == "identifier":
        return str(inner[0].children[0])
    return ""


def _unescaped(text: str) -> str:
    def replace(found: re.Match[str]) -> str:
        if found[4]:
            return f"{found[4]}{{"
        if found[1]:
            return _ESCAPES[found[1]]
        return chr(int(found[2] or found[3], 16))

    return _ESCAPE.sub(replace, text)


def _close(name: str, known: list[str]) -> str:
    import difflib

    close = difflib.get_close_matches(name, known, 1)
    return f"did you mean {close[0]!r}?" if close else ""
