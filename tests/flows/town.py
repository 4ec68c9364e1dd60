"""A small project on a cluster: files written by the test, flows run in process, requests counted and cut off."""

from __future__ import annotations

import itertools
import os
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from helmflow.core.events import Event
from helmflow.core.ids import ObjectRef
from helmflow.execute.cancel import CancelToken
from helmflow.execute.report import ReleaseReport, RunReport
from helmflow.flows import apply, destroy, diff, rollback, sync, test
from helmflow.flows.options import (
    ClusterOptions,
    Confirm,
    RunningOptions,
    RunOptions,
    StateOptions,
    accept,
)
from helmflow.flows.session import OpenedTransport, Session
from helmflow.helm.release.record import Revision
from helmflow.helm.release.store import ReleaseStore
from helmflow.kube import errors
from helmflow.kube.client import KubeClient
from helmflow.kube.objects import KubeObject
from helmflow.kube.transport import Request, Response, Transport
from helmflow.plan.model import Plan, ReleasePlan

_NUMBERS = itertools.count()
WRITES = ("POST", "PUT", "PATCH", "DELETE")
# Of a stored revision: what has to be equal whoever wrote it.
RECORD_FIELDS = (
    "name", "namespace", "number", "status", "config", "manifest", "description", "notes", "apply_method",
)  # fmt: skip


class Killed(SystemExit):
    """This process would be dead by now."""


@dataclass
class Wire:
    """A transport that notes every request and goes dead after the `kill_after`-th write."""

    inner: Transport
    kill_after: int = 0
    requests: list[Request] = field(default_factory=list)
    writes: list[Request] = field(default_factory=list)
    dead: bool = False
    died: Callable[[], None] = lambda: None

    def send(self, request: Request) -> Response:
        if self.dead:
            raise Killed
        self.requests.append(request)
        answer = self.inner.send(request)
        if request.method in WRITES and ("dryRun", "All") not in request.query:
            self.writes.append(request)
            if self.kill_after and len(self.writes) >= self.kill_after:
                self.dead = True
                self.died()  # what waits in this process must not wait on
                raise Killed
        return answer


@dataclass
class Town:
    """One project folder and the cluster its releases go to; every namespace ends in the town's own number."""

    folder: Path
    transport: Callable[[], Transport]
    number: str = field(default_factory=lambda: f"{os.getpid()}-{next(_NUMBERS)}")
    events: list[Event] = field(default_factory=list)
    wire: Wire | None = None

    @property
    def client(self) -> KubeClient:
        return KubeClient(self.transport())

    def ns(self, name: str) -> str:
        return f"{name}-{self.number}"

    def file(self, path: str, text: str) -> None:
        """Write a file; NS(name) in its text becomes the town's namespace of that name."""
        target = self.folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        text = textwrap.dedent(text)
        for name in ("apps", "data", "edge"):
            text = text.replace(f"NS({name})", self.ns(name))
        target.write_text(text, encoding="utf-8")

    def chart(self, name: str, version: str = "1.0.0", **templates: str) -> None:
        """A chart with templates by file name (`__` for a dot)."""
        self.file(f"charts/{name}/Chart.yaml", f"apiVersion: v2\nname: {name}\nversion: {version}\n")
        if not (self.folder / f"charts/{name}/values.yaml").exists():
            self.file(f"charts/{name}/values.yaml", "{}\n")
        for file, text in templates.items():
            suffix = "" if "__" in file else ".yaml"
            self.file(f"charts/{name}/templates/{file.replace('__', '.')}{suffix}", text)

    def session(
        self, *, kill_after: int = 0, running: RunningOptions | None = None, **groups: Any
    ) -> Session:
        wire = Wire(self.transport(), kill_after)
        self.wire = wire
        self.events = []
        state = groups.pop("state", StateOptions())
        options = RunOptions(
            state=replace(state, cwd=self.folder),
            cluster=ClusterOptions(context="town"),
            running=running or RunningOptions(lease_duration_s=1.0),
            **groups,
        )
        token = CancelToken()
        wire.died = lambda: token.cancel("SIGKILL")
        return Session(
            options=options,
            cancel=token,
            emit=self.events.append,
            opener=lambda context, _: OpenedTransport(
                transport=wire, context=context, namespace="default", server=""
            ),
        )

    def sync(self, **more: Any) -> RunReport:
        session = self.session(**more)
        return sync.sync(session.options, session.emit, accept, session)

    def apply(self, confirm: Confirm = accept, **more: Any) -> RunReport:
        session = self.session(**more)
        return apply.apply(session.options, session.emit, confirm, session)

    def destroy(self, **more: Any) -> RunReport:
        session = self.session(**more)
        return destroy.destroy(session.options, session.emit, accept, session)

    def diff(self, **more: Any) -> Plan:
        session = self.session(**more)
        return diff.diff(session.options, session.emit, session)

    def rollback(self, revision: int = 0, **more: Any) -> RunReport:
        session = self.session(**more)
        return rollback.rollback(session.options, session.emit, revision, accept, session)

    def test(self, **more: Any) -> RunReport:
        session = self.session(**more)
        return test.test(session.options, session.emit, session)

    def find(self, kind: str, name: str, namespace: str = "apps", api: str = "v1") -> KubeObject | None:
        return self.client.find(ObjectRef(api, kind, self.ns(namespace) if namespace else "", name))

    def names(self, kind: str, namespace: str = "apps", api: str = "v1") -> list[str]:
        found = self.client.list(api, kind, self.ns(namespace)).items
        return sorted(o["metadata"]["name"] for o in found if o["metadata"]["name"] != "kube-root-ca.crt")

    def history(self, name: str, namespace: str = "apps") -> list[Revision]:
        store = ReleaseStore(self.client, self.ns(namespace))
        return [store.get(name, stored.number) for stored in store.history(name)]

    def statuses(self, name: str, namespace: str = "apps") -> list[str]:
        return [str(revision.status) for revision in self.history(name, namespace)]

    def close(self) -> None:
        """Remove the town's namespaces."""
        for name in ("apps", "data", "edge"):
            try:
                self.client.delete(ObjectRef("v1", "Namespace", "", self.ns(name)))
            except errors.NotFound:
                continue


def report_of(report: RunReport, name: str) -> ReleaseReport:
    return next(release for release in report.releases if release.id.name == name)


def plan_of(plan: Plan, name: str) -> ReleasePlan:
    return next(release for release in plan.releases if release.id.name == name)
