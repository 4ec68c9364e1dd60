"""Stored revisions in Secrets or ConfigMaps, through KubeClient."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from helmflow.helm.release.record import ReleaseStatus, Revision

MAX_RECORD_BYTES: Final = 1024 * 1024  # of a Secret's or ConfigMap's data, the API server's own bound
MANAGER: Final = "Helm"  # the field manager that Helm's own client leaves on its records
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


class ReleaseStore(Protocol):
    """Where revisions are kept. Sorted answers: by namespace, name, number."""

    namespace: str

    def list(
        self, *, names: tuple[str, ...] = (), namespace: str | None = None
    ) -> tuple[StoredRevision, ...]:
        """Every stored revision, from labels only; `namespace` "" is all of them, None this store's own."""

    def history(self, name: str) -> tuple[StoredRevision, ...]:
        """The revisions of one release, oldest first, from labels only."""

    def get(self, name: str, number: int) -> Revision:
        """A revision with its payload; HelmflowError `release.not-found`."""

    def create(self, revision: Revision) -> None:
        """Store a new revision; HelmflowError `release.exists` where its number is taken."""

    def update(self, revision: Revision) -> None:
        """Store a revision's new state; HelmflowError `release.not-found` where it is gone."""

    def delete(self, name: str, number: int) -> None:
        """Remove a revision; one that is gone already is no failure."""
