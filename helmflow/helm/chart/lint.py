"""Helm's lint: every rule on Chart.yaml, values.yaml, dependencies and crds/, with Helm's texts and severities."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Callable, Iterator
from enum import IntEnum
from pathlib import Path
from typing import Any, Final

from helmflow.core import semver, yaml_dialect, yaml_nodes
from helmflow.core.errors import ChartError
from helmflow.core.go_json import go_quote
from helmflow.core.lazy import pattern
from helmflow.core.records import dataclass, field
from helmflow.helm.chart import lint_documents, metadata, unpack
from helmflow.helm.chart.capabilities import Capabilities
from helmflow.helm.chart.load import load
from helmflow.helm.chart.model import Chart, Maintainer, Metadata


class Severity(IntEnum):
    """How bad it is, in Helm's numbers."""

    INFO = 1
    WARNING = 2
    ERROR = 3


@dataclass(frozen=True, slots=True)
class Message:
    """One finding; `path` is relative to the chart, "" or the chart's own path for the chart as a whole."""

    severity: Severity
    path: str
    text: str

    def __str__(self) -> str:
        return f"[{self.severity.name}] {self.path}: {self.text}"


@dataclass(slots=True)
class Linter:
    """Collects findings about one chart directory."""

    directory: str
    messages: list[Message] = field(default_factory=list)

    def check(self, severity: Severity, path: str, problem: str | None) -> bool:
        """Note a problem if there is one; whether there is none."""
        if problem:
            self.messages.append(Message(severity, path, problem))
        return not problem


def lint(
    path: str | Path,
    values: dict[str, Any] | None = None,
    *,
    namespace: str = "",
    capabilities: Capabilities | None = None,
    skip_schema_validation: object = False,
) -> tuple[Message, ...]:
    """What `helm lint` says about a chart directory or archive. Raises ChartError where there is no chart."""
    directory = os.fspath(path)
    if directory.endswith(".tgz"):
        with tempfile.TemporaryDirectory(prefix="helmflow-lint") as folder:
            return _lint(
                _unpacked(directory, folder), values, namespace, capabilities, skip_schema_validation
            )
    return _lint(directory, values, namespace, capabilities, skip_schema_validation)


def failures(messages: tuple[Message, ...], *, strict: object = False) -> tuple[Message, ...]:
    """Those that make lint fail: errors, with `strict` warnings too."""
    tolerated = Severity.INFO if strict else Severity.WARNING
    return tuple(message for message in messages if message.severity > tolerated)


def _lint(
    directory: str,
    values: dict[str, Any] | None,
    namespace: str,
    capabilities: Capabilities | None,
    skip_schema: object,
) -> tuple[Message, ...]:
    path = os.path.join(directory, "Chart.yaml")
    if not os.path.exists(path):
        raise ChartError(
            f"unable to check Chart.yaml file in chart: stat {path}: no such file or directory",
            error_id="chart.lint-no-chart",
        )
    from helmflow.helm.chart import lint_templates

    linter = Linter(os.path.abspath(directory))
    _chart_yaml(linter)
    _values(linter, values or {}, skip_schema)
    lint_templates.check(linter, values or {}, namespace, capabilities, skip_schema)
    _dependencies(linter)
    _crds(linter)
    return tuple(linter.messages)


def _unpacked(path: str, folder: str) -> str:
    name, dash, _ = os.path.basename(path).rpartition("-")
    if not dash or not name:
        raise ChartError(
            f"unable to parse chart archive {go_quote(os.path.basename(path))}, missing '-'",
            error_id="chart.lint-no-chart",
        )
    return str(unpack.unpack(Path(path).read_bytes(), name, Path(folder)))


def loaded(directory: str) -> tuple[Chart | None, str]:
    """The chart, or why it does not load."""
    try:
        return load(directory), ""
    except ChartError as error:
        return None, str(error)


# ---- Chart.yaml

_CHART_YAML: Final = "Chart.yaml"


def _chart_yaml(linter: Linter) -> None:
    path = os.path.join(linter.directory, _CHART_YAML)
    is_directory = os.path.isdir(path)
    linter.check(Severity.ERROR, _CHART_YAML, "should be a file, not a directory" if is_directory else None)
    try:
        text = b"" if is_directory else Path(path).read_bytes()
        found = metadata.read_metadata(text, source=_CHART_YAML)
        problem = f"read {path}: is a directory" if is_directory else ""
    except ChartError as error:
        found, text = Metadata(), b""
        problem = str(error).removeprefix(f"cannot load {_CHART_YAML}: ")
    if not linter.check(Severity.ERROR, _CHART_YAML, problem and f"unable to parse YAML\n\t{problem}"):
        return
    strict = _strict_problem(text)
    linter.check(
        Severity.WARNING, _CHART_YAML, strict and f"failed to strictly parse chart metadata file\n\t{strict}"
    )
    raw = yaml_dialect.load(text)
    for severity, rule in _CHART_RULES:
        linter.check(severity, _CHART_YAML, rule(found, raw if isinstance(raw, dict) else {}))


def _strict_problem(text: bytes) -> str:
    """A key given twice, else a key that Chart.yaml does not have."""
    for root in yaml_nodes.documents(text):
        doubled = [
            f"  line {key.line + 1}: key {go_quote(key.value)} already set in map"
            for key in _doubled_keys(root)
        ]
        if doubled:
            return "error converting YAML to JSON: yaml: unmarshal errors:\n" + "\n".join(doubled)
        break
    unknown = metadata.unknown_field(yaml_dialect.load(text))
    prefix = "error unmarshaling JSON: while decoding JSON: json: unknown field "
    return prefix + go_quote(unknown) if unknown else ""


def _doubled_keys(node: yaml_nodes.RawNode) -> Iterator[yaml_nodes.RawNode]:
    seen: set[str] = set()
    for position, child in enumerate(node.children):
        if node.kind == "mapping" and position % 2 == 0:
            if child.kind == "scalar" and child.value in seen:
                yield child
            seen.add(child.value)
        else:
            yield from _doubled_keys(child)


def _name(found: Metadata, _: dict[str, Any]) -> str | None:
    if not found.name:
        return "name is required"
    base = found.name.rstrip("/").rpartition("/")[2]
    return None if base == found.name else f"chart name {go_quote(found.name)} is invalid"


def _api_version(found: Metadata, _: dict[str, Any]) -> str | None:
    if not found.api_version:
        return 'apiVersion is required. The value must be either "v1" or "v2"'
    if found.api_version not in ("v1", "v2"):
        return f'apiVersion \'{found.api_version}\' is not valid. The value must be either "v1" or "v2"'
    return None


def _is_text(key: str) -> Callable[[Metadata, dict[str, Any]], str | None]:
    def rule(_: Metadata, raw: dict[str, Any]) -> str | None:
        if key not in raw or isinstance(raw[key], str):
            return None
        from helmflow.gotemplate.values import type_of

        return f"{key} should be of type string but it's of type {type_of(raw[key])}"

    return rule


def _version(found: Metadata, _: dict[str, Any]) -> str | None:
    if not found.version:
        return "version is required"
    try:
        version = semver.Version.parse(found.version)
    except semver.SemverError:
        return f"version '{found.version}' is not a valid SemVer"
    problems = semver.Constraint.parse(">0.0.0-0").validate(version)
    return f"version {problems[0]}" if problems else None


def _strict_version(found: Metadata, _: dict[str, Any]) -> str | None:
    try:
        semver.Version.parse_strict(found.version)
    except semver.SemverError:
        return f"version '{found.version}' is not a valid SemVerV2"
    return None


def _maintainers(found: Metadata, _: dict[str, Any]) -> str | None:
    for maintainer in found.maintainers:
        if problem := _maintainer(maintainer):
            return problem
    return None


def _maintainer(maintainer: Maintainer | None) -> str | None:
    if maintainer is None:
        return "a maintainer entry is empty"
    if not maintainer.name:
        return "each maintainer requires a name"
    if maintainer.email and not _EMAIL.fullmatch(maintainer.email):
        return f"invalid email '{maintainer.email}' for maintainer '{maintainer.name}'"
    if not maintainer.email and maintainer.url and not _is_url(maintainer.url):
        return f"invalid url '{maintainer.url}' for maintainer '{maintainer.name}'"
    return None


def _sources(found: Metadata, _: dict[str, Any]) -> str | None:
    bad = next((source for source in found.sources if not _is_request_url(source)), None)
    return None if bad is None else f"invalid source URL '{bad}'"


def _icon(found: Metadata, _: dict[str, Any]) -> str | None:
    return None if found.icon else "icon is recommended"


def _icon_url(found: Metadata, _: dict[str, Any]) -> str | None:
    if not found.icon or _is_request_url(found.icon):
        return None
    return f"invalid icon URL '{found.icon}'"


def _type(found: Metadata, _: dict[str, Any]) -> str | None:
    if not found.type or found.api_version == "v2":
        return None
    return f"chart type is not valid in apiVersion '{found.api_version}'. It is valid in apiVersion 'v2'"


def _declared(found: Metadata, _: dict[str, Any]) -> str | None:
    if not found.dependencies or found.api_version == "v2":
        return None
    return (
        f"dependencies are not valid in the Chart file with apiVersion '{found.api_version}'. "
        "They are valid in apiVersion 'v2'"
    )


def _is_request_url(text: str) -> bool:
    """What net/url parses as the target of a request, with a scheme."""
    from helmflow.sprig.urls import UrlError, parse_request

    try:
        return bool(parse_request(text).scheme)
    except UrlError:
        return False


def _is_url(text: str) -> bool:
    """What net/url parses and looks like an address: a scheme, a user, a port and a path are optional."""
    from helmflow.sprig.regex import compiled
    from helmflow.sprig.urls import UrlError, parse

    if len(text) >= _LONGEST_URL or len(text.encode("utf-8", "replace")) <= _SHORTEST_URL or text[0] == ".":
        return False
    try:
        url = parse(f"http://{text}" if ":" in text and "://" not in text else text)
    except UrlError:
        return False
    if url.host.startswith(".") or (not url.host and url.path and "." not in url.path):
        return False
    return compiled(_URL).matches(text)


_LONGEST_URL: Final = 2083
_SHORTEST_URL: Final = 3
_EMAIL: Final = pattern(r"[^\s@<>()\[\],;:\\\"]+@(?:[^\W_](?:[\w-]*[^\W_])?\.)+[^\W\d_]{1,63}")
_LETTER: Final = r"a-zA-Z\x{a1}-\x{ffff}"
_OCTETS: Final = r"(?:[1-9]\d?|1\d\d|2[01]\d|22[0-3]|24\d|25[0-5])(?:\.(?:\d{1,2}|1\d\d|2[0-4]\d|25[0-5])){2}\.(?:\d\d?|1\d\d|2[0-4]\d|25[0-5])"
_LABELS: Final = r"[a-zA-Z0-9](?:[a-zA-Z0-9_-]*[a-zA-Z0-9])?(?:[-.][a-zA-Z0-9]+)*|www\.|(?:[a-zA-Z0-9]+[-_.]?)+\.[a-zA-Z0-9]+"
_URL: Final = (
    r"^(?:(?:ftp|tcp|udp|wss?|https?)://)?(?:\S+@)?"
    rf"(?:{_OCTETS}|\[[0-9a-fA-F:.%]+\]|(?:{_LABELS})?[{_LETTER}0-9]+(?:--?[{_LETTER}0-9]+)*(?:\.[{_LETTER}]+)?)"
    r"\.?(?::\d{1,5})?(?:[/?#]\S*)?$"
)

_CHART_RULES: Final[tuple[tuple[Severity, Callable[[Metadata, dict[str, Any]], str | None]], ...]] = (
    (Severity.ERROR, _name),
    (Severity.ERROR, _api_version),
    (Severity.ERROR, _is_text("version")),
    (Severity.ERROR, _version),
    (Severity.ERROR, _is_text("appVersion")),
    (Severity.ERROR, _maintainers),
    (Severity.ERROR, _sources),
    (Severity.INFO, _icon),
    (Severity.ERROR, _icon_url),
    (Severity.ERROR, _type),
    (Severity.ERROR, _declared),
    (Severity.WARNING, _strict_version),
)


# ---- values.yaml, charts/, crds/


def _values(linter: Linter, overrides: dict[str, Any], skip_schema: object) -> None:
    path = Path(linter.directory) / "values.yaml"
    if not linter.check(Severity.INFO, path.name, None if path.exists() else "file does not exist"):
        return
    try:
        defaults = yaml_dialect.load(path.read_bytes())
    except yaml_dialect.YamlError as error:
        linter.check(Severity.ERROR, path.name, f"unable to parse YAML: {error}")
        return
    if not isinstance(defaults, dict | None):
        kind = metadata.json_type(defaults)
        problem = f"json: cannot unmarshal {kind} into Go value of type common.Values"
        text = f"unable to parse YAML: error unmarshaling JSON: while decoding JSON: {problem}"
        linter.check(Severity.ERROR, path.name, text)
        return
    schema_path = path.with_name("values.schema.json")
    schema_text = schema_path.read_bytes() if schema_path.is_file() else b""
    if not schema_text or skip_schema:
        return
    from helmflow.helm.values import coalesce, schema

    merged = coalesce.coalesce_tables(overrides, defaults or {}, defaults=False)
    linter.check(Severity.ERROR, path.name, schema.check(schema_text, merged))


def _dependencies(linter: Linter) -> None:
    chart, problem = loaded(linter.directory)
    if chart is None:
        linter.check(Severity.ERROR, "", f"unable to load chart\n\t{problem}")
        return
    present = [sub.name for sub in chart.dependencies]
    declared = [dependency.name for dependency in chart.metadata.declared]
    undeclared = [name for name in present if name not in declared]
    missing = [name for name in declared if name not in present]
    keys = [dependency.alias or dependency.name for dependency in chart.metadata.declared]
    doubled = [key for position, key in enumerate(keys) if key in keys[:position]]
    for severity, problem, names in (
        (Severity.ERROR, "chart metadata is missing these dependencies", undeclared),
        (Severity.ERROR, "multiple dependencies with name or alias", doubled),
        (Severity.WARNING, "chart directory is missing these dependencies", missing),
    ):
        linter.check(severity, linter.directory, f"{problem}: {','.join(names)}" if names else None)


def _crds(linter: Linter) -> None:
    folder = "crds/"
    try:
        mode = os.stat(os.path.join(linter.directory, "crds")).st_mode
    except OSError:
        return
    if not linter.check(Severity.ERROR, folder, None if stat.S_ISDIR(mode) else "not a directory"):
        return
    chart, problem = loaded(linter.directory)
    if chart is None:
        linter.check(Severity.ERROR, folder, problem)
        return
    for crd in chart.crds:
        for document in lint_documents.read(crd.text):
            if isinstance(document, str):
                linter.check(Severity.ERROR, crd.name, f"unable to parse YAML: {document}")
                return
            wrong_group = not document.api_version.startswith("apiextensions.k8s.io")
            wrong_kind = document.kind != "CustomResourceDefinition"
            linter.check(
                Severity.ERROR,
                crd.name,
                "apiVersion is not in 'apiextensions.k8s.io'" if wrong_group else None,
            )
            linter.check(
                Severity.ERROR,
                crd.name,
                "object kind is not 'CustomResourceDefinition'" if wrong_kind else None,
            )
