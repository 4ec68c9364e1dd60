"""RevisionStore: the port that stored revisions are reached through, and what all of Helm's drivers share."""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Final, Protocol

from helmflow.core.errors import HelmflowError, Refusal
from helmflow.core.limits import KIB
from helmflow.core.records import dataclass
from helmflow.helm.release import codec
from helmflow.helm.release.record import ReleaseStatus, Revision

OWNER: Final = "helm"
RECORD_TYPE: Final = "helm.sh/release.v1"
HELM_LABELS: Final = frozenset({"name", "owner", "status", "version", "createdAt", "modifiedAt"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredRevision:
    """What is known of a stored revision without its payload. `labels` are the user's own."""

    name: str
    namespace: str
    number: int
    status: ReleaseStatus
    labels: Mapping[str, str]


class Driver(StrEnum):
    """Helm's storage drivers; HELM_DRIVER's words."""

    SECRET = "secret"
    CONFIGMAP = "configmap"
    SQL = "sql"

    @classmethod
    def named(cls, word: str) -> Driver:
        """The driver of a HELM_DRIVER value; HelmflowError `release.driver` for one that is not supported."""
        match word.strip().lower():
            case "" | "secret" | "secrets":
                return cls.SECRET
            case "configmap" | "configmaps":
                return cls.CONFIGMAP
            case "sql":
                return cls.SQL
            case "memory":
                raise HelmflowError(
                    "the release storage driver 'memory' forgets every record when the command ends",
                    error_id="release.driver",
                    hint="leave HELM_DRIVER empty; to try something out, use `--kube-context embedded`",
                )
        raise HelmflowError(
            f"unknown release storage driver {word!r}",
            error_id="release.driver",
            hint="HELM_DRIVER is secret (the default), configmap or sql",
        )


class RevisionStore(Protocol):
    """The stored revisions of one namespace, in Helm's own form. Answers are sorted by namespace, name and number."""

    @property
    def namespace(self) -> str:
        """Where revisions are written, and looked for where nothing else is said; "" is everywhere."""

    @property
    def max_record_bytes(self) -> int:
        """How large an encoded revision may be."""

    def list(self, *, names: Sequence[str] = (), namespace: str | None = None) -> tuple[StoredRevision, ...]:
        """Every stored revision without its payload; `namespace` "" is all of them, None this store's own."""

    def select(self, selector: str, namespace: str = "") -> tuple[StoredRevision, ...]:
        """What a label selector finds, without payloads; `namespace` "" is all of them."""

    def history(self, name: str) -> tuple[StoredRevision, ...]:
        """The revisions of one release, oldest first, without payloads."""

    def current(self, releases: Iterable[tuple[str, str]]) -> tuple[Revision, ...]:
        """The revisions of (namespace, name) pairs with their payloads, without superseded ones.

        One that cannot be read says so itself (`damaged`).
        """

    def get(self, name: str, number: int) -> Revision:
        """A revision with its payload; HelmflowError `release.not-found`."""

    def get_many(self, revisions: Iterable[StoredRevision]) -> dict[tuple[str, str, int], Revision]:
        """Payloads by (namespace, name, number). What was deleted meanwhile or cannot be read is left out, as Helm does."""

    def create(self, revision: Revision) -> None:
        """Store a new revision; HelmflowError `release.exists` where its number is taken."""

    def update(self, revision: Revision) -> None:
        """Store a revision's new state; HelmflowError `release.not-found` where it is gone."""

    def delete(self, name: str, number: int) -> bool:
        """Remove a revision; False where it was gone already."""


def key_of(name: str, number: int) -> str:
    """What a revision is stored under."""
    return f"sh.helm.release.v1.{name}.v{number}"


def status_of(word: object) -> ReleaseStatus:
    """A stored status; UNKNOWN for what is none."""
    try:
        return ReleaseStatus(str(word))
    except ValueError:
        return ReleaseStatus.UNKNOWN


def user_labels(labels: Mapping[str, str]) -> dict[str, str]:
    """Labels without those that Helm writes itself."""
    return {key: value for key, value in labels.items() if key not in HELM_LABELS}


def damaged(stored: StoredRevision, why: str) -> Revision:
    """What stands for a revision whose payload cannot be read."""
    return Revision(
        name=stored.name,
        namespace=stored.namespace,
        number=stored.number,
        status=stored.status,
        chart={},
        labels=stored.labels,
        description=why,
        damaged=why,
    )


def in_order(found: Iterable[StoredRevision]) -> tuple[StoredRevision, ...]:
    """By namespace, name and number."""
    return tuple(sorted(found, key=lambda r: (r.namespace, r.name, r.number)))


def by_namespace(releases: Iterable[tuple[str, str]]) -> dict[str, builtins.list[str]]:
    """The names of (namespace, name) pairs by namespace, both sorted."""
    names: dict[str, set[str]] = {}
    for namespace, name in releases:
        names.setdefault(namespace, set()).add(name)
    return {namespace: sorted(names[namespace]) for namespace in sorted(names)}


def encoded(revision: Revision, limit: int) -> str:
    """The payload of a revision; Refusal `release.too-large` beyond `limit` bytes."""
    payload = codec.encode(revision)
    if len(payload) > limit:
        raise too_large(revision, limit)
    return payload


def too_large(revision: Revision, limit: int) -> Refusal:
    """The refusal for a record that does not fit, with what each of its parts weighs."""
    sizes = codec.size_breakdown(revision)
    total = sizes.pop("total")
    parts = ", ".join(f"{name} {size // KIB} KiB" for name, size in sizes.items() if size >= KIB)
    return Refusal(
        f"the record of release {revision.name} needs {total // KIB} KiB and must fit into {limit // KIB} KiB ({parts})",
        error_id="release.too-large",
        hint="leave large files out of the chart with .helmignore, or split the chart",
    )


def exists(revision: Revision) -> HelmflowError:
    """The error for a revision whose number is taken."""
    return HelmflowError(
        f"revision {revision.number} of release {revision.name} exists already",
        error_id="release.exists",
        hint="another operation (install, upgrade or rollback) on this release began at the same time",
    )


def not_found(name: str, number: int = 0) -> HelmflowError:
    """The error for a release or a revision that is not stored."""
    what = f"revision {number} of release {name}" if number else f"release {name}"
    return HelmflowError(f"{what} is not found", error_id="release.not-found")
