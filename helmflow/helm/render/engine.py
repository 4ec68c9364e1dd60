"""Chart, values and capabilities to rendered text. Pure: no cluster, no clock, no files."""

from __future__ import annotations

import marshal
from _blake2 import blake2b

from helmflow.core import lazy, shared
from helmflow.core.errors import ChartError, ConfigError, Mistake
from helmflow.core.garbage import Paused
from helmflow.core.lazy import cached_property
from helmflow.core.limits import MAX_TEMPLATE_OUTPUT_BYTES
from helmflow.core.records import dataclass, field
from helmflow.gotemplate.errors import ExecError, ParseError
from helmflow.gotemplate.program_cache import ProgramCache
from helmflow.gotemplate.templates import TemplateSet
from helmflow.helm.chart import dependencies
from helmflow.helm.chart.behaviour import Behaviour, behaviour
from helmflow.helm.chart.capabilities import DEFAULT_CAPABILITIES, Capabilities
from helmflow.helm.chart.model import Chart, ChartFile
from helmflow.helm.render import context, manifests
from helmflow.helm.render.files import Files
from helmflow.helm.render.functions import NO_VALUE, Lookup, Run
from helmflow.helm.render.hooks import ChartHook
from helmflow.helm.render.manifests import Manifest
from helmflow.helm.render.memo import Memo, Template
from helmflow.helm.values import coalesce

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from typing import Any, Final

    from helmflow.helm.render import failures, postrender, unread
    from helmflow.helm.render.postrender import PostRenderer
    from helmflow.helm.values import schema
else:  # most renders do not fail
    failures = lazy.module("helmflow.helm.render.failures")
    postrender = lazy.module("helmflow.helm.render.postrender")
    unread = lazy.module("helmflow.helm.render.unread")
    schema = lazy.module("helmflow.helm.values.schema")

_NOTES: Final = "NOTES.txt"
_KEPT: Final = "kept-programs"  # in a chart's memo, the templates whose programs are to be kept


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderOptions:
    """How to render. `helm_version` is the behaviour line, 4 or 3; `unread_values` is off, warn or error.

    `programs` keeps compiled templates between processes. With `installable`, a library chart and a chart that lacks declared dependencies are refused, as install does.
    """

    release_name: str = "release-name"
    namespace: str = "default"
    revision: int = 1
    is_upgrade: bool = False
    capabilities: Capabilities = DEFAULT_CAPABILITIES
    lookup: Lookup | None = None
    strict: bool = False
    helm_version: int = 4
    skip_schema_validation: bool = False
    enable_dns: bool = False
    include_crds: bool = False
    skip_tests: bool = False
    no_hooks: bool = False
    subchart_notes: bool = False
    legacy_hooks: bool = False
    lint: bool = False
    installable: bool = True
    unread_values: str = "off"
    post_renderer: PostRenderer | None = None
    programs: ProgramCache | None = None

    @property
    def behaviour(self) -> Behaviour:
        """The rules of the chosen Helm."""
        return behaviour(self.helm_version)


@dataclass(frozen=True)
class Rendered:
    """What rendering a chart gives. `values` are the coalesced values; `random_calls` name the functions used whose
    result differs from run to run; `warnings` have stable ids."""

    chart: Chart
    values: dict[str, Any]
    files: Mapping[str, str]
    manifests: tuple[Manifest, ...]
    hooks: tuple[ChartHook, ...]
    notes: str
    warnings: tuple[Mistake, ...] = ()
    random_calls: frozenset[str] = frozenset()
    random_paths: frozenset[str] = frozenset()
    legacy_crds: tuple[Manifest, ...] = ()
    options: RenderOptions = field(default_factory=RenderOptions)

    @cached_property
    def crds(self) -> tuple[Manifest, ...]:
        """The documents of crds/, parent first, then those that --legacy-hooks made of crd-install hooks.

        Raises ChartError where one is no YAML.
        """
        return (*manifests.parse_crds(self.chart.crds), *self.legacy_crds)

    @property
    def uses_random(self) -> bool:
        """Whether two renders of the same input may differ."""
        return bool(self.random_calls)

    @property
    def manifest(self) -> str:
        """The text that a release record stores: each document as `---`, its source and its content."""
        return manifests.stream(self.manifests)

    def template_output(self, *, show_only: tuple[str, ...] = ()) -> str:
        """What `helm template` prints: CRDs if asked for, manifests, then hooks. Raises ChartError for an unknown
        `show_only`."""
        crds = self.chart.crds if self.options.include_crds else ()
        text = "".join(f"---\n# Source: {crd.filename}\n{crd.text}\n" for crd in crds)
        shown = f"{text}{self.manifest}".strip() + "\n"
        if not self.options.no_hooks:
            hooks = (hook for hook in self.hooks if not (self.options.skip_tests and "test" in hook.events))
            shown += manifests.stream(hook.manifest for hook in hooks)
        return manifests.only(shown, show_only) if show_only else shown


def keep_programs(chart: Chart, programs: ProgramCache, *, met_too: object = True) -> None:
    """Compile the templates of a chart, as `Rendered` has it, for the next process: what `programs` has not got yet.

    Takes longer than rendering did: for when the output is written. `met_too` keeps the texts that `tpl` met, which
    are values.
    """
    templates: TemplateSet | None = chart.memo.get(_KEPT)
    if templates is not None:
        templates.save_programs(programs, met_too=met_too)


def render(chart: Chart, values: dict[str, Any], options: RenderOptions) -> Rendered:
    """The whole way from a loaded chart and user values to ordered manifests, in Helm's order of checks.

    Raises ChartError (dependencies, schema, kubeVersion, documents that are no YAML) and TemplateError, each with
    Helm's text in `str`.
    """
    rules = options.behaviour
    prepared = prepare(chart, values, options)
    processed, merged, warnings = prepared.chart, prepared.values, list(prepared.warnings)
    check_kube_version(processed, options.capabilities)
    run = _run(options)
    files = render_files(processed, merged, options, run)
    notes = _notes(processed, files, options)
    documents = {path: text for path, text in files.items() if not path.endswith(_NOTES)}
    if options.post_renderer is not None and rules.post_renders_hooks:
        documents = postrender.files(documents, options.post_renderer)
    found = manifests.sort(documents, behaviour=rules, legacy_hooks=options.legacy_hooks)
    if options.post_renderer is not None and not rules.post_renders_hooks:
        found = postrender.without_hooks(found, options.post_renderer)
    warnings += found.warnings
    if not chart.memo.get(NO_OLD_NAMES):
        warnings += unread.old_names(processed)
    if chart.metadata.deprecated:
        warnings.append(_deprecated(chart))
    if options.unread_values != "off":
        readers = processed.memo.get("readers")
        if readers is None:
            readers = unread.Readers(
                processed, run.templates, _layout(processed).executed, cache=options.programs
            )
            processed.memo["readers"] = readers
        found_unread = unread.unread(processed, values, readers, given=chart)
        if found_unread and options.unread_values == "error":
            raise ConfigError.collect(found_unread)
        warnings += found_unread
    return Rendered(
        chart=processed,
        values=merged,
        files=files,
        manifests=found.manifests,
        hooks=found.hooks,
        notes=notes,
        warnings=tuple(warnings),
        random_calls=frozenset(run.random_calls),
        random_paths=frozenset(run.random_paths),
        legacy_crds=found.crds,
        options=options,
    )


@dataclass(frozen=True, slots=True)
class Prepared:
    """A chart with its enabled dependencies and the values that its templates see."""

    chart: Chart
    values: dict[str, Any]
    warnings: tuple[Mistake, ...]


def prepare(chart: Chart, values: dict[str, Any], options: RenderOptions) -> Prepared:
    """What happens before any template runs: dependencies, values, schemas. Raises ChartError."""
    rules = options.behaviour
    warnings: list[Mistake] = []
    if not rules.multiple_values_documents:
        from helmflow.helm.chart.load import with_first_values

        chart = with_first_values(chart)
    if options.installable:
        check_installable(chart)
    warn = _collector(warnings, chart)
    processed, own = dependencies.process(chart, values, warn=warn, behaviour=rules)
    merged = coalesce.read_only(processed, own, warn=warn, behaviour=rules)
    passed = None  # of shared values it is known part by part
    if merged is None:
        merged = coalesce.coalesce(processed, own, warn=warn, behaviour=rules)
        passed = chart.memo.setdefault(SCHEMAS_PASSED, set())
    if not options.skip_schema_validation:
        validate(processed, merged, passed)
    return Prepared(processed, merged, tuple(warnings))


def render_files(
    chart: Chart, values: dict[str, Any], options: RenderOptions, run: Run | None = None
) -> dict[str, str]:
    """Every template's output by its path, NOTES.txt included; `values` are coalesced ones. Raises TemplateError."""
    with Paused():
        return _render_files(chart, values, options, run or _run(options))


def _render_files(chart: Chart, values: dict[str, Any], options: RenderOptions, run: Run) -> dict[str, str]:
    while True:
        try:
            return _executed(chart, values, options, run)
        except shared.Changed as changed:
            values = coalesce.apart(chart, values, changed.args[0], behaviour=options.behaviour)


def _executed(chart: Chart, values: dict[str, Any], options: RenderOptions, run: Run) -> dict[str, str]:
    layout = _layout(chart)
    templates = run.templates = _template_set(chart, layout, run, options)
    apart = not isinstance(values, coalesce.Values) or values.origin is None
    dots = _dots(layout, values, options, apart=apart)
    patience = chart.memo.setdefault("patience", {})
    if options.enable_dns or not Memo.is_worth(patience):
        return _files_of(chart, layout, dots, run, apart=apart)
    memo = run.memo = Memo(templates, dots, patience)
    try:
        return _files_of(chart, layout, dots, run, apart=apart)
    finally:
        memo.close(run.recalled)
        run.memo = None


def _files_of(
    chart: Chart, layout: _Layout, dots: Mapping[str, coalesce.Values], run: Run, *, apart: bool
) -> dict[str, str]:
    files: dict[str, str] = {}
    size = 0
    execute = run.templates.execute
    for path, template, owner in layout.executed:
        run.current_path = path
        dot = dots[owner]
        if run.memo is not None and type(dot.get("Template", template)) is not Template:
            run.memo.forget()  # a template had put its own there
        dot["Template"] = Template(template) if apart else template
        if dot.twin is not None:
            dot.twin["Template"] = dot["Template"]
        try:
            text = execute(path, dot)
        except ExecError as error:
            raise failures.exec_failure(error, run.behaviour) from error
        if "<" in text and _has_no_value(text):
            text = text.replace(NO_VALUE, "")
        size += len(text)
        if size > MAX_TEMPLATE_OUTPUT_BYTES:
            raise ChartError(
                f"the templates of {chart.name} give more than {MAX_TEMPLATE_OUTPUT_BYTES} bytes",
                error_id="chart.output-too-big",
            )
        files[path] = text
    return files


_LOOKS: Final = 64


def _has_no_value(text: str) -> bool:
    """`NO_VALUE in text`, faster on long texts: single characters are found many times faster, and "<" is rare."""
    at = text.find("<")
    for _ in range(_LOOKS):
        if at < 0:
            return False
        if text.startswith(NO_VALUE, at):
            return True
        at = text.find("<", at + 1)
    return at >= 0 and text.find(NO_VALUE, at) >= 0


def _run(options: RenderOptions) -> Run:
    return Run(
        behaviour=options.behaviour, lint=options.lint, lookup=options.lookup, enable_dns=options.enable_dns
    )


def render_template(text: str, data: Any, name: str, *, rules: Behaviour | None = None) -> str:
    """One template with `data` as its dot, with every function that charts have. Raises TemplateError."""
    run = Run(behaviour=rules or behaviour(4))
    templates = run.templates = TemplateSet(run.functions())
    try:
        templates.parse(name, text)
    except ParseError as error:
        raise failures.parse_failure(error, name) from error
    try:
        return templates.execute(name, data).replace(NO_VALUE, "")
    except ExecError as error:
        raise failures.exec_failure(error, run.behaviour) from error


# Keys of a chart's memo that outlive a process: which values its schemas took, and that no template has a name of Helm 2.
SCHEMAS_PASSED: Final = "schemas-passed"
NO_OLD_NAMES: Final = "no-old-names"
_VERDICTS_KEPT: Final = 64


def validate(chart: Chart, values: dict[str, Any], passed: set[bytes] | None) -> None:
    """Values against values.schema.json of the chart and its subcharts. Raises ChartError `chart.values-schema`.

    `passed` remembers by content which values and schemas went together.
    """
    schemas: list[bytes] | None = chart.memo.get("schemas")
    if schemas is None:
        found = [(path, part.schema) for path, part in chart.walk() if part.schema is not None]
        schemas = chart.memo["schemas"] = [blake2b(repr(found).encode()).digest()] if found else []
    if not schemas:
        return
    if passed is None:
        schema.validate(chart, values)
        return
    try:  # the old format writes equal values equally, however they are shared
        digest = blake2b(marshal.dumps(_plain(chart, values), 2), key=schemas[0]).digest()
    except ValueError:  # numbers from --set are no plain ones
        digest = b""
    if digest in passed:
        return
    schema.validate(chart, values)
    if digest:
        if len(passed) >= _VERDICTS_KEPT:
            passed.clear()
        passed.add(digest)


def _plain(chart: Chart, values: dict[str, Any]) -> dict[str, Any]:
    """The tree without Helm's type of values, sharing all but the maps that have it."""
    own = dict(values)
    for sub in chart.dependencies:
        part = own.get(sub.name)
        if isinstance(part, dict):
            own[sub.name] = _plain(sub, part)
    return own


def check_kube_version(chart: Chart, capabilities: Capabilities) -> None:
    """Raises ChartError where the chart's kubeVersion excludes the cluster."""
    wanted = chart.metadata.kube_version
    if wanted and not dependencies.compatible(wanted, capabilities.normalised):
        raise ChartError(
            f"chart requires kubeVersion: {wanted} which is incompatible with Kubernetes {capabilities.kube_version}",
            error_id="chart.kube-version",
        )


def check_installable(chart: Chart) -> None:
    """Raises ChartError for a library chart and for missing dependencies, as install and template do."""
    if chart.is_library:
        raise ChartError("library charts are not installable", error_id="chart.library")
    dependencies.check_present(chart)


@dataclass(frozen=True, slots=True)
class _Layout:
    """A chart's templates in Helm's order, which parsing and executing share: deep paths first, each level backwards.

    `parsed` are paths and files; `executed` paths, what .Template is, and the full paths of the charts that own them.
    `charts` are those of the chart and the charts in it, parents first.
    """

    parsed: tuple[tuple[str, ChartFile], ...]
    executed: tuple[tuple[str, Template, str], ...]
    charts: tuple[_Place, ...]


@dataclass(frozen=True, slots=True)
class _Place:
    """A chart in its parent's: the full paths of both, that of its values in the parent's, and what its templates see
    that no values change. Helm looks a name with dots up as a path, and so finds no values."""

    path: str
    parent: str
    name: str
    values: tuple[str, ...]
    chart: Chart
    fixed: dict[str, Any]


def _layout(chart: Chart) -> _Layout:
    known = chart.memo.get("layout")
    if known is None:
        known = chart.memo["layout"] = _make_layout(chart)
    made: _Layout = known
    return made


def _make_layout(chart: Chart) -> _Layout:
    found: list[tuple[str, ChartFile, str]] = []
    for owner, part in chart.walk():
        found.extend(
            (f"{owner}/{file.name}", file, owner)
            for file in part.templates
            if not part.is_library or _is_partial(file.name)
        )
    found.sort(key=lambda entry: (entry[0].count("/"), entry[0]), reverse=True)
    unique = {path: (file, owner) for path, file, owner in found}
    return _Layout(
        parsed=tuple((path, file) for path, (file, _) in unique.items()),
        executed=tuple(
            (path, Template.shared(path, f"{owner}/templates"), owner)
            for path, (_, owner) in unique.items()
            if not _is_partial(path)
        ),
        charts=tuple(_places(chart, "")),
    )


def _places(chart: Chart, parent: str) -> Iterator[_Place]:
    path = f"{parent}/charts/{chart.name}" if parent else chart.name
    fixed = {
        "Chart": _about(chart, root=not parent),
        "Files": Files.of(chart.files),
        "Values": None,
        "Subcharts": None,
    }
    yield _Place(path, parent, chart.name, tuple(chart.name.split(".")), chart, fixed)
    for sub in chart.dependencies:
        yield from _places(sub, path)


def _is_partial(path: str) -> bool:
    return path.rpartition("/")[2].startswith("_")


def _template_set(chart: Chart, layout: _Layout, run: Run, options: RenderOptions) -> TemplateSet:
    """The chart's templates, parsed once per chart. Raises TemplateError."""
    key = ("templates", run.behaviour.major, options.strict, options.enable_dns)
    known: TemplateSet | None = chart.memo.get(key)
    if known is not None:
        return known.renew(run.calls())
    templates = TemplateSet(run.functions(), missing_key="error" if options.strict else "zero")
    if options.programs is not None:
        chart.memo[_KEPT] = templates
        templates.load_programs({file.text: file.digest for _, file in layout.parsed}, options.programs)
    for path, file in layout.parsed:
        try:
            templates.parse(path, file.text)
        except ParseError as error:
            raise failures.parse_failure(error, path) from error
    chart.memo[key] = templates
    return templates


def _dots(
    layout: _Layout, values: dict[str, Any], options: RenderOptions, *, apart: bool
) -> dict[str, coalesce.Values]:
    """The dots of the templates of a chart and of the charts in it, by full path."""
    release = context.Release(options.release_name, options.namespace, options.revision, options.is_upgrade)
    common = {
        "Release": release.as_map(),
        "Capabilities": context.capabilities_object(options.capabilities, options.behaviour),
    }
    dots: dict[str, coalesce.Values] = {}
    for place in layout.charts:
        dot = coalesce.Values(place.fixed)
        dot.update(common)
        dot["Subcharts"] = {}
        if not place.parent:
            dot["Values"] = values
        else:
            part: Any = dots[place.parent]["Values"]
            for key in place.values:
                part = part.get(key) if isinstance(part, dict) else None
            dot["Values"] = part if isinstance(part, dict) else coalesce.Values()
            dots[place.parent]["Subcharts"][place.name] = dot
        if not options.behaviour.chart_is_map:
            dot["Chart"] = context.chart_struct(place.chart, root=not place.parent)
        elif apart:
            dot["Chart"] = context.chart_map(place.chart, root=not place.parent)
        dots[place.path] = dot
    return dots


def _about(chart: Chart, *, root: bool) -> dict[str, Any]:
    """What .Chart is, shared between renders."""
    known = chart.memo.get(("about", root))
    if known is None:
        known = chart.memo["about", root] = shared.SharedTree(context.chart_map(chart, root=root))
    made: dict[str, Any] = known.value
    return made


def _notes(chart: Chart, files: Mapping[str, str], options: RenderOptions) -> str:
    """The chart's notes, with those of subcharts where asked for (Helm joins them in random order)."""
    own = f"{chart.name}/templates/{_NOTES}"
    shown = [
        text
        for path, text in sorted(files.items())
        if path == own or (options.subchart_notes and path.endswith(_NOTES))
    ]
    return "\n".join(text for text in shown if text)


def _collector(warnings: list[Mistake], chart: Chart) -> Any:
    def warn(text: str) -> None:
        warnings.append(Mistake(f"{chart.name}: {text}", error_id="values.coalesce"))

    return warn


def _deprecated(chart: Chart) -> Mistake:
    return Mistake(f"chart {chart.name} is deprecated", error_id="chart.deprecated")
