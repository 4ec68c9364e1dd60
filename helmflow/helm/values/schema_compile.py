"""JSON schema documents to compiled schemas: drafts, references, anchors; nothing outside a document is read."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator
from typing import Any, Final
from urllib.parse import unquote, urldefrag, urljoin, urlsplit

from helmflow.core.go_json import go_quote
from helmflow.helm.values import schema_checks as checks
from helmflow.helm.values.schema_checks import (
    ARRAY,
    NUMBER,
    OBJECT,
    STRING,
    TYPE_ORDER,
    Check,
    Schema,
    Scope,
    Seen,
)
from helmflow.helm.values.schema_dialects import LATEST, LISTS, MAPS, SINGLE, Draft, draft_of, metaschema
from helmflow.helm.values.schema_errors import Problem, by_reference, lines, literal, quote
from helmflow.sprig import regex

ROOT_URL: Final = "file:///values.schema.json"


class SchemaError(ValueError):
    """The schema itself is wrong; `str` is the reference library's text."""


class Resource:
    """A schema with a URL of its own: a document, or a part with an $id."""

    __slots__ = ("anchors", "draft", "dynamic", "recursive", "root", "shown", "url")

    def __init__(self, url: str, root: Any, draft: Draft) -> None:
        self.url = url
        self.shown = url  # the URL it was first known by, which messages use
        self.root = root
        self.draft = draft
        self.anchors: dict[str, Any] = {}
        self.dynamic: dict[str, Any] = {}
        self.recursive = False


def compile_schema(document: Any) -> Schema:
    """A chart's schema, after its own check against its draft's metaschema. Raises SchemaError."""
    draft = LATEST
    if isinstance(document, dict) and isinstance(document.get("$schema"), str):
        url = document["$schema"]
        named = draft_of(url)
        if named is None:
            raise SchemaError(_cannot_load(url.removesuffix("#")))
        draft = named
    problem = _metaschema(draft).check(document, None, None)
    if problem is not None:
        raise SchemaError(
            f"{go_quote(ROOT_URL + '#')} is not valid against metaschema: "
            f"jsonschema validation failed with '{draft.metaschema}#'\n{lines(problem)}"
        )
    return _Compiler(document, draft, ROOT_URL, assert_formats=draft.version < 2019).root()


_metaschemas: dict[int, Schema] = {}


def _metaschema(draft: Draft) -> Schema:
    """A draft's compiled metaschema; formats count in it."""
    known = _metaschemas.get(draft.version)
    if known is None:
        document = metaschema(draft.metaschema)
        known = _Compiler(document, draft, draft.metaschema, assert_formats=True).root()
        _metaschemas[draft.version] = known
    return known


def _cannot_load(url: str) -> str:
    """Helm's text for a document that is not there. Outside the chart there is nothing for a schema to find."""
    parts = urlsplit(url)
    if parts.scheme == "file":
        path = unquote(parts.path)
        return f"failing loading {go_quote(url)}: open {path}: no such file or directory"
    return f"failing loading {go_quote(url)}: schemas outside the chart are not fetched"


class _Compiler:
    """Compiles one document and what it refers to."""

    def __init__(self, document: Any, draft: Draft, url: str, *, assert_formats: bool) -> None:
        self.assert_formats = assert_formats
        self.resources: dict[str, Resource] = {}
        self.owners: dict[int, Resource] = {}
        self.compiled: dict[int, Schema] = {}
        self.keep: list[Any] = []  # the parts whose id is a key above must stay alive
        self.start = self.add(document, url, draft)

    def root(self) -> Schema:
        """The document's own schema."""
        return self.schema(self.start.root, self.start)

    def add(self, document: Any, url: str, draft: Draft) -> Resource:
        """Take a document in: its parts with an $id and its anchors become known."""
        resource = Resource(url, document, draft)
        self.resources[url] = resource
        self.keep.append(document)
        self.scan(document, resource, top=True)
        return resource

    def scan(self, part: Any, resource: Resource, *, top: bool = False) -> None:
        """Find resources and anchors where schemas may stand."""
        if not isinstance(part, dict):
            return
        draft = resource.draft
        name = part.get(draft.id_keyword)
        if isinstance(name, str) and not (draft.version < 2019 and "$ref" in part):
            url, anchor = urldefrag(urljoin(resource.url, name))
            if url != resource.url and url:
                if not top:
                    resource = Resource(url, part, draft)
                self.resources[url] = resource
                resource.url = url
            if anchor and draft.version < 2019:
                resource.anchors[anchor] = part
        for keyword in ("$anchor", "$dynamicAnchor"):
            named = part.get(keyword)
            if isinstance(named, str) and draft.version >= 2019:
                resource.anchors[named] = part
                if keyword == "$dynamicAnchor":
                    resource.dynamic[named] = part
        if part.get("$recursiveAnchor") is True and part is resource.root:
            resource.recursive = True
        self.owners[id(part)] = resource
        for sub in _subschemas(part):
            self.scan(sub, resource)

    def schema(self, part: Any, resource: Resource) -> Schema:
        """The compiled form of a part."""
        known = self.compiled.get(id(part)) if isinstance(part, dict) else None
        if known is not None:
            return known
        resource = self.owners.get(id(part), resource)
        made = Schema(resource, modern=resource.draft.version >= 2019)
        if isinstance(part, bool):
            made.boolean = part
            return made
        if not isinstance(part, dict):
            raise SchemaError(f"{go_quote(resource.url)} is no schema")
        if not part:
            made.boolean = True
        self.compiled[id(part)] = made
        self.keep.append(part)
        _Filler(self, part, resource, made).fill()
        return made

    def find(self, reference: str, resource: Resource) -> tuple[Any, Resource] | None:
        """What a reference names; None for a URN, which Helm lets pass."""
        if reference.startswith("#"):
            url, fragment = resource.url, reference[1:]
        else:
            url, fragment = urldefrag(urljoin(resource.url, reference))
        found = self.resources.get(url) or self.resources.get(url + "#")
        if found is None:
            known = metaschema(url)
            if known is not None:
                found = self.add(known, url, draft_of(known.get("$schema", "")) or resource.draft)
            elif url.startswith("urn:"):
                return None
            else:
                raise SchemaError(_cannot_load(url))
        fragment = unquote(fragment)
        if not fragment:
            return found.root, found
        if fragment.startswith("/"):
            return self.follow(fragment, found)
        if fragment not in found.anchors:
            raise SchemaError(
                f"anchor in {go_quote(found.shown + '#' + fragment)} not found in schema {go_quote(found.shown)}"
            )
        return found.anchors[fragment], self.owners.get(id(found.anchors[fragment]), found)

    def follow(self, fragment: str, resource: Resource) -> tuple[Any, Resource]:
        """A JSON pointer from a resource's root."""
        part, owner = resource.root, resource
        for token in fragment[1:].split("/"):
            token = token.replace("~1", "/").replace("~0", "~")
            if isinstance(part, dict) and token in part:
                part = part[token]
            elif isinstance(part, list) and token.isdigit() and int(token) < len(part):
                part = part[int(token)]
            else:
                raise SchemaError(f"json-pointer in {go_quote(resource.shown + '#' + fragment)} not found")
            owner = self.owners.get(id(part), owner)
        if isinstance(part, dict) and id(part) not in self.owners:
            self.scan(part, owner)
        return part, owner


def _subschemas(part: dict[str, Any]) -> Iterator[Any]:
    """The schemas directly inside a schema."""
    for keyword in SINGLE:
        if isinstance(part.get(keyword), dict):
            yield part[keyword]
    for keyword in LISTS:
        if isinstance(part.get(keyword), list):
            yield from part[keyword]
    for keyword in MAPS:
        if isinstance(part.get(keyword), dict):
            yield from part[keyword].values()


class _Filler:
    """Turns the keywords of one part into checks, in the order in which the reference library applies them."""

    def __init__(self, compiler: _Compiler, part: dict[str, Any], resource: Resource, made: Schema) -> None:
        self.compiler = compiler
        self.part = part
        self.resource = resource
        self.made = made
        self.version = resource.draft.version

    def fill(self) -> None:
        """All keywords."""
        part, made = self.part, self.made
        if self.version < 2019 and isinstance(part.get("$ref"), str):
            made.reference = self.reference(part["$ref"])
            return
        self.types()
        made.early = tuple(self.early())
        if isinstance(part.get("$ref"), str):
            made.reference = self.reference(part["$ref"])
        made.by_kind = {
            OBJECT: tuple(self.object_checks()),
            ARRAY: tuple(self.array_checks()),
            STRING: tuple(self.string_checks()),
            NUMBER: tuple(self.number_checks()),
        }
        made.late = tuple(self.late())
        if self.version >= 2019:
            made.unevaluated_properties = self.sub("unevaluatedProperties")
            made.unevaluated_items = self.sub("unevaluatedItems")

    def sub(self, keyword: str) -> Schema | None:
        """The schema under a keyword."""
        return self.schema(self.part[keyword]) if keyword in self.part else None

    def schema(self, part: Any) -> Schema:
        """A part's schema."""
        return self.compiler.schema(part, self.resource)

    def subs(self, keyword: str) -> list[Schema]:
        """The schemas listed under a keyword."""
        return [self.schema(part) for part in self.part.get(keyword, ())]

    def limit(self, keyword: str) -> int | None:
        """A keyword's whole number."""
        return int(self.part[keyword]) if keyword in self.part else None

    def types(self) -> None:
        """type"""
        types = self.part.get("type")
        if types is None:
            return
        named = [types] if isinstance(types, str) else list(types)
        if named:
            self.made.allowed = frozenset(named)
            self.made.wanted = " or ".join(name for name in TYPE_ORDER if name in named)

    def early(self) -> Iterator[Callable[[Any], Problem | None]]:
        """const, enum and format: the first of these that fails is all that is said."""
        if "const" in self.part and self.version >= 6:
            wanted = self.part["const"]
            shown = literal(wanted)
            message = "'const' failed" if shown is None else f"value must be {shown}"
            yield lambda value: None if checks.equal(value, wanted) else Problem(message)
        if "enum" in self.part:
            yield _enum(self.part["enum"])
        if self.compiler.assert_formats and isinstance(self.part.get("format"), str):
            from helmflow.helm.values.schema_formats import FORMATS

            validate = FORMATS.get(self.part["format"])
            if validate is not None:
                yield _format(self.part["format"], validate)

    def object_checks(self) -> Iterator[Check]:
        """Keywords for objects."""
        part = self.part
        for keyword, least in (("minProperties", True), ("maxProperties", False)):
            limit = self.limit(keyword)
            if limit is not None:
                yield checks.count_properties(limit, keyword, least=least)
        if part.get("required"):
            yield checks.required(tuple(part["required"]))
        if part.get("dependencies"):
            yield checks.dependent(
                {
                    name: tuple(dependency) if isinstance(dependency, list) else self.schema(dependency)
                    for name, dependency in part["dependencies"].items()
                }
            )
        named = {name: self.schema(sub) for name, sub in part.get("properties", {}).items()}
        patterns = [
            (_matcher(source), self.schema(sub)) for source, sub in part.get("patternProperties", {}).items()
        ]
        additional = self.sub("additionalProperties")
        if named or patterns or additional is not None:
            yield checks.properties(named, patterns, additional)
        names = self.sub("propertyNames") if self.version >= 6 else None
        if names is not None:
            yield checks.property_names(names)
        if self.version >= 2019:
            if part.get("dependentSchemas"):
                yield checks.dependent(
                    {name: self.schema(sub) for name, sub in part["dependentSchemas"].items()}
                )
            if part.get("dependentRequired"):
                yield checks.dependent(
                    {name: tuple(names) for name, names in part["dependentRequired"].items()}
                )

    def array_checks(self) -> Iterator[Check]:
        """Keywords for arrays."""
        part = self.part
        for keyword, least in (("minItems", True), ("maxItems", False)):
            limit = self.limit(keyword)
            if limit is not None:
                yield checks.count_properties(limit, keyword, least=least)
        if part.get("uniqueItems") is True:
            yield checks.unique_items
        if self.version >= 2020:
            leading, rest = self.subs("prefixItems"), self.sub("items")
            if leading or rest is not None:
                yield checks.items(leading, rest, modern=True, all_items=not leading)
        elif isinstance(part.get("items"), list):
            yield checks.items(self.subs("items"), self.sub("additionalItems"), modern=False, all_items=False)
        elif "items" in part:
            yield checks.items((), self.sub("items"), modern=False, all_items=True)
        elif "additionalItems" in part:
            yield checks.items((), self.sub("additionalItems"), modern=False, all_items=False)
        wanted = self.sub("contains") if self.version >= 6 else None
        if wanted is not None:
            least_count = self.limit("minContains") if self.version >= 2019 else None
            most_count = self.limit("maxContains") if self.version >= 2019 else None
            yield checks.contains(wanted, least_count, most_count, marks=self.version >= 2020)

    def string_checks(self) -> Iterator[Check]:
        """Keywords for strings."""
        for keyword, least in (("minLength", True), ("maxLength", False)):
            limit = self.limit(keyword)
            if limit is not None:
                yield checks.length(limit, keyword, least=least)
        source = self.part.get("pattern")
        if isinstance(source, str):
            yield checks.pattern(_matcher(source), source)

    def number_checks(self) -> Iterator[Check]:
        """Keywords for numbers."""
        part = self.part
        bounds: list[tuple[str, Any, Callable[[float, float], bool]]] = []
        for keyword, plain, strict in (
            ("minimum", operator.lt, operator.le),
            ("maximum", operator.gt, operator.ge),
        ):
            exclusive = "exclusive" + keyword.capitalize()
            if self.version == 4 and part.get(exclusive) is True:
                if keyword in part:
                    bounds.append((exclusive, part[keyword], strict))
                continue
            if keyword in part:
                bounds.append((keyword, part[keyword], plain))
        if self.version >= 6:
            for exclusive, strict in (("exclusiveMinimum", operator.le), ("exclusiveMaximum", operator.ge)):
                if exclusive in part:
                    bounds.append((exclusive, part[exclusive], strict))
        for name, limit, fails in bounds:
            yield checks.bound(limit, name, fails)
        if "multipleOf" in part:
            yield checks.multiple_of(part["multipleOf"])

    def late(self) -> Iterator[Check]:
        """References of the newer drafts, then combinations."""
        part = self.part
        if self.version == 2019 and isinstance(part.get("$recursiveRef"), str):
            yield self.recursive_reference(part["$recursiveRef"])
        if self.version >= 2020 and isinstance(part.get("$dynamicRef"), str):
            yield self.dynamic_reference(part["$dynamicRef"])
        if "not" in part:
            yield checks.negated(self.schema(part["not"]))
        for keyword, make in (
            ("allOf", checks.all_of),
            ("anyOf", checks.any_of),
            ("oneOf", checks.exactly_one_of),
        ):
            if part.get(keyword):
                yield make(self.subs(keyword))
        condition = self.sub("if") if self.version >= 7 else None
        if condition is not None:
            yield checks.conditional(condition, self.sub("then"), self.sub("else"))

    def reference(self, text: str) -> Callable[[Any, Scope, Seen | None], Problem | None]:
        """$ref"""
        found = self.compiler.find(text, self.resource)
        if found is None:
            return lambda value, scope, seen: None
        target = self.compiler.schema(*found)
        return lambda value, scope, seen: by_reference(target.on_same(value, scope, seen))

    def dynamic_reference(self, text: str) -> Check:
        """$dynamicRef: the outermost resource with the same dynamic anchor."""
        found = self.compiler.find(text, self.resource)
        assert found is not None
        part, owner = found
        target = self.compiler.schema(part, owner)
        name = part.get("$dynamicAnchor") if isinstance(part, dict) else None
        compiler = self.compiler

        def check(value: Any, scope: Scope, seen: Seen | None, problems: list[Problem]) -> None:
            chosen = target
            outer = scope if name else None
            while outer is not None:
                anchor = outer[0].dynamic.get(name)
                if anchor is not None:
                    chosen = compiler.schema(anchor, outer[0])
                outer = outer[1]
            problem = by_reference(chosen.on_same(value, scope, seen))
            if problem is not None:
                problems.append(problem)

        return check

    def recursive_reference(self, text: str) -> Check:
        """$recursiveRef: the outermost resource of an unbroken row with a recursive anchor."""
        found = self.compiler.find(text, self.resource)
        assert found is not None
        target = self.compiler.schema(*found)
        follows = found[1].recursive
        compiler = self.compiler

        def check(value: Any, scope: Scope, seen: Seen | None, problems: list[Problem]) -> None:
            chosen = target
            outer = scope if follows else None
            while outer is not None:
                if outer[0].recursive:
                    chosen = compiler.schema(outer[0].root, outer[0])
                outer = outer[1]
            problem = by_reference(chosen.on_same(value, scope, seen))
            if problem is not None:
                problems.append(problem)

        return check


def _matcher(source: str) -> Callable[[str], bool]:
    """A Go regular expression's search; the metaschema has checked it."""
    try:
        return regex.compiled(source).matches
    except ValueError as error:
        raise SchemaError(f"{quote(source)} is not valid regex: {error}") from None


def _enum(values: list[Any]) -> Callable[[Any], Problem | None]:
    """enum"""
    shown = [literal(value) for value in values]
    message = (
        "'enum' failed"
        if None in shown
        else f"value must be {'' if len(shown) == 1 else 'one of '}"
        + ", ".join(text for text in shown if text is not None)
    )
    texts = frozenset(value for value in values if isinstance(value, str))

    def check(value: Any) -> Problem | None:
        if isinstance(value, str):
            return None if value in texts else Problem(message)
        return None if any(checks.equal(value, wanted) for wanted in values) else Problem(message)

    return check


def _format(name: str, validate: Callable[[str], str | None]) -> Callable[[Any], Problem | None]:
    """format, for strings"""

    def check(value: Any) -> Problem | None:
        if not isinstance(value, str):
            return None
        wrong = validate(value)
        return None if wrong is None else Problem(f"{quote(value)} is not valid {name}: {wrong}")

    return check
