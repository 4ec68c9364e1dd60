"""A plan and a finished run with something of everything, and the same with hostile texts in every place."""

from __future__ import annotations

from dataclasses import replace

from helmflow.core import events
from helmflow.core.errors import Mistake
from helmflow.core.ids import ObjectRef, ReleaseId
from helmflow.execute.report import Outcome, ReleaseReport, RunReport
from helmflow.plan.model import Action, ActionKind, Cause, Change, ChangeKind, Plan, ReleasePlan
from helmflow.plan.settings import Settings
from helmflow.state.model import Release
from helmflow.ui.recording import Recorder

DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {name}
spec:
  replicas: {replicas}
  template:
    spec:
      containers:
      - image: registry.example/{name}:{tag}
        name: main
      - image: registry.example/proxy:1
        name: proxy
"""
DB, API, WEB, JOBS = (
    ReleaseId("", "data", "db"),
    ReleaseId("", "apps", "api"),
    ReleaseId("", "apps", "web"),
    ReleaseId("", "apps", "jobs"),
)
IMAGE = ("spec", "template", "spec", "containers", "[name=main]", "image")
SINCE = "2026-11-21T08:00:00Z"


def release(
    identity: ReleaseId, kind: ActionKind, reason: str, *changes: Change, because: tuple[str, ...] = ()
) -> ReleasePlan:
    return ReleasePlan(
        id=identity, owner=identity, release=Release(id=identity, chart=f"shop/{identity.name}"),
        chart=f"{identity.name}-1.2.0", chart_version="1.2.0", app_version="7", chart_digest=f"sha256:{'ab' * 32}",
        action=Action(kind=kind, code="x", reason=reason), settings=Settings(), changes=changes, because=because,
    )  # fmt: skip


def deployment(identity: ReleaseId, **more: object) -> Change:
    return Change(
        ref=ObjectRef("apps/v1", "Deployment", identity.namespace, identity.name),
        kind=ChangeKind.UPDATE,
        before=DEPLOYMENT.format(name=identity.name, replicas=5, tag=1),
        after=DEPLOYMENT.format(name=identity.name, replicas=2, tag=2),
        causes=(
            Cause(path=IMAGE, planned=True, drift=False),
            Cause(path=("spec", "replicas"), planned=False, drift=True, manager="kubectl-scale", since=SINCE),
        ),
        ignored=(("kept by the server", 2), ("rule path=metadata.annotations", 1)),
        **more,  # type: ignore[arg-type]
    )


def plan() -> Plan:
    """Four releases: installed, upgraded with a drifted field, uninstalled with data, unchanged."""
    created = Change(
        ref=ObjectRef("v1", "Secret", "data", "db-login"), kind=ChangeKind.CREATE, after="kind: Secret\ndata:\n  password: (masked, 12 characters, 0a1b2c3d)\n"
    )  # fmt: skip
    claim = Change(
        ref=ObjectRef("v1", "PersistentVolumeClaim", "apps", "jobs-data"), kind=ChangeKind.DELETE, before="kind: PersistentVolumeClaim\nspec:\n  size: 1Gi\n"
    )  # fmt: skip
    return Plan(
        command="diff",
        environment="prod",
        cluster="eu1 (https://eu1.example:6443)",
        releases=(
            release(DB, ActionKind.INSTALL, "is not installed", created),
            release(API, ActionKind.UPGRADE, "1 object changed", deployment(API), because=("chart 1.1.0 -> 1.2.0", "values")),
            release(JOBS, ActionKind.UNINSTALL, "is not wanted", claim),
            release(WEB, ActionKind.KEEP, "unchanged"),
        ),
        needs={DB: frozenset(), API: frozenset({DB}), WEB: frozenset({API, DB}), JOBS: frozenset()},
    )  # fmt: skip


def report() -> RunReport:
    """The run of that plan: the upgrade failed."""
    failure = Mistake(
        "Deployment apps/api: 0/2 ready\n  pod api-1: container main: ImagePullBackOff",
        "wait.image-pull",
        hint="does the image exist?",
    )
    return RunReport(
        command="sync", environment="prod", cluster="eu1 (https://eu1.example:6443)", seconds=75.25, writes=9, requests=40,
        releases=(
            ReleaseReport(id=DB, action="install", outcome=Outcome.DONE, reason="is not installed", chart="db-1.2.0", seconds=12.5, revision=1, status="deployed", notes="connect to db:5432\n"),
            ReleaseReport(id=API, action="upgrade", outcome=Outcome.FAILED, reason=failure.message, chart="api-1.2.0", seconds=60.0, revision=3, status="failed", failed_step="WaitUntilReady", failure=failure),
            ReleaseReport(id=JOBS, action="uninstall", outcome=Outcome.DONE, reason="is not wanted", chart="jobs-1.2.0", seconds=2.0, kept=(ObjectRef("v1", "Secret", "apps", "jobs"),)),
            ReleaseReport(id=WEB, action="keep", outcome=Outcome.SKIPPED, reason="needs apps/api", because_of=API, chart="web-1.2.0"),
        ),
    )  # fmt: skip


class Ticking:
    """Seconds that the test sets."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def recorder() -> Recorder:
    """What was recorded of that run."""
    clock = Ticking()
    found = Recorder(clock)
    needs = {DB: (), API: (DB,), WEB: (API, DB), JOBS: ()}
    course: list[tuple[float, events.Event]] = [
        (0, events.RunStarted(command="sync", environment="prod", cluster="eu1", releases=(DB, API, JOBS, WEB), needs=needs)),
        (0.5, events.ReleaseStarted(release=DB, action="install", chart="db-1.2.0")),
        (0.5, events.StepStarted(release=DB, step="ApplyObjects")),
        (3, events.StepFinished(release=DB, step="ApplyObjects", seconds=2.5)),
        (3, events.StepStarted(release=DB, step="WaitUntilReady")),
        (13, events.StepFinished(release=DB, step="WaitUntilReady", seconds=10)),
        (13, events.ReleaseFinished(release=DB, outcome="done", action="install", seconds=12.5)),
        (13, events.ReleaseStarted(release=API, action="upgrade", chart="api-1.2.0")),
        (13, events.StepStarted(release=API, step="WaitUntilReady")),
        (20, events.ObjectWaiting(release=API, ref=ObjectRef("apps/v1", "Deployment", "apps", "api"), ready=False, reason="0/2 ready")),
        (21, events.PodLog(release=API, pod="api-1", container="main", line="panic: no database")),
        (21, events.Warned(warning=Mistake("this API version goes away", "kube.deprecated"), release=API)),
        (73, events.ReleaseFinished(release=API, outcome="failed", action="upgrade", seconds=60)),
        (73, events.ReleaseFinished(release=WEB, outcome="skipped", action="keep", because_of=API)),
        (75, events.RunFinished(command="sync", seconds=75.25, done=2, unchanged=0, failed=1, skipped=1, writes=9)),
    ]  # fmt: skip
    for at, event in course:
        clock.now = 100.0 + at
        found.handle(event)
    found.started = SINCE
    return found


def hostile(text: str) -> tuple[Plan, RunReport, Recorder]:
    """The same plan and run with `text` in every place that charts, files and clusters can fill."""
    made, ran, recorded = plan(), report(), recorder()
    ids = {one.id: ReleaseId("", text, f"{text}{number}") for number, one in enumerate(made.releases)}
    releases = tuple(
        replace(
            one,
            id=ids[one.id],
            owner=ids[one.id],
            chart=text,
            chart_version=text,
            app_version=text,
            chart_digest=text,
            because=(text,),
            action=replace(one.action, reason=text),
            changes=tuple(
                replace(
                    change,
                    ref=ObjectRef(text, text, text, text),
                    before=change.before and f"{change.before}# {text}\n",
                    after=change.after and f"{change.after}# {text}\nx: {text}\n",
                    reason=text,
                    causes=tuple(replace(cause, manager=text, since=text) for cause in change.causes),
                    ignored=((text, 1),),
                )
                for change in one.changes
            ),
        )
        for one in made.releases
    )
    needs = {ids[key]: frozenset(ids[need] for need in wanted) for key, wanted in made.needs.items()}
    made = replace(made, releases=releases, needs=needs, environment=text, cluster=text)
    ran = replace(
        ran,
        environment=text,
        cluster=text,
        signal=text,
        releases=tuple(
            replace(
                one,
                id=ids[one.id],
                reason=text,
                chart=text,
                status=text,
                notes=text,
                failed_step=text,
                because_of=ids[API] if one.because_of else None,
                failure=Mistake(text, text, hint=text) if one.failure else None,
                kept=(ObjectRef(text, text, text, text),),
            )
            for one in ran.releases
        ),
    )
    recorded.tracks = {ids[key]: track for key, track in recorded.tracks.items()}
    recorded.needs = {ids[key]: tuple(ids[need] for need in wanted) for key, wanted in recorded.needs.items()}
    for track in recorded.tracks.values():
        track.waiting = dict.fromkeys((text,), text)
        track.logs.append(text)
        track.steps = [replace(span, step=text, detail=text) for span in track.steps]
    return made, ran, recorded
