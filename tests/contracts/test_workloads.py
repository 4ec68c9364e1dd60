"""Workloads pass through their states and the wait tells them apart, on every cluster."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from helmflow.core.clock import Deadline
from helmflow.core.events import Event, ObjectWaiting
from helmflow.core.ids import ObjectRef, ReleaseId
from helmflow.kube import objects
from helmflow.kube.client import KubeClient
from helmflow.kube.readiness import Patience
from helmflow.kube.waiting import Target, Until, Waiter, WaitReport
from tests.contracts import things

QUICK = Patience(
    image_pull_s=1.0,
    container_config_s=1.0,
    replica_failure_s=1.0,
    unschedulable_s=1.0,
    gather_s=0.3,
    look_back_s=2.0,
)
RELEASE = ReleaseId("", "ns", "release")


class Watcher:
    """A Waiter and what it reported."""

    def __init__(self, client: KubeClient) -> None:
        self.client = client
        self.waiter = Waiter(client, patience=QUICK)
        self.events: list[Event] = []

    def wait(self, *targets: Target, seconds: float = 30.0) -> WaitReport:
        """Wait for them."""
        deadline = Deadline(self.client.clock, seconds)
        return self.waiter.wait(targets, deadline=deadline, release=RELEASE, emit=self.events.append)

    def apply(self, obj: things.Object, until: Until = Until.READY) -> Target:
        """Apply an object and make it a target."""
        applied = self.client.apply(obj).object
        return Target(ref=objects.ref(applied), until=until, seed=applied)

    def reasons(self) -> list[str]:
        """What was said on the way."""
        return [e.reason for e in self.events if isinstance(e, ObjectWaiting)]


@pytest.fixture
def watcher(client: KubeClient) -> Iterator[Watcher]:
    """A new Waiter."""
    made = Watcher(client)
    yield made
    made.waiter.close()


def test_a_deployment_becomes_ready_through_its_states(watcher: Watcher, namespace: str) -> None:
    before = watcher.client.counter.snapshot()
    target = watcher.apply(things.deployment(namespace, replicas=2, told={"ready-after": "300ms"}))
    report = watcher.wait(target)
    assert report.ready, report
    assert not [e for e in watcher.events[:-1] if isinstance(e, ObjectWaiting) and e.ready]
    assert watcher.events[-1] == ObjectWaiting(release=RELEASE, ref=target.ref, ready=True)
    assert any("available" in reason for reason in watcher.reasons())
    after = watcher.client.counter.snapshot()
    assert after.get("list", 0) == before.get("list", 0), "a wait that goes well lists nothing"
    assert after["watch"] - before.get("watch", 0) == 4, "deployments, replicasets, pods and warnings"
    ((_, live),) = report.objects
    assert live["status"]["readyReplicas"] == 2


def test_controllers_make_a_replica_set_and_pods_that_know_their_owner(
    watcher: Watcher, namespace: str
) -> None:
    target = watcher.apply(things.deployment(namespace, replicas=2))
    assert watcher.wait(target).ready
    (replica_set,) = watcher.client.list("apps/v1", "ReplicaSet", namespace).items
    live = watcher.client.get(target.ref)
    revision = "deployment.kubernetes.io/revision"
    assert (
        live["metadata"]["annotations"][revision] == replica_set["metadata"]["annotations"][revision] == "1"
    )
    assert list(objects.owner_uids(replica_set)) == [objects.uid(live)]
    pods = watcher.client.list("v1", "Pod", namespace, label_selector="app=web").items
    assert len(pods) == 2
    for pod in pods:
        assert list(objects.owner_uids(pod)) == [objects.uid(replica_set)]
        assert (
            pod["metadata"]["labels"]["pod-template-hash"]
            == replica_set["metadata"]["labels"]["pod-template-hash"]
        )
        assert pod["status"]["phase"] == "Running"
    conditions = {c["type"]: (c["status"], c["reason"]) for c in live["status"]["conditions"]}
    assert conditions["Available"] == ("True", "MinimumReplicasAvailable")
    assert conditions["Progressing"] == ("True", "NewReplicaSetAvailable")


def test_a_new_template_rolls_out_and_the_old_replica_set_stays_empty(
    watcher: Watcher, namespace: str
) -> None:
    assert watcher.wait(watcher.apply(things.deployment(namespace))).ready
    target = watcher.apply(things.deployment(namespace, env=[{"name": "A", "value": "2"}]))
    assert watcher.wait(target).ready
    sets = watcher.client.list("apps/v1", "ReplicaSet", namespace).items
    assert sorted(rs["spec"]["replicas"] for rs in sets) == [0, 2]
    live = watcher.client.get(target.ref)
    assert live["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
    assert live["status"]["observedGeneration"] == live["metadata"]["generation"] == 2


def test_an_image_that_cannot_be_pulled_fails_with_the_containers_message(
    watcher: Watcher, namespace: str
) -> None:
    began = time.monotonic()
    report = watcher.wait(
        watcher.apply(things.deployment(namespace, replicas=1, told={"fail": "image-pull"})), seconds=60
    )
    assert time.monotonic() - began < 20
    (failure,) = report.failures
    assert not failure.timed_out
    assert "main" in failure.why
    (container, *_) = failure.containers
    assert (container.owner, container.container) == ("Deployment/web", "main")
    assert container.reason in ("ErrImagePull", "ImagePullBackOff")
    assert "image" in container.message
    assert container.pod.startswith("web-")
    assert any("Failed" in line for line in failure.events)


def test_broken_pods_of_the_old_replica_set_do_not_matter(watcher: Watcher, namespace: str) -> None:
    watcher.apply(things.deployment(namespace, replicas=1, told={"fail": "image-pull"}))
    time.sleep(1.5)
    assert watcher.wait(watcher.apply(things.deployment(namespace, replicas=1))).ready


def test_a_crash_loop_fails_with_exit_code_and_log(watcher: Watcher, namespace: str) -> None:
    told = {"fail": "crash-loop", "exit-code": "3", "log": "no database\ngiving up"}
    (failure,) = watcher.wait(
        watcher.apply(things.deployment(namespace, replicas=1, told=told)), seconds=60
    ).failures
    (container, *_) = failure.containers
    assert container.reason == "CrashLoopBackOff"
    assert container.exit_code == 3
    assert container.log == ("no database", "giving up")


def test_what_never_gets_ready_runs_out_of_time(watcher: Watcher, namespace: str) -> None:
    told = {"fail": "never-ready"}
    report = watcher.wait(watcher.apply(things.deployment(namespace, replicas=1, told=told)), seconds=2)
    (failure,) = report.failures
    assert failure.timed_out
    assert "available" in failure.why
    assert [c.reason for c in failure.containers] == ["NotReady"]


def test_a_target_has_its_own_timeout(watcher: Watcher, namespace: str) -> None:
    target = watcher.apply(things.deployment(namespace, replicas=1, told={"fail": "never-ready"}))
    began = time.monotonic()
    report = watcher.wait(Target(ref=target.ref, seed=target.seed, timeout_s=1.0), seconds=60)
    assert report.failures[0].timed_out
    assert time.monotonic() - began < 10


def test_waiting_stops_when_cancelled(watcher: Watcher, namespace: str) -> None:
    target = watcher.apply(things.deployment(namespace, replicas=1, told={"fail": "never-ready"}))
    stop = time.monotonic() + 0.5
    report = watcher.waiter.wait(
        [target],
        deadline=Deadline(watcher.client.clock, 60),
        release=RELEASE,
        emit=watcher.events.append,
        cancelled=lambda: time.monotonic() > stop,
    )
    assert report.cancelled
    assert not report.ready


def test_a_paused_deployment_is_ready_with_a_note(watcher: Watcher, namespace: str) -> None:
    paused = things.deployment(namespace)
    paused["spec"]["paused"] = True
    report = watcher.wait(watcher.apply(paused))
    assert report.ready
    assert [note for _, note in report.notes] == ["paused"]


def test_a_stateful_set_starts_its_pods_in_order_with_claims(watcher: Watcher, namespace: str) -> None:
    watcher.client.apply(things.service(namespace, "db"))
    target = watcher.apply(things.stateful_set(namespace, told={"ready-after": "200ms"}))
    assert watcher.wait(target).ready
    pods = watcher.client.list("v1", "Pod", namespace, label_selector="app=db").items
    assert sorted(objects.ref(p).name for p in pods) == ["db-0", "db-1"]
    claims = watcher.client.list("v1", "PersistentVolumeClaim", namespace).items
    assert sorted(objects.ref(c).name for c in claims) == ["data-db-0", "data-db-1"]
    assert {c["status"]["phase"] for c in claims} == {"Bound"}


def test_a_daemon_set_runs_on_every_node(watcher: Watcher, namespace: str) -> None:
    target = watcher.apply(things.daemon_set(namespace))
    assert watcher.wait(target).ready
    nodes = len(watcher.client.list("v1", "Node").items)
    assert watcher.client.get(target.ref)["status"]["numberReady"] == nodes == 1


def test_a_job_is_done_when_it_has_completed(watcher: Watcher, namespace: str) -> None:
    target = watcher.apply(things.job(namespace, told={"run-for": "700ms", "log": "migrated"}), Until.DONE)
    report = watcher.wait(target)
    assert report.ready
    live = watcher.client.get(target.ref)
    assert live["status"]["succeeded"] == 1
    assert objects.condition(live, "Complete")
    (pod,) = watcher.client.list("v1", "Pod", namespace, label_selector="app=migrate").items
    assert pod["status"]["phase"] == "Succeeded"
    assert watcher.client.logs(objects.ref(pod), "main") == "migrated\n"
    assert list(watcher.client.follow_logs(objects.ref(pod), "main")) == ["migrated"]


def test_a_started_job_is_ready_when_nobody_waits_for_its_end(watcher: Watcher, namespace: str) -> None:
    report = watcher.wait(watcher.apply(things.job(namespace, told={"run-for": "60s"})))
    assert report.ready
    assert [note for _, note in report.notes] == ["running"]


def test_a_failed_job_tells_how_its_container_ended(watcher: Watcher, namespace: str) -> None:
    told = {"exit-code": "4", "log": "cannot connect"}
    (failure,) = watcher.wait(watcher.apply(things.job(namespace, told=told), Until.DONE)).failures
    assert not failure.timed_out
    assert "backoff limit" in failure.why
    (container,) = failure.containers
    assert (container.owner, container.exit_code, container.log) == ("Job/migrate", 4, ("cannot connect",))


def test_a_test_pod_is_done_when_it_succeeded(watcher: Watcher, namespace: str) -> None:
    target = watcher.apply(things.pod(namespace, restart="Never", told={"log": "ok"}), Until.DONE)
    assert watcher.wait(target).ready
    assert watcher.client.logs(target.ref) == "ok\n"


def test_a_failed_test_pod_fails(watcher: Watcher, namespace: str) -> None:
    (failure,) = watcher.wait(
        watcher.apply(things.pod(namespace, restart="Never", told={"exit-code": "2"}), Until.DONE)
    ).failures
    assert "exit code 2" in failure.why


def test_a_claim_is_bound(watcher: Watcher, namespace: str) -> None:
    assert watcher.wait(watcher.apply(things.claim(namespace))).ready


def test_a_load_balancer_gets_an_address(watcher: Watcher, namespace: str) -> None:
    target = watcher.apply(things.service(namespace, kind="LoadBalancer"))
    assert watcher.wait(target).ready
    assert watcher.client.get(target.ref)["status"]["loadBalancer"]["ingress"]


def test_what_is_deleted_is_waited_for_until_it_is_gone(watcher: Watcher, namespace: str) -> None:
    target = watcher.apply(things.deployment(namespace, replicas=1))
    assert watcher.wait(target).ready
    seed = watcher.client.get(target.ref)
    watcher.client.delete(target.ref, propagation="Foreground")
    assert watcher.wait(Target(ref=target.ref, until=Until.GONE, seed=seed)).ready
    assert watcher.client.find(target.ref) is None


def test_what_is_gone_already_is_gone(watcher: Watcher, namespace: str) -> None:
    assert watcher.wait(Target(ref=ObjectRef("v1", "ConfigMap", namespace, "never"), until=Until.GONE)).ready


def test_objects_without_a_state_are_ready_at_once_and_cost_nothing(watcher: Watcher, namespace: str) -> None:
    targets = [watcher.apply(things.config_map(namespace)), watcher.apply(things.service(namespace))]
    before = watcher.client.counter.requests
    assert watcher.wait(*targets).ready
    assert watcher.client.counter.requests == before


def test_one_watch_serves_every_wait_of_a_run(watcher: Watcher, namespace: str) -> None:
    assert watcher.wait(watcher.apply(things.deployment(namespace, "one", replicas=1))).ready
    before = watcher.client.counter.snapshot()["watch"]
    assert watcher.wait(watcher.apply(things.deployment(namespace, "two", replicas=1))).ready
    assert watcher.client.counter.snapshot()["watch"] == before


def test_a_quota_that_keeps_pods_away_is_named(watcher: Watcher, namespace: str) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "q", "namespace": namespace},
        "spec": {"hard": {"pods": "0"}},
    }
    watcher.client.create(quota)
    time.sleep(1.0)
    (failure,) = watcher.wait(watcher.apply(things.deployment(namespace, replicas=1)), seconds=60).failures
    assert "exceeded quota" in failure.why


def test_what_a_workload_is_told_its_pods_are_told(watcher: Watcher, namespace: str) -> None:
    job = things.job(namespace)
    job["metadata"]["annotations"] = {things.FAULT + "exit-code": "5"}
    (failure,) = watcher.wait(watcher.apply(job, Until.DONE)).failures
    assert failure.containers[0].exit_code == 5


def test_a_claim_that_waits_for_its_consumer_does_not_block(watcher: Watcher, namespace: str) -> None:
    client = watcher.client
    storage = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": f"late-{namespace}"},
        "provisioner": "example.com/none",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    client.create(storage)
    report = watcher.wait(watcher.apply(things.claim(namespace, storage_class=f"late-{namespace}")))
    assert report.ready
    assert [note for _, note in report.notes] == ["waits for its first consumer"]
    client.delete(objects.ref(storage))


def test_a_pod_that_no_node_takes_fails_once_its_time_is_over(watcher: Watcher, namespace: str) -> None:
    lonely = things.deployment(namespace, replicas=1, told={"fail": "unschedulable"})
    lonely["spec"]["template"]["spec"]["nodeSelector"] = {"there-is": "no-such-node"}
    (failure,) = watcher.wait(watcher.apply(lonely), seconds=60).failures
    assert "cannot be scheduled" in failure.why
    assert failure.containers[0].reason == "Unschedulable"


def test_a_stateful_set_without_its_pods_tells_why(watcher: Watcher, namespace: str) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "q", "namespace": namespace},
        "spec": {"hard": {"pods": "0"}},
    }
    watcher.client.create(quota)
    time.sleep(1.0)
    (failure,) = watcher.wait(watcher.apply(things.stateful_set(namespace)), seconds=60).failures
    assert "exceeded quota" in failure.why + "".join(failure.events)
    assert not failure.timed_out
