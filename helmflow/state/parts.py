"""One state file: policy, parts, rendering, bases, environments; parts merged into one."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from helmflow.core.errors import ConfigError, TemplateError
from helmflow.core.records import dataclass, field
from helmflow.core.source import SourceText, Span
from helmflow.state import environments, files, merging, pins
from helmflow.state.context import Context
from helmflow.state.environments import Env, over
from helmflow.state.merging import Mode
from helmflow.state.reading import Text, read, span_of
from helmflow.state.schema import HELM_DEFAULTS, STATE

Spec = dict[str, Any]
_TOP_KEY = re.compile(r"^[a-zA-Z]+:")
_SEPARATOR = re.compile(r"^--- *$")
_ORDER = {"bases": 0, "environments": 0, "releases": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A state file read to the end. `values` is what its releases see as .Values."""

    path: Path
    base_dir: Path
    source: SourceText
    spec: Spec
    env: Env
    values: Spec
    helmfiles: tuple[Spec, ...] = ()
    written: tuple[Spec, ...] = ()

    def span(self, key: str) -> Span | None:
        """Where a top-level key is written; the last part that has it."""
        return next((span_of(part, key) for part in reversed(self.written) if key in part), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How a file is read: for which environment, over which inherited one, with which overrides on top."""

    environment: str
    namespace: str = ""
    inherited: Env | None = None
    overrides: Env | None = None
    is_base: bool = False
    render_all: bool = False


class UndefinedEnvironment(ConfigError):
    """A file does not define the environment: it is skipped, and only an error where every file is."""

    def __init__(self, error: ConfigError, known: tuple[str, ...]) -> None:
        super().__init__(error.message, error_id=error.error_id, span=error.span, hint=error.hint)
        self.known = known


@dataclass(slots=True)
class _Final:
    spec: Spec | None = None
    env: Env | None = None
    values: Spec = field(default_factory=dict)


def load_file(
    context: Context, path: Path, base_dir: Path, reading: Reading, text: str | None = None
) -> Loaded:
    """Read a state file. Raises ConfigError, TemplateError, or UndefinedEnvironment."""
    content = (context.read_text(path) if text is None else text).replace("\r\n", "\n")
    source = SourceText(shown(context, path), content)
    check_order(source)
    is_template = path.suffix == ".gotmpl" or reading.render_all
    final = _Final(env=reading.inherited)
    offset = 0
    written: list[Spec] = []
    pieces = content.split("\n---\n")
    for index, piece in enumerate(pieces):
        below = over(final.env, reading.overrides)
        _look_ahead(context, pieces[index:], reading, base_dir)
        part = _part_text(
            context, piece, source, offset, index, len(pieces), is_template, below, reading, base_dir
        )
        offset += piece.count("\n") + 2
        own = read(part, template=is_template)
        written.append(own)
        if not reading.is_base:
            _check_version(own)
        spec = _with_bases(context, own, base_dir, below, reading)
        _look_ahead(context, pieces[index + 1 :], reading, base_dir)
        env = environments.load(context, spec, reading.environment, base_dir, below)
        spec["helmfiles"] = _expanded(context, spec, base_dir, None if own.get("bases") else own)
        _merge_part(final, spec, env)
        _check_environment(final, source, reading)
    assert final.spec is not None
    assert final.env is not None
    if (
        not final.spec.get("environments")
        and not reading.is_base
        and not (reading.inherited or reading.overrides)
    ):
        _require_default(final.env.name, source)
    if not final.spec.get("helmfiles"):
        final.spec.pop("helmfiles", None)
    return Loaded(
        path=path, base_dir=base_dir, source=source, spec=final.spec, env=final.env, values=final.values,
        helmfiles=tuple(final.spec.get("helmfiles", ())), written=tuple(written),
    )  # fmt: skip


def _look_ahead(context: Context, pieces: list[str], reading: Reading, base_dir: Path) -> None:
    """Should a template read a cluster before these parts are rendered: what they pin the environment to."""
    if context.ports.pinned is not None:
        context.ports.pinned.ahead(lambda: pins.announced(pieces, reading.environment, base_dir))


def shown(context: Context, path: Path) -> str:
    """A path as people know it: relative to the working directory where it lies below."""
    try:
        return str(path.relative_to(context.cwd))
    except ValueError:
        return str(path)


def _part_text(
    context: Context,
    piece: str,
    source: SourceText,
    offset: int,
    index: int,
    count: int,
    is_template: bool,
    below: Env | None,
    reading: Reading,
    base_dir: Path,
) -> Text:
    """A part as it is read: as written, or rendered with what earlier parts gave."""
    if not is_template:
        return Text(source, piece, offset)
    data = environments.template_data(below or Env(name=reading.environment), reading.namespace)
    try:
        rendered = context.renderer.render(piece, data, base_dir, source, offset)
    except TemplateError as error:
        raise TemplateError(
            f"error during {source.name}.part.{index} parsing: {error}",
            error_id=error.error_id, span=error.span, hint=error.hint, frames=error.frames,
        ) from error  # fmt: skip
    if rendered == piece:
        return Text(source, piece, offset)
    which = f"rendered part {index + 1}" if count > 1 else "rendered"
    return Text(SourceText(f"{source.name} ({which})", rendered), rendered)


def _what_it_is_instead(text: str) -> str:
    """What a file without keys probably is."""
    if "\0" in text:
        return "the file is not UTF-8 (UTF-16, as some editors save it?): save it as UTF-8"
    lines = [line for line in text.split("\n") if line.strip() and not line.lstrip().startswith("#")]
    if not lines:
        return "the file is empty; `helmflow create` writes an example"
    if lines[0].startswith("- "):
        return "a list of releases stands below a line `releases:`"
    return "write keys such as releases: or repositories: at the beginning of a line"


def check_order(source: SourceText) -> None:
    """Helmfile's policy on the text before anything is rendered.

    Some top-level key must exist; bases and environments come before releases; environments and releases
    stand in different parts. Source: Helmfile 1.7.4 pkg/policy.
    """
    keys: list[tuple[str, int]] = []
    for number, line in enumerate(source.text.split("\n"), 1):
        if _TOP_KEY.match(line):
            keys.append((line.split(":", 1)[0], number))
        elif _SEPARATOR.match(line):
            keys.append(("---", number))
    if not any(key != "---" for key, _ in keys):
        raise ConfigError(
            f"no top-level config keys are found in {source.name}",
            error_id="state.empty",
            span=Span(source, 0),
            hint=_what_it_is_instead(source.text),
        )
    ordered = [(key, number) for key, number in keys if key in _ORDER]
    for (before, _), (after, number) in itertools.pairwise(ordered):
        if _ORDER[before] > _ORDER[after]:
            raise ConfigError(
                f"top-level config key {after} must be defined before {before} in {source.name}",
                error_id="state.key-order",
                span=Span(source, number, 1, len(after)),
            )
    _check_parts(source, keys)


def _check_parts(source: SourceText, keys: list[tuple[str, int]]) -> None:
    seen: list[tuple[str, int]] = []
    for key, number in keys:
        if key == "---" or (key in ("environments", "releases") and key not in [name for name, _ in seen]):
            seen.append((key, number))
    for (first, _), (second, number) in itertools.pairwise(seen):
        if first != "---" and second != "---":
            raise ConfigError(
                "environments and releases cannot be defined within the same YAML part",
                error_id="state.environments-beside-releases",
                span=Span(source, number, 1, len(second)),
                hint="put a line with only --- between them",
            )


def _with_bases(context: Context, spec: Spec, base_dir: Path, below: Env | None, reading: Reading) -> Spec:
    """The part's blocks over those of its bases: lists join, environments join, scalars override unless empty."""
    bases = spec.get("bases") or ()
    if bases and reading.is_base:
        raise ConfigError(
            "a base cannot have bases of its own",
            error_id="state.nested-bases",
            span=span_of(spec, "bases"),
            hint="name both files in `bases` of the file that uses them",
        )
    if not bases:
        return dict(spec)
    layers: list[Mapping[str, Any]] = []
    for index, name in enumerate(bases):
        remote = files.is_remote(name)
        path = context.locate(name, base_dir) if remote else files.under(base_dir, name)
        if not path.is_file():
            raise ConfigError(
                f"base {name!r} does not exist", error_id="file.missing", span=span_of(spec, "bases", index),
                hint=files.near(base_dir, name),
            )  # fmt: skip
        inner = Reading(
            environment=reading.environment, namespace=reading.namespace, inherited=below, is_base=True,
            render_all=reading.render_all,
        )  # fmt: skip
        layers.append(load_file(context, path, base_dir, inner).spec)
    merged: Spec = {}
    joined: Spec = {}
    for layer in (*layers, spec):
        joined = merging.environments(joined, layer.get("environments") or {})
        rest = {key: value for key, value in layer.items() if key != "environments"}
        merged = merging.blocks(STATE, merged, rest, Mode.APPEND)
    if joined:
        merged["environments"] = joined
    return merged


def _merge_part(final: _Final, spec: Spec, env: Env) -> None:
    """A later part over the earlier ones: lists replace, maps merge, scalars override unless empty."""
    if final.spec is None:
        final.spec, final.env = spec, env
    else:
        assert final.env is not None
        final.spec = merging.blocks(STATE, final.spec, spec, Mode.REPLACE)
        final.env = Env(
            name=env.name or final.env.name,
            kube_context=env.kube_context or final.env.kube_context,
            values=merging.overridden(final.env.values, env.values),
            defaults=merging.overridden(final.env.defaults, env.defaults),
            cli=merging.overridden(final.env.cli, env.cli),
        )
    final.values = env.merged()
    defaults = final.spec.get("helmDefaults") or {}
    arguments = defaults.get("postRendererArgs")
    if arguments:
        final.spec["releases"] = [
            release
            if release.get("postRendererArgs")
            else _extended(release, {"postRendererArgs": arguments})
            for release in final.spec.get("releases", ())
        ]
        kept = {key: value for key, value in defaults.items() if key != "postRendererArgs"}
        final.spec["helmDefaults"] = kept


def _extended(spec: Spec, values: Mapping[str, Any]) -> Spec:
    from helmflow.state.reading import Located

    merged = {**spec, **values}
    return Located(merged, spec.node, spec.source) if isinstance(spec, Located) else merged


def _check_environment(final: _Final, source: SourceText, reading: Reading) -> None:
    assert final.spec is not None
    assert final.env is not None
    known = final.spec.get("environments") or {}
    if known and not reading.is_base and final.env.name not in ("default", *known):
        error = environments.undefined(final.env.name, source.name, list(known), None)
        raise UndefinedEnvironment(error, tuple(known))


def _require_default(name: str, source: SourceText) -> None:
    if name != "default":
        raise UndefinedEnvironment(environments.undefined(name, source.name, [], None), ())


def _expanded(context: Context, spec: Spec, base_dir: Path, own: Spec | None) -> list[Spec]:
    """`helmfiles` with globs expanded; each entry as a map with its path as it will be loaded."""
    config = spec.get("missingFileHandlerConfig") or {}
    missing = files.Missing(
        handler=spec.get("missingFileHandler") or "Error",
        ignore_missing_git_branch=bool(config.get("ignoreMissingGitBranch")),
    )
    found: list[Spec] = []
    for index, written in enumerate(spec.get("helmfiles") or ()):
        entry = {"path": written} if isinstance(written, str) else written
        span = span_of(own, "helmfiles", index)
        pattern = entry.get("path", "")
        _check_entry(entry, pattern, span)
        if files.is_remote(pattern):
            found.append(dict(entry))
            continue
        for path in files.resolve(context, pattern, base_dir, missing, "state", span):
            shown_path = str(path) if Path(pattern).is_absolute() else _relative(path, base_dir)
            found.append({**entry, "path": shown_path})
    return found


def _relative(path: Path, base_dir: Path) -> str:
    import os

    return os.path.relpath(path, base_dir)


def _check_entry(entry: Spec, pattern: str, span: Span | None) -> None:
    from helmflow.state.schema import INHERITABLE

    if not pattern:
        raise ConfigError("a helmfiles entry needs `path`", error_id="state.missing-key", span=span)
    if "selectors" in entry and entry.get("selectorsInherited"):
        raise ConfigError(
            f"helmfiles entry {pattern!r} has both selectors and selectorsInherited",
            error_id="state.conflicting-keys",
            span=span,
            hint="remove one of them",
        )
    for name in entry.get("inherits") or ():
        if name not in INHERITABLE:
            raise ConfigError(
                f"helmfiles entry {pattern!r} cannot inherit {name!r}: it takes {', '.join(INHERITABLE)}",
                error_id="state.bad-choice",
                span=span,
            )
    if pattern == ".":
        raise ConfigError(
            "a helmfiles entry names the directory of its own file",
            error_id="state.helmfiles-cycle",
            span=span,
        )


def _check_version(spec: Spec) -> None:
    wanted = spec.get("requiredVersion")
    if not wanted:
        return
    from helmflow import __version__
    from helmflow.core.semver import Constraint, Version

    try:
        fits = Constraint.parse(wanted).check(Version.parse(__version__))
    except ValueError as error:
        raise ConfigError(
            f"requiredVersion {wanted!r}: {error}",
            error_id="state.bad-version",
            span=span_of(spec, "requiredVersion"),
        ) from None
    if not fits:
        raise ConfigError(
            f"this file needs helmflow {wanted}, this is {__version__}",
            error_id="state.required-version",
            span=span_of(spec, "requiredVersion"),
            hint="install a version that fits: pip install 'helmflow...'",
        )


def inherit_from(parent: Loaded, child: Loaded, wanted: tuple[str, ...]) -> Loaded:
    """The child with what it takes over from its parent; the child wins, the parent fills gaps."""
    from dataclasses import replace

    spec = dict(child.spec)
    for key in wanted:
        above = parent.spec.get(key)
        if not above or key == "environments":
            continue
        own = spec.get(key)
        match key:
            case "repositories":
                by_name = {one.get("name", ""): one for one in [*above, *(own or ())]}
                names = [one.get("name", "") for one in [*above, *(own or ())]]
                last = {name: position for position, name in enumerate(names)}
                spec[key] = [by_name[name] for name in sorted(last, key=last.__getitem__)]
            case "helmDefaults":
                spec[key] = merging.blocks(HELM_DEFAULTS, above, own or {}, Mode.REPLACE)
            case "commonLabels" | "templates":
                spec[key] = {**above, **(own or {})}
            case "apiVersions":
                spec[key] = merging.first_seen([*above, *(own or ())])
            case "kubeVersion":
                spec[key] = own or above
            case _:
                pass
    return replace(child, spec=spec)
