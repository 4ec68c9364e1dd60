"""One watch per kind and scope, read by one thread each: the newest state of what changed since a moment."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from contextlib import suppress
from typing import Final, NamedTuple

from helmflow.core.errors import ClusterError
from helmflow.core.records import dataclass, field
from helmflow.kube import errors, objects
from helmflow.kube.client import KubeClient
from helmflow.kube.objects import KubeObject
from helmflow.kube.watches import WatchEvent, WatchStream

EVERYTHING: Final = ""  # instead of a moment to start from: read everything first
POLL_S: Final = 2.0  # where watching is forbidden and listing is not
_HOPELESS: Final = (errors.Forbidden, errors.NotFound, errors.Unauthorized, errors.BadRequest, errors.Invalid)
QUICK_END_S: Final = 1.0  # a watch that ends sooner did not work: come back more slowly


class Scope(NamedTuple):
    """What a feed watches."""

    api_version: str
    kind: str
    namespace: str
    field_selector: str = ""


@dataclass(slots=True)
class Seen:
    """The newest known state of one object; `gone` after its deletion (`object` is then its last state)."""

    object: KubeObject
    gone: bool = False


@dataclass(slots=True)
class Feed:
    """The changes of one scope since `start`. `changed` is notified after each.

    `failure` says why nothing more will come. What has not changed since `start` is known only once the feed is
    `complete`.
    """

    client: KubeClient
    scope: Scope
    start: str
    changed: threading.Condition
    objects: dict[str, Seen] = field(default_factory=dict)
    failure: ClusterError | None = None
    complete: bool = False
    owned: dict[str, set[str]] = field(default_factory=dict)
    _closed: threading.Event = field(default_factory=threading.Event)
    _stream: WatchStream | None = None

    def begin(self) -> None:
        """Start reading."""
        threading.Thread(target=self._run, name=f"watch {self.scope.kind}", daemon=True).start()

    def close(self) -> None:
        """Stop reading; the thread ends by itself."""
        self._closed.set()
        stream = self._stream
        if stream is not None:
            stream.close()

    def newest(self, name: str) -> Seen | None:
        """The newest state of an object, None where nothing about it has come. Call with `changed` held."""
        return self.objects.get(name)

    def all(self) -> Iterator[KubeObject]:
        """Every object that is there. Call with `changed` held."""
        return (seen.object for seen in self.objects.values() if not seen.gone)

    def of(self, owner: str) -> Iterator[KubeObject]:
        """The objects that the one with this uid owns. Call with `changed` held."""
        for name in self.owned.get(owner, ()):
            seen = self.objects.get(name)
            if seen is not None and not seen.gone and owner in objects.owner_uids(seen.object):
                yield seen.object

    def make_complete(self) -> None:
        """Read what was there before the feed began, once; where that fails, it stays as it is."""
        if self.complete or self.failure is not None:
            return
        with suppress(ClusterError):
            self._relist()

    def _run(self) -> None:
        version, delay = self.start, 0.0
        while not self._closed.is_set():
            began = self.client.clock.monotonic()
            try:
                version = self._follow(version or self._relist())
            except errors.Gone:
                version = EVERYTHING
            except _HOPELESS as failure:
                self._poll(failure)
                return
            except ClusterError:
                pass  # the connection was lost, or the server is busy: go on from the same moment
            quick = self.client.clock.monotonic() - began < QUICK_END_S
            delay = min(5.0, delay * 2 or 0.1) if quick else 0.0
            if delay and not self._closed.is_set():
                self.client.clock.sleep(delay)

    def _follow(self, version: str) -> str:
        """One watch request; answers where the next one starts."""
        stream = self.client.watch(
            self.scope.api_version,
            self.scope.kind,
            self.scope.namespace,
            resource_version=version,
            field_selector=self.scope.field_selector,
            timeout_s=random.randint(240, 300),
        )
        self._stream = stream
        if self._closed.is_set():
            stream.close()
            return version
        try:
            for event in stream:
                if self._closed.is_set():
                    return version
                version = event.resource_version or version
                if event.type != "BOOKMARK":
                    self._take(event)
        except errors.Unreachable:
            return version  # the connection was lost: go on from the last event
        return version

    def _take(self, event: WatchEvent) -> None:
        with self.changed:
            self._put(event.object, gone=event.type == "DELETED")
            self.changed.notify_all()

    def _put(self, found: KubeObject, *, gone: bool) -> None:
        name = str(objects.meta(found).get("name") or "")
        known = self.objects.get(name)
        if known is not None and not newer(found, known.object):
            return
        self.objects[name] = Seen(found, gone)
        for owner in objects.owner_uids(found):
            self.owned.setdefault(owner, set()).add(name)

    def _relist(self) -> str:
        """Read everything once; answers where a watch goes on."""
        scope = self.scope
        found = self.client.list(
            scope.api_version, scope.kind, scope.namespace, field_selector=scope.field_selector
        )
        with self.changed:
            present = {str(objects.meta(item)["name"]) for item in found.items}
            for name, seen in self.objects.items():
                if name not in present and not _later(seen.object, found.resource_version):
                    seen.gone = True
            for item in found.items:
                self._put(item, gone=False)
            self.complete = True
            self.changed.notify_all()
        return found.resource_version

    def _poll(self, failure: ClusterError) -> None:
        """Watching is not allowed or not possible: list now and then, until that fails as well."""
        while not self._closed.is_set():
            try:
                self._relist()
            except _HOPELESS:
                with self.changed:
                    self.failure = failure
                    self.changed.notify_all()
                return
            except ClusterError:
                pass
            self.client.clock.sleep(POLL_S)


def newer(found: KubeObject, known: KubeObject | None) -> bool:
    """Whether an object is no earlier state than the known one: resourceVersions of one kind compare as numbers."""
    return known is None or not _later(known, objects.resource_version(found))


def _later(known: KubeObject, version: str) -> bool:
    """Whether an object was written after a moment; versions that are no numbers are taken as they come."""
    own = objects.resource_version(known)
    return own.isdecimal() and version.isdecimal() and int(own) > int(version)
