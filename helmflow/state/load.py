"""Load state files: find them, follow nested ones, choose releases: everything before anything is fetched."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from helmflow.core.errors import ConfigError
from helmflow.core.events import Emit
from helmflow.core.records import dataclass, field, replace
from helmflow.core.source import Span
from helmflow.state import discovery, environments, files, parts, selectors, state_values
from helmflow.state.context import Context, HelmFlags, Trust
from helmflow.state.environments import Env
from helmflow.state.model import DesiredState, Release, Repository, StateFileView
from helmflow.state.parts import Loaded, Reading, UndefinedEnvironment
from helmflow.state.ports import Ports
from helmflow.state.resolve import Overrides, resolve

_DEEPEST = 100  # nested state files; people use three levels


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadRequest:
    """What to load. `file`: "" searches the defaults, else a file, a directory, a URL, or "-" for standard input.

    Empty texts fall back on HELMFLOW_* and HELMFILE_* variables. `locked`: versions come from the lock file where
    there is one (what resolves or ignores charts says False). `stdin` is the text for "-", `args` are flags for helm.
    """

    file: str = ""
    environment: str = ""
    selectors: tuple[str, ...] = ()
    namespace: str = ""
    kube_context: str = ""
    chart: str = ""
    state_values_set: tuple[str, ...] = ()
    state_values_set_string: tuple[str, ...] = ()
    state_values_files: tuple[str, ...] = ()
    allow_no_matching_release: bool = False
    need_releases: bool = True
    locked: bool = True
    cwd: Path = field(default_factory=Path.cwd)
    env: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    stdin: str | None = None
    args: HelmFlags = field(default_factory=HelmFlags)
    command: str = ""
    trust: Trust = Trust.FULL
    ports: Ports = field(default_factory=Ports)


class NoReleases(ConfigError):
    """No file has a release that the selectors and the environment choose."""

    exit_code = 3


def load_desired(request: LoadRequest, emit: Emit) -> DesiredState:
    """Every release of every file for one environment.

    Raises ConfigError with every mistake found, TemplateError, or NoReleases (exit code 3) where nothing is chosen.
    """
    with _without_collections():
        return _load(request, new_context(request, emit))


def _load(request: LoadRequest, context: Context) -> DesiredState:
    request = _with_variables(request, context)
    selectors.parse_all(request.selectors)
    visitor = _Visitor(request, context)
    found = discovery.find(context, request.file, request.stdin)
    overrides = visitor.overrides(found)
    for path in found.paths:
        visitor.visit(
            path,
            _Visit(selectors=request.selectors, overrides=overrides, several=found.several, text=found.text),
        )
    desired = visitor.desired()
    if request.need_releases and not desired.listed and not request.allow_no_matching_release:
        raise visitor.nothing_chosen()
    return desired


@contextmanager
def _without_collections() -> Iterator[None]:
    """No cyclic garbage collection meanwhile: what is built here lives on, so that collecting only costs time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def new_context(request: LoadRequest, emit: Emit) -> Context:
    """The context of a load."""
    context = Context(
        env=request.env,
        cwd=Path(os.path.abspath(request.cwd)),
        ports=request.ports,
        emit=emit,
        trust=request.trust,
        args=request.args,
        command=request.command,
    )
    context.insecure_off = context.variable("HELMFILE_DISABLE_INSECURE_FEATURES") == "true"
    context.functions_skipped = context.variable("HELMFILE_SKIP_INSECURE_TEMPLATE_FUNCTIONS") == "true"
    return context


def _with_variables(request: LoadRequest, context: Context) -> LoadRequest:
    return replace(
        request,
        file=request.file or context.variable("HELMFILE_FILE_PATH"),
        environment=request.environment or context.variable("HELMFILE_ENVIRONMENT") or "default",
        namespace=request.namespace or context.variable("HELMFILE_NAMESPACE"),
        kube_context=request.kube_context or context.variable("HELMFILE_KUBE_CONTEXT"),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Visit:
    """How one file is visited: by which selectors, under which parent."""

    selectors: tuple[str, ...]
    overrides: Env | None
    several: bool = False
    text: str | None = None
    parent: Loaded | None = None
    inherits: tuple[str, ...] = ()
    trail: tuple[Path, ...] = ()
    asked: Span | None = None


class _Visitor:
    """Files in Helmfile's order: nested files before the file that names them."""

    def __init__(self, request: LoadRequest, context: Context) -> None:
        self.request = request
        self.context = context
        self.releases: list[Release] = []
        self.views: list[StateFileView] = []
        self.skipped: list[UndefinedEnvironment] = []
        self.explicit_selectors = _explicit(context)
        self.render_all = context.variable("HELMFILE_RENDER_YAML") == "true"

    def overrides(self, found: discovery.Found) -> Env | None:
        """--state-values-file and --state-values-set: what the first files get on top of their own."""
        request = self.request
        cli = state_values.parse(request.state_values_set, request.state_values_set_string)
        values: dict[str, object] = {}
        if request.state_values_files:
            base = self.context.cwd
            beside = found.paths[0].parent
            paths = [
                name
                if files.is_remote(name) or files.under(base, name).exists()
                else str(files.under(beside, name))
                for name in request.state_values_files
            ]
            below = Env(name=request.environment)
            values = environments.entries_values(self.context, paths, base, below, files.Missing(), "")
        if not cli and not values and not request.state_values_files:
            return None
        return Env(name=request.environment, values=values, cli=cli)

    def visit(self, path: Path, visit: _Visit) -> None:
        """Load a file, visit those nested in it, then take its releases."""
        self.check_trail(path, visit)
        base_dir = self.context.cwd if visit.text is not None else path.parent
        reading = Reading(
            environment=self.request.environment,
            namespace=self.request.namespace,
            inherited=visit.parent.env if visit.parent and "environments" in visit.inherits else None,
            overrides=visit.overrides,
            render_all=self.render_all or visit.text is not None,
        )
        try:
            loaded = parts.load_file(self.context, path, base_dir, reading, visit.text)
        except UndefinedEnvironment as skipped:
            self.skipped.append(skipped)
            return
        if visit.parent is not None and visit.inherits:
            loaded = parts.inherit_from(visit.parent, loaded, visit.inherits)
        loaded = self.with_flags(loaded)
        self.nested(loaded, visit)
        self.take(loaded, visit)

    def check_trail(self, path: Path, visit: _Visit) -> None:
        """Nested files must not come back to one that is being loaded."""
        trail = visit.trail
        if path in trail:
            loop = [*trail[trail.index(path) :], path]
            shown = " -> ".join(parts.shown(self.context, one) for one in loop)
            raise ConfigError(
                f"helmfiles form a cycle: {shown}",
                error_id="state.helmfiles-cycle",
                span=visit.asked,
                hint="remove the entry that leads back",
            )
        if len(trail) > _DEEPEST:
            raise ConfigError(
                f"helmfiles are nested deeper than {_DEEPEST}",
                error_id="state.helmfiles-cycle",
                span=visit.asked,
            )

    def with_flags(self, loaded: Loaded) -> Loaded:
        """The file with -n, --kube-context and --chart, which must not meet the same key at its top level."""
        spec = dict(loaded.spec)
        request = self.request
        flags = (
            ("namespace", "--namespace", request.namespace),
            ("kubeContext", "--kube-context", request.kube_context),
            ("chart", "--chart", request.chart),
        )
        for key, flag, value in flags:
            if not value:
                continue
            if spec.get(key):
                raise ConfigError(
                    f"Cannot use option {flag} and set attribute {key}.",
                    error_id="flags.conflicts-with-file",
                    span=loaded.span(key),
                    hint=f"remove `{key}` from the file, or the flag",
                )
            spec[key] = value
            if key == "kubeContext":
                spec["helmDefaults"] = {**(spec.get("helmDefaults") or {}), "kubeContext": value}
        return replace(loaded, spec=spec)

    def nested(self, loaded: Loaded, visit: _Visit) -> None:
        """The files that a file names, each with its own selectors and values."""
        for entry in loaded.helmfiles:
            inner = self.inner_selectors(entry, visit.selectors)
            if inner is None:
                continue
            values = entry.get("values") or ()
            overrides = None
            if values:
                below = Env(name=self.request.environment)
                given = environments.entries_values(
                    self.context, values, loaded.base_dir, below, files.Missing(), ""
                )
                overrides = Env(name=self.request.environment, values=given)
            for path in self.entry_paths(entry["path"], loaded.base_dir):
                self.visit(
                    path,
                    _Visit(
                        asked=loaded.span("helmfiles"),
                        selectors=inner,
                        overrides=overrides,
                        parent=loaded,
                        inherits=tuple(entry.get("inherits") or ()),
                        trail=(*visit.trail, loaded.path),
                    ),
                )

    def entry_paths(self, written: str, base_dir: Path) -> Sequence[Path]:
        """The state files behind one entry: a file, or those in a directory."""
        path = (
            self.context.locate(written, base_dir)
            if files.is_remote(written)
            else files.under(base_dir, written)
        )
        if path.is_dir():
            found = [one for one in (path / "helmfile.yaml", path / "helmfile.yaml.gotmpl") if one.is_file()]
            return discovery.in_folder(path) or found
        return [path]

    def inner_selectors(self, entry: Mapping[str, object], outer: tuple[str, ...]) -> tuple[str, ...] | None:
        """The selectors for a nested file; None where they contradict the outer ones, so that it need not be read."""
        own = entry.get("selectors")
        if own is None:
            inherit = entry.get("selectorsInherited") or not self.explicit_selectors
            return outer if inherit else ()
        inner = tuple(str(text) for text in own)  # type: ignore[attr-defined]
        parsed = selectors.parse_all(inner)
        return inner if selectors.compatible(selectors.parse_all(outer), parsed) else None

    def take(self, loaded: Loaded, visit: _Visit) -> None:
        """A loaded file's releases, chosen by its selectors."""
        spec = loaded.spec
        overrides = Overrides(
            kube_context=spec.get("kubeContext", ""),
            namespace=spec.get("namespace", ""),
            chart=spec.get("chart", ""),
        )
        resolved = resolve(self.context, loaded, overrides, len(self.views), locked=self.request.locked)
        parsed = selectors.parse_all(visit.selectors)
        first = len(self.releases)
        for release in resolved.releases:
            chosen = release.enabled and selectors.matches_any(parsed, release.labels)
            self.releases.append(release if chosen else replace(release, selected=False))
        self.views.append(
            StateFileView(
                path=str(loaded.path),
                file=str(loaded.path) if visit.several else loaded.path.name,
                base_dir=loaded.base_dir,
                environment=resolved.environment,
                loaded=loaded,
                spec=spec,
                releases=tuple(range(first, len(self.releases))),
                repositories=resolved.repositories,
                local_hooks=resolved.local_hooks,
                selectors=visit.selectors,
                kube_context=overrides.kube_context,
                namespace=overrides.namespace,
                chart=overrides.chart,
                kube_version=spec.get("kubeVersion", ""),
                lock_file=resolved.lock,
                depth=len(visit.trail),
            )
        )

    def desired(self) -> DesiredState:
        """What was found."""
        return DesiredState(
            environment=self.request.environment,
            releases=tuple(self.releases),
            files=tuple(self.views),
            repositories=_distinct(one for view in self.views for one in view.repositories),
            warnings=tuple(self.context.warnings),
            secrets=self.context.secrets,
            context=self.context,
        )

    def nothing_chosen(self) -> NoReleases:
        """The error of a run without releases, with what was probably meant."""
        chosen = ", ".join(self.request.selectors)
        name = self.request.environment
        hints = [one.hint for one in self.skipped if one.hint]
        if self.skipped and not self.views:
            hint = f"environment {name!r} is not defined" + (f": {hints[0]}" if hints else "")
        elif chosen and self.releases:
            hint = "`helmflow list` shows the releases and their labels"
        else:
            hint = "" if self.releases else "the files name no release"
        return NoReleases(
            f"no releases found that matches specified selector({chosen}) and environment({name}), in any helmfile",
            error_id="state.no-releases",
            hint=hint,
        )


def _explicit(context: Context) -> bool:
    experimental = context.variable("HELMFILE_EXPERIMENTAL")
    return experimental == "true" or "explicit-selector-inheritance" in experimental


def _distinct(repositories: Iterable[Repository]) -> tuple[Repository, ...]:
    seen: dict[tuple[str, str], Repository] = {}
    for one in repositories:
        seen.setdefault((one.name, one.url), one)
    return tuple(seen.values())
