"""Chart.yaml, requirements.yaml and lock files to Metadata: Go's decoding rules, error texts and Helm's checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NoReturn

from helmflow.core import go_json, semver, yaml_dialect
from helmflow.core.errors import ChartError
from helmflow.core.lazy import pattern
from helmflow.core.records import replace
from helmflow.core.source import SourceText, Span
from helmflow.helm.chart.model import Dependency, Lock, Maintainer, Metadata

_Fields = Mapping[str, tuple[str, str]]

# key in the file -> (attribute, Go type)
_MAINTAINER: _Fields = {"name": ("name", "string"), "email": ("email", "string"), "url": ("url", "string")}
_DEPENDENCY: _Fields = {
    "name": ("name", "string"),
    "version": ("version", "string"),
    "repository": ("repository", "string"),
    "condition": ("condition", "string"),
    "tags": ("tags", "[]string"),
    "enabled": ("enabled", "bool"),
    "import-values": ("import_values", "[]interface {}"),
    "alias": ("alias", "string"),
}
_METADATA: _Fields = {
    "name": ("name", "string"),
    "home": ("home", "string"),
    "sources": ("sources", "[]string"),
    "version": ("version", "string"),
    "description": ("description", "string"),
    "keywords": ("keywords", "[]string"),
    "maintainers": ("maintainers", "[]*v2.Maintainer"),
    "icon": ("icon", "string"),
    "apiVersion": ("api_version", "string"),
    "condition": ("condition", "string"),
    "tags": ("tags", "string"),
    "appVersion": ("app_version", "string"),
    "deprecated": ("deprecated", "bool"),
    "annotations": ("annotations", "map[string]string"),
    "kubeVersion": ("kube_version", "string"),
    "dependencies": ("dependencies", "[]*v2.Dependency"),
    "type": ("type", "string"),
}
_LOCK: _Fields = {
    "generated": ("generated", "time.Time"),
    "digest": ("digest", "string"),
    "dependencies": ("dependencies", "[]*v2.Dependency"),
}
_STRUCTS: Mapping[str, tuple[_Fields, Callable[..., Any]]] = {
    "v2.Maintainer": (_MAINTAINER, Maintainer),
    "v2.Dependency": (_DEPENDENCY, Dependency),
    "v2.Metadata": (_METADATA, Metadata),
    "v2.Lock": (_LOCK, Lock),
}
METADATA_KEYS = tuple(_METADATA)
MAINTAINER_KEYS = tuple(_MAINTAINER)
DEPENDENCY_KEYS = tuple(_DEPENDENCY)
_SANITISED = ("name", "description", "home", "icon", "condition", "tags", "app_version", "kube_version")
_ALIAS = pattern(r"[a-zA-Z0-9_-]+")


def read_metadata(text: bytes, *, source: str, onto: Metadata | None = None) -> Metadata:
    """The metadata in `text`; keys that it has replace those of `onto`. Raises ChartError naming `source`."""
    fields = _read("v2.Metadata", text, source)
    return replace(onto or Metadata(), **fields)


def read_lock(text: bytes, *, source: str) -> Lock:
    """The lock in `text`. Raises ChartError naming `source`."""
    return Lock(**_read("v2.Lock", text, source))


def unknown_field(document: Any) -> str:
    """The first key that Chart.yaml and the objects in it do not have, in the order in which Go meets them."""
    return _unknown("v2.Metadata", document)


def _unknown(struct: str, value: Any) -> str:
    if not isinstance(value, dict):
        return ""
    fields = {key.lower(): go_type for key, (_, go_type) in _STRUCTS[struct][0].items()}
    for key in sorted(value):
        go_type = fields.get(key.lower())
        if go_type is None:
            return str(key)
        if go_type.startswith("[]*") and isinstance(value[key], list):
            for item in value[key]:
                if found := _unknown(go_type[3:], item):
                    return found
    return ""


def validate(metadata: Metadata) -> Metadata:
    """The metadata with its texts cleaned, if Helm would accept it. Raises ChartError."""
    texts: dict[str, Any] = {name: sanitise(getattr(metadata, name)) for name in _SANITISED}
    clean = replace(
        metadata,
        **texts,
        sources=tuple(map(sanitise, metadata.sources)),
        keywords=tuple(map(sanitise, metadata.keywords)),
    )
    if not clean.api_version:
        _refuse("chart.metadata.apiVersion is required", "apiVersion")
    if not clean.name:
        _refuse("chart.metadata.name is required", "name")
    if clean.name in (".", ".."):
        _refuse(f'chart.metadata.name "{clean.name}" is not allowed', "name")
    if "/" in clean.name:
        _refuse(f"chart.metadata.name {_quoted(clean.name)} is invalid", "name")
    if not clean.version:
        _refuse("chart.metadata.version is required", "version")
    if not _is_version(clean.version):
        _refuse(f"chart.metadata.version {_quoted(clean.version)} is invalid", "version")
    if clean.type not in ("", "application", "library"):
        _refuse("chart.metadata.type must be application or library", "type")
    maintainers = tuple(_valid_maintainer(one, index) for index, one in enumerate(clean.maintainers))
    return replace(clean, maintainers=maintainers, dependencies=_valid_dependencies(clean.dependencies))


def sanitise(text: str) -> str:
    """Spaces of every kind become a blank; what cannot be printed goes."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(" " if c.isspace() else c for c in text if c.isspace() or c.isprintable())


def go_number(value: float) -> str:
    """A number as Go writes it into a string field: FormatInt or FormatFloat(v, 'g', -1, 64)."""
    if isinstance(value, int):
        return str(value)
    return go_json.format_float(value)


def _is_version(text: str) -> bool:
    try:
        semver.Version.parse(text)
    except semver.SemverError:
        return False
    return True


def _valid_maintainer(maintainer: Maintainer | None, index: int) -> Maintainer:
    if maintainer is None:
        _refuse("maintainers must not contain empty or null nodes", "maintainers", index)
    return Maintainer(sanitise(maintainer.name), sanitise(maintainer.email), sanitise(maintainer.url))


def _valid_dependencies(dependencies: tuple[Dependency | None, ...]) -> tuple[Dependency, ...]:
    seen: set[str] = set()
    valid = []
    for index, dependency in enumerate(dependencies):
        if dependency is None:
            _refuse("dependencies must not contain empty or null nodes", "dependencies", index)
        clean = replace(
            dependency,
            name=sanitise(dependency.name),
            version=sanitise(dependency.version),
            repository=sanitise(dependency.repository),
            condition=sanitise(dependency.condition),
            tags=tuple(map(sanitise, dependency.tags)),
        )
        if clean.alias and not _ALIAS.fullmatch(clean.alias):
            _refuse(
                f"dependency {_quoted(clean.name)} has disallowed characters in the alias",
                *("dependencies", index, "alias"),
                hint="letters, digits, - and _ are allowed",
            )
        key = clean.alias or clean.name
        if key in seen:
            # the recorded text ends here; Helm's longer one gives the same advice as this hint
            _refuse(
                f"more than one dependency with name or alias {_quoted(key)}",
                *("dependencies", index, "alias" if clean.alias else "name"),
                hint="give dependencies on the same chart different aliases",
            )
        seen.add(key)
        valid.append(clean)
    return tuple(valid)


class Invalid(ChartError):
    """Metadata that Helm refuses; `path` leads to the place in the file, from its top."""

    def __init__(self, message: str, path: tuple[str | int, ...], *, hint: str = "") -> None:
        super().__init__(message, error_id="chart.metadata", hint=hint)
        self.path = path

    def locate(self, text: bytes, source: str) -> None:
        """Set the place, in the file of this text."""
        self.span = place(text, source, self.path)


def place(text: bytes, source: str, path: tuple[str | int, ...]) -> Span | None:
    """Where `path` lies in a YAML file, or what is nearest above it; None for a text that cannot be read."""
    from helmflow.core.yaml_locate import locate

    named = SourceText(source, text.decode("utf-8", "replace"))
    try:
        node = locate(text, named)
    except yaml_dialect.YamlError:
        return None
    if node is None:
        return Span(named, 1)
    span = node.span
    for step in path:
        if isinstance(step, int):
            if step >= len(node.items):
                break
            node = node.items[step]
            span = node.span
            continue
        entries = node.entries or {}
        key = step if step in entries else next((k for k in entries if k.lower() == step.lower()), "")
        if key not in entries:
            break
        at, node = entries[key]
        span = node.span if node.kind == "scalar" and node.text else at.span
    return span


def _refuse(message: str, *path: str | int, hint: str = "") -> NoReturn:
    if not hint and message.endswith(" is required"):
        hint = f"write `{path[0]}:` in the chart's Chart.yaml"
    raise Invalid(f"validation: {message}", path, hint=hint)


def _quoted(text: str) -> str:
    return go_json.go_quote(text)


class _Mismatch(Exception):
    """A value of the wrong JSON type; Go reports the first and reads on, so nothing else can fail first."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.path: tuple[str | int, ...] = ()

    def inside(self, step: str | int) -> _Mismatch:
        """The same, one level further out."""
        self.path = (step, *self.path)
        return self


class _Unreadable(_Mismatch):
    """A text that the field's own type cannot read."""


def _read(struct: str, text: bytes, source: str) -> dict[str, Any]:
    span: Span | None
    try:
        document = yaml_dialect.load_integers(text)
        return _struct(struct, document, path=())
    except yaml_dialect.YamlError as error:
        message = str(error)
        from helmflow.core import yaml_hints

        at = yaml_hints.place(error, SourceText(source, text.decode("utf-8", "replace")))
        span, hint = at, yaml_hints.hint(error, at)
    except _Mismatch as error:
        span, hint = place(text, source, error.path), ""
        said = str(error) if isinstance(error, _Unreadable) else f"json: cannot unmarshal {error}"
        message = f"error unmarshaling JSON: while decoding JSON: {said}"
    raise ChartError(
        f"cannot load {source}: {message}", error_id="chart.metadata-syntax", span=span, hint=hint
    )


def _struct(struct: str, value: Any, path: tuple[str, ...]) -> dict[str, Any]:
    """Attributes by name, for the keys that `value` has; a null changes nothing."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        where = f"Go struct field {path[0]}.{'.'.join(path[1:])}" if path else "Go value"
        raise _Mismatch(f"{json_type(value)} into {where} of type {struct}")
    fields, _ = _STRUCTS[struct]
    folded = {key.lower(): entry for key, entry in fields.items()}
    owner = struct.partition(".")[2]
    found: dict[str, Any] = {}
    for key in sorted(value):
        entry = fields.get(key) or folded.get(key.lower())
        if entry is None:
            continue
        attribute, go_type = entry
        name = key if key in fields else next(k for k in fields if k.lower() == key.lower())
        inner = (owner, *path[1:], name)
        item = value[key]
        if item is None:
            if not go_type.startswith(("[]", "map")):
                continue
            item = {} if go_type.startswith("map") else []
        try:
            found[attribute] = _value(go_type, item, inner)
        except _Mismatch as error:
            raise error.inside(key) from None
    return found


def _value(go_type: str, value: Any, path: tuple[str, ...]) -> Any:
    match go_type:
        case "string":
            if value is None:
                return ""
            if isinstance(value, str):
                return value
            if isinstance(value, bool):
                return "true" if value else "false"
            if isinstance(value, int | float):
                return go_number(value)
        case "bool":
            if isinstance(value, bool):
                return value
        case "time.Time":
            return _moment(value)
        case "interface {}":
            return _floats(value)
        case "map[string]string":
            if isinstance(value, dict):
                return {key: _inside(key, "string", item, path) for key, item in sorted(value.items())}
        case _ if go_type.startswith("[]"):
            if isinstance(value, list):
                return tuple(_inside(index, go_type[2:], item, path) for index, item in enumerate(value))
        case _ if go_type.startswith("*"):
            struct = go_type[1:]
            return None if value is None else _STRUCTS[struct][1](**_struct(struct, value, path))
    raise _Mismatch(
        f"{json_type(value)} into Go struct field {path[0]}.{'.'.join(path[1:])} of type {go_type}"
    )


def _moment(value: Any) -> str:
    """A time as it is written. Raises _Unreadable with what Go says of one that it cannot read."""
    if not isinstance(value, str):
        raise _Unreadable("Time.UnmarshalJSON: input is not a JSON string")
    if not _RFC3339.match(value):  # the usual ones need no reader of layouts
        from helmflow.sprig.gotime import UTC
        from helmflow.sprig.time_layouts import TimeError, parse_time

        try:
            parse_time("2006-01-02T15:04:05Z07:00", value, UTC)
        except TimeError as error:
            raise _Unreadable(str(error)) from None
    return value


_RFC3339 = pattern(
    r"(?a)\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T[01]\d:[0-5]\d:[0-5]\d(?:\.\d+)?(?:Z|[+-][01]\d:[0-5]\d)\Z"
)


def _inside(step: str | int, go_type: str, value: Any, path: tuple[str, ...]) -> Any:
    try:
        return _value(go_type, value, path)
    except _Mismatch as error:
        raise error.inside(step) from None


def _floats(value: Any) -> Any:
    """Numbers in untyped places are float64."""
    if isinstance(value, dict):
        return {key: _floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_floats(item) for item in value]
    if isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    return value


def json_type(value: Any) -> str:
    match value:
        case dict():
            return "object"
        case list():
            return "array"
        case str():
            return "string"
        case bool():
            return "bool"
        case _:
            return "number"
