"""Load, select, fetch, layer values: state files -> releases with their charts and values, before any cluster."""

from __future__ import annotations

import re
import sys
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from helmflow.core.errors import ConfigError, HelmflowError, Refusal
from helmflow.core.events import ChartFetched, Emit
from helmflow.core.ids import ReleaseId
from helmflow.core.records import dataclass, field, replace
from helmflow.core.source import Span
from helmflow.execute.pool import Skipped, Work, run_all
from helmflow.execute.schedule import Schedule, levels
from helmflow.flows import local_hooks
from helmflow.flows.options import NeedsMode, StateOptions
from helmflow.flows.session import Session
from helmflow.providers.state_ports import state_ports
from helmflow.providers.values.remote import RemoteFiles
from helmflow.state import selection
from helmflow.state.context import HelmFlags, Trust
from helmflow.state.load import LoadRequest, load_desired
from helmflow.state.model import DesiredState, Presence, Release, ReleaseOptions

if TYPE_CHECKING:
    from helmflow.flows.transforming import Transforming
    from helmflow.helm.chart.model import Chart
    from helmflow.plan.patches import Patching
    from helmflow.providers.charts.cache import ChartCache
    from helmflow.providers.charts.fetch import ChartFetcher, FetchedChart
    from helmflow.state.values import CommandValues, ResolvedValues

MAX_WORKERS = 16
MAX_NAME: Final = 53  # Helm's bound: 63 for a label, less what charts append
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")
# What satisfies a need where nothing is deleted: a need on `installed: false` is refused there, as in Helmfile.
RENDERED: Final = (Presence.PRESENT,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The releases that a command is about, in the order of the files, and the needs among them."""

    desired: DesiredState
    releases: tuple[Release, ...]
    needs: Mapping[ReleaseId, frozenset[ReleaseId]]

    @property
    def order(self) -> tuple[ReleaseId, ...]:
        """Helmfile's order: level by level of the longest chain of needs, the files' order inside a level."""
        found = levels({release.id: self.needs.get(release.id, frozenset()) for release in self.releases})
        return tuple(sorted(found, key=lambda release: found[release]))  # stable


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A wanted release with everything that rendering it takes but the cluster."""

    release: Release
    chart: Chart
    values: ResolvedValues
    patching: Patching | None = None
    transforming: Transforming | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparation:
    """Every chosen release; those to be absent have no chart."""

    chosen: Chosen
    prepared: Mapping[ReleaseId, Prepared] = field(default_factory=dict)


class _ChartNode(NamedTuple):
    """A chart to fetch: what forty releases may share."""

    chart: str
    version: str
    base_dir: str
    devel: bool
    keyring: str = ""
    cosign_key: str = ""
    complete: bool = True  # False: what is missing in charts/ stays missing (skipDeps)


def request(session: Session, command: str = "", *, need_releases: bool = True) -> LoadRequest:
    """What the options say about which files to load, and how."""
    from helmflow.flows.guard import Pins

    state, pins = session.options.state, Pins(session)
    ports = state_ports(
        RemoteFiles(chart_cache(session), offline=session.options.render.offline), open_client=pins.open
    )
    return LoadRequest(
        file=state.file,
        environment=state.environment,
        selectors=state.selectors,
        namespace=state.namespace,
        kube_context=session.options.cluster.context,
        chart=state.chart,
        state_values_set=state.state_values_set,
        state_values_set_string=state.state_values_set_string,
        state_values_files=state.state_values_files,
        allow_no_matching_release=state.allow_no_matching_release,
        need_releases=need_releases,
        cwd=state.cwd or Path.cwd(),
        env=dict(session.environ),
        stdin=_standard_input(state),
        args=_helm_flags(session),
        command=command,
        trust=Trust.UNTRUSTED if state.untrusted else Trust.FULL,
        locked=session.options.render.use_lock and not session.options.render.locked,
        ports=replace(ports, pinned=pins),
    )


def load(session: Session, command: str, *, need_releases: bool = True) -> DesiredState:
    """Every release of the files for the chosen environment; their global `prepare` hooks have run."""
    wanted = request(session, command, need_releases=need_releases)
    desired = load_desired(wanted, session.emit)
    if session.options.state.changed_since:
        from helmflow.flows import changed

        desired = changed.limit(wanted, desired, session.options.state.changed_since)
    local_hooks.fire_global(session, desired, "prepare", command)
    return desired


def _helm_flags(session: Session) -> HelmFlags:
    given = session.options.render
    return HelmFlags(
        tuple(given.args.split()), tuple(given.diff_args.split()), tuple(given.template_args.split())
    )


def command_values(session: Session, release: Release | None = None) -> CommandValues:
    """What comes on top of a release's own values: those of its flags for helm, then those of the command line."""
    from helmflow.state.values import CommandValues

    given = session.options.render
    own = release.options if release is not None else ReleaseOptions()
    return CommandValues(
        values_files=(*own.values_files, *given.values_files),
        sets=(*own.sets, *given.sets),
        set_strings=(*own.set_strings, *given.set_strings),
        set_jsons=(*own.set_jsons, *given.set_jsons),
        set_files=(*own.set_files, *given.set_files),
        set_literals=(*own.set_literals, *given.set_literals),
    )


def choose(
    session: Session,
    desired: DesiredState,
    mode: NeedsMode | None = None,
    counting: Collection[Presence] = tuple(Presence),
) -> Chosen:
    """The selected releases, with or without what they need; `counting` as in `state.selection.choose`.

    Raises ConfigError for duplicates, cycles and needs that may not be left out.
    """
    state = session.options.state
    files = selection.Files.SEQUENTIAL if state.sequential_helmfiles else selection.Files.PARALLEL
    found = selection.choose(desired, mode or state.needs, files, counting)
    releases = tuple(release for release in found.releases if release.presence is not Presence.DISABLED)
    if state.resume:
        from helmflow.flows import resume

        if state.resume == resume.LAST:
            left = resume.left_in_history(session, desired)
        else:
            left = resume.left_over(Path(state.resume), desired.environment)
        releases = tuple(release for release in releases if release.id in left)
    return Chosen(
        desired=desired, releases=releases, needs=found.graph.among(release.id for release in releases)
    )


def prepare(session: Session, chosen: Chosen, command: str) -> Preparation:
    """Fetch every chart once and layer every release's values, as much at once as `concurrency` allows.

    Raises the first failure in the files' order; several configuration mistakes are raised together.
    """
    wanted = [release for release in chosen.releases if release.presence is Presence.PRESENT]
    if not wanted:
        return Preparation(chosen=chosen)
    for release in wanted:
        local_hooks.fire(session, chosen.desired, release, "prepare", command, None, session.emit)
    as_cached = all(release.options.skip_refresh or release.options.skip_deps for release in wanted)
    charts = fetcher(session, chosen.desired, refresh=not as_cached)
    worker = _Worker(session, chosen.desired, charts)
    needs: dict[object, list[object]] = {}
    for release in wanted:
        node = _chart_node(release)
        nodes = [node, *(_extra_node(release, extra) for extra in release.patches.dependencies)]
        for each in nodes:
            needs.setdefault(each, [])
        needs[release.id] = list(nodes)
    worker.releases = {release.id: release for release in wanted}
    run_all(
        Schedule(needs),
        Work(worker.run, lambda failure: failure == (), worker.ended, worker.skipped),
        session.emit,
        workers=session.options.running.concurrency or MAX_WORKERS,
        cancel=session.cancel,
    )
    session.cancel.check()
    worker.raise_failures(needs)
    check_locked(session, charts)
    return Preparation(
        chosen=chosen, prepared={release.id: worker.prepared[release.id] for release in wanted}
    )


def _check_name(release: Release) -> None:
    """Helm's rule: a DNS name of at most 53 characters, so that charts can append to it."""
    name = release.id.name
    if len(name) <= MAX_NAME and _NAME.fullmatch(name):
        return
    if not name:
        raise ConfigError(
            f"a release of chart {release.chart!r} has no name",
            error_id="release.bad-name",
            span=release.span,
            hint="set `name`",
        )
    wrong = f"has {len(name)} characters" if len(name) > MAX_NAME else "is no DNS name"
    raise ConfigError(
        f"the release name {name!r} {wrong}",
        error_id="release.bad-name",
        span=release.span,
        hint=f"at most {MAX_NAME} of a-z, 0-9, - and dots, with a letter or digit at both ends",
    )


class _Worker:
    """What the pool runs: charts are fetched and loaded, then the releases that use them get their values."""

    def __init__(self, session: Session, desired: DesiredState, fetcher: ChartFetcher) -> None:
        self._session = session
        self._desired = desired
        self._fetcher = fetcher
        self.releases: dict[ReleaseId, Release] = {}
        self.charts: dict[_ChartNode, Chart] = {}
        self.prepared: dict[ReleaseId, Prepared] = {}
        self.failures: dict[object, HelmflowError] = {}

    def run(self, node: object, emit: Emit) -> tuple[HelmflowError, ...]:
        """() where it went well, else the failure."""
        try:
            if isinstance(node, _ChartNode):
                self.charts[node] = self._load(node, emit)
            else:
                assert isinstance(node, ReleaseId)
                _check_name(self.releases[node])
                self.prepared[node] = self._prepare(self.releases[node])
        except HelmflowError as failure:
            # What is wrong with a chart was asked for somewhere: that place is where people look first.
            failure.span = failure.span or self._asked_at(node)
            return (failure,)
        return ()

    def _asked_at(self, node: object) -> Span | None:
        """The release that a node belongs to, the first one in the files for a chart that several use."""
        return next(
            (
                release.span
                for release in self.releases.values()
                if node in (release.id, _chart_node(release))
            ),
            None,
        )

    def ended(self, node: object, result: tuple[HelmflowError, ...]) -> None:
        """Keep a failure for the end: independent mistakes are reported together."""
        for failure in result:
            self.failures[node] = failure

    def skipped(self, skipped: Skipped[object]) -> None:
        """A release whose chart could not be had: its chart's failure says all."""

    def raise_failures(self, order: Iterable[object]) -> None:
        """Raise what failed, in the order of the files."""
        failed = [self.failures[node] for node in order if node in self.failures]
        if not failed:
            return
        if all(isinstance(failure, ConfigError) for failure in failed) and len(failed) > 1:
            raise ConfigError.collect([mistake for failure in failed for mistake in failure.mistakes])
        raise failed[0]

    def _load(self, node: _ChartNode, emit: Emit) -> Chart:
        from helmflow.helm.chart.folder import load_chart_or_folder
        from helmflow.providers.charts import dependencies

        started = self._session.clock.monotonic()
        fetched: FetchedChart = self._fetcher.fetch(
            node.chart, node.version, Path(node.base_dir), devel=node.devel
        )
        source: dependencies.DependencySource = self._fetcher
        if node.keyring or node.cosign_key:
            from helmflow.providers.charts import requirement

            asked = {"keyring": node.keyring, "cosign_key": node.cosign_key}
            requirement.require_signed(self._fetcher, fetched, node.chart, **asked)
            source = requirement.SignedDependencies(self._fetcher, fetched, node.chart, **asked)
        chart = load_chart_or_folder(fetched.path, self._kustomize)
        if node.complete and not self._session.options.render.skip_deps:
            chart = dependencies.complete(chart, fetched.path, source)
        emit(
            ChartFetched(
                chart=node.chart,
                version=chart.metadata.version,
                seconds=self._session.clock.monotonic() - started,
                cached=fetched.cached,
            )
        )
        return chart

    def _kustomize(self, folder: Path) -> bytes:
        """What `kustomize build` prints for a folder."""
        from helmflow.core import process

        hint = "install kustomize, or name a folder of plain manifests or a chart"
        if self._session.options.state.untrusted:
            raise ConfigError(
                f"{folder.name} is a kustomization, which --untrusted does not build",
                error_id="state.untrusted",
                hint="run without --untrusted where the files come from people you trust",
            )
        try:
            built = process.run((_kustomize(self._session, self._desired), "build", str(folder)))
        except HelmflowError as cause:
            raise ConfigError(
                f"{folder.name} is a kustomization: {cause.message}", error_id="chart.kustomize", hint=hint
            ) from cause
        if built.status != 0:
            raise ConfigError(
                f"kustomize build {folder.name} failed: {built.stderr.strip()}", error_id="chart.kustomize"
            )
        return built.stdout.encode()

    def _prepare(self, release: Release) -> Prepared:
        from helmflow.state.values import layer

        values = layer(self._desired, release, command_values(self._session, release))
        chart = self.charts[_chart_node(release)]
        for extra in release.patches.dependencies:
            chart = _with_dependency(chart, self.charts[_extra_node(release, extra)], extra.get("alias", ""))
        transforming, patching = _patching(self._session, self._desired, release, values.values)
        return Prepared(
            release=release, chart=chart, values=values, patching=patching, transforming=transforming
        )


def _kustomize(session: Session, desired: DesiredState) -> str:
    """The kustomize command: the flag's, else the file's, else the one on PATH."""
    named = (view.spec.get("kustomizeBinary") for view in desired.files)
    return session.options.render.kustomize_binary or next(filter(None, named), "kustomize")


def _chart_node(release: Release) -> _ChartNode:
    options = release.options
    keyring, cosign_key = _signature(release)
    return _ChartNode(
        release.chart,
        release.version,
        str(release.base_dir),
        bool(options.devel),
        keyring,
        cosign_key,
        complete=not options.skip_deps,
    )


def _signature(release: Release) -> tuple[str, str]:
    """What has to have signed the charts of a release: a keyring, and a cosign key; "" where it asks for none."""
    options, repository = release.options, release.repository
    keyring = ""
    # One that says nothing of its own follows its repository; `verify: false` at a release switches it off.
    if options.verify or (options.verify is None and repository is not None and repository.verify):
        from helmflow.providers.charts.requirement import chosen_keyring

        of_repository = repository.keyring if repository is not None else ""
        keyring = str(chosen_keyring(options.keyring or of_repository, release.base_dir))
    cosign_key = str(release.base_dir / options.cosign_key) if options.cosign_key else ""
    return keyring, cosign_key


def fetcher(session: Session, desired: DesiredState, *, refresh: bool = True) -> ChartFetcher:
    """Where the charts of these files come from: vendored ones first, then the cache, then the network."""
    from helmflow.providers import mirrors
    from helmflow.providers.charts import lock
    from helmflow.providers.charts.fetch import ChartFetcher

    given = session.options.render
    written = {
        str(prefix): str(mirror)
        for file in desired.files
        for prefix, mirror in (file.spec.get("mirrors") or {}).items()
    }
    return ChartFetcher(
        desired.repositories,
        cache=chart_cache(session),
        offline=given.offline,
        refresh=refresh and not (given.skip_refresh or given.skip_deps),
        mirrors=mirrors.configured(written, session.environ),
        lock=lock.read(root_folder(session) / lock.NAME) if given.use_lock else None,
        strict_lock=not given.locked,
        plain_http=given.plain_http,
    )


def root_folder(session: Session) -> Path:
    """The folder of the state file that was asked for: where helmflow.lock and the vendored charts are."""
    state = session.options.state
    cwd = state.cwd or Path.cwd()
    named = (
        state.file
        or session.environ.get("HELMFLOW_FILE_PATH")
        or session.environ.get("HELMFILE_FILE_PATH", "")
    )
    if not named or named == "-" or "://" in named or "::" in named:
        return cwd
    path = cwd / named
    return path if path.is_dir() else path.parent


def vendor_folder(session: Session) -> Path:
    """Where `helmflow vendor` puts what the files need."""
    return Path(session.environ.get("HELMFLOW_VENDOR") or root_folder(session) / "helmflow-vendor")


def chart_cache(session: Session) -> ChartCache:
    """The run's one cache over what was vendored; without a network it is the other way round."""
    from helmflow.core.paths import cache_home
    from helmflow.providers.charts.cache import ChartCache

    if session.charts is None:
        folder = vendor_folder(session)
        session.charts = ChartCache(
            cache_home() / "charts",
            vendored=folder if folder.is_dir() else None,
            vendored_first=session.options.render.offline,
        )
    return session.charts


def check_locked(session: Session, used: ChartFetcher) -> None:
    """With --locked: raise Refusal with a table of every remote chart that is not exactly as helmflow.lock says."""
    if not session.options.render.locked:
        return
    from helmflow.providers.charts import lock

    path = root_folder(session) / lock.NAME
    found = lock.read(path)
    if found is None:
        raise Refusal(f"--locked: there is no {path}", error_id="lock.none", hint="`helmflow deps` writes it")
    differences = found.differences(used.resolutions.values())
    if differences:
        rows = [("CHART", "WHAT", "LOCKED", "FOUND")]
        rows += [(one.chart, one.what, one.locked, one.found) for one in differences]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["   ".join(map(str.ljust, row, widths)).rstrip() for row in rows]
        table = "\n".join(f"  {line}" for line in lines)
        raise Refusal(
            f"--locked: {len(differences)} differences from {path}\n{table}",
            error_id="lock.differs",
            hint="`helmflow deps` locks what is there now",
        )


def _extra_node(release: Release, extra: Mapping[str, str]) -> _ChartNode:
    """A chart that the release adds to its own chart."""
    keyring, cosign_key = _signature(release)
    return _ChartNode(
        extra.get("chart", ""),
        extra.get("version", ""),
        str(release.base_dir),
        devel=False,
        keyring=keyring,
        cosign_key=cosign_key,
    )


def _with_dependency(chart: Chart, extra: Chart, alias: str) -> Chart:
    """`chart` with one more subchart, known by `alias` where one is given."""
    from helmflow.helm.chart.model import Dependency

    declared = Dependency(name=extra.metadata.name, version=extra.metadata.version, alias=alias)
    metadata = replace(chart.metadata, dependencies=(*chart.metadata.dependencies, declared))
    return replace(chart, metadata=metadata, dependencies=(*chart.dependencies, extra))


def _patching(
    session: Session, desired: DesiredState, release: Release, values: Mapping[str, Any]
) -> tuple[Transforming | None, Patching | None]:
    own = release.patches
    if not (own.json_patches or own.strategic_merge_patches or own.transformers or own.force_namespace):
        return None, None
    from helmflow.plan.patches import Patching
    from helmflow.state.values import patches

    rendered = patches(desired, release, values)
    transforming = None
    if rendered.transformers:
        from helmflow.flows.transforming import Transforming

        transforming = Transforming(
            transformers=rendered.transformers,
            command="" if session.options.state.untrusted else _kustomize(session, desired),
            secrets=desired.secrets,
            span=release.span,
        )
    return transforming, Patching(
        json_patches=rendered.json_patches,
        strategic_merge_patches=rendered.strategic_merge_patches,
        force_namespace=rendered.force_namespace,
    )


def _standard_input(state: StateOptions) -> str | None:
    if state.file != "-":
        return None
    return sys.stdin.read() if state.text is None else state.text
