"""Session: the composition root. Opens clusters and wires what a command needs; the only chooser of a Transport."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from helmflow.core.clock import Clock, SystemClock
from helmflow.core.errors import Mistake
from helmflow.core.events import Emit, Warned
from helmflow.core.records import dataclass, field
from helmflow.execute.cancel import CancelToken
from helmflow.flows.options import ClusterOptions, RunOptions

if TYPE_CHECKING:
    from helmflow.gotemplate.program_cache import ProgramCache
    from helmflow.helm.chart.model import Chart
    from helmflow.helm.release.storage import Driver, RevisionStore
    from helmflow.kube.client import KubeClient
    from helmflow.kube.transport import Transport
    from helmflow.providers.charts.cache import ChartCache
    from helmflow.state.model import DesiredState, Release

EMBEDDED: Final = "embedded"
KEEPING_S: Final = 1.0  # what a command may take longer for the sake of the next one

OpenTransport = Callable[[str, ClusterOptions], "OpenedTransport"]


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedTransport:
    """A way to a cluster: its transport, the context's name and namespace, and what a discovery cache is keyed by."""

    transport: Transport
    context: str
    namespace: str
    server: str
    identity: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """One cluster of a run. `name` is how people know it; `namespace` is where releases go that name none.

    `store` opens the stored revisions of a namespace, "" being everywhere.
    """

    client: KubeClient
    context: str
    namespace: str
    name: str
    store: Callable[[str], RevisionStore]


def _programs() -> ProgramCache:
    from helmflow.core.paths import cache_home_path
    from helmflow.gotemplate.program_cache import FolderCache

    return FolderCache(cache_home_path("render/programs"))


@dataclass(slots=True, kw_only=True)
class Session:
    """What one command works with: its options, where events go, the clock, the cancel token and opened clusters."""

    options: RunOptions
    emit: Emit
    clock: Clock = field(default_factory=SystemClock)
    cancel: CancelToken = field(default_factory=CancelToken)
    environ: Mapping[str, str] = field(default_factory=lambda: dict(os.environ))
    opener: OpenTransport | None = None
    clusters: dict[str, Cluster] = field(default_factory=dict)
    charts: ChartCache | None = None
    checked: set[tuple[int, str, str]] = field(default_factory=set)
    programs: ProgramCache = field(default_factory=_programs)
    rendered: dict[int, Chart] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def cluster(self, context: str) -> Cluster:
        """The cluster of a context ("": kubeconfig's current one), opened once. `--kube-context` overrides all."""
        wanted = self.options.cluster.context or context
        with self._lock:
            if wanted not in self.clusters:
                self.clusters[wanted] = open_cluster(
                    wanted, self.options.cluster, self.clock, self.environ, self.opener
                )
                self.clusters[wanted].client.on_throttled = self._say_throttled(self.clusters[wanted].name)
            return self.clusters[wanted]

    def cluster_of(self, desired: DesiredState, release: Release) -> Cluster:
        """The cluster that a release is for: its own context, else its file's, else its environment's.

        Raises Refusal `env.other-cluster` where its environment is pinned to another one.
        """
        file = desired.file_of(release)
        environment = file.environment
        found = self.cluster(release.context or file.kube_context or environment.kube_context)
        pin = (id(found), environment.pinned_context, environment.pinned_uid)
        if pin not in self.checked:
            from helmflow.flows.guard import check_cluster

            check_cluster(found, environment)
            self.checked.add(pin)
        return found

    def keep_programs(self) -> None:
        """Compile the templates of the charts that were rendered, for the next run; what takes longer waits for that.

        Texts from values are not kept: they may hold secrets.
        """
        from helmflow.helm.render import engine

        end = self.clock.monotonic() + KEEPING_S
        for chart in self.rendered.values():
            if self.clock.monotonic() > end:
                return
            engine.keep_programs(chart, self.programs, met_too=False)

    def _say_throttled(self, name: str) -> Callable[[float], None]:
        """What tells people, once, that a cluster is slow because it asked for fewer requests."""
        said = threading.Event()

        def say(seconds: float) -> None:
            if said.is_set():
                return
            said.set()
            asked = f" for {seconds:g} s" if seconds else ""
            message = f"{name} asked to slow down{asked} (429): requests are held back"
            self.emit(Warned(warning=Mistake(message, "cluster.throttled")))

        return say

    @property
    def writes(self) -> int:
        """Requests so far that changed a cluster."""
        return sum(cluster.client.counter.writes for cluster in self.clusters.values())

    @property
    def requests(self) -> int:
        """All requests so far."""
        return sum(cluster.client.counter.requests for cluster in self.clusters.values())


def open_cluster(
    context: str,
    options: ClusterOptions,
    clock: Clock,
    environ: Mapping[str, str],
    opener: OpenTransport | None = None,
) -> Cluster:
    """The cluster of `context`: "embedded" is the one in this process, everything else comes from kubeconfig.

    Raises ConfigError where neither kubeconfig nor context says which cluster is meant; the embedded cluster is
    never a silent fallback.
    """
    from helmflow.core.paths import cache_home
    from helmflow.kube.client import KubeClient
    from helmflow.kube.discovery import DiscoveryCache

    if opener is not None:
        opened = opener(context, options)
    elif context == EMBEDDED:
        opened = _embedded(clock)
    else:
        opened = _kubeconfig(context, options, clock, environ)
    cache = DiscoveryCache(cache_home() / "discovery", opened.identity) if opened.identity else None
    client = KubeClient(opened.transport, clock=clock, user_agent="helmflow", cache=cache)
    return Cluster(
        client=client,
        context=opened.context,
        namespace=opened.namespace or "default",
        name=f"{opened.context} ({opened.server})" if opened.server else opened.context,
        store=_stores(driver_of(options, environ), client, clock, environ),
    )


def driver_of(options: ClusterOptions, environ: Mapping[str, str]) -> Driver:
    """Where release records are; HelmflowError `release.driver`."""
    from helmflow.helm.release.storage import Driver

    return Driver.named(options.storage_driver or environ.get("HELM_DRIVER", ""))


@contextmanager
def session_for(options: RunOptions, emit: Emit, given: Session | None = None) -> Iterator[Session]:
    """The session that a flow works with: the given one, else a new one that listens to signals."""
    if given is not None:
        yield given
        return
    from helmflow.core.events import Cancelling
    from helmflow.execute.cancel import watching_signals

    token = CancelToken()
    # In a thread of its own: a signal may come while the thread it interrupts writes another event.
    token.on_cancel(lambda: threading.Thread(target=emit, args=(Cancelling(signal=token.signal),)).start())
    with watching_signals(token):
        session = Session(options=options, emit=emit, cancel=token)
        yield session
        session.keep_programs()


def _stores(
    driver: Driver, client: KubeClient, clock: Clock, environ: Mapping[str, str]
) -> Callable[[str], RevisionStore]:
    from helmflow.helm.release.storage import Driver

    if driver is Driver.SQL:
        from helmflow.providers.records import sql

        return sql.stores(environ, clock)
    from helmflow.helm.release.store import ReleaseStore

    return lambda namespace: ReleaseStore(client, namespace, driver)


def _embedded(clock: Clock) -> OpenedTransport:
    from helmflow.core.paths import embedded_storage
    from helmflow.embedded.server import ApiServer
    from helmflow.embedded.transport import InProcessTransport

    return OpenedTransport(
        transport=InProcessTransport(ApiServer(embedded_storage(), clock)),
        context=EMBEDDED,
        namespace="",
        server="simulated, in this process",
    )


def _kubeconfig(
    context: str, options: ClusterOptions, clock: Clock, environ: Mapping[str, str]
) -> OpenedTransport:
    from dataclasses import replace

    from helmflow.kube import kubeconfig
    from helmflow.kube.http import HttpTransport

    overrides = kubeconfig.Overrides.from_environment(environ)
    if options.as_user or options.as_groups:
        overrides = replace(overrides, as_user=options.as_user, as_groups=options.as_groups)
    paths = [Path(options.kubeconfig)] if options.kubeconfig else None
    target = kubeconfig.load(paths, context, overrides=overrides, environ=environ)
    return OpenedTransport(
        transport=HttpTransport(target, clock=clock),
        context=target.context,
        namespace=target.namespace,
        server=target.server,
        identity=target.identity,
    )
