"""Stored revisions in Secrets or ConfigMaps, through KubeClient."""

from __future__ import annotations

import base64
import builtins
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

from helmflow.core.errors import ClusterError, HelmflowError
from helmflow.core.ids import ObjectRef
from helmflow.core.limits import MIB
from helmflow.helm.release import codec, storage
from helmflow.helm.release.record import ReleaseStatus, Revision
from helmflow.helm.release.storage import OWNER, RECORD_TYPE, Driver, StoredRevision
from helmflow.kube import errors, objects
from helmflow.kube.client import KubeClient
from helmflow.kube.objects import KubeObject

MAX_RECORD_BYTES: Final = MIB  # of a Secret's or ConfigMap's data, the API server's own bound
MANAGER: Final = "Helm"  # the field manager that Helm's own client leaves on its records
MAX_SELECTED_NAMES: Final = 40  # beyond, a selector would make the URL too long for proxies

_KEY: Final = "release"
_KINDS: Final = {Driver.SECRET: "Secret", Driver.CONFIGMAP: "ConfigMap"}


class ReleaseStore:
    """RevisionStore on a cluster: one object per revision, whose labels say what it holds."""

    max_record_bytes: Final = MAX_RECORD_BYTES

    def __init__(self, client: KubeClient, namespace: str, driver: Driver = Driver.SECRET) -> None:
        self.namespace = namespace
        self._client = client
        self._driver = driver
        self._kind = _KINDS[driver]

    def list(self, *, names: Sequence[str] = (), namespace: str | None = None) -> tuple[StoredRevision, ...]:
        """One LIST of labels."""
        where = self.namespace if namespace is None else namespace
        found = self._client.list(
            "v1", self._kind, where, label_selector=_selector(names), metadata_only=True
        )
        return _sorted(found.items)

    def select(self, selector: str, namespace: str = "") -> tuple[StoredRevision, ...]:
        """One LIST of labels."""
        return _sorted(
            self._client.list("v1", self._kind, namespace, label_selector=selector, metadata_only=True).items
        )

    def history(self, name: str) -> tuple[StoredRevision, ...]:
        """One LIST of labels."""
        return self.list(names=(name,))

    def current(self, releases: Iterable[tuple[str, str]]) -> tuple[Revision, ...]:
        """One LIST per namespace."""
        answers = self._client.each(
            [
                lambda n=namespace, w=names: self._current(n, w)  # type: ignore[misc]
                for namespace, names in storage.by_namespace(releases).items()
            ]
        )
        found: builtins.list[Revision] = []
        for answer in answers:
            if isinstance(answer, ClusterError):
                raise answer
            found += answer
        return tuple(sorted(found, key=lambda r: (r.namespace, r.name, r.number)))

    def get(self, name: str, number: int) -> Revision:
        """One GET."""
        try:
            return self._revision(self._client.get(self._ref(name, number)))
        except errors.NotFound as cause:
            raise storage.not_found(name, number) from cause

    def get_many(self, revisions: Iterable[StoredRevision]) -> dict[tuple[str, str, int], Revision]:
        """One LIST per namespace, or a GET where only one is asked for."""
        by_namespace: dict[str, builtins.list[StoredRevision]] = {}
        for revision in revisions:
            by_namespace.setdefault(revision.namespace, []).append(revision)
        answers = self._client.each(
            [lambda n=namespace, r=wanted: self._payloads(n, r) for namespace, wanted in by_namespace.items()]  # type: ignore[misc]
        )
        found: dict[tuple[str, str, int], Revision] = {}
        for answer in answers:
            if isinstance(answer, ClusterError):
                raise answer
            found.update(answer)
        return found

    def create(self, revision: Revision) -> None:
        """One POST."""
        try:
            self._client.create(self._object(revision, "createdAt"), manager=MANAGER)
        except errors.AlreadyExists as cause:
            raise storage.exists(revision) from cause

    def update(self, revision: Revision) -> None:
        """One PUT."""
        try:
            self._client.replace(self._object(revision, "modifiedAt"), manager=MANAGER)
        except errors.NotFound as cause:
            raise storage.not_found(revision.name, revision.number) from cause

    def delete(self, name: str, number: int) -> bool:
        """One DELETE."""
        try:
            self._client.delete(self._ref(name, number))
        except errors.NotFound:
            return False
        return True

    def _current(self, namespace: str, names: Sequence[str]) -> builtins.list[Revision]:
        selector = f"owner={OWNER},status!={ReleaseStatus.SUPERSEDED}"
        if len(names) <= MAX_SELECTED_NAMES:
            selector += f",name in ({','.join(names)})"
        found = []
        for item in self._client.list("v1", self._kind, namespace, label_selector=selector).items:
            if objects.labels_of(item).get("name") in names:
                try:
                    found.append(self._revision(item))
                except (HelmflowError, ValueError) as why:
                    if (stored := _stored(item)) is not None:
                        found.append(storage.damaged(stored, str(why)))
        return found

    def _payloads(
        self, namespace: str, wanted: builtins.list[StoredRevision]
    ) -> dict[tuple[str, str, int], Revision]:
        keys = {(r.namespace, r.name, r.number) for r in wanted}
        if len(wanted) == 1:
            ref = self._ref(wanted[0].name, wanted[0].number, namespace)
            live = self._client.find(ref)
            items: tuple[KubeObject, ...] = (live,) if live else ()
        else:
            names = sorted({r.name for r in wanted})
            statuses = sorted({str(r.status) for r in wanted})
            selector = f"{_selector(names if len(names) <= MAX_SELECTED_NAMES else ())},status in ({','.join(statuses)})"
            items = self._client.list("v1", self._kind, namespace, label_selector=selector).items
        found = {}
        for item in items:
            stored = _stored(item)
            if stored is not None and (stored.namespace, stored.name, stored.number) in keys:
                with suppress(HelmflowError, ValueError):
                    found[stored.namespace, stored.name, stored.number] = self._revision(item)
        return found

    def _revision(self, item: KubeObject) -> Revision:
        data = item.get("data")
        payload = str((data if isinstance(data, Mapping) else {}).get(_KEY) or "")
        text = base64.b64decode(payload) if self._driver is Driver.SECRET else payload
        return codec.decode(text, labels=storage.user_labels(objects.labels_of(item)))

    def _object(self, revision: Revision, moment: str) -> KubeObject:
        payload = storage.encoded(revision, self.max_record_bytes)
        labels = {
            **revision.labels,
            moment: str(int(self._client.clock.now().timestamp())),
            "name": revision.name,
            "owner": OWNER,
            "status": str(revision.status),
            "version": str(revision.number),
        }
        ref = self._ref(revision.name, revision.number)
        stored: dict[str, Any] = {
            "apiVersion": "v1",
            "kind": self._kind,
            "metadata": {
                "name": ref.name,
                "namespace": self.namespace,
                "labels": dict(sorted(labels.items())),
            },
        }
        if self._driver is Driver.SECRET:
            return {
                **stored,
                "type": RECORD_TYPE,
                "data": {_KEY: base64.b64encode(payload.encode()).decode()},
            }
        return {**stored, "data": {_KEY: payload}}

    def _ref(self, name: str, number: int, namespace: str | None = None) -> ObjectRef:
        where = self.namespace if namespace is None else namespace
        return ObjectRef("v1", self._kind, where, storage.key_of(name, number))


def _selector(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"name={names[0]},owner={OWNER}"
    return f"owner={OWNER},name in ({','.join(names)})" if names else f"owner={OWNER}"


def _sorted(items: Iterable[KubeObject]) -> tuple[StoredRevision, ...]:
    return storage.in_order(stored for item in items if (stored := _stored(item)) is not None)


def _stored(item: KubeObject) -> StoredRevision | None:
    labels = objects.labels_of(item)
    name, number = str(labels.get("name") or ""), str(labels.get("version") or "")
    metadata = objects.meta(item)
    if not name or not number.isdecimal() or metadata.get("name") != storage.key_of(name, int(number)):
        return None
    return StoredRevision(
        name=name,
        namespace=str(metadata.get("namespace") or ""),
        number=int(number),
        status=storage.status_of(labels.get("status")),
        labels=storage.user_labels(labels),
    )
