"""KubeClient: the one client path over a Transport, thread-safe, with every request counted."""

from __future__ import annotations

import copy
import json
import re
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar
from urllib.parse import quote

from helmflow.core.clock import Clock, SystemClock
from helmflow.core.errors import ClusterError
from helmflow.core.ids import ObjectRef
from helmflow.core.records import dataclass, replace
from helmflow.kube import discovery as discovering
from helmflow.kube import errors, objects
from helmflow.kube.discovery import Discovery, DiscoveryCache, Resource
from helmflow.kube.objects import KubeObject
from helmflow.kube.retries import Pace, Retries, ambiguous
from helmflow.kube.transport import Request, Response, Transport
from helmflow.kube.watches import WatchStream, lines

T = TypeVar("T")
PAGE = 500  # objects per LIST page, kubectl's own
WRITES = frozenset({"create", "replace", "apply", "patch", "delete"})
APPLY_PATCH = "application/apply-patch+yaml"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json"


_WARNING = re.compile(r'299 \S+ "((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True)
class ObjectList:
    """What a LIST answered: the items, each with its apiVersion and kind, and the moment a watch can start from."""

    items: tuple[KubeObject, ...]
    resource_version: str


@dataclass(frozen=True, slots=True)
class Applied:
    """What a write answered. `created`: the object was not there before (in a dry-run: would not have been)."""

    object: KubeObject
    created: bool


@dataclass(frozen=True, slots=True)
class ServerVersion:
    """What /version answered."""

    git_version: str
    major: str
    minor: str


@dataclass(frozen=True, slots=True)
class _Answer:
    """A whole answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class RequestCounter:
    """Requests sent, by verb (get, list, watch, create, replace, apply, patch, delete, dry-run, meta). Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_verb: Counter[str] = Counter()

    def add(self, verb: str) -> None:
        """One more request."""
        with self._lock:
            self._by_verb[verb] += 1

    def snapshot(self) -> dict[str, int]:
        """Requests so far by verb."""
        with self._lock:
            return dict(self._by_verb)

    @property
    def requests(self) -> int:
        """All requests so far, retries included."""
        return sum(self.snapshot().values())

    @property
    def writes(self) -> int:
        """Requests so far that could change the cluster; dry-runs are not among them."""
        return sum(n for verb, n in self.snapshot().items() if verb in WRITES)


class KubeClient:
    """One cluster. Safe to use from many threads at once; `on_throttled` is told whenever it asks for fewer requests."""

    def __init__(
        self,
        transport: Transport,
        *,
        clock: Clock | None = None,
        user_agent: str = "helmflow",
        retries: Retries | None = None,
        cache: DiscoveryCache | None = None,
    ) -> None:
        self.clock = clock or SystemClock()
        self.counter = RequestCounter()
        self.warnings: list[str] = []
        self.on_throttled: Callable[[float], None] = lambda seconds: None
        self._transport = transport
        self._user_agent = user_agent
        self._retries = retries or Retries(self.clock)
        self._cache = cache
        self._lock = threading.Lock()
        self._lock_warnings = threading.Lock()
        self._discovery: Discovery | None = None
        self._discovered_at = 0.0
        self._pace = Pace()

    def discovery(self, *, refresh: bool = False) -> Discovery:
        """What the cluster serves; asked once, and again on `refresh`."""
        with self._lock:
            if self._discovery is None or refresh:
                self._discovery = discovering.fetch(self._discovery_get, self._cache)
                self._discovered_at = self.clock.monotonic()
            return self._discovery

    def resource(self, api_version: str, kind: str) -> Resource:
        """The resource of a kind. An unknown kind asks the cluster again, at most once a second."""
        found = self.discovery().find(api_version, kind)
        if found is None and self.clock.monotonic() - self._discovered_at > 1.0:
            found = self.discovery(refresh=True).find(api_version, kind)
        return found or self.discovery().resource(api_version, kind)

    def server_version(self) -> ServerVersion:
        """GET /version."""
        body = self._json(self._read("meta", Request(method="GET", path="/version"), "get version"))
        return ServerVersion(
            str(body.get("gitVersion", "")), str(body.get("major", "")), str(body.get("minor", ""))
        )

    def get(self, ref: ObjectRef, subresource: str = "") -> KubeObject:
        """Read an object; NotFound where there is none."""
        path = self.resource(ref.api_version, ref.kind).path(ref.namespace, ref.name, subresource)
        return self._json(self._read("get", Request(method="GET", path=path), f"get {ref}"))

    def find(self, ref: ObjectRef) -> KubeObject | None:
        """Read an object; None where there is none, or where its kind is not served."""
        try:
            return self.get(ref)
        except errors.NotFound:
            return None

    def list(
        self,
        api_version: str,
        kind: str,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = PAGE,
        metadata_only: bool = False,
    ) -> ObjectList:
        """Every object of a kind in a namespace ("": in all), page by page.

        With `metadata_only` the items hold apiVersion, kind and metadata, nothing else.
        """
        resource = self.resource(api_version, kind)
        query = [*_selectors(label_selector, field_selector)]
        headers = {"Accept": METADATA_LIST if metadata_only else "application/json"}
        items: list[KubeObject] = []
        token = ""
        while True:
            page = [*query, ("limit", str(limit))] if limit else [*query]
            if token:
                page.append(("continue", token))
            request = Request(method="GET", path=resource.path(namespace), query=tuple(page), headers=headers)
            try:
                body = self._json(self._read("list", request, f"list {resource.plural}"))
            except errors.Gone:
                if not token:
                    raise
                items, token, limit = (
                    [],
                    "",
                    0,
                )  # the list went stale between two pages: once more, in one piece
                continue
            for item in body.get("items") or ():
                item["apiVersion"], item["kind"] = api_version, kind
                items.append(item)
            token = str(objects.at(body, "metadata", "continue") or "")
            if not token:
                return ObjectList(tuple(items), objects.resource_version(body))

    def create(self, obj: KubeObject, *, manager: str = "helm", dry_run: bool = False) -> KubeObject:
        """POST an object; AlreadyExists where the name is taken."""
        ref = objects.ref(obj)
        path = self.resource(ref.api_version, ref.kind).path(ref.namespace)
        request = self._request("POST", path, obj, query=_options(manager, dry_run))
        return self._json(
            self._write(_verb("create", dry_run), request, f"create {ref}", lambda: self._landed(ref, obj))
        )

    def replace(
        self, obj: KubeObject, *, manager: str = "helm", dry_run: bool = False, subresource: str = ""
    ) -> KubeObject:
        """PUT an object; Conflict where its resourceVersion is no longer the stored one."""
        ref = objects.ref(obj)
        path = self.resource(ref.api_version, ref.kind).path(ref.namespace, ref.name, subresource)
        request = self._request("PUT", path, obj, query=_options(manager, dry_run))
        return self._json(
            self._write(_verb("replace", dry_run), request, f"replace {ref}", lambda: self._landed(ref, obj))
        )

    def apply(
        self, obj: KubeObject, *, manager: str = "helm", force: bool = False, dry_run: bool = False
    ) -> Applied:
        """Server-side apply. FieldConflict names the fields that others own (never with `force`)."""
        ref = objects.ref(obj)
        path = self.resource(ref.api_version, ref.kind).path(ref.namespace, ref.name)
        query = (*_options(manager, dry_run), ("fieldValidation", "Strict"), ("force", str(force).lower()))
        request = self._request("PATCH", path, obj, query=query, content_type=APPLY_PATCH)
        settle = (lambda: self._landed(ref, obj)) if objects.resource_version(obj) else _try_again
        answer = self._write(_verb("apply", dry_run), request, f"apply {ref}", settle)
        return Applied(self._json(answer), answer.status == 201)

    def patch(
        self,
        ref: ObjectRef,
        content_type: str,
        body: Any,
        *,
        manager: str = "helm",
        dry_run: bool = False,
        subresource: str = "",
    ) -> KubeObject:
        """PATCH with one of the *_PATCH content types.

        A patch may be sent twice when its first answer is lost: a JSON patch must carry a test or a
        resourceVersion, so that the second one conflicts instead of changing the object again.
        """
        path = self.resource(ref.api_version, ref.kind).path(ref.namespace, ref.name, subresource)
        request = self._request(
            "PATCH", path, body, query=_options(manager, dry_run), content_type=content_type
        )
        return self._json(self._write(_verb("patch", dry_run), request, f"patch {ref}", _try_again))

    def delete(
        self,
        ref: ObjectRef,
        *,
        propagation: str = "Background",
        uid: str = "",
        resource_version: str = "",
        grace_period_s: int | None = None,
        dry_run: bool = False,
    ) -> KubeObject | None:
        """DELETE an object: the object while it still terminates, None when it is gone; NotFound where there was none."""
        options: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": propagation,
        }
        preconditions = {k: v for k, v in (("uid", uid), ("resourceVersion", resource_version)) if v}
        if preconditions:
            options["preconditions"] = preconditions
        if grace_period_s is not None:
            options["gracePeriodSeconds"] = grace_period_s
        path = self.resource(ref.api_version, ref.kind).path(ref.namespace, ref.name)
        if dry_run:
            options["dryRun"] = ["All"]  # in the body: with one, the server does not look at the query
        request = self._request("DELETE", path, options, query=())
        gone = _Answer(200, {}, b"{}")
        answer = self._write(_verb("delete", dry_run), request, f"delete {ref}", _try_again, absent=gone)
        body = self._json(answer)
        return None if body.get("kind", "Status") == "Status" else body

    def watch(
        self,
        api_version: str,
        kind: str,
        namespace: str = "",
        *,
        resource_version: str = "",
        label_selector: str = "",
        field_selector: str = "",
        timeout_s: int = 300,
    ) -> WatchStream:
        """One watch request from just after `resource_version` ("0": first an ADDED for everything that is there).

        It ends after `timeout_s` or earlier, as the server likes; raises Gone where the version is too old.
        """
        resource = self.resource(api_version, kind)
        query = (
            ("watch", "true"),
            ("allowWatchBookmarks", "true"),
            ("timeoutSeconds", str(timeout_s)),
            *((("resourceVersion", resource_version),) if resource_version else ()),
            *_selectors(label_selector, field_selector),
        )
        asked = f"watch {resource.plural}"
        request = Request(
            method="GET",
            path=resource.path(namespace),
            query=query,
            headers=self._headers({}),
            timeout_s=timeout_s + 30.0,
        )
        return WatchStream(self._open("watch", request, asked), asked)

    def logs(
        self, pod: ObjectRef, container: str = "", *, tail_lines: int | None = None, previous: bool = False
    ) -> str:
        """What a container has written so far; `previous`: the one before its last restart."""
        path, query = self._log_request(pod, container)
        more = [("tailLines", str(tail_lines))] if tail_lines is not None else []
        more += [("previous", "true")] if previous else []
        request = Request(method="GET", path=path, query=(*query, *more))
        # asked once: a node that does not answer makes the API server fail, and the answer is wanted soon or not at all
        return self._exchange("get", request, f"logs of {pod}").body.decode("utf-8", "replace")

    def follow_logs(self, pod: ObjectRef, container: str = "") -> Iterator[str]:
        """Lines as a container writes them, from its start until it ends."""
        path, query = self._log_request(pod, container)
        request = Request(
            method="GET",
            path=path,
            query=(*query, ("follow", "true")),
            headers=self._headers({}),
            timeout_s=3600.0,
        )
        for line in lines(self._open("get", request, f"logs of {pod}")):
            yield line.decode("utf-8", "replace")

    def update(
        self,
        ref: ObjectRef,
        change: Callable[[KubeObject], KubeObject | None],
        *,
        manager: str = "helm",
        attempts: int = 5,
    ) -> KubeObject:
        """Read, change, replace; on a Conflict read again. `change` answers None where nothing is to be done."""
        while True:
            live = self.get(ref)
            wanted = change(copy.deepcopy(live))
            if wanted is None:
                return live
            try:
                return self.replace(wanted, manager=manager)
            except errors.Conflict:
                attempts -= 1
                if attempts <= 0:
                    raise

    def each(self, calls: Sequence[Callable[[], T]]) -> tuple[T | ClusterError, ...]:
        """Make independent calls side by side, as many at once as the cluster bears; failures are answers."""

        def one(call: Callable[[], T]) -> T | ClusterError:
            with self._pace.slot():
                try:
                    answer = call()
                except ClusterError as failure:
                    return failure
                self._pace.faster()
                return answer

        if len(calls) < 2:
            return tuple(one(call) for call in calls)
        with ThreadPoolExecutor(min(self._pace.high, len(calls)), thread_name_prefix="kube") as pool:
            return tuple(pool.map(one, calls))

    def raw(self, path: str) -> bytes:
        """The body of a path that is no object (/readyz, /openapi/v3)."""
        return self._read("meta", Request(method="GET", path=path), f"get {path}").body

    def _discovery_get(self, path: str, headers: Mapping[str, str]) -> tuple[int, Mapping[str, str], bytes]:
        answer = self._read("meta", Request(method="GET", path=path, headers=headers), "discovery")
        return answer.status, answer.headers, answer.body

    def _log_request(self, pod: ObjectRef, container: str) -> tuple[str, tuple[tuple[str, str], ...]]:
        path = f"/api/v1/namespaces/{quote(pod.namespace, safe='')}/pods/{quote(pod.name, safe='')}/log"
        return path, ((("container", container),) if container else ())

    def _landed(self, ref: ObjectRef, sent: KubeObject) -> _Answer | None:
        """After a write whose answer was lost: the stored object if it holds what was sent, None to send again."""
        live = self.find(ref)
        if live is None or not holds(live, sent):
            return None
        return _Answer(200, {}, json.dumps(live).encode())

    def _headers(self, headers: Mapping[str, str]) -> Mapping[str, str]:
        return {"User-Agent": self._user_agent, "Accept": "application/json", **headers}

    def _request(
        self,
        method: str,
        path: str,
        body: Any,
        *,
        query: tuple[tuple[str, str], ...],
        content_type: str = "application/json",
    ) -> Request:
        encoded = json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
        return Request(
            method=method, path=path, query=query, headers={"Content-Type": content_type}, body=encoded
        )

    def _read(self, verb: str, request: Request, asked: str) -> _Answer:
        attempt = 0
        while True:
            attempt += 1
            try:
                return self._exchange(verb, request, asked)
            except ClusterError as failure:
                self._slow_down(failure)
                self._retries.pause(failure, attempt)

    def _write(
        self,
        verb: str,
        request: Request,
        asked: str,
        settle: Callable[[], _Answer | None],
        *,
        absent: _Answer | None = None,
    ) -> _Answer:
        """Send a write; after a failure that leaves its fate open, `settle` finds out whether it was carried out.

        `absent` is the answer when a repeated request finds nothing to act on any more.
        """
        attempt = 0
        unsure = False
        while True:
            attempt += 1
            try:
                return self._exchange(verb, request, asked)
            except errors.NotFound:
                if unsure and absent is not None:
                    return absent
                raise
            except ClusterError as failure:
                if verb == "dry-run" and failure.error_id == "cluster.webhook":
                    raise  # a preview is not worth a webhook's timeout once more
                self._slow_down(failure)
                self._retries.pause(failure, attempt)
                if ambiguous(failure):
                    unsure = True
                    settled = settle()
                    if settled is not None:
                        return settled

    def _slow_down(self, failure: ClusterError) -> None:
        if isinstance(failure, errors.TooManyRequests):
            self._pace.slower()
            self.on_throttled(failure.retry_after_s)

    def _exchange(self, verb: str, request: Request, asked: str) -> _Answer:
        response = self._open(verb, replace(request, headers=self._headers(request.headers)), asked)
        return _Answer(response.status, response.headers, response.read())

    def _open(self, verb: str, request: Request, asked: str) -> Response:
        self._retries.wait_turn()
        self.counter.add(verb)
        response = self._transport.send(request)
        self._retries.answered()
        self._collect_warnings(response.headers)
        if response.status >= 400:
            raise errors.from_status(response.status, response.headers, response.read(), asked=asked)
        return response

    def _collect_warnings(self, headers: Mapping[str, str]) -> None:
        said = headers.get("warning")
        for text in _WARNING.findall(said) if said else ():
            plain = text.replace('\\"', '"').replace("\\\\", "\\")
            with self._lock_warnings:
                if plain not in self.warnings:
                    self.warnings.append(plain)

    @staticmethod
    def _json(answer: _Answer) -> KubeObject:
        try:
            parsed = json.loads(answer.body)
        except (ValueError, RecursionError) as cause:
            raise errors.Unreachable(
                f"the cluster answered no JSON: {answer.body[:80]!r}",
                error_id="cluster.no-api",
                hint="check that the server of this context is a Kubernetes API server, not a proxy's login page",
            ) from cause
        return parsed if isinstance(parsed, dict) else {}


def holds(live: Any, sent: Any) -> bool:
    """Whether what was sent is all there in what is stored; resourceVersion and stringData aside."""
    if isinstance(sent, Mapping):
        if not isinstance(live, Mapping):
            return False
        return all(
            key in ("resourceVersion", "stringData")
            or value is None
            or (key in live and holds(live[key], value))
            for key, value in sent.items()
        )
    if isinstance(sent, list):
        return isinstance(live, list) and len(live) == len(sent) and all(map(holds, live, sent))
    return bool(live == sent)


def _try_again() -> None:
    """For writes that may be sent twice: nothing to find out."""


def _verb(verb: str, dry_run: bool) -> str:
    return "dry-run" if dry_run else verb


def _options(manager: str, dry_run: bool) -> tuple[tuple[str, str], ...]:
    manager_part = (("fieldManager", manager),) if manager else ()
    return (*manager_part, ("dryRun", "All")) if dry_run else manager_part


def _selectors(label_selector: str, field_selector: str) -> Iterator[tuple[str, str]]:
    if label_selector:
        yield "labelSelector", label_selector
    if field_selector:
        yield "fieldSelector", field_selector
