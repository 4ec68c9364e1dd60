"""Releases that go back and forth between helmflow and the real Helm, over HTTP: equal field by field whoever wrote them."""

from __future__ import annotations

import base64
import gzip
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from helmflow.core.ids import ObjectRef
from helmflow.flows import runs
from helmflow.flows.options import RunningOptions
from helmflow.helm.chart import load
from helmflow.helm.release import codec, marks
from helmflow.helm.release.record import ReleaseStatus, Revision
from helmflow.helm.release.store import ReleaseStore
from helmflow.kube import kubeconfig
from helmflow.kube.http import HttpTransport
from tests import helm_sdk
from tests.flows import charts
from tests.flows.town import Town, plan_of, report_of

helm_python = pytest.importorskip("helm_python", reason="the Helm SDK is a wheel for Linux x86-64 only")
CLUSTERS = ["loopback", pytest.param("real", marks=pytest.mark.apiserver)]
VOLATILE = {
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "time",
    "selfLink",
    "clusterIP",
    "clusterIPs",
    "nodePort",
}
NOTES = "Color {{ .Values.color }} of {{ .Release.Name }}, revision {{ .Release.Revision }}.\n"
SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: {{ .Release.Name }}}\nstringData: {color: {{ .Values.color }}}\n"
SERVICE = "apiVersion: v1\nkind: Service\nmetadata: {name: {{ .Release.Name }}}\nspec: {ports: [{port: 80}], selector: {app: {{ .Release.Name }}}}\n"


@dataclass
class Shared:
    """A project of helmflow's, and Helm on the same cluster."""

    town: Town
    kubeconfig: Path

    def helm(self, action: str, **arguments: Any) -> Any:
        """An action of the SDK."""
        config = {
            "kubeconfig_path": str(self.kubeconfig),
            "namespace": self.town.ns("apps"),
            "qps": 1000.0,
            "burst_limit": 1000,
        }
        return helm_sdk.helm(config, action, arguments)

    def install(self, color: str) -> None:
        self.helm(
            "install",
            chart=self.chart,
            name="web",
            values={"color": color},
            create_namespace=True,
            timeout=60,
        )

    def upgrade(self, color: str) -> None:
        self.helm("upgrade", chart=self.chart, name="web", values={"color": color}, timeout=60)

    @property
    def chart(self) -> str:
        return str(self.town.folder / "charts/web")

    def sync(self, color: str) -> None:
        self.town.file("values.yaml", f"color: {color}\n")
        report = self.town.sync()
        assert report.ok, report_of(report, "web").failure

    def live(self) -> list[Any]:
        """Every object of the release, without what differs from one cluster to the next."""
        refs = [("v1", "ConfigMap"), ("v1", "Secret"), ("v1", "Service"), ("apps/v1", "Deployment")]
        found = [
            self.town.client.get(ObjectRef(api, kind, self.town.ns("apps"), "web")) for api, kind in refs
        ]
        return [self.plain(o) for o in found]

    def records(self) -> list[Any]:
        """Every stored record as Helm's JSON, with its labels but for those that say who ran helmflow."""
        listed = self.town.client.list(
            "v1", "Secret", self.town.ns("apps"), label_selector="owner=helm"
        ).items
        out = []
        for item in sorted(listed, key=lambda i: int(i["metadata"]["labels"]["version"])):
            text = gzip.decompress(base64.b64decode(base64.b64decode(item["data"]["release"])))
            labels = {
                key: text
                for key, text in item["metadata"]["labels"].items()
                if key not in ("createdAt", "modifiedAt") and not key.startswith("helmflow.dev/")
            }
            moments = sorted({"createdAt", "modifiedAt"} & item["metadata"]["labels"].keys())
            out.append([item["type"], labels, moments, self.plain(json.loads(text))])
        return out

    def plain(self, value: Any) -> Any:
        """Without identities, times and this town's number; managers' entries that the cluster itself wrote aside."""
        if isinstance(value, dict):
            out = {
                k: self.plain(v)
                for k, v in value.items()
                if k not in VOLATILE | {"status"} or (k == "status" and isinstance(v, str))
            }
            if "managedFields" in out:
                mine = [e for e in out["managedFields"] if e["manager"] == "helm"]
                # helmflow sends stringData as data, so that keys which leave it leave the Secret.
                text = json.dumps(sorted(mine, key=json.dumps)).replace("f:stringData", "f:data")
                out["managedFields"] = json.loads(text)
            out.pop("modtime", None)
            out.pop("schemamodtime", None)
            return out
        if isinstance(value, list):
            return [self.plain(v) for v in value]
        if isinstance(value, str):
            value = re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[0-9.]*(Z|[+-]\d\d:\d\d)", "TIME", value)
            return value.replace(self.town.number, "N")
        return value


@pytest.fixture(params=CLUSTERS)
def shared(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shared]:
    """A chart with objects of several kinds, a hook and notes; nothing is installed."""
    stop = None
    if request.param == "loopback":
        from helmflow.embedded.loopback import serve, write_kubeconfig
        from helmflow.embedded.server import ApiServer

        listening = serve(ApiServer()).start()
        path, stop = tmp_path / "kubeconfig", listening.stop
        write_kubeconfig(path, listening)
    else:
        from tests.apiserver import fixture

        path = fixture.cluster().kubeconfig
    town = Town(tmp_path, lambda: HttpTransport(kubeconfig.load([path])))
    charts.small(town)
    town.chart(
        "web",
        deployment=charts.DEPLOYMENT,
        prepare=charts.PRE_INSTALL,
        secret=SECRET,
        service=SERVICE,
        NOTES__txt=NOTES,
    )
    yield Shared(town, path)
    town.close()
    if stop is not None:
        stop()


def _revision(made: Any) -> list[Any]:
    """The releases' own counts: revision numbers, statuses and descriptions."""
    return [(int(r["revision"]), str(r["status"])) for r in made]


def test_what_both_write_is_equal_field_by_field(shared: Shared) -> None:
    """An install, an upgrade and a rollback by one side, then the same by the other side in the same namespace."""
    shared.install("red")
    shared.upgrade("green")
    shared.helm("rollback", name="web", version=1, timeout=60)
    theirs = (shared.records(), shared.live())
    shared.helm("uninstall", name="web", timeout=60)
    shared.sync("red")
    shared.sync("green")
    report = shared.town.rollback(1)
    assert report.ok, report_of(report, "web").failure
    ours = (shared.records(), shared.live())
    assert len(ours[0]) == len(theirs[0])
    found = different(ours, theirs)
    assert not found, "\n".join(found)


def different(ours: Any, theirs: Any, path: str = "") -> list[str]:
    """Every place where two documents differ."""
    if isinstance(ours, dict) and isinstance(theirs, dict):
        keys = sorted(ours.keys() | theirs.keys())
        return [
            d
            for k in keys
            for d in different(ours.get(k, "(absent)"), theirs.get(k, "(absent)"), f"{path}.{k}")
        ]
    if isinstance(ours, list | tuple) and isinstance(theirs, list | tuple) and len(ours) == len(theirs):
        pairs = enumerate(zip(ours, theirs, strict=True))
        return [d for i, (a, b) in pairs for d in different(a, b, f"{path}[{i}]")]
    return [] if ours == theirs else [f"{path}: {ours!r} != {theirs!r}"]


def test_ours_then_theirs_then_ours(shared: Shared) -> None:
    shared.sync("red")
    assert [r["name"] for r in shared.helm("list")] == ["web"]
    assert shared.helm("get_values", name="web") == {"color": "red"}
    assert shared.helm("get_metadata", name="web")["version"] == "1.0.0"
    stored = shared.town.history("web")[-1]
    status = shared.helm("status", name="web")
    assert status["manifest"] == stored.manifest
    shared.upgrade("green")
    assert _revision(shared.helm("history", name="web")) == [(1, "superseded"), (2, "deployed")]
    assert plan_of(shared.town.diff(), "web").changes  # the files still say red
    shared.sync("green")
    assert shared.town.statuses("web") == ["superseded", "deployed"]  # nothing was left to do
    shared.sync("blue")
    report = shared.town.rollback(2)
    assert report.ok, report_of(report, "web").failure
    assert _revision(shared.helm("history", name="web"))[-1] == (4, "deployed")
    shared.helm("rollback", name="web", version=1, timeout=60)
    live = shared.town.find("ConfigMap", "web")
    assert live is not None
    assert live["data"]["color"] == "red"
    shared.helm("uninstall", name="web", timeout=60)
    assert shared.town.names("ConfigMap") == []
    assert shared.town.names("Secret") == []


def test_theirs_then_ours_then_theirs(shared: Shared) -> None:
    shared.install("red")
    shared.sync("green")
    assert _revision(shared.helm("history", name="web")) == [(1, "superseded"), (2, "deployed")]
    shared.helm("rollback", name="web", version=1, timeout=60)
    shared.upgrade("blue")
    shared.sync("blue")
    assert len(shared.town.history("web")) == 4
    assert shared.town.destroy().ok
    assert shared.town.names("ConfigMap") == []
    assert shared.town.names("Service") == []
    assert shared.helm("list", all_states=True) == []


def _runs(shared: Shared) -> list[tuple[str, list[int]]]:
    """Every run that is shown, newest first: its command and the revisions it says it wrote."""
    session = shared.town.session()
    found = runs.runs(session.options, session.emit, session)
    return [(run.command, [one.revision for one in run.releases]) for run in found]


def _label(shared: Shared, name: str) -> list[str]:
    """A label of helmflow's on every record, oldest first."""
    return [str(revision.labels.get(f"{marks.PREFIX}{name}", "")) for revision in shared.town.history("web")]


def test_what_helm_writes_later_belongs_to_no_run(shared: Shared) -> None:
    """Helm copies a release's labels to its own revisions, also those that name the run."""
    shared.sync("red")
    shared.upgrade("green")
    shared.helm("rollback", name="web", version=1, timeout=60)
    first, upgraded, rolled_back = _label(shared, "run")
    assert first == upgraded == rolled_back  # copied: the label alone says nothing
    assert _label(shared, "revision") == ["1", "1", "1"]
    assert _runs(shared) == [("sync", [1])]
    shared.sync("blue")
    assert _runs(shared) == [("sync", [4]), ("sync", [1])]
    shared.upgrade("green")
    shared.helm("rollback", name="web", version=2, timeout=60)
    shared.helm("rollback", name="web", version=4, timeout=60)
    assert len(shared.town.history("web")) == 7
    assert _runs(shared) == [("sync", [4]), ("sync", [1])]
    assert not shared.town.diff().orphans  # the release is still these files' own
    newest = shared.town.session()
    (last, *_) = runs.runs(newest.options, newest.emit, newest)
    assert last.releases[0].outcome == "done"


def test_helms_uninstall_and_install_begin_a_history_without_runs(shared: Shared) -> None:
    shared.sync("red")
    shared.helm("uninstall", name="web", timeout=60)
    shared.install("green")
    assert _runs(shared) == []
    assert _label(shared, "run") == [""]
    shared.helm("uninstall", name="web", keep_history=True, timeout=60)
    shared.sync("blue")
    assert [numbers for _, numbers in _runs(shared)] == [[len(shared.town.history("web"))]]


PRUNING = RunningOptions(lease_duration_s=1.0, prune=True)


def _named(shared: Shared) -> None:
    text = (shared.town.folder / "helmflow.yaml").read_text(encoding="utf-8")
    shared.town.file("helmflow.yaml", f"project: shop-{shared.town.number}\n{text}")


def _without_web(shared: Shared) -> Any:
    """The plan of the same project once web has left its file, everything that left to be pruned."""
    shared.town.chart("other", config=charts.CONFIG)
    shared.town.file(
        "helmflow.yaml",
        f"project: shop-{shared.town.number}\nreleases: [{{name: other, namespace: NS(apps), chart: ./charts/other}}]\n",
    )
    return shared.town.diff(running=PRUNING)


def test_what_helm_installed_again_under_the_same_name_is_never_pruned(shared: Shared) -> None:
    _named(shared)
    shared.sync("red")
    shared.helm("uninstall", name="web", timeout=60)
    shared.install("green")
    assert _without_web(shared).orphans == ()
    assert shared.town.sync(running=PRUNING).ok
    assert shared.town.statuses("web") == ["deployed"]
    assert shared.live()


def test_what_helm_upgraded_and_left_the_file_is_pruned(shared: Shared) -> None:
    _named(shared)
    shared.sync("red")
    shared.upgrade("green")
    assert [orphan.id.name for orphan in _without_web(shared).orphans] == ["web"]


@pytest.mark.parametrize("again", [False, True], ids=["kept", "installed again"])
def test_what_helm_installed_before_is_known_by_its_first_day(shared: Shared, again: bool) -> None:
    """A release of Helm's that the file names without changing it has no label of ours."""
    shared.install("red")
    town = shared.town
    town.file("values.yaml", "color: red\n")
    town.chart("more", config=charts.CONFIG)
    both = (
        "{name: web, namespace: NS(apps), chart: ./charts/web, values: [values.yaml]}",
        "{name: more, namespace: NS(apps), chart: ./charts/more}",
    )
    town.file("helmflow.yaml", f"project: shop-{town.number}\nreleases: [{', '.join(both)}]\n")
    assert report_of(town.sync(), "web").action == "keep"
    assert len(town.history("web")) == 1
    if again:
        shared.helm("uninstall", name="web", timeout=60)
        shared.install("green")
    orphans = [orphan.id.name for orphan in _without_web(shared).orphans]
    assert orphans == (["more"] if again else ["more", "web"])


def _as_helm_3(shared: Shared, color: str = "red") -> None:
    """A release as Helm 3 left it: a record without an apply method, objects created client-side, one key too many."""
    town, namespace = shared.town, shared.town.ns("apps")
    town.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
    town.file("values.yaml", f"color: {color}\n")
    town.chart("web", config=charts.CONFIG + '  old: "1"\n')
    plan = plan_of(town.diff(), "web")
    assert plan.revision is not None
    for change in plan.changes:
        if change.body is not None and not change.hook:
            town.client.create(change.body, manager="helm")
    moment = "2026-01-01T00:00:00.5Z"
    made: Revision = replace(
        plan.revision,
        chart=codec.chart_record(load.load(Path(shared.chart))),
        status=ReleaseStatus.DEPLOYED,
        first_deployed=moment,
        last_deployed=moment,
        description="Install complete",
        apply_method="",
        hooks=(),
    )
    ReleaseStore(town.client, namespace).create(made)
    town.chart("web", config=charts.CONFIG)


def _config(shared: Shared) -> Any:
    return shared.town.client.get(ObjectRef("v1", "ConfigMap", shared.town.ns("apps"), "web"))


def test_a_release_of_helm_3_becomes_ours_and_nothing_is_left_behind(shared: Shared) -> None:
    _as_helm_3(shared)
    assert _revision(shared.helm("list")) == [(1, "deployed")]
    shared.sync("green")
    live = _config(shared)
    assert sorted(live["data"]) == ["color", "lines"]
    assert {(e["manager"], e["operation"]) for e in live["metadata"]["managedFields"]} == {("helm", "Apply")}
    shared.upgrade("blue")
    shared.helm("rollback", name="web", version=1, timeout=60)
    assert sorted(_config(shared)["data"]) == ["color", "lines", "old"]
    shared.sync("red")
    assert sorted(_config(shared)["data"]) == ["color", "lines"]
    assert shared.town.sync().writes == 0
    shared.helm("uninstall", name="web", timeout=60)
    assert shared.town.names("ConfigMap") == []


def test_a_release_of_helm_3_that_helm_4_upgraded_client_side_becomes_ours(shared: Shared) -> None:
    _as_helm_3(shared)
    shared.upgrade("green")
    assert not [r for r in shared.town.history("web") if r.server_side]
    shared.sync("blue")
    assert _config(shared)["data"]["color"] == "blue"
    assert shared.town.sync().writes == 0
    report = shared.town.rollback(1)
    assert report.ok, report_of(report, "web").failure
    assert _config(shared)["data"]["old"] == "1"
    assert shared.town.destroy().ok
    assert shared.town.names("ConfigMap") == []
