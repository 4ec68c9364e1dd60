from __future__ import annotations

from typing import Any

import pytest

from tests.embedded.api import APPS, BATCH, CORE, MERGE, Api, condition, config_map, deployment

Json = dict[str, Any]
WEB = f"{APPS}/deployments/web"


def job(name: str = "task", **spec: Any) -> Json:
    told = {f"embedded.helmflow.dev/{k.replace('_', '-')}": v for k, v in spec.pop("told", {}).items()}
    template: Json = {
        "metadata": {"annotations": told},
        "spec": {"restartPolicy": "Never", "containers": [{"name": "main", "image": "x"}]},
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": name},
        "spec": {"template": template, **spec},
    }


def reasons(api: Api, name: str) -> list[str]:
    items = api.get(f"{CORE}/events")["items"]
    return [e["reason"] for e in items if e["involvedObject"]["name"].startswith(name)]


def pods(api: Api) -> list[Json]:
    found: list[Json] = api.get(f"{CORE}/pods")["items"]
    return found


def test_a_deployment_becomes_available(api: Api) -> None:
    api.apply(WEB, deployment(replicas=3))
    api.pass_time(0.15)
    assert condition(api.get(WEB), "Available")["status"] == "False"
    api.pass_time(1)
    value = api.get(WEB)
    assert value["status"] | {"conditions": 0} == {
        "observedGeneration": 1, "replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3, "conditions": 0,
    }  # fmt: skip
    assert condition(value, "Progressing")["reason"] == "NewReplicaSetAvailable"
    assert value["metadata"]["annotations"] == {"deployment.kubernetes.io/revision": "1"}
    (replica_set,) = api.get(f"{APPS}/replicasets")["items"]
    suffix = replica_set["metadata"]["labels"]["pod-template-hash"]
    assert replica_set["metadata"]["name"] == f"web-{suffix}"
    assert "ScalingReplicaSet" in reasons(api, "web")


def test_a_rolling_update_never_falls_below_its_bound(api: Api) -> None:
    api.apply(WEB, deployment(replicas=4))
    api.pass_time(2)
    start = api.get(f"{APPS}/deployments")["metadata"]["resourceVersion"]
    api.apply(WEB, deployment(replicas=4, image="nginx:2"))
    states = [e["object"]["status"] for e in api.watch(f"{APPS}/deployments", resourceVersion=start)]
    assert min(s.get("availableReplicas", 0) for s in states) >= 3
    assert max(s.get("replicas", 0) for s in states) == 5
    assert {s.get("updatedReplicas", 0) for s in states} == {0, 2, 4}
    value = api.get(WEB)
    assert value["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "2"
    assert all(p["spec"]["containers"][0]["image"] == "nginx:2" for p in pods(api))
    api.apply(WEB, deployment(replicas=4))
    api.pass_time(3)
    assert api.get(WEB)["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
    assert len(api.get(f"{APPS}/replicasets")["items"]) == 2


def test_recreate_stops_the_old_pods_first(api: Api) -> None:
    body = deployment(replicas=2)
    body["spec"]["strategy"] = {"type": "Recreate"}
    api.apply(WEB, body)
    api.pass_time(2)
    start = api.get(f"{APPS}/deployments")["metadata"]["resourceVersion"]
    body["spec"]["template"]["spec"]["containers"][0]["image"] = "nginx:2"
    api.apply(WEB, body)
    states = [e["object"]["status"] for e in api.watch(f"{APPS}/deployments", resourceVersion=start)]
    assert 0 in {s.get("replicas", 0) for s in states}
    assert states[-1]["availableReplicas"] == 2


def test_the_progress_deadline_is_kept(api: Api) -> None:
    body = deployment(fail="never-ready")
    body["spec"]["progressDeadlineSeconds"] = 30
    api.apply(WEB, body)
    api.pass_time(20)
    assert condition(api.get(WEB), "Progressing")["status"] == "True"
    api.pass_time(15)
    assert condition(api.get(WEB), "Progressing")["reason"] == "ProgressDeadlineExceeded"


def test_slow_pods_take_their_time(api: Api) -> None:
    api.apply(WEB, deployment(ready_after="5s"))
    api.pass_time(4)
    assert api.get(WEB)["status"].get("readyReplicas", 0) == 0
    api.pass_time(2)
    assert api.get(WEB)["status"]["readyReplicas"] == 2


@pytest.mark.parametrize(
    ("fail", "waiting", "event"),
    [
        ("image-pull", "ImagePullBackOff", "Failed"),
        ("crash-loop", "CrashLoopBackOff", "BackOff"),
        ("oom", "CrashLoopBackOff", "BackOff"),
    ],
)
def test_faults_show_as_real_ones_do(api: Api, fail: str, waiting: str, event: str) -> None:
    api.apply(WEB, deployment(replicas=1, fail=fail, log="boom"))
    api.pass_time(1.2)
    (pod,) = pods(api)
    (container,) = pod["status"]["containerStatuses"]
    assert container["state"]["waiting"]["reason"] == waiting
    assert event in reasons(api, "web")
    if fail == "oom":
        assert container["lastState"]["terminated"]["reason"] == "OOMKilled"
        assert container["lastState"]["terminated"]["exitCode"] == 137
    if fail != "image-pull":
        assert api.call("GET", f"{CORE}/pods/{pod['metadata']['name']}/log")[1] == {"text": "boom\n"}
    else:
        refused = api.refused("GET", f"{CORE}/pods/{pod['metadata']['name']}/log")
        assert "waiting to start" in refused["message"]


def test_an_unschedulable_pod_says_why(api: Api) -> None:
    api.apply(WEB, deployment(replicas=1, fail="unschedulable"))
    api.pass_time(1)
    (pod,) = pods(api)
    scheduled = condition(pod, "PodScheduled")
    assert (pod["status"]["phase"], scheduled["reason"]) == ("Pending", "Unschedulable")
    assert "FailedScheduling" in reasons(api, "web")


def test_pods_wait_for_what_they_mount(api: Api) -> None:
    body = deployment(replicas=1)
    body["spec"]["template"]["spec"]["containers"][0]["envFrom"] = [{"configMapRef": {"name": "settings"}}]
    api.apply(WEB, body)
    api.pass_time(1)
    state = pods(api)[0]["status"]["containerStatuses"][0]["state"]
    assert state["waiting"] == {
        "reason": "CreateContainerConfigError",
        "message": 'configmap "settings" not found',
    }
    api.ok("POST", f"{CORE}/configmaps", config_map())
    api.pass_time(1.5)
    assert pods(api)[0]["status"]["phase"] == "Running"


def test_quota_shows_as_replica_failure(api: Api) -> None:
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "q"},
        "spec": {"hard": {"pods": "1"}},
    }
    api.ok("POST", f"{CORE}/resourcequotas", quota)
    api.apply(WEB, deployment(replicas=2))
    api.pass_time(1)
    failure = condition(api.get(WEB), "ReplicaFailure")
    assert (failure["status"], failure["reason"]) == ("True", "FailedCreate")
    assert "exceeded quota: q, requested: pods=1, used: pods=1, limited: pods=1" in failure["message"]
    assert "FailedCreate" in reasons(api, "web")


def stateful(replicas: int = 3, image: str = "db:1", **spec: Any) -> Json:
    labels = {"app": "db"}
    claim = {
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}},
    }
    template = {
        "metadata": {"labels": labels},
        "spec": {
            "containers": [
                {"name": "db", "image": image, "volumeMounts": [{"name": "data", "mountPath": "/data"}]}
            ]
        },
    }
    return {
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"},
        "spec": {"replicas": replicas, "serviceName": "db", "selector": {"matchLabels": labels}, "template": template,
                 "volumeClaimTemplates": [claim], **spec},
    }  # fmt: skip


def test_stateful_sets_start_in_order(api: Api) -> None:
    start = api.get(f"{CORE}/pods")["metadata"]["resourceVersion"]
    api.apply(f"{APPS}/statefulsets/db", stateful())
    added = [
        e["object"]["metadata"]["name"]
        for e in api.watch(f"{CORE}/pods", resourceVersion=start)
        if e["type"] == "ADDED"
    ]
    assert added == ["db-0", "db-1", "db-2"]
    status = api.get(f"{APPS}/statefulsets/db")["status"]
    assert (status["readyReplicas"], status["currentRevision"]) == (3, status["updateRevision"])
    claims = api.get(f"{CORE}/persistentvolumeclaims")["items"]
    assert [(c["metadata"]["name"], c["status"]["phase"]) for c in claims] == [
        (f"data-db-{n}", "Bound") for n in range(3)
    ]
    start = api.get(f"{CORE}/pods")["metadata"]["resourceVersion"]
    api.apply(f"{APPS}/statefulsets/db", stateful(image="db:2"))
    deleted = [
        e["object"]["metadata"]["name"]
        for e in api.watch(f"{CORE}/pods", resourceVersion=start)
        if e["type"] == "DELETED"
    ]
    assert deleted == ["db-2", "db-1", "db-0"]
    status = api.get(f"{APPS}/statefulsets/db")["status"]
    assert status["currentRevision"] == status["updateRevision"]
    refused = api.refused("PATCH", f"{APPS}/statefulsets/db", {"spec": {"serviceName": "other"}}, MERGE)
    assert "updates to statefulset spec for fields other than 'replicas'" in refused["message"]


def test_daemon_sets_run_on_the_one_node(api: Api) -> None:
    body = deployment()
    body["kind"] = "DaemonSet"
    del body["spec"]["replicas"]
    api.apply(f"{APPS}/daemonsets/web", body)
    api.pass_time(1)
    value = api.get(f"{APPS}/daemonsets/web")
    assert (value["status"]["numberReady"], value["status"]["desiredNumberScheduled"]) == (1, 1)
    body["spec"]["template"]["spec"]["containers"][0]["image"] = "nginx:2"
    api.apply(f"{APPS}/daemonsets/web", body)
    api.pass_time(2)
    value = api.get(f"{APPS}/daemonsets/web")
    assert (value["status"]["updatedNumberScheduled"], value["status"]["numberAvailable"]) == (1, 1)
    assert value["metadata"]["annotations"]["deprecated.daemonset.template.generation"] == "2"


def test_jobs_complete(api: Api) -> None:
    api.ok("POST", f"{BATCH}/jobs", job(completions=3, parallelism=2, told={"log": "done"}))
    api.pass_time(0.2)
    assert api.get(f"{BATCH}/jobs/task")["status"]["active"] == 2
    api.pass_time(3)
    value = api.get(f"{BATCH}/jobs/task")
    assert value["status"]["succeeded"] == 3
    assert [c["type"] for c in value["status"]["conditions"]] == ["SuccessCriteriaMet", "Complete"]
    assert {p["status"]["message"] for p in pods(api)} == {"Succeeded (simulated)"}
    assert api.call("GET", f"{CORE}/pods/{pods(api)[0]['metadata']['name']}/log")[1] == {"text": "done\n"}
    refused = api.refused(
        "PATCH", f"{BATCH}/jobs/task", {"spec": {"template": {"spec": {"hostNetwork": True}}}}, MERGE
    )
    assert "spec.template: Invalid value:" in refused["message"]
    assert refused["message"].endswith("field is immutable")


def test_jobs_fail_at_their_backoff_limit(api: Api) -> None:
    api.ok("POST", f"{BATCH}/jobs", job(backoffLimit=2, told={"exit_code": "3"}))
    api.pass_time(5)
    value = api.get(f"{BATCH}/jobs/task")
    assert condition(value, "Failed")["reason"] == "BackoffLimitExceeded"
    assert value["status"]["failed"] == 3
    assert {p["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] for p in pods(api)} == {3}


def test_jobs_obey_their_deadline_and_life(api: Api) -> None:
    api.ok("POST", f"{BATCH}/jobs", job(activeDeadlineSeconds=5, told={"run_for": "60s"}))
    api.ok("POST", f"{BATCH}/jobs", job("short", ttlSecondsAfterFinished=10))
    api.pass_time(7)
    assert condition(api.get(f"{BATCH}/jobs/task"), "Failed")["reason"] == "DeadlineExceeded"
    assert api.get(f"{BATCH}/jobs/short")
    api.pass_time(10)
    assert api.refused("GET", f"{BATCH}/jobs/short")["code"] == 404


def test_cron_jobs_start_jobs(api: Api) -> None:
    body = {
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "nightly"},
        "spec": {"schedule": "*/5 * * * *", "jobTemplate": {"spec": job()["spec"]}},
    }  # fmt: skip
    api.ok("POST", f"{BATCH}/cronjobs", body)
    api.pass_time(1)
    assert api.get(f"{BATCH}/jobs")["items"] == []
    for _ in range(6):
        api.pass_time(300)
        api.pass_time(5)
    assert len(api.get(f"{BATCH}/jobs")["items"]) == 3
    assert api.get(f"{BATCH}/cronjobs/nightly")["status"]["lastSuccessfulTime"]
    body["spec"]["schedule"] = "61 * * * *"
    assert "spec.schedule: Invalid value" in api.refused("PUT", f"{BATCH}/cronjobs/nightly", body)["message"]


def service(kind: str = "ClusterIP", **annotations: str) -> Json:
    marks = {f"embedded.helmflow.dev/{k.replace('_', '-')}": v for k, v in annotations.items()}
    metadata: Json = {"name": "web", "annotations": marks}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata,
        "spec": {"type": kind, "selector": {"app": "web"}, "ports": [{"port": 80}]},
    }


def test_services_find_ready_pods(api: Api) -> None:
    api.ok("POST", f"{CORE}/services", service())
    api.apply(WEB, deployment())
    api.pass_time(1)
    (subset,) = api.get(f"{CORE}/endpoints/web")["subsets"]
    assert len(subset["addresses"]) == 2
    slices = api.get(
        "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices",
        labelSelector="kubernetes.io/service-name=web",
    )["items"]
    assert [e["conditions"]["ready"] for e in slices[0]["endpoints"]] == [True, True]


def test_load_balancers_get_an_address_unless_told_otherwise(api: Api) -> None:
    api.ok("POST", f"{CORE}/services", service("LoadBalancer"))
    api.pass_time(1)
    (ingress,) = api.get(f"{CORE}/services/web")["status"]["loadBalancer"]["ingress"]
    assert ingress["ip"].startswith("192.0.2.")
    api.ok("DELETE", f"{CORE}/services/web")
    api.ok("POST", f"{CORE}/services", service("LoadBalancer", load_balancer="pending"))
    api.pass_time(5)
    assert api.get(f"{CORE}/services/web")["status"]["loadBalancer"] == {}


def claim(**spec: Any) -> Json:
    resources = {"requests": {"storage": "1Gi"}}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "data"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": resources, **spec},
    }


def test_claims_bind_grow_and_stay_what_they_are(api: Api) -> None:
    api.ok("POST", f"{CORE}/persistentvolumeclaims", claim())
    api.pass_time(1)
    value = api.get(f"{CORE}/persistentvolumeclaims/data")
    assert (value["status"]["phase"], value["spec"]["storageClassName"]) == ("Bound", "standard")
    grown = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
    api.ok("PATCH", f"{CORE}/persistentvolumeclaims/data", grown, MERGE)
    api.pass_time(1)
    assert api.get(f"{CORE}/persistentvolumeclaims/data")["status"]["capacity"] == {"storage": "2Gi"}
    refused = api.refused(
        "PATCH", f"{CORE}/persistentvolumeclaims/data", {"spec": {"accessModes": ["ReadWriteMany"]}}, MERGE
    )
    assert "spec is immutable after creation except resources.requests" in refused["message"]
    api.ok("DELETE", f"{CORE}/persistentvolumeclaims/data")
    api.pass_time(1)
    assert api.get("/api/v1/persistentvolumes")["items"] == []


def test_a_claim_may_wait_for_its_consumer(api: Api) -> None:
    storage = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "late"},
        "provisioner": "x",
        "volumeBindingMode": "WaitForFirstConsumer",
    }
    api.ok("POST", "/apis/storage.k8s.io/v1/storageclasses", storage)
    api.ok("POST", f"{CORE}/persistentvolumeclaims", claim(storageClassName="late"))
    api.pass_time(2)
    assert api.get(f"{CORE}/persistentvolumeclaims/data")["status"]["phase"] == "Pending"
    body = deployment(replicas=1)
    body["spec"]["template"]["spec"]["volumes"] = [
        {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
    ]
    api.apply(WEB, body)
    api.pass_time(3)
    assert api.get(f"{CORE}/persistentvolumeclaims/data")["status"]["phase"] == "Bound"
    assert api.get(WEB)["status"]["readyReplicas"] == 1


def test_autoscalers_keep_their_bounds(api: Api) -> None:
    api.apply(WEB, deployment(replicas=1))
    body = {
        "apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"},
        "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "minReplicas": 3, "maxReplicas": 5},
    }  # fmt: skip
    path = "/apis/autoscaling/v2/namespaces/default/horizontalpodautoscalers"
    api.ok("POST", path, body)
    api.pass_time(2)
    assert api.get(WEB)["spec"]["replicas"] == 3
    value = api.get(f"{path}/web")
    assert condition(value, "AbleToScale")["status"] == "True"
    old = api.get("/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers/web")
    assert old["spec"]["targetCPUUtilizationPercentage"] == 80
    entries = {(e["manager"], e.get("subresource")) for e in api.get(WEB)["metadata"]["managedFields"]}
    assert ("kube-controller-manager", "scale") in entries


def test_budgets_count_and_guard(api: Api) -> None:
    api.apply(WEB, deployment(replicas=2))
    body = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "web"},
        "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "web"}}},
    }
    path = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
    api.ok("POST", path, body)
    api.pass_time(2)
    status = api.get(f"{path}/web")["status"]
    assert (status["currentHealthy"], status["desiredHealthy"], status["disruptionsAllowed"]) == (2, 2, 0)
    name = pods(api)[0]["metadata"]["name"]
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}}
    assert api.refused("POST", f"{CORE}/pods/{name}/eviction", eviction)["code"] == 429
    api.ok("PATCH", f"{path}/web", {"spec": {"minAvailable": 1}}, MERGE)
    api.pass_time(1)
    api.ok("POST", f"{CORE}/pods/{name}/eviction", eviction)


def test_api_services_and_ingresses_report(api: Api) -> None:
    body = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService", "metadata": {"name": "v1.x.example"}, "spec": {
        "group": "x.example", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 1, "service": {"name": "x", "namespace": "default"}}}  # fmt: skip
    api.ok("POST", "/apis/apiregistration.k8s.io/v1/apiservices", body)
    backend = {"service": {"name": "web", "port": {"number": 80}}}
    rule = {"host": "a.example", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": backend}]}}
    ingress = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "web"},
        "spec": {"rules": [rule]},
    }
    api.ok("POST", "/apis/networking.k8s.io/v1/namespaces/default/ingresses", ingress)
    api.pass_time(1)
    assert (
        condition(api.get("/apis/apiregistration.k8s.io/v1/apiservices/v1.x.example"), "Available")["reason"]
        == "ServiceNotFound"
    )
    assert api.get("/apis/networking.k8s.io/v1/namespaces/default/ingresses/web")["status"]["loadBalancer"][
        "ingress"
    ]


def test_replication_controllers_still_work(api: Api) -> None:
    body = {
        "apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "old"},
        "spec": {"replicas": 2, "template": {"metadata": {"labels": {"app": "old"}}, "spec": {"containers": [{"name": "c", "image": "x"}]}}},
    }  # fmt: skip
    api.ok("POST", f"{CORE}/replicationcontrollers", body)
    api.pass_time(1)
    assert api.get(f"{CORE}/replicationcontrollers/old")["status"]["readyReplicas"] == 2


def test_state_goes_on_in_another_process(tmp_path: Any) -> None:
    first = Api(tmp_path / "c.db")
    first.apply(WEB, deployment(ready_after="5s"))
    first.pass_time(1)
    at = first.clock.at
    first.server.close()
    second = Api(tmp_path / "c.db")
    second.clock.at = at
    second.pass_time(10)
    assert second.get(WEB)["status"]["readyReplicas"] == 2
    second.server.close()
