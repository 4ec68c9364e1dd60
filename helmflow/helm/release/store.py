"""Stored revisions in Secrets or ConfigMaps, through KubeClient."""

from __future__ import annotations

import base64
import builtins
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from helmflow.core.errors import ClusterError, HelmflowError, Refusal
from helmflow.core.ids import ObjectRef
from helmflow.helm.release import codec
from helmflow.helm.release.record import ReleaseStatus, Revision
from helmflow.kube import errors, objects
from helmflow.kube.client import KubeClient
from helmflow.kube.objects import KubeObject

MAX_RECORD_BYTES: Final = 1024 * 1024  # of a Secret's or ConfigMap's data, the API server's own bound
MANAGER: Final = "Helm"  # the field manager that Helm's own client leaves on its records
KEY: Final = "release"
MAX_SELECTED_NAMES: Final = 40  # beyond, a selector would make the URL too long for proxies
SECRET_TYPE: Final = "helm.sh/release.v1"
HELM_LABELS: Final = frozenset({"name", "owner", "status", "version", "createdAt", "modifiedAt"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRevision:
    """What the labels of a stored revision say, without its payload. `labels` are the user's own."""

    name: str
    namespace: str
    number: int
    status: ReleaseStatus
    labels: Mapping[str, str]
    uid: str
    resource_version: str
    stored_at: str


class Driver(StrEnum):
    """Helm's storage drivers that live in the cluster; HELM_DRIVER's words."""

    SECRET = "secret"
    CONFIGMAP = "configmap"

    @classmethod
    def named(cls, word: str) -> Driver:
        """The driver of a HELM_DRIVER value; HelmflowError `release.driver` for one that is not supported."""
        match word.strip().lower():
            case "" | "secret" | "secrets":
                return cls.SECRET
            case "configmap" | "configmaps":
                return cls.CONFIGMAP
        raise HelmflowError(
            f"unknown release storage driver {word!r}",
            error_id="release.driver",
            hint="HELM_DRIVER is secret (the default) or configmap",
        )


class ReleaseStore:
    """The stored revisions of one namespace, in Helm's own form. Answers are sorted by namespace, name and number."""

    def __init__(self, client: KubeClient, namespace: str, driver: Driver = Driver.SECRET) -> None:
        self.namespace = namespace
        self._client = client
        self._driver = driver
        self._kind = "Secret" if driver is Driver.SECRET else "ConfigMap"

    def list(self, *, names: Sequence[str] = (), namespace: str | None = None) -> tuple[StoredRevision, ...]:
        """Every stored revision, from labels only, in one LIST; `namespace` "" is all of them, None this store's own."""
        where = self.namespace if namespace is None else namespace
        found = self._client.list(
            "v1", self._kind, where, label_selector=_selector(names), metadata_only=True
        )
        return _sorted(found.items)

    def select(self, selector: str, namespace: str = "") -> tuple[StoredRevision, ...]:
        """What a label selector finds, from labels only, in one LIST; `namespace` "" is all of them."""
        return _sorted(
            self._client.list("v1", self._kind, namespace, label_selector=selector, metadata_only=True).items
        )

    def history(self, name: str) -> tuple[StoredRevision, ...]:
        """The revisions of one release, oldest first, from labels only."""
        return self.list(names=(name,))

    def get(self, name: str, number: int) -> Revision:
        """A revision with its payload; HelmflowError `release.not-found`."""
        try:
            return self._revision(self._client.get(self._ref(name, number)))
        except errors.NotFound as cause:
            raise not_found(name, number) from cause

    def get_many(self, revisions: Iterable[StoredRevision]) -> dict[tuple[str, str, int], Revision]:
        """Payloads by (namespace, name, number): one LIST per namespace, or a GET where only one is asked for.

        A revision that was deleted meanwhile is left out.
        """
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
        """Store a new revision; HelmflowError `release.exists` where its number is taken."""
        try:
            self._client.create(self._object(revision, "createdAt"), manager=MANAGER)
        except errors.AlreadyExists as cause:
            raise HelmflowError(
                f"revision {revision.number} of release {revision.name} exists already",
                error_id="release.exists",
                hint="another operation (install, upgrade or rollback) on this release began at the same time",
            ) from cause

    def update(self, revision: Revision) -> None:
        """Store a revision's new state; HelmflowError `release.not-found` where it is gone."""
        try:
            self._client.replace(self._object(revision, "modifiedAt"), manager=MANAGER)
        except errors.NotFound as cause:
            raise not_found(revision.name, revision.number) from cause

    def delete(self, name: str, number: int) -> bool:
        """Remove a revision; False where it was gone already."""
        try:
            self._client.delete(self._ref(name, number))
        except errors.NotFound:
            return False
        return True

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
                found[stored.namespace, stored.name, stored.number] = self._revision(item)
        return found

    def _revision(self, item: KubeObject) -> Revision:
        data = item.get("data")
        payload = str((data if isinstance(data, Mapping) else {}).get(KEY) or "")
        text = base64.b64decode(payload) if self._driver is Driver.SECRET else payload
        return codec.decode(text, labels=_user_labels(objects.labels_of(item)))

    def _object(self, revision: Revision, moment: str) -> KubeObject:
        payload = codec.encode(revision)
        if len(payload) > MAX_RECORD_BYTES:
            raise too_large(revision)
        labels = {
            **revision.labels,
            moment: str(int(self._client.clock.now().timestamp())),
            "name": revision.name,
            "owner": "helm",
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
            return {**stored, "type": SECRET_TYPE, "data": {KEY: base64.b64encode(payload.encode()).decode()}}
        return {**stored, "data": {KEY: payload}}

    def _ref(self, name: str, number: int, namespace: str | None = None) -> ObjectRef:
        where = self.namespace if namespace is None else namespace
        return ObjectRef("v1", self._kind, where, f"sh.helm.release.v1.{name}.v{number}")


def too_large(revision: Revision) -> Refusal:
    """The refusal for a record that does not fit into one object, with what each of its parts weighs."""
    sizes = codec.size_breakdown(revision)
    total = sizes.pop("total")
    parts = ", ".join(f"{name} {size // 1024} KiB" for name, size in sizes.items() if size >= 1024)
    return Refusal(
        f"the record of release {revision.name} needs {total // 1024} KiB and must fit into {MAX_RECORD_BYTES // 1024} KiB ({parts})",
        error_id="release.too-large",
        hint="leave large files out of the chart with .helmignore, or split the chart",
    )


def not_found(name: str, number: int = 0) -> HelmflowError:
    """The error for a release or a revision that is not stored."""
    what = f"revision {number} of release {name}" if number else f"release {name}"
    return HelmflowError(f"{what} is not found", error_id="release.not-found")


def _selector(names: Sequence[str]) -> str:
    if len(names) == 1:
        return f"name={names[0]},owner=helm"
    return f"owner=helm,name in ({','.join(names)})" if names else "owner=helm"


def _sorted(items: Iterable[KubeObject]) -> tuple[StoredRevision, ...]:
    found = (stored for item in items if (stored := _stored(item)) is not None)
    return tuple(sorted(found, key=lambda r: (r.namespace, r.name, r.number)))


def _stored(item: KubeObject) -> StoredRevision | None:
    labels = objects.labels_of(item)
    name, number = str(labels.get("name") or ""), str(labels.get("version") or "")
    metadata = objects.meta(item)
    if not name or not number.isdecimal() or metadata.get("name") != f"sh.helm.release.v1.{name}.v{number}":
        return None
    try:
        status = ReleaseStatus(str(labels.get("status")))
    except ValueError:
        status = ReleaseStatus.UNKNOWN
    return StoredRevision(
        name=name,
        namespace=str(metadata.get("namespace") or ""),
        number=int(number),
        status=status,
        labels=_user_labels(labels),
        uid=objects.uid(item),
        resource_version=objects.resource_version(item),
        stored_at=str(metadata.get("creationTimestamp") or ""),
    )


def _user_labels(labels: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in labels.items() if key not in HELM_LABELS}
