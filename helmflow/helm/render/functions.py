"""Helm's own template functions: include, tpl, required, fail, lookup, and conversions to and from YAML, JSON, TOML."""

from __future__ import annotations

import marshal

from helmflow.core import go_json, shared, yaml_dialect
from helmflow.core.lazy import MappingProxyType, cache
from helmflow.core.limits import KIB, MAX_INCLUDE_DEPTH, MAX_TEMPLATE_TEXT_BYTES, MAX_TPL_DEPTH
from helmflow.core.records import replace
from helmflow.gotemplate import runtime
from helmflow.gotemplate.errors import ExecError, ParseError
from helmflow.gotemplate.functions import Function, FunctionError, function, table
from helmflow.gotemplate.gotypes import Int64, NilMap, NilSlice
from helmflow.gotemplate.templates import TemplateSet
from helmflow.helm.chart.behaviour import HELM_4, Behaviour

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any, Final, Protocol

    from helmflow.helm.render.memo import Memo

    _Dict = dict[str, Any]
else:
    Protocol, _Dict = object, dict

FAILURE_START: Final = "HELM_ERR_START"
FAILURE_END: Final = "HELM_ERR_END"
NO_VALUE: Final = "<no value>"
ROOT_NAME: Final = "gotpl"
_ORDERED: Final = frozenset({"keys", "values"})  # random in Go, in one order here


class Lookup(Protocol):
    """What the template function `lookup` asks a cluster."""

    def lookup(self, api_version: str, kind: str, namespace: str, name: str) -> dict[str, Any]:
        """The object, with `name` "" a list object; {} where there is none. Raises FunctionError."""


@cache
def static_functions(behaviour: Behaviour = HELM_4) -> Mapping[str, Function]:
    """Every function that needs no running render: sprig's, and Helm's conversions over them."""
    from helmflow.sprig.table import functions as sprig

    own = dict(_CONVERSIONS)
    if not behaviour.must_yaml_functions:
        del own["mustToYaml"], own["mustToToml"]
    return MappingProxyType({**sprig(), **own})


class _Calls(_Dict):
    """The bodies of one render's functions; those that only note their calls are made when one is asked for."""

    __slots__ = ("make",)

    def __init__(self, make: Callable[[str], Callable[..., Any]], **calls: Callable[..., Any]) -> None:
        super().__init__(calls)
        self.make = make

    def __missing__(self, name: str) -> Callable[..., Any]:
        made = self[name] = self.make(name)
        return made


class Run:
    """One render: counts includes, and answers for the cluster. Used by one thread."""

    def __init__(
        self,
        *,
        behaviour: Behaviour = HELM_4,
        lint: object = False,
        lookup: Lookup | None = None,
        enable_dns: object = False,
    ) -> None:
        self.behaviour = behaviour
        self.lint = bool(lint)
        self.lookup = lookup
        self.enable_dns = bool(enable_dns)
        self.templates: (
            TemplateSet  # the set that include and tpl work on; a tpl with defines has its own meanwhile
        )
        self.memo: Memo | None = None  # for the set with the chart's own templates
        self.recalled = 0
        self.depths: dict[str, int] = {}
        self.tpl_depth = 0
        self.current_path = ""
        self.random_calls: set[str] = set()
        self.random_paths: set[str] = set()

    def functions(self) -> dict[str, Function]:
        """Every function: those of all renders, those that need this one, and those that note that they were called."""
        static = static_functions(self.behaviour)
        signatures = {**static, **_OWN_SIGNATURES}
        calls = self.calls()
        return {
            **static,
            **{
                name: replace(signatures[name], call=calls[name])
                for name in (*calls, *random_names(self.behaviour))
            },
        }

    def calls(self) -> dict[str, Callable[..., Any]]:
        """The bodies that belong to this render."""
        return _Calls(
            self._noting,
            include=self.include,
            tpl=self.tpl,
            required=self._required,
            fail=self._fail,
            lookup=self._lookup,
            getHostByName=static_functions(self.behaviour)["getHostByName"].call
            if self.enable_dns
            else _no_host,
        )

    def _noting(self, name: str) -> Callable[..., Any]:
        call = static_functions(self.behaviour)[name].call

        def noting(*arguments: Any) -> Any:
            self._unsettle()
            self.random_calls.add(name)
            self.random_paths.add(self.current_path)
            return call(*arguments)

        return noting

    def include(self, name: str, data: Any) -> str:
        """The output of a named template."""
        memo = self.memo
        if memo is None or memo.templates is not self.templates:
            return self._included(name, data)
        text = memo.texts.get((name, id(data)))
        if text is not None:
            self.recalled += 1
            return text
        key = memo.key(name, data)
        if key is None:
            return self._included(name, data)
        text = memo.texts.get(key)
        if text is not None:
            self.recalled += 1
        else:
            unsettled = memo.unsettled
            if memo.made:
                entered = memo.enter()
                try:
                    text = self._included(name, data)
                finally:
                    memo.leave(entered)
            else:
                text = self._included(name, data)
            if memo.unsettled == unsettled:
                memo.keep(key, text)
        return text

    def _included(self, name: str, data: Any) -> str:
        templates = self.templates
        template = templates.templates.get(name)
        if template is None:
            raise FunctionError(
                f'template: no template {go_json.go_quote(name)} associated with template "{ROOT_NAME}"'
            )
        depths = self.depths
        depth = depths.get(name, 0)
        if depth > MAX_INCLUDE_DEPTH:
            raise FunctionError(
                f"rendering template has a nested reference name: {name}: unable to execute template"
            )
        depths[name] = depth + 1
        try:
            program = template.tree.program
            text = program(data, templates, template) if program else templates.run(template, data)
        finally:
            depths[name] = depth
        if len(text) > MAX_TEMPLATE_TEXT_BYTES:
            raise runtime.unplaced(template)
        return text

    def tpl(self, text: str, data: Any) -> str:
        """The output of a text as a template, which may define templates that only it sees."""
        if "{{" not in text:
            return text.replace(NO_VALUE, "")
        if self.tpl_depth >= MAX_TPL_DEPTH:
            raise FunctionError(f"tpl called itself more than {MAX_TPL_DEPTH} times")
        outer = self.templates
        self.tpl_depth += 1
        try:
            parsed = outer.parse_text(ROOT_NAME, text)
            if not parsed.defines:
                return outer.execute_text(ROOT_NAME, parsed, data).replace(NO_VALUE, "")
            self.templates = outer.clone()
            self.templates.add(ROOT_NAME, parsed)
            return self.templates.execute(ROOT_NAME, data).replace(NO_VALUE, "")
        except ParseError as error:
            raise FunctionError(f"cannot parse template {go_json.go_quote(text)}: {error}") from error
        except ExecError as error:
            raise FunctionError(
                f"error during tpl function execution for {go_json.go_quote(text)}: {error}"
            ) from error
        finally:
            self.tpl_depth -= 1
            self.templates = outer

    def _unsettle(self) -> None:
        """What is being made now may be different the next time."""
        if self.memo is not None:
            self.memo.unsettled += 1

    def _required(self, message: str, value: Any) -> Any:
        if value is None or (isinstance(value, str) and not value):
            if self.lint:
                return ""
            raise FunctionError(f"{FAILURE_START}{message}{FAILURE_END}")
        return value

    def _fail(self, message: str) -> str:
        if self.lint:
            return ""
        raise FunctionError(f"{FAILURE_START}{message}{FAILURE_END}")

    def _lookup(self, api_version: str, kind: str, namespace: str, name: str) -> dict[str, Any]:
        if self.lookup is None or self.lint:
            return {}
        self._unsettle()
        return self.lookup.lookup(api_version, kind, namespace, name)


_OWN_SIGNATURES: Final = table(
    Function("include", Run.include, ("string", "any"), returns="string"),
    Function("tpl", Run.tpl, ("string", "any"), returns="string"),
    Function("required", Run._required, ("string", "any")),
    Function("fail", Run._fail, ("string",), returns="string"),
    Function("lookup", Run._lookup, ("string",) * 4, returns="map[string]any"),
    Function("getHostByName", Run._fail, ("string",), returns="string"),
)


@cache
def random_names(behaviour: Behaviour) -> tuple[str, ...]:
    """Functions whose result differs from run to run."""
    return tuple(
        name for name, one in static_functions(behaviour).items() if one.random and name not in _ORDERED
    )


def _no_host(_: str) -> str:
    return ""


# ---- conversions


@function("toYaml", "any", returns="string")
def to_yaml(value: Any) -> str:
    """YAML without its last newline, "" for what has none."""
    return _kept(value, "yaml", _yaml)


def _yaml(value: Any) -> str:
    try:
        return yaml_dialect.dump(value).removesuffix("\n")
    except ValueError:
        return ""


@function("mustToYaml", "any", returns="string")
def must_to_yaml(value: Any) -> str:
    """YAML without its last newline."""
    return _raising(lambda: yaml_dialect.dump(value).removesuffix("\n"))


@function("toYamlPretty", "any", returns="string")
def to_yaml_pretty(value: Any) -> str:
    """YAML with lists indented under their key."""
    try:
        return yaml_dialect.dump_pretty(value).removesuffix("\n")
    except ValueError:
        return ""


@function("fromYaml", "string", returns="map[string]any")
def from_yaml(text: str) -> dict[str, Any]:
    """The map in a YAML text; what went wrong is under Error."""
    try:
        loaded = _loaded(text)
    except ValueError as error:
        return {"Error": str(error)}
    if loaded is None or isinstance(loaded, dict):
        return loaded or {}
    return {"Error": _cannot_unmarshal(loaded, "map[string]interface {}")}


@function("fromYamlArray", "string", returns="[]any")
def from_yaml_array(text: str) -> list[Any]:
    """The list in a YAML text; what went wrong is its only entry."""
    try:
        loaded = _loaded(text)
    except ValueError as error:
        return [str(error)]
    if loaded is None or isinstance(loaded, list):
        return loaded or []
    return [_cannot_unmarshal(loaded, "[]interface {}")]


@function("toJson", "any", returns="string")
def to_json(value: Any) -> str:
    """JSON, "" for what has none."""
    return _kept(value, "json", _json)


def _kept(value: Any, name: str, write: Callable[[Any], str]) -> str:
    """The text of a value; that of a part of a shared tree is written once."""
    notes = shared.NOTES.get(id(value))
    if notes is None:
        if type(value) is not str:
            return write(value)
        notes = _written.get(value)
        if notes is None:
            notes = _note_of(value)
    text: str | None = notes.get(name)
    if text is None:
        text = notes[name] = write(value)
    return text


_written: dict[str, dict[str, str]] = {}  # texts and what they are in YAML and JSON
_WRITTEN_KEPT: Final = 1024
_LONGEST_WRITTEN: Final = 16 * KIB


def _note_of(text: str) -> dict[str, str]:
    note: dict[str, str] = {}
    if len(text) <= _LONGEST_WRITTEN:
        if len(_written) >= _WRITTEN_KEPT:
            _written.clear()
        _written[text] = note
    return note


def _json(value: Any) -> str:
    try:
        return go_json.dumps(value)
    except ValueError:
        return ""


@function("mustToJson", "any", returns="string")
def must_to_json(value: Any) -> str:
    """JSON."""
    return _raising(lambda: go_json.dumps(value))


@function("fromJson", "string", returns="map[string]any")
def from_json(text: str) -> dict[str, Any]:
    """The map in a JSON text; what went wrong is under Error."""
    try:
        loaded = _loaded(text, _json_map, "\0map\0")
    except ValueError as error:
        return {"Error": str(error)}
    return NilMap() if loaded is None else loaded


@function("fromJsonArray", "string", returns="[]any")
def from_json_array(text: str) -> list[Any]:
    """The list in a JSON text; what went wrong is its only entry."""
    try:
        loaded = _loaded(text, _json_list, "\0list\0")
    except ValueError as error:
        return [str(error)]
    return NilSlice() if loaded is None else loaded


@function("toToml", "any", returns="string")
def to_toml(value: Any) -> str:
    """TOML, or what went wrong."""
    from helmflow.core import toml

    _refuse_nil(value)
    try:
        return toml.dumps(value)
    except ValueError as error:
        return str(error)


@function("mustToToml", "any", returns="string")
def must_to_toml(value: Any) -> str:
    """TOML."""
    from helmflow.core import toml

    _refuse_nil(value)
    return _raising(lambda: toml.dumps(value))


def _refuse_nil(value: Any) -> None:
    if value is None:
        raise FunctionError("reflect: call of reflect.Value.Type on zero Value")


@function("fromToml", "string", returns="map[string]any")
def from_toml(text: str) -> dict[str, Any]:
    """The map in a TOML text; what went wrong is under Error."""
    from helmflow.core import toml
    from helmflow.sprig.gotime import from_moment

    try:
        return toml.loads(text, integer=Int64, moment=from_moment)
    except ValueError as error:
        return {"Error": str(error)}


_texts: dict[
    str, bytes
] = {}  # text -> its value serialised: charts read the same short texts again and again
_TEXTS_KEPT: Final = 4096
_LONGEST_TEXT_KEPT: Final = 64 * KIB


def _loaded(text: str, read: Callable[[str], Any] | None = None, kind: str = "") -> Any:
    """The value of a text, the caller's own. Readers other than YAML's have a `kind`, which begins with what no text that
    can be read begins with."""
    known = _texts.get(kind + text)
    if known is not None:
        value = marshal.loads(known)
        if type(value) is bytes:
            raise ValueError(value.decode("utf-8", "surrogateescape"))
        return value
    try:
        value = (read or yaml_dialect.load)(text)
    except ValueError as error:
        _keep_text(kind + text, str(error).encode("utf-8", "surrogateescape"))
        raise
    _keep_text(kind + text, value)
    return value


def _keep_text(text: str, value: Any) -> None:
    """Remember what a text is; bytes, which no text is, say why it cannot be read."""
    if len(text) <= _LONGEST_TEXT_KEPT:
        if len(_texts) >= _TEXTS_KEPT:
            _texts.clear()
        _texts[text] = marshal.dumps(value)


def _json_map(text: str) -> Any:
    return go_json.loads(text, into="map[string]interface {}")


def _json_list(text: str) -> Any:
    return go_json.loads(text, into="[]interface {}")


def texts_read() -> dict[str, bytes]:
    """The YAML and JSON texts that this process knows, with their serialised values."""
    return dict(_texts)


def know_texts(texts: Mapping[str, bytes]) -> None:
    """Take over what another process read."""
    _texts.update(texts)


def _raising(work: Callable[[], str]) -> str:
    try:
        return work()
    except ValueError as error:
        raise FunctionError(str(error)) from None


def _cannot_unmarshal(value: Any, go_type: str) -> str:
    from helmflow.helm.chart.metadata import json_type

    return (
        f"error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {json_type(value)} into Go value of "
        f"type {go_type}"
    )


_CONVERSIONS: Final = table(
    to_yaml, must_to_yaml, to_yaml_pretty, from_yaml, from_yaml_array, to_json, must_to_json, from_json,
    from_json_array, to_toml, must_to_toml, from_toml,
)  # fmt: skip
