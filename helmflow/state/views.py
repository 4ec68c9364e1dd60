"""What list, build, show-dag, print-env and write-values print: Helmfile's output, as text."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from helmflow.core.errors import ConfigError
from helmflow.core.ids import ReleaseId
from helmflow.core.records import dataclass
from helmflow.core.sensitive import SecretTexts
from helmflow.core.source import SourceText
from helmflow.state import merging, values
from helmflow.state.graph import ReleaseGraph
from helmflow.state.model import DesiredState, Need, Release, StateFileView
from helmflow.state.schema import HELM_DEFAULTS, RELEASE, STATE, Block, ListOf, MapOf, OneOf, Scalar, Type

Spec = dict[str, Any]

_COLUMNS = ("NAME", "NAMESPACE", "ENABLED", "INSTALLED", "LABELS", "CHART", "VERSION")
_ALWAYS = {  # helmDefaults keys that Helmfile prints although they are not set
    "verify": False, "enableDNS": False, "devel": False, "wait": False, "waitRetries": 0, "waitForJobs": False,
    "timeout": 0, "recreatePods": False, "force": False, "atomic": False, "rollbackOnFailure": False,
    "forceConflicts": False, "skipDeps": False, "skipRefresh": False, "reuseValues": False,
}  # fmt: skip
_DROPPED_WHEN_FALSE = {"insecureSkipTLSVerify", "plainHttp", "forceGoGetter"}
# Texts that need no quotes, which most are; everything else goes through the YAML writer.
_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_/-]{2,60}")
_WORDS = frozenset({"true", "false", "null", "yes", "off", "inf", "nan"})
_OUTPUT_TEMPLATE = "{{ .State.BaseName }}-{{ .State.AbsPathSHA1 }}/{{ .Release.Name }}.yaml"


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedRelease:
    """One row of list."""

    name: str
    namespace: str
    enabled: bool
    installed: bool
    labels: str
    chart: str
    version: str


def rows(desired: DesiredState) -> list[ListedRelease]:
    """The rows of list, sorted by namespace and name. Raises ConfigError for duplicates."""
    check_duplicates(desired)
    listed = sorted(desired.listed, key=lambda release: (release.namespace, release.name))
    return [
        ListedRelease(
            name=release.name,
            namespace=release.namespace,
            enabled=release.enabled,
            installed=release.installed,
            labels=",".join(f"{key}:{value}" for key, value in sorted(release.labels.items())),
            chart=release.chart,
            version=release.version,
        )
        for release in listed
    ]


def list_table(desired: DesiredState) -> str:
    """`list`: columns padded, separated by tabs."""
    cells = [
        (
            row.name,
            row.namespace,
            _word(row.enabled),
            _word(row.installed),
            row.labels,
            row.chart,
            row.version,
        )
        for row in rows(desired)
    ]
    table = [_COLUMNS, *cells]
    widths = [max(len(line[column]) for line in table) for column in range(len(_COLUMNS))]
    lines = ["\t".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) for line in table]
    return "".join(f"{line.rstrip()}\n" for line in lines)


def list_json(desired: DesiredState) -> str:
    """`list --output json`."""
    from helmflow.core.go_json import dumps

    fields = ("name", "namespace", "enabled", "installed", "labels", "chart", "version")
    items = [
        "{" + ",".join(f"{dumps(key)}:{dumps(getattr(row, key))}" for key in fields) + "}"
        for row in rows(desired)
    ]
    return "[" + ",".join(items) + "]\n"


def _word(flag: bool) -> str:
    return "true" if flag else "false"


def check_duplicates(desired: DesiredState) -> None:
    """Two listed releases of one file must not have one name, namespace and context."""
    seen: dict[tuple[int, str, str, str], Release] = {}
    for release in desired.listed:
        context = release.spec.get("kubeContext", "")
        key = (release.file, context, release.namespace, release.name)
        first = seen.setdefault(key, release)
        if first is release:
            continue
        count = sum(
            (one.file, one.spec.get("kubeContext", ""), one.namespace, one.name) == key
            for one in desired.listed
        )
        where = f' in namespace "{release.namespace}"' if release.namespace else ""
        where += f' in kubecontext "{context}"' if context else ""
        raise ConfigError(
            f'duplicate release "{release.name}" found{where}: there were {count} releases named "{release.name}" '
            "matching specified selector",
            error_id="state.duplicate-release",
            span=release.span,
            hint=f"the first is at {first.span}" if first.span else "",
        )


def build(desired: DesiredState, *, embed_values: bool = False) -> str:
    """`build`: each file's merged state as YAML. Raises ConfigError for duplicates."""
    check_duplicates(desired)
    return "".join(_built(desired, view, embed_values=embed_values) for view in desired.files)


def _built(desired: DesiredState, view: StateFileView, *, embed_values: bool) -> str:
    spec = built_spec(desired, view, embed_values=embed_values)
    paths = desired.context.secret_paths
    if desired.secrets or paths:
        spec = masked(spec, desired.secrets, {("renderedvalues", *path) for path in paths})
    return f"---\n#  Source: {view.path}\n\n{_emit(spec)}"


def built_spec(desired: DesiredState, view: StateFileView, *, embed_values: bool = False) -> Spec:
    """One file's merged state in Helmfile's order of keys."""
    releases = [desired.releases[index] for index in view.releases]
    listed = [one for one in releases if one.selected or not view.selectors]
    shown = [_embedded(desired, one) if embed_values else one.spec for one in listed]
    spec: Spec = {**view.spec, "releases": [_shown_release(one) for one in shown]}
    spec["filepath"] = view.file
    spec.setdefault("helmBinary", "helm")
    spec.setdefault("kustomizeBinary", "kustomize")
    if spec.get("environments"):
        spec["environments"] = {name: found or {} for name, found in spec["environments"].items()}
    ordered = _ordered(STATE, spec)
    ordered["templates"] = {
        name: _shown_release(template) for name, template in (view.spec.get("templates") or {}).items()
    }
    ordered["renderedvalues"] = dict(view.environment.values)
    return ordered


def _shown_release(spec: Mapping[str, Any]) -> Spec:
    return _ordered(RELEASE, spec)


def _embedded(desired: DesiredState, release: Release) -> Spec:
    """A release with its values files read in place of their paths; secrets stay paths."""
    layers = values.own_layers(desired, release)
    own = [
        masked(dict(_as_written(one.values)), desired.secrets, one.secret_paths)
        for one in layers
        if not one.secret
    ]
    return {**release.spec, "values": own}


def _as_written(value: Any) -> Any:
    """Whole floats as whole numbers again, for printing."""
    if isinstance(value, dict):
        return {key: _as_written(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_as_written(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 2**53 else value


def _ordered(block: Block, spec: Mapping[str, Any]) -> Spec:
    """The keys that Helmfile prints, in its order: empty ones are left out."""
    out: Spec = {}
    if block is HELM_DEFAULTS:
        if all(merging.is_empty(value) for value in spec.values()):
            return {}
        spec = {**_ALWAYS, **spec}
    for key, described in block.keys.items():
        if key not in spec or described.own:
            continue
        value = _shaped(described.type, spec[key])
        keep = isinstance(value, (bool, int, float)) and key not in _DROPPED_WHEN_FALSE
        if keep or not merging.is_empty(value):
            out[key] = value
    return out


def _shaped(kind: Type, value: Any) -> Any:
    match kind:
        case Block() if isinstance(value, dict):
            return _ordered(kind, value)
        case ListOf() if isinstance(value, list):
            return [_shaped(kind.item, item) for item in value]
        case MapOf() if isinstance(value, dict) and kind.item is not Scalar.ANY:
            return {key: _shaped(kind.item, item) for key, item in sorted(value.items())}
        case OneOf() if isinstance(value, dict) and isinstance(kind.block, Block):
            return _ordered(kind.block, value)
        case _:
            return value


def _emit(spec: Mapping[str, Any]) -> str:
    """YAML with the order of keys kept at the top two levels, as Helmfile's structs print."""
    from helmflow.core.yaml_dialect import dump_pretty

    lines: list[str] = []
    for key, value in spec.items():
        lines.append(_entry(key, value, 0, dump_pretty))
    return "".join(lines)


def _entry(key: str, value: Any, depth: int, dump: Any) -> str:
    """One key with its value; maps of known keys keep their order, anything below is sorted by the writer."""
    pad = "  " * depth
    if isinstance(value, dict) and value and depth < 3 and _is_block(key):
        inner = "".join(_entry(name, item, depth + 1, dump) for name, item in value.items())
        return f"{pad}{key}:\n{inner}"
    if (
        key in ("releases", "repositories", "helmfiles", "hooks", "set", "setString", "dependencies")
        and value
    ):
        items = [_item(item, depth, dump) for item in value]
        return f"{pad}{key}:\n{''.join(items)}"
    if value is True or value is False:
        return f"{pad}{key}: {_word(value)}\n"
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return f"{pad}{key}: {value}\n"
    text = dump({key: value})
    return "".join(f"{pad}{line}" if line.strip() else line for line in text.splitlines(keepends=True))


def _is_block(key: str) -> bool:
    return key in ("helmDefaults", "environments", "missingFileHandlerConfig")


def _item(item: Any, depth: int, dump: Any) -> str:
    pad = "  " * depth
    if not isinstance(item, dict) or not item:
        return "".join(f"{pad}  {line}" for line in dump([item]).splitlines(keepends=True))
    body = "".join(_entry(key, value, depth + 2, dump) for key, value in item.items())
    return f"{pad}  - {body[len(pad) + 4 :]}"


def show_dag(desired: DesiredState) -> str:
    """`show-dag`: one table per file, groups by the longest chain of needs. Raises ConfigError as planning does."""
    check_duplicates(desired)
    tables = []
    for view in desired.files:
        listed = [
            release
            for release in (desired.releases[index] for index in view.releases)
            if release.selected or not view.selectors
        ]
        if listed:
            tables.append(_dag_table(desired, listed))
    return "".join(tables)


def _dag_table(desired: DesiredState, releases: Sequence[Release]) -> str:
    """One file's table. Needs that another file satisfies are shown and count for nothing in the groups."""
    inside = {release.id for release in releases}
    elsewhere = {release.id for release in desired.listed} - inside
    named = {release.id: _plain_id(release) for release in releases}
    graph = ReleaseGraph.of(_without(releases, elsewhere))
    lines = [("GROUP", "RELEASE", "DEPENDENCIES")]
    needs = {release.id: _need_ids(release.needs, named) for release in releases}
    for number, group in enumerate(graph.groups(), 1):
        lines += [(str(number), named[one], ", ".join(needs[one])) for one in group]
    widths = [max(len(line[column]) for line in lines) for column in range(3)]
    return "".join(
        " ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n"
        for line in lines
    )


def _without(releases: Iterable[Release], elsewhere: set[ReleaseId]) -> list[Release]:
    from dataclasses import replace

    return [
        replace(release, needs=tuple(need for need in release.needs if need.id not in elsewhere))
        for release in releases
    ]


def _need_ids(needs: Iterable[Need], named: Mapping[ReleaseId, str]) -> list[str]:
    return [named.get(need.id, str(need.id)) for need in needs]


def _plain_id(release: Release) -> str:
    """A release's id as Helmfile prints it: with the context that the file names, not the environment's."""
    return str(ReleaseId(release.spec.get("kubeContext", ""), release.namespace, release.name))


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentView:
    """One file's environment, for print-env."""

    file_path: str
    name: str
    values: Mapping[str, Any]
    kube_context: str = ""


def environments(desired: DesiredState) -> list[EnvironmentView]:
    """The environment of every file, nested files first."""
    return [
        EnvironmentView(
            file_path=view.path,
            name=view.environment.name,
            values=view.environment.values,
            kube_context=view.environment.kube_context,
        )
        for view in desired.files
    ]


def print_env(desired: DesiredState, output: str = "yaml", *, show_secrets: bool = False) -> str:
    """`print-env`: YAML documents or a JSON array; decrypted values as *** unless asked for.

    Raises UsageError `flags.bad-output`.
    """
    found = [_environment_map(view) for view in environments(desired)]
    paths = {("values", *path) for path in desired.context.secret_paths}
    if not show_secrets and (desired.secrets or paths):
        found = [masked(one, desired.secrets, paths) for one in found]
    if output == "json":
        from helmflow.core.go_json import dumps

        return dumps(found, indent="  ") + "\n"
    if output != "yaml":
        raise UsageError(f"invalid output format {output!r}: it is yaml or json", error_id="flags.bad-output")
    return "---\n".join(_emit(one) for one in found)


def masked(
    value: Any, secrets: SecretTexts, paths: Collection[tuple[str, ...]], at: tuple[str, ...] = ()
) -> Any:
    """A value with what lies at secret `paths` replaced, and every longer text and number that a secret holds."""
    if at in paths:
        return secrets.MASK
    if isinstance(value, dict):
        return {key: masked(item, secrets, paths, (*at, str(key))) for key, item in value.items()}
    if isinstance(value, list):
        return [masked(item, secrets, paths, (*at, "")) for item in value]
    if isinstance(value, str) or (isinstance(value, (int, float)) and not isinstance(value, bool)):
        text = secrets.mask(str(value), shortest=secrets.LONG)
        return text if text != str(value) else value
    return value


class UsageError(ConfigError):
    """A flag has a value it does not take; Helmfile's exit code for usage is 3."""

    exit_code = 3


def _environment_map(view: EnvironmentView) -> Spec:
    found: Spec = {"filePath": view.file_path, "name": view.name, "values": dict(view.values)}
    if view.kube_context:
        found["kubeContext"] = view.kube_context
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenValues:
    """One file that write-values writes."""

    path: Path
    text: str
    release: ReleaseId


def write_values(
    desired: DesiredState, template: str = "", command: values.CommandValues | None = None
) -> list[WrittenValues]:
    """`write-values`: each chosen release's values files merged; --set like flags are not applied (as in Helmfile)."""
    from helmflow.core.yaml_dialect import dump_pretty

    check_duplicates(desired)
    written = []
    for release in desired.chosen:
        if not release.installed:
            continue
        merged: Spec = {}
        for layer in values.own_layers(desired, release, command):
            merged = merging.overridden(merged, layer.values)
        path = output_path(desired, release, template or _OUTPUT_TEMPLATE)
        written.append(WrittenValues(path=path, text=dump_pretty(_as_written(merged)), release=release.id))
    return written


def output_path(desired: DesiredState, release: Release, template: str, output_dir: str = "") -> Path:
    """Where a release's output goes, by a template over .State, .Release and .Environment."""
    view = desired.file_of(release)
    data = {
        "OutputDir": output_dir,
        "State": state_names(view),
        "Release": _go_release(release),
        "Environment": {"Name": view.environment.name, "KubeContext": view.environment.kube_context},
    }
    text = desired.context.renderer.render(
        template, data, view.base_dir, SourceText("--output-file-template", template)
    )
    return view.base_dir / text


def state_names(view: StateFileView) -> dict[str, str]:
    """A state file's names as output templates see them."""
    name = Path(view.path).name
    base = name.removesuffix(".gotmpl")
    base = base.rsplit(".", 1)[0] if "." in base else base
    return {
        "BaseName": base,
        "Path": view.file,
        "AbsPath": view.path,
        "AbsPathSHA1": hashlib.sha1(view.path.encode(), usedforsecurity=False).hexdigest()[:8],
    }


def _go_release(release: Release) -> dict[str, Any]:
    """A release under Go's field names, as hook and output templates see it."""
    from helmflow.state.hooks import go_release

    return go_release(release)
