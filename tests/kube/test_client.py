"""Retries by class of failure, ambiguous writes, paging, counting: what the client does when a cluster misbehaves."""

from __future__ import annotations

import json
from typing import Any

import pytest

from helmflow.core.errors import ClusterError
from helmflow.core.ids import ObjectRef
from helmflow.kube import errors
from helmflow.kube.client import JSON_PATCH, MERGE_PATCH, KubeClient, holds
from tests.kube.scripted import Answer, Respond, Script, SteppingClock, lost, ok, refused

REF = ObjectRef("v1", "ConfigMap", "ns", "c")


def made(
    answers: list[Answer | Respond], otherwise: Respond | None = None
) -> tuple[KubeClient, Script, SteppingClock]:
    """A client on a script that has reached its cluster before."""
    script, clock = Script(*answers, otherwise=otherwise), SteppingClock()
    client = KubeClient(script, clock=clock)
    client.discovery()
    return client, script, clock


def config_map(**more: Any) -> dict[str, Any]:
    """A ConfigMap."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c", "namespace": "ns", **more},
        "data": {"a": "1"},
    }


def test_a_lost_read_is_sent_again_with_growing_pauses() -> None:
    client, script, clock = made([lost(), lost(), refused(503), ok(config_map())])
    assert client.get(REF)["data"] == {"a": "1"}
    assert len(script.asked) == 4
    assert clock.slept == [0.1, 0.2, 0.4]


def test_a_read_gives_up_after_some_tries() -> None:
    client, script, _ = made([], otherwise=lambda request: lost())
    with pytest.raises(errors.Unreachable):
        client.get(REF)
    assert len(script.asked) == 6


def test_a_cluster_that_never_answered_is_given_up_soon() -> None:
    class Dead:
        sent = 0

        def send(self, request: object) -> Any:
            self.sent += 1
            raise lost()

    dead, clock = Dead(), SteppingClock()
    with pytest.raises(errors.Unreachable):
        KubeClient(dead, clock=clock).get(REF)
    assert dead.sent == 2
    assert sum(clock.slept) < 1


@pytest.mark.parametrize("code", [400, 401, 403, 404, 405, 409, 410, 415, 422])
def test_a_refusal_is_final(code: int) -> None:
    client, script, clock = made([refused(code)])
    with pytest.raises(ClusterError) as failure:
        client.apply(config_map())
    assert failure.value.status == code
    assert len(script.asked) == 1
    assert clock.slept == []


@pytest.mark.parametrize(
    ("failure", "sent", "slept"),
    [
        (refused(429, retry_after="2"), 2, [2.0]),  # as long as it asks for
        (refused(429), 2, [0.1]),
        (refused(500), 2, [0.1]),
        (refused(502), 2, [0.1]),
        (refused(503, retry_after="3"), 2, [3.0]),
        (refused(504), 2, [0.1]),
        (lost(), 2, [0.1]),
        (refused(400), 1, []),
        (refused(403, "Forbidden"), 1, []),
        (refused(404, "NotFound"), 1, []),
        (refused(409, "Conflict"), 1, []),  # whoever changed the object has to be read first
        (refused(422, "Invalid"), 1, []),
    ],
    ids=[
        "429 after 2 s",
        "429",
        "500",
        "502",
        "503 after 3 s",
        "504",
        "lost",
        "400",
        "403",
        "404",
        "409",
        "422",
    ],
)
def test_each_class_of_failure_is_tried_again_in_its_own_way(
    failure: Answer, sent: int, slept: list[float]
) -> None:
    client, script, clock = made([failure, ok(config_map())])
    if sent == 1:
        with pytest.raises(ClusterError):
            client.apply(config_map())
    else:
        client.apply(config_map())
    assert len(script.asked) == sent
    assert clock.slept == slept


def test_a_conflict_is_read_again_before_it_is_written_again() -> None:
    client, script, clock = made(
        [ok(config_map()), refused(409, "Conflict"), ok(config_map(resourceVersion="2")), ok(config_map())]
    )
    client.update(REF, lambda live: {**live, "data": {"a": "2"}})
    assert [word.split()[0] for word in script.asked] == ["GET", "PUT", "GET", "PUT"]
    assert b'"resourceVersion":"2"' in script.requests[-1].body.replace(b" ", b"")
    assert clock.slept == []


def test_a_typed_error_of_server_side_apply_is_final_though_it_is_a_500() -> None:
    text = "failed to create typed patch object (ns/c; /v1, Kind=ConfigMap): .bogus: field not declared in schema"
    client, script, _ = made([refused(500, message=text)])
    with pytest.raises(errors.Invalid) as failure:
        client.apply(config_map())
    assert failure.value.error_id == "cluster.schema"
    assert len(script.asked) == 1


def test_retry_after_is_honoured_and_holds_every_request_back() -> None:
    client, script, clock = made(
        [refused(429, "TooManyRequests", retry_after="7"), ok(config_map()), ok(config_map())]
    )
    client.get(REF)
    assert clock.slept == [7.0]
    client.get(REF)
    assert clock.slept == [7.0]
    assert client._pace.limit == 4
    assert len(script.asked) == 3


def test_a_very_long_retry_after_is_a_refusal() -> None:
    client, script, _ = made([refused(429, retry_after="3600")])
    with pytest.raises(errors.TooManyRequests):
        client.get(REF)
    assert len(script.asked) == 1


def test_a_webhook_that_does_not_answer_is_waited_for_only_where_it_matters() -> None:
    told = 'failed calling webhook "w.example.com": timeout'
    client, script, clock = made([refused(500, message=told)])
    with pytest.raises(errors.ServerFailure):
        client.apply(config_map(), dry_run=True)
    assert (len(script.asked), clock.slept) == (1, [])
    client, script, clock = made([refused(500, message=told), ok(config_map())])
    client.apply(config_map())
    assert len(script.asked) == 2


def test_a_quota_controllers_conflict_is_tried_again() -> None:
    text = 'Operation cannot be fulfilled on resourcequotas "q": the object has been modified'
    client, script, _ = made([refused(409, "Conflict", text), ok(config_map(), 201)])
    assert client.apply(config_map()).created
    assert len(script.asked) == 2


def test_a_created_object_whose_answer_was_lost_is_found_by_reading() -> None:
    live = {**config_map(uid="u", resourceVersion="7"), "extra": 1}
    client, script, _ = made([lost(), ok(live)])
    assert client.create(config_map()) == live
    assert script.asked == ["POST /api/v1/namespaces/ns/configmaps", "GET /api/v1/namespaces/ns/configmaps/c"]


def test_a_create_that_did_not_arrive_is_sent_again() -> None:
    client, script, _ = made([lost(), refused(404, "NotFound"), ok(config_map(uid="u"), 201)])
    assert client.create(config_map())["metadata"]["uid"] == "u"
    assert [line.split()[0] for line in script.asked] == ["POST", "GET", "POST"]


def test_a_create_that_found_somebody_elses_object_says_so() -> None:
    other = {**config_map(), "data": {"a": "theirs"}}
    client, _, _ = made([lost(), ok(other), refused(409, "AlreadyExists")])
    with pytest.raises(errors.AlreadyExists):
        client.create(config_map())


def test_a_replaced_object_whose_answer_was_lost_is_found_by_reading() -> None:
    live = config_map(uid="u", resourceVersion="8")
    client, script, _ = made([refused(500, message="etcdserver: request timed out"), ok(live)])
    assert client.replace(config_map(uid="u", resourceVersion="7")) == live
    assert [line.split()[0] for line in script.asked] == ["PUT", "GET"]


def test_an_apply_without_a_resource_version_is_simply_sent_again() -> None:
    client, script, _ = made([lost(), ok(config_map())])
    client.apply(config_map())
    assert [line.split()[0] for line in script.asked] == ["PATCH", "PATCH"]


def test_a_delete_whose_answer_was_lost_is_done_when_nothing_is_left() -> None:
    client, script, _ = made([lost(), refused(404, "NotFound")])
    assert client.delete(REF) is None
    assert len(script.asked) == 2
    again, _, _ = made([refused(404, "NotFound")])
    with pytest.raises(errors.NotFound):
        again.delete(REF)


def test_a_patch_is_sent_again() -> None:
    client, script, _ = made([lost(), ok(config_map())])
    client.patch(REF, MERGE_PATCH, {"data": {"b": "2"}})
    assert len(script.asked) == 2


def test_requests_are_what_the_api_wants() -> None:
    client, script, _ = made([], otherwise=lambda request: ok(config_map()))
    client.apply(config_map(), force=True, dry_run=True)
    client.patch(REF, JSON_PATCH, [{"op": "test", "path": "/a", "value": "é"}])
    client.delete(
        REF, uid="u", resource_version="7", propagation="Foreground", grace_period_s=0, dry_run=True
    )
    apply, patch, delete = script.requests
    assert dict(apply.query) == {
        "fieldManager": "helm",
        "dryRun": "All",
        "fieldValidation": "Strict",
        "force": "true",
    }
    assert apply.headers["Content-Type"] == "application/apply-patch+yaml"
    assert apply.headers["User-Agent"] == "helmflow"
    assert patch.headers["Content-Type"] == JSON_PATCH
    assert json.loads(patch.body)[0]["value"] == "é"
    assert json.loads(delete.body) == {
        "apiVersion": "v1",
        "kind": "DeleteOptions",
        "propagationPolicy": "Foreground",
        "preconditions": {"uid": "u", "resourceVersion": "7"},
        "gracePeriodSeconds": 0,
        "dryRun": ["All"],
    }


def test_requests_are_counted_by_verb_and_dry_runs_are_no_writes() -> None:
    client, _, _ = made([lost()], otherwise=lambda request: ok({**config_map(), "items": []}))
    client.get(REF)
    client.apply(config_map())
    client.apply(config_map(), dry_run=True)
    client.list("v1", "ConfigMap", "ns")
    assert client.counter.snapshot() == {"meta": 2, "get": 2, "apply": 1, "dry-run": 1, "list": 1}
    assert client.counter.writes == 1
    assert client.counter.requests == 7


def page(names: list[str], token: str = "") -> Any:
    """One page of a LIST."""
    return {
        "kind": "List",
        "metadata": {"resourceVersion": "9", "continue": token},
        "items": [{"metadata": {"name": n}} for n in names],
    }


def test_a_list_that_goes_stale_between_two_pages_is_read_once_more_in_one_piece() -> None:
    client, script, _ = made([ok(page(["a"], "t")), refused(410, "Expired"), ok(page(["a", "b"]))])
    found = client.list("v1", "ConfigMap", "ns")
    assert [item["metadata"]["name"] for item in found.items] == ["a", "b"]
    assert [dict(r.query).get("limit") for r in script.requests] == ["500", "500", None]


def test_warnings_are_collected_once() -> None:
    said = '299 - "v1 Endpoints is deprecated in v1.33+; use \\"EndpointSlice\\"", 299 - "two"'
    client, _, _ = made([], otherwise=lambda request: ok(config_map(), warning=said))
    client.get(REF)
    client.get(REF)
    assert client.warnings == ['v1 Endpoints is deprecated in v1.33+; use "EndpointSlice"', "two"]


def test_a_login_page_is_no_api() -> None:
    from helmflow.kube.transport import Response

    page_of = Response(status=200, headers={}, chunks=iter([b"<html>sign in"]))
    client, _, _ = made([page_of])
    with pytest.raises(errors.Unreachable) as failure:
        client.get(REF)
    assert failure.value.error_id == "cluster.no-api"


def test_an_unknown_kind_asks_the_cluster_again_at_most_once_a_second() -> None:
    client, _, clock = made([])
    for _ in range(3):
        with pytest.raises(ClusterError) as failure:
            client.resource("nothing.example/v1", "Nothing")
        assert failure.value.error_id == "cluster.unknown-kind"
    assert client.counter.requests == 2
    clock.sleep(2)
    with pytest.raises(ClusterError):
        client.resource("nothing.example/v1", "Nothing")
    assert client.counter.requests == 4


def test_the_message_of_a_refusal_keeps_its_beginning_and_its_end() -> None:
    text = "Job is invalid: " + "x" * 50_000 + ": field is immutable"
    failure = errors.from_status(
        422, {}, json.dumps({"kind": "Status", "code": 422, "message": text}).encode(), asked="apply Job j"
    )
    assert len(failure.message) < 2200
    assert failure.message.startswith("apply Job j: Job is invalid: xxx")
    assert failure.message.endswith("field is immutable")


@pytest.mark.parametrize(
    ("code", "reason", "message", "error_id"),
    [
        (400, "BadRequest", "bad", "cluster.bad-request"),
        (401, "Unauthorized", "who", "cluster.unauthorized"),
        (403, "Forbidden", 'secrets is forbidden: User "u" cannot list', "cluster.forbidden"),
        (403, "Forbidden", 'pods "p" is forbidden: exceeded quota: q', "cluster.quota"),
        (404, "NotFound", "gone", "cluster.not-found"),
        (409, "Conflict", "modified", "cluster.conflict"),
        (409, "AlreadyExists", "there", "cluster.already-exists"),
        (410, "Expired", "old", "cluster.gone"),
        (422, "Invalid", "wrong", "cluster.invalid"),
        (429, "TooManyRequests", "slow", "cluster.too-many-requests"),
        (500, "InternalError", "boom", "cluster.server-error"),
        (500, "InternalError", 'failed calling webhook "x": connection refused', "cluster.webhook"),
        (503, "ServiceUnavailable", "later", "cluster.server-error"),
    ],
)
def test_every_refusal_has_an_error_id(code: int, reason: str, message: str, error_id: str) -> None:
    body = json.dumps({"kind": "Status", "code": code, "reason": reason, "message": message}).encode()
    failure = errors.from_status(code, {}, body, asked="get it")
    assert (failure.error_id, failure.status, failure.reason) == (error_id, code, reason)
    assert message in str(failure)


def test_an_answer_that_is_no_status_is_shown_as_it_is() -> None:
    failure = errors.from_status(404, {}, b"404 page not found\n", asked="get x")
    assert (failure.error_id, failure.message) == ("cluster.unknown-kind", "get x: 404 page not found")
    assert errors.from_status(502, {}, b"", asked="get x").message == "get x: HTTP 502"


@pytest.mark.parametrize(
    ("live", "sent", "there"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, True),
        ({"a": 1}, {"a": 2}, False),
        ({"a": [1, 2]}, {"a": [1]}, False),
        ({"a": [{"x": 1, "y": 2}]}, {"a": [{"x": 1}]}, True),
        ({}, {"a": None, "resourceVersion": "1"}, True),
        ("x", {"a": 1}, False),
    ],
)
def test_what_was_sent_is_recognised_in_what_is_stored(live: Any, sent: Any, there: bool) -> None:
    assert holds(live, sent) is there
