"""A release's value layers, read and merged in order, with where every value came from."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from helmflow.core import yaml_hints
from helmflow.core.errors import ConfigError, TemplateError
from helmflow.core.records import dataclass, field
from helmflow.core.source import SourceText, Span
from helmflow.state import files, merging, refs, secret_files
from helmflow.state.context import Context, read_text
from helmflow.state.model import DesiredState, Release
from helmflow.state.reading import span_of, values_text
from helmflow.state.resolve import Overrides, release_data

Kind = Literal["set", "set-string", "set-json", "set-file", "set-literal"]
Values = dict[str, Any]
Path_ = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from: a file, an inline entry, a flag; `line` 0 where it has none."""

    source: str
    line: int = 0
    secret: bool = False

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandValues:
    """Values given on the command line, on top of every release's own."""

    values_files: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    set_strings: tuple[str, ...] = ()
    set_jsons: tuple[str, ...] = ()
    set_files: tuple[str, ...] = ()
    set_literals: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """One values file or inline map, as Helm would read it. `text` is what was read, for places; `written` is an
    inline map's entry in the state file.
    """

    values: Values
    source: str
    text: str = ""
    span: Span | None = None
    secret: bool = False
    secret_paths: frozenset[Path_] = frozenset()
    written: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """One --set like flag: `kind` is strvals' name of it."""

    kind: Kind
    expression: str
    source: str
    secret: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ResolvedValues:
    """A release's user values as Helm would get them: every number a float.

    `secret_paths` are the paths whose values came from secrets or references; `layers` the values files one by one
    (what Helmfile passes as --values), `assignments` the --set like flags in Helm's order.
    """

    values: Values
    secret_paths: frozenset[Path_] = frozenset()
    layers: Sequence[Layer] = ()
    assignments: Sequence[Assignment] = ()


def layer(desired: DesiredState, release: Release, command: CommandValues | None = None) -> ResolvedValues:
    """Read and merge everything that gives `release` its values. Raises ConfigError or TemplateError."""
    reader = _Reader(desired, release)
    given = command or CommandValues()
    layers = [*reader.layers(), *reader.command_layers(given)]
    assignments = in_helms_order([*reader.assignments(), *_command_assignments(given)])
    rules = release.sources.merge_lists
    merged: Values = {}
    secret: set[Path_] = set()
    for one in layers:
        merged = with_rules(merged, one.values, rules) if rules else merging.overridden(merged, one.values)
        secret.update(leaves(one.values) if one.secret else one.secret_paths)
    for assignment in assignments:
        merged = assign(merged, assignment, reader.base_dir)
        if assignment.secret:
            secret.update(leaves(assign({}, assignment, reader.base_dir)))
    return ResolvedValues(
        values=merged, secret_paths=frozenset(secret), layers=tuple(layers), assignments=tuple(assignments)
    )


def own_layers(desired: DesiredState, release: Release, command: CommandValues | None = None) -> list[Layer]:
    """The values files of a release one by one, without --set like flags (what write-values merges)."""
    reader = _Reader(desired, release)
    return [*reader.layers(), *reader.command_layers(command or CommandValues())]


def leaves(values: Any, at: Path_ = ()) -> Iterator[Path_]:
    """The paths of everything in a value that is no map; lists count as one leaf."""
    if isinstance(values, Mapping) and values:
        for key, value in values.items():
            yield from leaves(value, (*at, str(key)))
    elif at:
        yield at


def in_helms_order(assignments: Sequence[Assignment]) -> list[Assignment]:
    """Helm applies flags by kind, whatever their order: --set-json, --set, --set-string, --set-file, --set-literal."""
    order = ("set-json", "set", "set-string", "set-file", "set-literal")
    return sorted(assignments, key=lambda one: order.index(one.kind))


def assign(values: Values, assignment: Assignment, base_dir: Path) -> Values:
    """Values with one --set like flag applied. Raises ConfigError `values.set`."""
    from helmflow.helm.values import strvals

    def read_file(path: str) -> str:
        return read_text(files.under(base_dir, path))

    try:
        return strvals.apply(values, assignment.expression, kind=assignment.kind, read_file=read_file)
    except ConfigError as error:
        raise ConfigError(
            f"{assignment.source}: {error.message}", error_id=error.error_id, hint=error.hint
        ) from error


def as_helm_reads(value: Any) -> Any:
    """A value of Helmfile's YAML as Helm reads it after Helmfile wrote it: numbers are floats, dates are texts."""
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, (int, float)):
        return float(value)
    if isinstance(value, dict):
        return {str(key): as_helm_reads(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [as_helm_reads(item) for item in value]
    if isinstance(value, datetime):
        from helmflow.core.go_json import rfc3339

        return rfc3339(value)
    return str(value)


def with_rules(lower: Values, upper: Values, rules: Mapping[str, str], at: str = "") -> Values:
    """`upper` over `lower` with `mergeLists`: at the named paths lists append or match their items by a key."""
    out = dict(lower)
    for key, value in upper.items():
        below = out.get(key)
        path = f"{at}.{key}" if at else str(key)
        if isinstance(value, dict) and isinstance(below, dict):
            out[key] = with_rules(below, value, rules, path)
        elif isinstance(value, list) and isinstance(below, list):
            out[key] = _with_rule(below, value, rules.get(path, "replace"), path)
        else:
            out[key] = value
    return out


def _with_rule(lower: list[Any], upper: list[Any], rule: str, path: str) -> list[Any]:
    if rule == "replace":
        return upper
    if rule == "append":
        return lower + upper
    if not rule.startswith("by:") or len(rule) == 3:
        raise ConfigError(
            f"mergeLists.{path} is {rule!r}: it must be replace, append or by:KEY",
            error_id="state.bad-choice",
        )
    key = rule.removeprefix("by:")
    out = list(lower)
    places = {item[key]: index for index, item in enumerate(out) if isinstance(item, dict) and key in item}
    for item in upper:
        place = places.get(item[key]) if isinstance(item, dict) and key in item else None
        if place is None:
            out.append(item)
        else:
            out[place] = merging.overridden(out[place], item)
    return out


class _Reader:
    """Reads the layers of one release."""

    def __init__(self, desired: DesiredState, release: Release) -> None:
        self.context: Context = desired.context
        self.release = release
        self.view = desired.file_of(release)
        self.base_dir = release.base_dir
        sources = release.sources
        self.missing = files.Missing(
            handler=sources.missing_file, ignore_missing_git_branch=sources.ignore_missing_git_branch
        )

    def data(self) -> dict[str, Any]:
        """What values templates see: the settled release with its implicit labels."""
        overrides = Overrides(
            kube_context=self.view.kube_context, namespace=self.view.namespace, chart=self.view.chart
        )
        return release_data("", self.view.loaded, overrides, self.release.spec)

    def layers(self) -> Iterator[Layer]:
        """`values`, then `secrets`."""
        sources = self.release.sources
        for index, entry in enumerate(sources.values):
            span = span_of(self.release.spec, "values", index)
            if isinstance(entry, dict):
                yield self.inline(entry, "values", index, span)
            else:
                yield from self.file(entry, sources.path_prefix, span)
        for index, entry in enumerate(sources.secrets):
            span = span_of(self.release.spec, "secrets", index)
            if isinstance(entry, dict):
                yield self.inline(entry, "secrets", index, span)
            else:
                yield from self.secret(entry, sources.path_prefix, span)

    def command_layers(self, command: CommandValues) -> Iterator[Layer]:
        """--values of the command line; relative to the state file's directory, as Helmfile runs there."""
        several = self.view.file == self.view.path
        for name in command.values_files:
            yield from self.file(name, "", None, self.context.cwd if several else None)

    def inline(self, entry: Values, key: str, index: int, span: Span | None) -> Layer:
        """A map in the state file, with references answered."""
        expanded = self.expanded(entry, span)
        return Layer(
            values=as_helm_reads(expanded.value),
            source=f"{self.view.file}: {key}[{index}]",
            span=span,
            secret_paths=frozenset(expanded.paths),
            written=entry,
        )

    def expanded(self, value: Any, span: Span | None) -> refs.Expanded:
        """References answered, errors placed."""
        try:
            return refs.expand(value, self.context, self.base_dir)
        except ConfigError as error:
            error.span = error.span or span
            raise

    def paths(self, entry: str, prefix: str, span: Span | None, base_dir: Path | None = None) -> list[Path]:
        """The file an entry names; globs with several files are refused, as Helmfile does."""
        found = files.resolve(
            self.context, prefix + entry, base_dir or self.base_dir, self.missing, "values", span
        )
        if len(found) > 1:
            raise ConfigError(
                f"{entry!r} names {len(found)} files: glob patterns in release values and secrets are not supported",
                error_id="values.glob",
                span=span,
                hint="list the files one by one",
            )
        return found

    def file(
        self, entry: str, prefix: str, span: Span | None, base_dir: Path | None = None
    ) -> Iterator[Layer]:
        """A values file."""
        for path in self.paths(entry, prefix, span, base_dir):
            yield self.read(path, self.context.read_text(path), span, secret=False)

    def secret(self, entry: str, prefix: str, span: Span | None) -> Iterator[Layer]:
        """An encrypted values file."""
        for path in self.paths(entry, prefix, span):
            try:
                opened = secret_files.open_file(self.context, path)
            except ConfigError as error:
                error.span = error.span or span
                raise
            yield self.read(path, opened.text, span, secret=opened.encrypted)

    def read(self, path: Path, text: str, span: Span | None, *, secret: bool) -> Layer:
        """A file's text rendered where its name says so, its references answered, read as Helm reads it."""
        name = _shown(self.context, path)
        if path.suffix == ".gotmpl":
            text = self.rendered(path, name, text)
        if refs.mentioned(text):
            expanded = self.expanded(values_text(text, name), span)
            layer_ = Layer(
                values=as_helm_reads(expanded.value), source=name, text="" if secret else text, span=span,
                secret=secret, secret_paths=frozenset(expanded.paths),
            )  # fmt: skip
        else:
            layer_ = Layer(
                values=_helm_values(text, name, secret),
                source=name,
                text="" if secret else text,
                span=span,
                secret=secret,
            )
        if secret:
            self.context.secrets.add(layer_.values)
        return layer_

    def rendered(self, path: Path, name: str, text: str) -> str:
        """A values template with the release's data."""
        try:
            return self.context.renderer.render(text, self.data(), path.parent, SourceText(name, text))
        except TemplateError as error:
            raise TemplateError(
                f'failed to render values files "{name}": {error}',
                error_id=error.error_id, span=error.span, hint=error.hint, frames=error.frames,
            ) from error  # fmt: skip

    def assignments(self) -> Iterator[Assignment]:
        """set (setTemplate first), setString and env."""
        spec = self.release.spec
        for index, entry in enumerate(self.release.sources.sets):
            yield from self.assignment(entry, "set", f"set[{index}]", span_of(spec, "set", index))
        for index, entry in enumerate(self.release.sources.set_strings):
            yield from self.assignment(
                entry, "set-string", f"setString[{index}]", span_of(spec, "setString", index)
            )
        missing = [
            entry.get("value", "")
            for entry in self.release.sources.env
            if entry.get("value", "") not in self.context.env
        ]
        if missing:
            raise ConfigError(
                "missing required environment variables: " + ", ".join(missing),
                error_id="values.missing-variable",
                span=span_of(spec, "env"),
            )
        for index, entry in enumerate(self.release.sources.env):
            value = self.context.env[entry.get("value", "")]
            yield Assignment(
                kind="set", expression=f"{escape(entry.get('name', ''))}={escape(value)}",
                source=f"{self.view.file}: env[{index}]",
            )  # fmt: skip

    def assignment(
        self, entry: Mapping[str, Any], kind: Kind, where: str, span: Span | None
    ) -> Iterator[Assignment]:
        """One entry of set or setString as Helm's flag; one without value, file and values says nothing."""
        name = escape(entry.get("name", ""))
        source = f"{self.view.file}: {where}"
        if entry.get("value"):
            found = self.expanded(entry["value"], span)
            value = escape(_text(found.value))
            yield Assignment(kind=kind, expression=f"{name}={value}", source=source, secret=bool(found.paths))
        elif entry.get("file") and kind == "set":
            yield Assignment(kind="set-file", expression=f"{name}={entry['file']}", source=source)
        elif entry.get("values"):
            found = self.expanded(entry["values"], span)
            texts = (_json(item) if isinstance(item, dict) else _text(item) for item in found.value)
            items = ",".join(map(escape, texts))
            yield Assignment(
                kind=kind, expression=f"{name}={{{items}}}", source=source, secret=bool(found.paths)
            )


def _first_line(source: SourceText) -> Span:
    for number, line in enumerate(source.text.split("\n"), 1):
        if line.strip() and not line.startswith(("#", "---")):
            return Span(source, number, 1 + len(line) - len(line.lstrip()), len(line.strip()))
    return Span(source, 0)


def _helm_values(text: str, name: str, secret: bool) -> Values:
    """A file as Helm reads it. Raises ConfigError `values.yaml`; a secret's text is not shown."""
    from helmflow.core.yaml_dialect import load
    from helmflow.core.yaml_nodes import YamlError

    try:
        values = load(text)
    except YamlError as error:
        source = SourceText(name, "" if secret else text)
        span = yaml_hints.place(error, source) if not secret else Span(source, error.line)
        raise ConfigError(
            f"{name}: {error}", error_id="values.yaml", span=span, hint=yaml_hints.hint(error, span)
        ) from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ConfigError(
            f"{name} must be a map of values", error_id="values.not-a-map",
            span=Span(SourceText(name, ""), 0) if secret else _first_line(SourceText(name, text)),
            hint="write KEY: VALUE lines; a list needs a key above it",
        )  # fmt: skip
    return values


def escape(text: str) -> str:
    """Helmfile's escaping of names and values for --set: braces and commas."""
    return text.replace("{", "\\{").replace("}", "\\}").replace(",", "\\,")


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    from helmflow.gotemplate.printf import sprint

    return sprint(value)


def _json(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), sort_keys=True)


def _shown(context: Context, path: Path) -> str:
    try:
        return str(path.relative_to(context.cwd))
    except ValueError:
        return str(path)


def _command_assignments(command: CommandValues) -> Iterator[Assignment]:
    given: tuple[tuple[Kind, tuple[str, ...]], ...] = (
        ("set", command.sets),
        ("set-string", command.set_strings),
        ("set-json", command.set_jsons),
        ("set-file", command.set_files),
        ("set-literal", command.set_literals),
    )
    for kind, expressions in given:
        for expression in expressions:
            yield Assignment(kind=kind, expression=expression, source=f"--{kind}")


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderedPatches:
    """A release's patches with paths read and templates rendered: kustomize's own shapes."""

    json_patches: tuple[Any, ...] = ()
    strategic_merge_patches: tuple[Any, ...] = ()
    transformers: tuple[Any, ...] = ()
    force_namespace: str = ""
    dependencies: tuple[Mapping[str, str], ...] = field(default_factory=tuple)


def patches(desired: DesiredState, release: Release, values: Mapping[str, Any]) -> RenderedPatches:
    """The patches of a release; templates see .Values as the state values with the release's `values` over them."""
    reader = _Reader(desired, release)
    data = reader.data()
    data["Values"] = data["StateValues"] = merging.overridden(data["Values"], values)

    def read(entries: Sequence[Any], key: str) -> tuple[Any, ...]:
        found: list[Any] = []
        for index, entry in enumerate(entries):
            if not isinstance(entry, str):
                found.append(as_helm_reads(reader.expanded(entry, span_of(release.spec, key, index)).value))
                continue
            for path in reader.paths(entry, "", span_of(release.spec, key, index)):
                text = reader.context.read_text(path)
                if path.suffix == ".gotmpl":
                    name = _shown(reader.context, path)
                    text = reader.context.renderer.render(text, data, path.parent, SourceText(name, text))
                found.extend(_documents(text, _shown(reader.context, path)))
        return tuple(found)

    own = release.patches
    return RenderedPatches(
        json_patches=read(own.json_patches, "jsonPatches"),
        strategic_merge_patches=read(own.strategic_merge_patches, "strategicMergePatches"),
        transformers=read(own.transformers, "transformers"),
        force_namespace=own.force_namespace,
        dependencies=own.dependencies,
    )


def _documents(text: str, name: str) -> list[Any]:
    from helmflow.core.yaml_nodes import YamlError
    from helmflow.core.yaml_read import load_all

    try:
        found = [document for document in load_all(text) if document is not None]
    except YamlError as error:
        span = yaml_hints.place(error, SourceText(name, text))
        raise ConfigError(
            f"{name}: {error}", error_id="values.yaml", span=span, hint=yaml_hints.hint(error, span)
        ) from None
    return [item for one in found for item in (one if isinstance(one, list) else [one])]
