"""Revision <-> the payload that Helm stores: JSON in Go's field order, gzip, base64."""

from __future__ import annotations

import base64
import binascii
import struct
import zlib
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal

from helmflow.core import go_json
from helmflow.core.errors import HelmflowError
from helmflow.core.limits import MAX_CHART_BYTES
from helmflow.helm.chart import records
from helmflow.helm.chart.model import Chart, ChartFile
from helmflow.helm.chart.records import ZERO_TIME
from helmflow.helm.release.record import HookRecord, HookRun, ReleaseStatus, Revision

GZIP_MAGIC: Final = b"\x1f\x8b\x08"
GZIP_HEADER: Final = (
    b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x02\xff"  # no name, no time, best compression, unknown system
)
_KNOWN: Final = frozenset(
    {"name", "info", "chart", "config", "manifest", "hooks", "version", "namespace", "apply_method"}
)
_KNOWN_INFO: Final = frozenset(
    {"first_deployed", "last_deployed", "deleted", "description", "status", "rollback_revision", "notes"}
)

HelmVersion = Literal[3, 4]


def encode(revision: Revision, *, helm_version: HelmVersion = 4) -> str:
    """The text under the key `release` (a Secret's data holds it in base64 once more)."""
    return base64.b64encode(
        compress(to_json(revision, helm_version=helm_version).encode("utf-8", "replace"))
    ).decode()


def decode(payload: str | bytes, *, labels: Mapping[str, str] | None = None) -> Revision:
    """A payload as a Revision, `labels` being the user's own; HelmflowError `release.unreadable` where it is none."""
    try:
        raw = base64.b64decode(payload, validate=False)
        text = decompress(raw) if raw.startswith(GZIP_MAGIC) else raw
        parsed = go_json.loads(text.decode("utf-8", "replace"))
        if not isinstance(parsed, dict) or not isinstance(parsed.get("name"), str):
            raise ValueError("it is no release")
        return _revision(parsed, labels or {})
    except (ValueError, TypeError, AttributeError, RecursionError, binascii.Error, zlib.error) as cause:
        raise HelmflowError(
            f"a stored release cannot be read: {cause}",
            error_id="release.unreadable",
            hint="the record is damaged or was not written by Helm; `helm list` leaves it out as well",
        ) from cause


def compress(text: bytes) -> bytes:
    """gzip with the header that Go's writer leaves, the same bytes for the same text."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    body = deflate.compress(text) + deflate.flush()
    return GZIP_HEADER + body + struct.pack("<II", zlib.crc32(text), len(text) & 0xFFFFFFFF)


def decompress(payload: bytes) -> bytes:
    """The text of a gzip payload, inside the limit for a chart."""
    inflate = zlib.decompressobj(zlib.MAX_WBITS | 16)
    text = inflate.decompress(payload, MAX_CHART_BYTES)
    if inflate.unconsumed_tail:
        raise ValueError(f"it is larger than {MAX_CHART_BYTES} bytes")
    return text


def to_json(revision: Revision, *, helm_version: HelmVersion = 4) -> str:
    """The record as Go's encoding/json writes Helm's release: struct fields in their order, maps sorted."""
    fields = [
        _field("name", revision.name),
        ("info", _info(revision, helm_version)),
        ("chart", _chart_json(revision.chart, helm_version)),
        ("config", go_json.dumps(dict(revision.config)) if revision.config else ""),
        _field("manifest", revision.manifest),
        (
            "hooks",
            "[" + ",".join(_hook(hook, helm_version) for hook in revision.hooks) + "]"
            if revision.hooks
            else "",
        ),
        _field("version", revision.number),
        _field("namespace", revision.namespace),
        _field("apply_method", str(revision.apply_method) if helm_version == 4 else ""),
    ]
    extra = revision.extra.get("record")
    fields += [_field(key, value) for key, value in (extra or {}).items()]
    return _object(fields)


def chart_record(chart: Chart) -> dict[str, Any]:
    """The JSON form of a chart in a release record: without its subcharts, as Helm stores it."""
    return {
        "metadata": records.metadata(chart.metadata),
        "lock": records.lock(chart.lock) if chart.lock else None,
        "templates": _files(chart.templates),
        "values": chart.own_values(),
        "schema": base64.b64encode(chart.schema).decode() if chart.schema is not None else None,
        "files": _files(chart.files),
    }


def size_breakdown(revision: Revision) -> dict[str, int]:
    """What each part of a record weighs once compressed, largest first; `total` is what must fit."""
    chart = revision.chart
    parts = {
        "manifest": revision.manifest,
        "hooks": "".join(hook.manifest for hook in revision.hooks),
        "notes": revision.notes,
        "values": go_json.dumps(dict(revision.config)),
        "chart templates": _structure(chart.get("templates") or []),
        "chart files": _structure(chart.get("files") or []),
        "chart values": _structure(chart.get("values") or {}),
        "chart schema": str(chart.get("schema") or ""),
    }
    sizes = {
        name: len(zlib.compress(text.encode("utf-8", "replace"), 6)) * 4 // 3 for name, text in parts.items()
    }
    ordered = dict(sorted(sizes.items(), key=lambda part: -part[1]))
    return {"total": len(encode(revision)), **ordered}


def _info(revision: Revision, helm_version: HelmVersion) -> str:
    deleted = revision.deleted if revision.deleted or helm_version == 4 else '""'
    fields = [
        _field("first_deployed", revision.first_deployed),
        _field("last_deployed", revision.last_deployed),
        ("deleted", deleted) if deleted == '""' else _field("deleted", deleted),
        _field("description", revision.description),
        _field("status", str(revision.status)),
        _field("rollback_revision", revision.rollback_revision),
        _field("notes", revision.notes),
    ]
    extra = revision.extra.get("info")
    fields += [_field(key, value) for key, value in (extra or {}).items()]
    return _object(fields)


def _hook(hook: HookRecord, helm_version: HelmVersion) -> str:
    run = hook.last_run
    times = [("started_at", run.started_at), ("completed_at", run.completed_at)]
    last_run = [(key, go_json.dumps(text)) for key, text in times if text or helm_version == 3]
    return _object(
        [
            _field("name", hook.name),
            _field("kind", hook.kind),
            _field("path", hook.path),
            _field("manifest", hook.manifest),
            _field("events", list(hook.events)),
            ("last_run", _object([*last_run, ("phase", go_json.dumps(str(run.phase)))])),
            _field("weight", hook.weight),
            _field("delete_policies", list(hook.delete_policies)),
            _field("output_log_policies", list(hook.output_log_policies)),
        ]
    )


def _chart_json(chart: Mapping[str, Any], helm_version: HelmVersion) -> str:
    fields: list[tuple[str, str]] = []
    for key, value in chart.items():
        fields.append((key, _structure(value)))
        if key == "schema" and helm_version == 4 and "schemamodtime" not in chart:
            fields.append(("schemamodtime", go_json.dumps(ZERO_TIME)))
    return _object(fields)


def _structure(value: Any) -> str:
    """JSON in the order that the value has: what was made from a Go struct is in the struct's order already."""
    if isinstance(value, Mapping):
        parts = (f"{go_json.dumps(str(k))}:{_structure(v)}" for k, v in value.items())
        return "{" + ",".join(parts) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_structure, value)) + "]"
    return go_json.dumps(value)


def _field(key: str, value: Any) -> tuple[str, str]:
    """A field with `omitempty`."""
    return key, (go_json.dumps(value) if value not in ("", 0, None, [], {}) else "")


def _object(fields: Iterable[tuple[str, str]]) -> str:
    return "{" + ",".join(f'"{key}":{text}' for key, text in fields if text) + "}"


def _files(files: Iterable[ChartFile]) -> list[dict[str, str]] | None:
    return [{"name": file.name, "data": base64.b64encode(file.data).decode()} for file in files] or None


def _revision(parsed: Mapping[str, Any], labels: Mapping[str, str]) -> Revision:
    info = _mapping(parsed.get("info"))
    return Revision(
        name=parsed["name"],
        namespace=str(parsed.get("namespace") or ""),
        number=int(parsed.get("version") or 0),
        status=_status(info.get("status")),
        chart=_mapping(parsed.get("chart")),
        config=_mapping(parsed.get("config")),
        manifest=str(parsed.get("manifest") or ""),
        hooks=tuple(_read_hook(hook) for hook in parsed.get("hooks") or () if hook),
        first_deployed=_time(info.get("first_deployed")),
        last_deployed=_time(info.get("last_deployed")),
        deleted=_time(info.get("deleted")),
        description=str(info.get("description") or ""),
        notes=str(info.get("notes") or ""),
        rollback_revision=int(info.get("rollback_revision") or 0),
        labels=dict(labels),
        apply_method=str(parsed.get("apply_method") or ""),
        extra=_extra(parsed, info),
    )


def _extra(parsed: Mapping[str, Any], info: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    found = {
        "record": {key: value for key, value in parsed.items() if key not in _KNOWN},
        "info": {key: value for key, value in info.items() if key not in _KNOWN_INFO},
    }
    return {part: fields for part, fields in found.items() if fields}


def _read_hook(hook: Mapping[str, Any]) -> HookRecord:
    run = _mapping(hook.get("last_run"))
    return HookRecord(
        name=str(hook.get("name") or ""),
        kind=str(hook.get("kind") or ""),
        path=str(hook.get("path") or ""),
        manifest=str(hook.get("manifest") or ""),
        events=tuple(map(str, hook.get("events") or ())),
        last_run=HookRun(
            started_at=_time(run.get("started_at")),
            completed_at=_time(run.get("completed_at")),
            phase=str(run.get("phase") or ""),
        ),
        weight=int(hook.get("weight") or 0),
        delete_policies=tuple(map(str, hook.get("delete_policies") or ())),
        output_log_policies=tuple(map(str, hook.get("output_log_policies") or ())),
    )


def _status(said: object) -> ReleaseStatus:
    try:
        return ReleaseStatus(str(said))
    except ValueError:
        return ReleaseStatus.UNKNOWN


def _time(said: object) -> str:
    text = str(said or "")
    return "" if text == ZERO_TIME else text


def _mapping(found: object) -> dict[str, Any]:
    return found if isinstance(found, dict) else {}
