"""Run a chart's hooks as Helm does: one at a time, by weight, deleted and logged by their policies."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from helmflow.core.clock import Deadline
from helmflow.core.errors import ClusterError, HelmflowError
from helmflow.core.events import ObjectApplied, PodLog
from helmflow.core.ids import ObjectRef
from helmflow.core.records import replace
from helmflow.execute.bench import Bench, StepFailed
from helmflow.execute.report import PodOutput, TestResult
from helmflow.helm.release.record import HookPhase, HookRecord, go_time
from helmflow.helm.release.record import HookRun as LastRun
from helmflow.helm.render.hooks import HOOK, TEST_FAILURE
from helmflow.kube import errors, objects
from helmflow.kube.waiting import Target, Until
from helmflow.plan.model import HookEvent, HookRun, RunChartHooks

BEFORE_CREATION = "before-hook-creation"
SUCCEEDED = "hook-succeeded"
FAILED = "hook-failed"
GONE_TIMEOUT_S = 120.0


def run(step: RunChartHooks, bench: Bench) -> None:
    """Run every hook of the step. After a failure earlier hooks are still deleted by their policies."""
    done: list[HookRun] = []
    try:
        for hook in step.hooks:
            bench.tools.cancel.check()
            try:
                _run_one(hook, step, bench)
            except HelmflowError:
                for earlier in done if step.logs else ():
                    bench.logs[earlier.name] = emit_logs(earlier.ref, bench)
                _logs(hook, FAILED, step, bench)
                _delete_by(hook, FAILED, bench)
                for earlier in done:
                    _delete_by(earlier, SUCCEEDED, bench)
                raise
            done.append(hook)
        for hook in reversed(done):
            _logs(hook, SUCCEEDED, step, bench)
            _delete_by(hook, SUCCEEDED, bench)
    finally:
        if step.event is HookEvent.TEST:
            bench.tests += _results(step, bench)
        if step.clean_up:
            for hook in step.hooks:
                _delete(hook.ref, bench)


def _results(step: RunChartHooks, bench: Bench) -> list[TestResult]:
    """What the record says about every test hook, as `helm test` lists it: those of earlier runs before this one's."""
    revision = bench.revision
    ran = {(hook.path, hook.ref.kind, hook.name) for hook in step.hooks}
    records = sorted(
        revision.hooks if revision else (), key=lambda hook: (hook.path, hook.kind, hook.name) in ran
    )
    return [
        TestResult(
            suite=record.name,
            started=record.last_run.started_at,
            completed=record.last_run.completed_at,
            phase=str(record.last_run.phase),
            weight=record.weight,
            logs=tuple(bench.logs.get(record.name, ())),
        )
        for record in records
        if HookEvent.TEST in record.events and record.last_run.started_at
    ]


def _run_one(hook: HookRun, step: RunChartHooks, bench: Bench) -> None:
    if BEFORE_CREATION in (hook.delete_policies or (BEFORE_CREATION,)):
        _delete(hook.ref, bench)
    started = go_time(bench.tools.clock.now())
    _record(hook, LastRun(started_at=started, phase=HookPhase.RUNNING), bench, store=True)
    phase = HookPhase.FAILED
    try:
        created = bench.tools.client.apply(hook.body, force=True).object
        bench.emit(ObjectApplied(release=bench.id, ref=hook.ref, operation="created"))
        _wait(hook, step, created, bench)
        phase = HookPhase.SUCCEEDED
    finally:
        ended = go_time(bench.tools.clock.now())
        last_run = LastRun(started_at=started, completed_at=ended, phase=phase)
        _record(hook, last_run, bench, store=step.event is HookEvent.TEST)


def _wait(hook: HookRun, step: RunChartHooks, created: objects.KubeObject, bench: Bench) -> None:
    """Jobs and Pods run to their end, everything else is ready once it exists: Helm's rule for hooks."""
    if hook.ref.kind not in ("Job", "Pod"):
        return
    report = bench.tools.waiter.wait(
        [Target(ref=hook.ref, until=Until.DONE, seed=created)],
        deadline=Deadline(bench.tools.clock, step.timeout_s),
        release=bench.id,
        emit=bench.emit,
        cancelled=lambda: bench.tools.cancel.cancelled,
    )
    if report.cancelled:
        bench.tools.cancel.check()
    if step.event is HookEvent.TEST and _is_to_fail(hook):
        if not report.failures:
            raise StepFailed(
                f"{step.event} hook {hook.name} succeeded, but its event is {TEST_FAILURE}",
                error_id="release.hook-failed",
            )
        if not any(failure.timed_out for failure in report.failures):
            return
    if report.failures:
        from helmflow.execute.steps import explained

        raise StepFailed(
            f"{step.event} hook {hook.name} failed: {'; '.join(explained(report.failures))}",
            error_id="release.hook-failed",
        )


def _is_to_fail(hook: HookRun) -> bool:
    """Whether it is a test of Helm 2's that passes when its pod fails; without --legacy-hooks no chart has such hooks."""
    annotation = str((hook.body["metadata"].get("annotations") or {}).get(HOOK, ""))
    return TEST_FAILURE in (word.strip().lower() for word in annotation.split(","))


def _record(hook: HookRun, last_run: LastRun, bench: Bench, *, store: bool) -> None:
    """What the release's record says about the hook; the end of a run is stored with the revision's next state."""
    if bench.revision is None:
        return
    hooks = tuple(
        replace(record, last_run=last_run) if _same(record, hook) else record
        for record in bench.revision.hooks
    )
    bench.revision = replace(bench.revision, hooks=hooks)
    if store:
        bench.store.update(bench.revision)


def _same(record: HookRecord, hook: HookRun) -> bool:
    return (record.path, record.kind, record.name) == (hook.path, hook.ref.kind, hook.name)


def _delete_by(hook: HookRun, policy: str, bench: Bench) -> None:
    if policy in hook.delete_policies and hook.ref.kind != "CustomResourceDefinition":
        _delete(hook.ref, bench)


def _delete(ref: ObjectRef, bench: Bench) -> None:
    if ref.kind == "CustomResourceDefinition":
        return  # deleting one would delete every object of its kind
    try:
        bench.tools.client.delete(ref)
    except errors.NotFound:
        return
    report = bench.tools.waiter.wait(
        [Target(ref=ref, until=Until.GONE)],
        deadline=Deadline(bench.tools.clock, GONE_TIMEOUT_S),
        release=bench.id,
        emit=bench.emit,
        cancelled=lambda: bench.tools.cancel.cancelled,
    )
    if report.failures:
        raise StepFailed(f"{ref} of an earlier run is still being deleted", error_id="release.hook-stuck")
    bench.emit(ObjectApplied(release=bench.id, ref=ref, operation="deleted"))


def _logs(hook: HookRun, policy: str, step: RunChartHooks, bench: Bench) -> None:
    if step.logs or policy in hook.output_log_policies:
        bench.logs[hook.name] = emit_logs(hook.ref, bench)


def emit_logs(ref: ObjectRef, bench: Bench) -> list[PodOutput]:
    """Emit (and return) every line that the pods behind a Job or Pod wrote; logs that cannot be had are left out."""
    found = []
    for pod, container in _containers(ref, bench):
        with suppress(ClusterError):
            lines = tuple(bench.tools.client.logs(pod, container).splitlines())
            for line in lines:
                bench.emit(PodLog(release=bench.id, pod=pod.name, container=container, line=line))
            found.append(PodOutput(pod=pod.name, container=container, lines=lines))
    return found


def _containers(ref: ObjectRef, bench: Bench) -> Iterator[tuple[ObjectRef, str]]:
    for pod in _pods(ref, bench):
        for kind in ("initContainers", "containers"):
            containers = objects.at(pod, "spec", kind)
            for container in containers if isinstance(containers, list) else ():
                yield objects.ref(pod), str(container.get("name") or "")


def _pods(ref: ObjectRef, bench: Bench) -> Sequence[objects.KubeObject]:
    if ref.kind == "Pod":
        pod = bench.tools.client.find(ref)
        return [pod] if pod else []
    if ref.kind != "Job":
        return []
    return bench.tools.client.list("v1", "Pod", ref.namespace, label_selector=f"job-name={ref.name}").items
