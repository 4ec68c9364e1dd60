"""When an object is ready, and what says early that it never will be."""

from __future__ import annotations

from typing import Any

import pytest

from helmflow.kube.readiness import (
    Failed,
    Patience,
    Progressing,
    Readiness,
    Ready,
    evaluate,
    object_signals,
    pod_signals,
)

Object = dict[str, Any]


def made(api_version: str, kind: str, spec: Any = None, status: Any = None, **metadata: Any) -> Object:
    """An object."""
    found: Object = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "x", **metadata}}
    return (
        found
        | ({"spec": spec} if spec is not None else {})
        | ({"status": status} if status is not None else {})
    )


def conditions(*rows: tuple[str, str] | tuple[str, str, str] | tuple[str, str, str, str]) -> list[Object]:
    """(type, status, reason, message) of each."""
    return [dict(zip(("type", "status", "reason", "message"), row, strict=False)) for row in rows]


GOOD = conditions(
    ("Available", "True", "MinimumReplicasAvailable"), ("Progressing", "True", "NewReplicaSetAvailable")
)


def deployment(conditions: list[Object] = GOOD, spec: Object | None = None, **status: int) -> Object:
    """A Deployment of three that is ready unless something else is said."""
    counts = {"replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3, **status}
    return made(
        "apps/v1",
        "Deployment",
        {"replicas": 3, "progressDeadlineSeconds": 600, **(spec or {})},
        {**counts, "conditions": conditions},
    )


def stateful_set(spec: Object | None = None, **status: Any) -> Object:
    """A StatefulSet of three that is ready unless something else is said."""
    counts = {
        "replicas": 3,
        "readyReplicas": 3,
        "currentReplicas": 3,
        "updatedReplicas": 3,
        "currentRevision": "a",
        "updateRevision": "a",
        **status,
    }
    return made("apps/v1", "StatefulSet", {"replicas": 3, **(spec or {})}, counts)


def daemon_set(spec: Object | None = None, **status: Any) -> Object:
    """A DaemonSet on two nodes that is ready unless something else is said."""
    counts = {
        "desiredNumberScheduled": 2,
        "currentNumberScheduled": 2,
        "updatedNumberScheduled": 2,
        "numberAvailable": 2,
        "numberReady": 2,
        "observedGeneration": 1,
        **status,
    }
    return made("apps/v1", "DaemonSet", spec or {}, counts, generation=1)


def pod(phase: str, *containers: Object, **more: Any) -> Object:
    """A Pod."""
    return made("v1", "Pod", {}, {"phase": phase, "containerStatuses": list(containers), **more})


def waiting(reason: str, message: str = "", **more: Any) -> Object:
    """A container that waits."""
    return {
        "name": "main",
        "ready": False,
        "restartCount": 0,
        "state": {"waiting": {"reason": reason, "message": message}},
        **more,
    }


STARTED = {"startTime": "2026-01-01T00:00:00Z"}

ROWS: list[tuple[str, Object, Readiness]] = [
    ("deployment ready", deployment(), Ready()),
    ("deployment without status", made("apps/v1", "Deployment", {}), Progressing("0 of 1 replicas exist")),
    ("deployment starts", deployment(replicas=1), Progressing("1 of 3 replicas exist")),
    ("deployment updates", deployment(updatedReplicas=1), Progressing("1 of 3 replicas updated")),
    ("deployment ends old pods", deployment(replicas=4), Progressing("1 old replicas pending termination")),
    ("deployment not available", deployment(availableReplicas=2), Progressing("2 of 3 updated replicas available")),
    ("deployment not ready", deployment(readyReplicas=2), Progressing("2 of 3 replicas ready")),
    ("deployment has no new replica set", deployment(conditions(("Available", "True"))), Progressing("the new ReplicaSet is not available")),
    ("deployment without deadline", deployment(conditions(("Available", "True")), {"progressDeadlineSeconds": 2**31 - 1}), Ready()),
    ("deployment unavailable", deployment(conditions(("Progressing", "True", "NewReplicaSetAvailable"), ("Available", "False", "Min", "too few"))), Progressing("too few")),
    ("deployment exceeded its deadline", deployment(conditions(("Progressing", "False", "ProgressDeadlineExceeded", "has timed out"))), Failed("has timed out")),
    ("deployment paused", deployment([], {"paused": True}, replicas=0), Ready("paused")),
    ("deployment of none", deployment(spec={"replicas": 0}, replicas=0, updatedReplicas=0, readyReplicas=0, availableReplicas=0), Ready()),
    ("an old generation", made("apps/v1", "Deployment", {}, {"observedGeneration": 1}, generation=2), Progressing("its controller has not seen the newest generation")),
    ("stateful set ready", stateful_set(), Ready()),
    ("stateful set starts", stateful_set(replicas=1), Progressing("1 of 3 replicas exist")),
    ("stateful set not ready", stateful_set(readyReplicas=2), Progressing("2 of 3 replicas ready")),
    ("stateful set has too many", stateful_set(replicas=4), Progressing("1 old replicas pending termination")),
    ("stateful set rolls out", stateful_set(updateRevision="b", updatedReplicas=1), Progressing("1 of 3 replicas updated")),
    ("stateful set completes", stateful_set(updateRevision="b"), Progressing("the rollout is being completed")),
    ("stateful set partition reached", stateful_set({"updateStrategy": {"rollingUpdate": {"partition": 2}}}, updatedReplicas=1, updateRevision="b"), Ready()),
    ("stateful set partition not reached", stateful_set({"updateStrategy": {"rollingUpdate": {"partition": 1}}}, updatedReplicas=1), Progressing("1 of 2 replicas updated (partition 1)")),
    ("stateful set partition zero", stateful_set({"updateStrategy": {"rollingUpdate": {"partition": 0}}}, currentReplicas=2), Progressing("2 of 3 replicas of the current revision")),
    ("stateful set on delete", stateful_set({"updateStrategy": {"type": "OnDelete"}}, updateRevision="b"), Ready("OnDelete: pods keep their revision until they are deleted")),
    ("stateful set min ready", stateful_set({"minReadySeconds": 5}, availableReplicas=1), Progressing("1 of 3 replicas available")),
    ("daemon set ready", daemon_set(), Ready()),
    ("daemon set unseen", made("apps/v1", "DaemonSet", {}, {}), Progressing("its controller has not seen it yet")),
    ("daemon set updates", daemon_set(updatedNumberScheduled=1), Progressing("1 of 2 pods updated")),
    ("daemon set on delete", daemon_set({"updateStrategy": {"type": "OnDelete"}}, updatedNumberScheduled=0), Ready("OnDelete: pods keep their revision until they are deleted")),
    ("replica set failing", made("apps/v1", "ReplicaSet", {}, {"conditions": conditions(("ReplicaFailure", "True", "FailedCreate", "exceeded quota"))}), Progressing("exceeded quota")),
    ("replication controller ready", made("v1", "ReplicationController", {"replicas": 1}, {"replicas": 1, "fullyLabeledReplicas": 1, "availableReplicas": 1, "readyReplicas": 1}), Ready()),
    ("pod pending", pod("Pending"), Progressing("is Pending")),
    ("pod pulling", pod("Pending", waiting("ErrImagePull", "not found")), Progressing("container main: ErrImagePull: not found")),
    ("pod ready", pod("Running", conditions=conditions(("Ready", "True"))), Ready()),
    ("pod running", pod("Running", {"name": "main", "ready": False, "state": {"running": {}}}), Progressing("containers not ready: main")),
    ("pod unscheduled", pod("Pending", conditions=conditions(("PodScheduled", "False", "Unschedulable", "0/1 nodes"))), Progressing("0/1 nodes")),
    ("pod succeeded", pod("Succeeded"), Ready()),
    ("pod failed", pod("Failed", {"name": "main", "state": {"terminated": {"exitCode": 3, "reason": "Error"}}}), Failed("container main ended: Error, exit code 3")),
    ("pod evicted", pod("Failed", message="The node was low on resource"), Failed("The node was low on resource")),
    ("job started", made("batch/v1", "Job", {}, STARTED), Ready("running")),
    ("job new", made("batch/v1", "Job", {}, {}), Progressing("has not started")),
    ("job complete", made("batch/v1", "Job", {}, {"conditions": conditions(("Complete", "True"))}), Ready()),
    ("job failed", made("batch/v1", "Job", {}, {"conditions": conditions(("Failed", "True", "BackoffLimitExceeded", "Job has reached"))}), Failed("Job has reached")),
    ("job suspended", made("batch/v1", "Job", {}, {"conditions": conditions(("Suspended", "True"))}), Ready("suspended")),
    ("claim bound", made("v1", "PersistentVolumeClaim", {}, {"phase": "Bound"}), Ready()),
    ("claim pending", made("v1", "PersistentVolumeClaim", {}, {"phase": "Pending"}), Progressing("is Pending, not Bound")),
    ("claim lost", made("v1", "PersistentVolumeClaim", {}, {"phase": "Lost"}), Failed("its volume is lost")),
    ("volume failed", made("v1", "PersistentVolume", {}, {"phase": "Failed", "message": "m"}), Failed("m")),
    ("service", made("v1", "Service", {"clusterIP": "10.0.0.1"}), Ready()),
    ("service without address", made("v1", "Service", {}), Progressing("has no cluster IP")),
    ("external name", made("v1", "Service", {"type": "ExternalName"}), Ready()),
    ("balancer pending", made("v1", "Service", {"type": "LoadBalancer", "clusterIP": "10.0.0.1"}, {"loadBalancer": {}}), Progressing("its load balancer has no address")),
    ("balancer with external addresses", made("v1", "Service", {"type": "LoadBalancer", "clusterIP": "1", "externalIPs": ["1.2.3.4"]}), Ready()),
    ("balancer ready", made("v1", "Service", {"type": "LoadBalancer", "clusterIP": "1"}, {"loadBalancer": {"ingress": [{"ip": "1"}]}}), Ready()),
    ("definition new", made("apiextensions.k8s.io/v1", "CustomResourceDefinition", {}), Progressing("is not established")),
    ("definition established", made("apiextensions.k8s.io/v1", "CustomResourceDefinition", {}, {"conditions": conditions(("NamesAccepted", "True"), ("Established", "True"))}), Ready()),
    ("definition installing", made("apiextensions.k8s.io/v1", "CustomResourceDefinition", {}, {"conditions": conditions(("Established", "False", "Installing", "installing"))}), Progressing("installing")),
    ("definition conflicting", made("apiextensions.k8s.io/v1", "CustomResourceDefinition", {}, {"conditions": conditions(("NamesAccepted", "False", "PluralConflict", "taken"))}), Failed("taken")),
    ("api service", made("apiregistration.k8s.io/v1", "APIService", {}, {"conditions": conditions(("Available", "False", "X", "no endpoints"))}), Progressing("no endpoints")),
    ("namespace", made("v1", "Namespace", {}, {"phase": "Active"}), Ready()),
    ("namespace ending", made("v1", "Namespace", {}, {"phase": "Terminating"}), Progressing("is Terminating")),
    ("autoscaler degraded", made("autoscaling/v2", "HorizontalPodAutoscaler", {}, {"conditions": conditions(("AbleToScale", "False", "FailedGetScale", "no target"))}), Ready("no target")),
    ("config map", made("v1", "ConfigMap"), Ready()),
    ("budget", made("policy/v1", "PodDisruptionBudget", {}, {"conditions": conditions(("DisruptionAllowed", "False"))}), Ready()),
    ("custom ready", made("x.example/v1", "Thing", {}, {"conditions": conditions(("Ready", "True"))}), Ready()),
    ("custom not ready", made("x.example/v1", "Thing", {}, {"conditions": conditions(("Ready", "False", "Wait", "being made"))}), Progressing("being made")),
    ("custom reconciling", made("x.example/v1", "Thing", {}, {"conditions": conditions(("Reconciling", "True", "R", "at work"), ("Ready", "True"))}), Progressing("at work")),
    ("custom stalled", made("x.example/v1", "Thing", {}, {"conditions": conditions(("Stalled", "True", "S", "stuck"))}), Failed("stuck")),
    ("custom silent", made("x.example/v1", "Thing", {}), Ready()),
    ("being deleted", made("v1", "ConfigMap", deletionTimestamp="t", finalizers=["a", "b"]), Progressing("is being deleted, held by the finalizers a, b")),
    ("malformed", made("apps/v1", "Deployment", "text", ["status"]), Progressing("0 of 1 replicas exist")),
]  # fmt: skip


@pytest.mark.parametrize(("obj", "expected"), [row[1:] for row in ROWS], ids=[row[0] for row in ROWS])
def test_readiness(obj: Object, expected: Readiness) -> None:
    assert evaluate(obj) == expected


@pytest.mark.parametrize(
    ("obj", "expected"),
    [
        (
            made("batch/v1", "Job", {"completions": 3}, {**STARTED, "succeeded": 1, "failed": 2}),
            Progressing("1 of 3 completions, 2 failed pods"),
        ),
        (made("batch/v1", "Job", {}, {"conditions": conditions(("Complete", "True"))}), Ready()),
        (pod("Running", conditions=conditions(("Ready", "True"))), Progressing("is running")),
        (pod("Succeeded"), Ready()),
        (pod("Failed", reason="DeadlineExceeded"), Failed("DeadlineExceeded")),
        (made("v1", "ConfigMap"), Ready()),
    ],
)
def test_what_must_have_ended(obj: Object, expected: Readiness) -> None:
    assert evaluate(obj, finish=True) == expected


PATIENCE = Patience()


@pytest.mark.parametrize(
    ("container", "key", "grace_s"),
    [
        (waiting("ErrImagePull", "no"), "image/main", PATIENCE.image_pull_s),
        (waiting("ImagePullBackOff", "no"), "image/main", PATIENCE.image_pull_s),
        (waiting("InvalidImageName"), "image-name/main", 0.0),
        (
            waiting("CreateContainerConfigError", 'configmap "x" not found'),
            "config/main",
            PATIENCE.container_config_s,
        ),
        (waiting("CrashLoopBackOff", restartCount=3), "crash/main", 0.0),
    ],
)
def test_signs_of_trouble_have_their_own_patience(container: Object, key: str, grace_s: float) -> None:
    (signal,) = pod_signals(pod("Pending", container), PATIENCE)
    assert (signal.key, signal.grace_s, signal.container) == (key, grace_s, "main")


@pytest.mark.parametrize(
    "container",
    [
        waiting("ContainerCreating"),
        waiting("PodInitializing"),
        waiting("CrashLoopBackOff", restartCount=2),
        {"name": "main", "state": {"running": {}}},
    ],
)
def test_what_is_normal_is_no_sign(container: Object) -> None:
    assert pod_signals(pod("Pending", container), PATIENCE) == ()


def test_a_crash_is_told_with_its_code_and_left_to_a_jobs_limit() -> None:
    container = waiting(
        "CrashLoopBackOff", restartCount=4, lastState={"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
    )
    (signal,) = pod_signals(pod("Running", container), PATIENCE)
    assert signal.why == "container main crashed 4 times, last ended with OOMKilled (exit code 137)"
    assert pod_signals(pod("Running", container), PATIENCE, restarts_count=False) == ()


def test_init_containers_are_looked_at_first() -> None:
    both = made(
        "v1",
        "Pod",
        {},
        {
            "initContainerStatuses": [waiting("ErrImagePull")],
            "containerStatuses": [waiting("PodInitializing")],
        },
    )
    assert [s.key for s in pod_signals(both, PATIENCE)] == ["image/main"]


def test_an_unschedulable_pod_gets_time_for_an_autoscaler() -> None:
    lonely = pod("Pending", conditions=conditions(("PodScheduled", "False", "Unschedulable", "0/3 nodes")))
    (signal,) = pod_signals(lonely, PATIENCE)
    assert (signal.key, signal.grace_s, signal.why) == (
        "unschedulable",
        PATIENCE.unschedulable_s,
        "cannot be scheduled: 0/3 nodes",
    )


def test_a_dying_pod_gives_no_signs() -> None:
    dying = pod("Running", waiting("ErrImagePull"))
    dying["metadata"]["deletionTimestamp"] = "t"
    assert pod_signals(dying, PATIENCE) == ()


def test_pods_that_cannot_be_created_are_a_sign() -> None:
    failing = deployment(conditions(("ReplicaFailure", "True", "FailedCreate", "exceeded quota")))
    (signal,) = object_signals(failing, PATIENCE)
    assert (signal.why, signal.grace_s) == ("exceeded quota", PATIENCE.replica_failure_s)
    assert object_signals(deployment(), PATIENCE) == ()
