"""One JSON object per event: for machines, logs and replay."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import IO, Any

from helmflow.core.errors import Mistake
from helmflow.core.events import Event
from helmflow.core.ids import ObjectRef, ReleaseId
from helmflow.core.sensitive import mask_everything


class JsonLines:
    """Writes every event as one line: `event` names its type, `time` is UTC, the rest are its fields."""

    def __init__(self, stream: IO[str]) -> None:
        self._stream = stream

    def handle(self, event: Event) -> None:
        """Write one event."""
        fields = {name: as_json(getattr(event, name)) for name in (f.name for f in dataclasses.fields(event))}
        line = {"event": type(event).__name__, "time": datetime.now(UTC).isoformat(), **fields}
        self._stream.write(mask_everything(json.dumps(line, separators=(",", ":"))) + "\n")
        self._stream.flush()

    def close(self) -> None:
        """Nothing is held back."""


def as_json(value: Any) -> Any:
    """Ids as text, mistakes and other dataclasses as objects, everything else as it is."""
    if isinstance(value, ReleaseId | ObjectRef):
        return str(value) if isinstance(value, ReleaseId) else value._asdict()
    if isinstance(value, Mistake):
        return {
            "message": value.message,
            "error_id": value.error_id,
            "where": str(value.span) if value.span else "",
            "hint": value.hint,
        }
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: as_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [as_json(item) for item in value]
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
