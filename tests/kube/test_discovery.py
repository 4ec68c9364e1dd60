"""What a cluster serves: aggregated, from disk, and from servers that know no aggregation."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from helmflow.kube import discovery
from helmflow.kube.client import KubeClient
from helmflow.kube.discovery import DiscoveryCache
from helmflow.kube.transport import Request, Response
from tests.kube.scripted import ok, refused, served


class Api:
    """Answers discovery with ETags and remembers what was asked."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, int]] = []

    def send(self, request: Request) -> Response:
        """200, or 304 where the ETag is known."""
        etag = {"/api": '"core"', "/apis": '"groups"'}[request.path]
        known = request.headers.get("If-None-Match", "")
        answer = Response(status=304, headers={}, chunks=iter(())) if known == etag else served(request.path)
        self.seen.append((request.path, known, answer.status))
        return answer


def test_the_second_process_only_revalidates(tmp_path: Path) -> None:
    for status in (200, 304):
        api = Api()
        client = KubeClient(api, cache=DiscoveryCache(tmp_path, "https://example"))
        assert client.discovery().resource("apps/v1", "Deployment").plural == "deployments"
        assert [found for _, _, found in api.seen] == [status, status]


def test_clusters_do_not_share_a_cache(tmp_path: Path) -> None:
    KubeClient(Api(), cache=DiscoveryCache(tmp_path, "one")).discovery()
    api = Api()
    KubeClient(api, cache=DiscoveryCache(tmp_path, "two")).discovery()
    assert [known for _, known, _ in api.seen] == ["", ""]


def test_a_damaged_or_unwritable_cache_is_no_failure(tmp_path: Path) -> None:
    cache = DiscoveryCache(tmp_path, "x")
    KubeClient(Api(), cache=cache).discovery()
    (file,) = tmp_path.iterdir()
    file.write_text("{")
    assert cache.load() == {}
    assert KubeClient(Api(), cache=cache).discovery().find("v1", "Pod")
    blocked = DiscoveryCache(tmp_path / file.name / "below", "x")
    assert KubeClient(Api(), cache=blocked).discovery().find("v1", "Pod")


LEGACY: dict[str, Any] = {
    "/api": {"kind": "APIVersions", "versions": ["v1"]},
    "/apis": {
        "kind": "APIGroupList",
        "groups": [
            {
                "name": "autoscaling",
                "versions": [{"groupVersion": "autoscaling/v1"}, {"groupVersion": "autoscaling/v2"}],
                "preferredVersion": {"groupVersion": "autoscaling/v2"},
            },
            {"name": "broken.example", "versions": [{"groupVersion": "broken.example/v1"}]},
        ],
    },
    "/api/v1": {
        "resources": [
            {"name": "pods", "kind": "Pod", "namespaced": True, "verbs": ["get"], "shortNames": ["po"]},
            {"name": "pods/log", "kind": "Pod", "namespaced": True},
        ]
    },
    "/apis/autoscaling/v1": {
        "resources": [
            {"name": "horizontalpodautoscalers", "kind": "HorizontalPodAutoscaler", "namespaced": True}
        ]
    },
    "/apis/autoscaling/v2": {
        "resources": [
            {"name": "horizontalpodautoscalers", "kind": "HorizontalPodAutoscaler", "namespaced": True}
        ]
    },
}


class OldApi:
    """A server without aggregated discovery, one of whose groups does not answer."""

    def send(self, request: Request) -> Response:
        """The list of a path."""
        return ok(LEGACY[request.path]) if request.path in LEGACY else refused(404, "NotFound")


def test_an_old_server_is_asked_group_by_group() -> None:
    found = KubeClient(OldApi()).discovery()
    assert found.resource("v1", "Pod").subresources == {"log"}
    assert found.resource("v1", "Pod").short_names == ("po",)
    preferred = found.preferred("autoscaling", "HorizontalPodAutoscaler")
    assert preferred is not None
    assert preferred.api_version == "autoscaling/v2"
    assert found.stale == ("broken.example/v1",)


def test_paths_are_escaped_and_scoped() -> None:
    api = Api()
    found = KubeClient(api).discovery()
    assert found.resource("v1", "Pod").path("ns", "a/b") == "/api/v1/namespaces/ns/pods/a%2Fb"
    assert found.resource("v1", "Pod").path() == "/api/v1/pods"
    assert found.resource("v1", "Namespace").path("ignored", "x") == "/api/v1/namespaces/x"
    assert (
        found.resource("apps/v1", "Deployment").path("ns", "d", "scale")
        == "/apis/apps/v1/namespaces/ns/deployments/d/scale"
    )


def test_the_hint_for_an_unknown_kind_names_the_versions_that_are_served() -> None:
    found = KubeClient(Api()).discovery()
    assert "apps/v1" in discovery.unknown_kind("apps/v1beta1", "Deployment", found).hint
    assert "CustomResourceDefinition" in discovery.unknown_kind("x/v1", "Y", found).hint
