"""50 releases of 20 objects on a real API server, beside Helm's SDK in one process: `python -m benchmarks.requests`.

Requests of a plan without changes and of a sync with 10 % changed, counted by the server's audit log, beside the bound,
Helm's formula and what the SDK sends for the same charts; wall and client CPU at 0 and 30 ms of added latency. The SDK
upgrades every release on four threads (without throttling), helmflow has four workers; nobody waits, caches are warm,
both run in turn, figures are medians of three rounds. Writes benchmarks/out/requests.md; 1 where a bound is missed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.support.sampling import Audit, Row, asked, called, cell, others_at_work, times
from tests.apiserver import binaries, fleet
from tests.apiserver.cluster import RealCluster

ROOT = Path(__file__).resolve().parent.parent
OUT = Path(__file__).parent / "out"
RELEASES, NAMESPACES, WORKERS = 50, 5, 4
CHANGED = RELEASES // 10
CHANGED_OBJECTS = CHANGED * 4  # the color is in two ConfigMaps and two Deployments
LATENCIES_MS = (0, 30)
# Planning: discovery, version and leases, the records of each namespace, one LIST for each kind and namespace.
PLAN_BOUND = 4 + NAMESPACES + fleet.KINDS * NAMESPACES
# What changed is not proven unchanged, so it is asked about once; then each object, 3 for a record, 2 for a lease.
CHANGE_BOUND = PLAN_BOUND + 2 * CHANGED_OBJECTS + (3 + 2) * CHANGED
UNPROVEN = RELEASES * fleet.OBJECTS // 50  # at most 2 % of the objects may need a request more


@dataclass(frozen=True, slots=True)
class Known:
    """What a row is held against: its bound of requests, and Helm's by formula."""

    row: Row
    bound: str
    formula: int
    most: int


@contextmanager
def far_away(cluster: RealCluster, folder: Path, milliseconds: int) -> Iterator[Path]:
    """A kubeconfig whose cluster answers so much later."""
    document = json.loads(cluster.kubeconfig.read_text(encoding="utf-8"))
    port = cluster.server.rpartition(":")[2]
    command = [sys.executable, "-m", "benchmarks.support.delay", port, str(milliseconds)]
    proxy = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert proxy.stdout is not None
    try:
        document["clusters"][0]["cluster"]["server"] = f"https://127.0.0.1:{proxy.stdout.readline().strip()}"
        path = folder / f"far-{milliseconds}"
        path.write_text(json.dumps(document), encoding="utf-8")
        yield path
    finally:
        proxy.kill()
        proxy.wait()


class Ours:
    """helmflow's flows in this process."""

    def __init__(self, folder: Path, kubeconfig: Path) -> None:
        self.folder, self.kubeconfig = folder, kubeconfig
        self.releases = fleet.names(RELEASES, NAMESPACES, "ours")

    def write(self, color: str) -> None:
        """The state file; CHANGED releases have this color."""
        changed = {name for name, _ in self.releases[:CHANGED]}
        text = fleet.state(Path("./unit"), self.releases, changed, color=color)
        (self.folder / "helmflow.yaml").write_text(text, encoding="utf-8")

    def _session(self) -> Any:
        from helmflow.flows.options import ClusterOptions, RunningOptions, RunOptions, StateOptions
        from helmflow.flows.session import Session

        options = RunOptions(
            state=StateOptions(cwd=self.folder),
            cluster=ClusterOptions(context="real", kubeconfig=str(self.kubeconfig)),
            running=RunningOptions(concurrency=WORKERS),
        )
        return Session(options=options, emit=lambda event: None)

    def plan(self) -> None:
        """A plan that has nothing to do."""
        from helmflow.flows import diff

        session = self._session()
        assert not diff.diff(session.options, session.emit, session).writes

    def sync(self) -> None:
        """A run to its end."""
        from helmflow.flows import sync
        from helmflow.flows.options import accept

        session = self._session()
        report = sync.sync(session.options, session.emit, accept, session)
        assert report.ok, [release.failure for release in report.releases if release.failure]


class Sdk:
    """The Helm SDK in this process: every release, four at a time."""

    def __init__(self, chart: Path, kubeconfig: Path) -> None:
        import helm_python

        self.chart = str(chart)
        self.releases = fleet.names(RELEASES, NAMESPACES, "sdk")
        self.configs = {
            namespace: helm_python.Config(
                kubeconfig_path=str(kubeconfig),
                kube_context="real",
                namespace=namespace,
                qps=10000.0,
                burst_limit=10000,
            )
            for _, namespace in self.releases
        }

    def each(self, action: Callable[[Any, str, str], object]) -> None:
        """Call it for every release."""
        with ThreadPoolExecutor(WORKERS) as pool:
            list(pool.map(lambda pair: action(self.configs[pair[1]], *pair), self.releases))

    def install(self) -> None:
        """The first time."""
        self.each(
            lambda helm, name, ns: helm.install(self.chart, name, {}, namespace=ns, create_namespace=True)
        )

    def dry_run(self) -> None:
        """What an upgrade would render; Helm does not compare it with the cluster."""
        self.each(lambda helm, name, ns: helm.upgrade(self.chart, name, {}, namespace=ns, dry_run="server"))

    def upgrade(self, color: str) -> None:
        """Every release, as Helm cannot know which changed."""
        changed = {name for name, _ in self.releases[:CHANGED]}
        self.each(
            lambda helm, name, ns: helm.upgrade(
                self.chart, name, {"color": color} if name in changed else {}, namespace=ns, max_history=10
            )
        )


def measure(cluster: RealCluster, folder: Path, rounds: int) -> list[Known]:
    """The first installs, then every round at every latency."""
    audit, chart = Audit(cluster.audit_log), fleet.write_chart(folder)
    ours, sdk = Ours(folder, cluster.kubeconfig), Sdk(chart, cluster.kubeconfig)
    ours.write("red")
    first = Row("first install")
    first.ours.append(called(audit, ours.sync))
    first.theirs.append(called(audit, sdk.install))
    print(f"  {first.name}: {first.ours[-1]} / {first.theirs[-1]}", flush=True)
    rows = [Known(first, "", RELEASES * (2 * fleet.OBJECTS + 5), 0)]
    for milliseconds in LATENCIES_MS:
        plan = Row(f"no-op plan, {milliseconds} ms", 20)
        change = Row(f"10 % changed, {milliseconds} ms", 5)
        with far_away(cluster, folder, milliseconds) as path:
            ours.kubeconfig, near = path, Sdk(chart, path)
            ours.plan()
            near.dry_run()
            for number in range(rounds):
                color = f"c{milliseconds}-{number}"
                plan.ours.append(called(audit, ours.plan))
                plan.theirs.append(called(audit, near.dry_run))
                ours.write(color)
                change.ours.append(called(audit, ours.sync))
                change.theirs.append(called(audit, partial(near.upgrade, color)))
                for row in (plan, change):
                    print(f"  round {number + 1}, {row.name}: {row.ours[-1]} / {row.theirs[-1]}", flush=True)
        rows += [
            Known(plan, f"{PLAN_BOUND} + unproven", RELEASES * 4, PLAN_BOUND + UNPROVEN),
            Known(change, str(CHANGE_BOUND), RELEASES * (2 * fleet.OBJECTS + 7), CHANGE_BOUND),
        ]
    return rows


def report(rows: list[Known], load: str) -> str:
    """Markdown."""
    lines = [
        f"# Requests of {RELEASES} releases of {fleet.OBJECTS} objects on kube-apiserver {binaries.VERSION}",
        "",
        (
            f"helmflow beside Helm's SDK, {WORKERS} at a time; Helm's formula is per release, N objects: install 2N+5, "
            "upgrade 2N+7, dry-run of an upgrade 4."
        ),
        load,
        "",
        (
            "| action | requests, helmflow | bound | requests, SDK | Helm's formula | helmflow: wall s, CPU s | SDK: wall s, CPU s "
            "| SDK / helmflow, wall | CPU | wanted | verdict |"
        ),
        "|---|---|---|---|---|---|---|---|---|---|---|",
    ]
    for known in rows:
        row = known.row
        lines.append(
            f"| {row.name} | {asked(row.ours)} | {known.bound} | {asked(row.theirs)} | {known.formula} | {cell(row.ours)} "
            f"| {cell(row.theirs)} | {times(row.ratio())} | {times(row.ratio('cpu'))} "
            f"| {f'>= {row.goal:g}' if row.goal else ''} | {verdict(known)} |"
        )
    return "\n".join(lines) + "\n"


def verdict(known: Known) -> str:
    """Whether both bounds hold: the time and the requests."""
    if not known.most:
        return ""
    return "MISSED" if max(s.requests for s in known.row.ours) > known.most else known.row.verdict()


def main() -> int:
    """Measure and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    chosen = parser.parse_args()
    if isinstance(found := binaries.find(), str) and binaries.setup():
        return 1
    if isinstance(found := binaries.find(), str):
        raise SystemExit(found)
    print(f"about {chosen.rounds * 2.5 + 2:.0f} min for {chosen.rounds} rounds", flush=True)
    load = others_at_work()
    print(load, flush=True)
    with tempfile.TemporaryDirectory() as name:
        os.environ["HELMFLOW_CACHE_HOME"] = str(Path(name, "cache"))
        with RealCluster.start(found, Path(name, "cluster")) as cluster:
            rows = measure(cluster, Path(name), chosen.rounds)
    text = report(rows, load)
    OUT.mkdir(exist_ok=True)
    (OUT / "requests.md").write_text(text, encoding="utf-8")
    print(f"\n{text}")
    return 1 if any(verdict(known) == "MISSED" for known in rows) else 0


if __name__ == "__main__":
    sys.exit(main())
