"""One stored Helm release: Revision, its status words, its hooks and when they last ran."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

from helmflow.core.lazy import pattern
from helmflow.core.records import dataclass, field


class ReleaseStatus(StrEnum):
    """Helm's status words."""

    UNKNOWN = "unknown"
    DEPLOYED = "deployed"
    UNINSTALLED = "uninstalled"
    SUPERSEDED = "superseded"
    FAILED = "failed"
    UNINSTALLING = "uninstalling"
    PENDING_INSTALL = "pending-install"
    PENDING_UPGRADE = "pending-upgrade"
    PENDING_ROLLBACK = "pending-rollback"

    @property
    def pending(self) -> bool:
        """An operation has begun and not ended."""
        return self in (self.PENDING_INSTALL, self.PENDING_UPGRADE, self.PENDING_ROLLBACK)


class ApplyMethod(StrEnum):
    """How the objects of a revision were written; absent in a record means client-side."""

    SERVER_SIDE = "ssa"
    CLIENT_SIDE = "csa"


class HookPhase(StrEnum):
    """How a hook's last run stands."""

    UNKNOWN = "Unknown"
    RUNNING = "Running"
    SUCCEEDED = "Succeeded"
    FAILED = "Failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class HookRun:
    """The last run of a hook. Times are RFC 3339 texts with nanoseconds, "" where there was none."""

    started_at: str = ""
    completed_at: str = ""
    phase: HookPhase | str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class HookRecord:
    """A hook as a release stores it."""

    name: str
    kind: str
    path: str
    manifest: str
    events: tuple[str, ...]
    last_run: HookRun = field(default_factory=HookRun)
    weight: int = 0
    delete_policies: tuple[str, ...] = ()
    output_log_policies: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """One stored Helm release.

    `chart` is the record's own JSON form (see codec.chart_record): metadata, lock, templates, values, schema, files.
    `config` is what the user set. Times are RFC 3339 texts as stored, "" where there is none. `labels` are the user's
    own, without Helm's. `extra` keeps what a newer Helm wrote and this version does not know. `damaged` is why the
    record cannot be read: then all that is known is what stands beside it.
    """

    name: str
    namespace: str
    number: int
    status: ReleaseStatus
    chart: Mapping[str, Any]
    config: Mapping[str, Any] = field(default_factory=dict)
    manifest: str = ""
    hooks: tuple[HookRecord, ...] = ()
    first_deployed: str = ""
    last_deployed: str = ""
    deleted: str = ""
    description: str = ""
    notes: str = ""
    rollback_revision: int = 0
    labels: Mapping[str, str] = field(default_factory=dict)
    apply_method: ApplyMethod | str = ""
    extra: Mapping[str, Any] = field(default_factory=dict)
    damaged: str = ""

    @property
    def chart_name(self) -> str:
        """The chart's name."""
        return str(self._metadata.get("name") or "")

    @property
    def chart_version(self) -> str:
        """The chart's version."""
        return str(self._metadata.get("version") or "")

    @property
    def app_version(self) -> str:
        """The chart's appVersion."""
        return str(self._metadata.get("appVersion") or "")

    @property
    def server_side(self) -> bool:
        """The objects were written by server-side apply."""
        return self.apply_method == ApplyMethod.SERVER_SIDE

    @property
    def _metadata(self) -> Mapping[str, Any]:
        found = self.chart.get("metadata")
        return found if isinstance(found, Mapping) else {}


def go_time(when: datetime) -> str:
    """A time as Go's time.RFC3339Nano writes it in UTC: no trailing zeros in the fraction."""
    utc = when.astimezone(UTC)
    fraction = f".{utc.microsecond:06d}".rstrip("0").rstrip(".")
    return f"{utc:%Y-%m-%dT%H:%M:%S}{fraction}Z"


_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def ansi_time(text: str) -> str:
    """An RFC 3339 text as Helm prints times, Go's time.ANSIC, in the zone that it names; "" stays ""."""
    when = parse_time(text)
    if when is None:
        return text
    return f"{_DAYS[when.weekday()]} {_MONTHS[when.month - 1]} {when.day:2d} {when:%H:%M:%S} {when.year:04d}"


_TIME = pattern(r"(\d{4}-\d\d-\d\d)[Tt ](\d\d:\d\d:\d\d)(?:\.(\d+))?([Zz]|[+-]\d\d:\d\d)")


def parse_time(text: str) -> datetime | None:
    """An RFC 3339 text as a time, cut to microseconds; None for "" and for Go's zero time."""
    match = _TIME.fullmatch(text)
    if match is None or text.startswith("0001-01-01"):
        return None
    day, clock, fraction, zone = match.groups()
    zone = "+00:00" if zone in "Zz" else zone
    return datetime.fromisoformat(f"{day}T{clock}.{(fraction or '0')[:6]:0<6}{zone}")
