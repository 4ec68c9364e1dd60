"""Cluster: the state that requests and controllers share; every change goes through its write and remove."""

from __future__ import annotations

import marshal
import secrets
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from helmflow.core.clock import Clock
from helmflow.embedded.kinds import CRDS, Registry, Resource
from helmflow.embedded.storage import Record, Storage

Json = dict[str, Any]
OnChange = Callable[["Cluster", str, Json | None, Json | None], None]

_CACHED: Final = 20_000  # parsed objects kept
_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"


class Cluster:
    """Storage, clock and served kinds. Not thread-safe by itself: use inside `storage.transaction()` or its lock."""

    def __init__(self, storage: Storage, clock: Clock, on_change: OnChange) -> None:
        self.storage = storage
        self.clock = clock
        self._on_change = on_change
        self._registry: Registry | None = None
        self._registry_mark: str | None = None
        self._foreign = -1
        self._simulated: float | None = None
        self._packed: dict[tuple[str, str, str], tuple[str, bytes]] = {}
        self._shared: dict[tuple[str, str, str], tuple[str, Json]] = {}

    def refresh(self) -> bool:
        """Notice what other processes wrote; says whether they did."""
        version = self.storage.foreign_version()
        if version == self._foreign:
            return False
        self._foreign = version
        if self.storage.meta("crds") != self._registry_mark:
            self._registry = None
        return True

    def forget(self) -> None:
        """Drop what may come from a transaction that was rolled back."""
        if self._registry is not None and self.storage.meta("crds") != self._registry_mark:
            self._registry = None

    @property
    def registry(self) -> Registry:
        """The served resources."""
        if self._registry is None:
            self._registry_mark = self.storage.meta("crds")
            self._registry = Registry([record.parse() for record in self.storage.records(CRDS)])
        return self._registry

    def moment(self) -> float:
        """The present in seconds since the epoch; inside a controller, the moment its task was due."""
        return self._simulated if self._simulated is not None else self.clock.now().timestamp()

    @contextmanager
    def at(self, moment: float) -> Iterator[None]:
        """Let the present be `moment`."""
        before, self._simulated = self._simulated, moment
        try:
            yield
        finally:
            self._simulated = before

    def now(self) -> str:
        """The present as a timestamp in whole seconds."""
        return stamp(self.moment())

    def get(self, key: str, namespace: str, name: str) -> Json | None:
        """A stored object, or None."""
        record = self.storage.get(key, namespace, name)
        return self.parse(key, record) if record else None

    def objects(self, key: str, namespace: str | None = None) -> list[Json]:
        """Stored objects of one resource."""
        return [self.parse(key, record) for record in self.storage.records(key, namespace)]

    def view(self, key: str, namespace: str | None = None) -> list[Json]:
        """The same, shared and therefore not to be changed."""
        found = []
        for record in self.storage.records(key, namespace):
            where = (key, record.namespace, record.name)
            known = self._shared.get(where)
            if known is None or known[0] != record.body:
                known = self._shared[where] = (record.body, self.parse(key, record))
            found.append(known[1])
        if len(self._shared) > _CACHED:
            self._shared.clear()
        return found

    def parse(self, key: str, record: Record) -> Json:
        """A fresh copy of a record's object; what was parsed before is unpacked, which is three times as fast."""
        where = (key, record.namespace, record.name)
        known = self._packed.get(where)
        if known is not None and known[0] == record.body:
            value: Json = marshal.loads(known[1])
            return value
        value = record.parse()
        if len(self._packed) > _CACHED:
            self._packed.clear()
        self._packed[where] = (record.body, marshal.dumps(value))
        return value

    def write(self, key: str, old: Json | None, new: Json) -> str:
        """Store an object and tell the controllers; returns the stored text."""
        text = self.storage.put(key, new)
        self._after(key, old, new)
        return text

    def remove(self, key: str, old: Json) -> None:
        """Drop an object and tell the controllers."""
        self.storage.remove(key, old)
        self._after(key, old, None)

    def resource(self, key: str) -> Resource:
        """The resource of a storage key, in its storage version."""
        found = self.registry.by_key(key)
        if found is None:
            raise KeyError(key)
        return found

    def _after(self, key: str, old: Json | None, new: Json | None) -> None:
        if key == CRDS:
            self._registry = None
            self.storage.set_meta("crds", uuid.uuid4().hex)
        self._on_change(self, key, old, new)


def new_uid() -> str:
    """A fresh uid."""
    return str(uuid.uuid4())


def random_suffix(length: int = 5) -> str:
    """What generateName appends: no vowels, no look-alikes."""
    return "".join(secrets.choice(_ALPHABET) for _ in range(length))


def stamp(moment: float) -> str:
    """A moment as Kubernetes writes it, in whole seconds."""
    return datetime.fromtimestamp(int(moment), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds(text: str) -> float:
    """The moment of a timestamp."""
    return datetime.fromisoformat(text.replace("Z", "+00:00")).timestamp()


def duration(text: str) -> float:
    """Seconds of a Go duration such as 1m30s or 250ms; 0 where it is none."""
    import re  # only annotated objects need it

    units = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
    return sum(
        float(number) * units[unit] for number, unit in re.findall(r"(\d+(?:\.\d+)?)(ns|us|ms|s|m|h)", text)
    )


def later(text: str, delta: float) -> str:
    """A timestamp `delta` seconds after another."""
    return (datetime.fromisoformat(text.replace("Z", "+00:00")) + timedelta(seconds=delta)).strftime(
        "%Y-%m-%dT%H:%M:%SZ"
    )


def copy_of(value: Json) -> Json:
    """A deep copy of a JSON object."""
    copied: Json = marshal.loads(marshal.dumps(value))
    return copied


__all__ = [
    "Cluster",
    "Record",
    "copy_of",
    "duration",
    "later",
    "new_uid",
    "random_suffix",
    "seconds",
    "stamp",
]
