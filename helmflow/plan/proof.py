"""Proof from managedFields that applying an object again would change nothing; no request, no schema.

The live object's own entry for our manager lists every field of what was applied last, list keys spelled out. So an
object is proven unchanged where that set equals the fields of what would be applied now and every value is equal.
What cannot be proven costs one dry-run; a proof is never wrong in the other direction.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import Any, Final

Json = Any

# Mapping keys below which the API server rewrites quantities to their canonical form.
_QUANTITY_PARENTS: Final = frozenset(
    {"limits", "requests", "capacity", "hard", "default", "defaultRequest", "min", "max", "maxLimitRequestRatio"}
)  # fmt: skip
_QUANTITY_KEYS: Final = frozenset({"sizeLimit", "divisor", "averageValue", "storage"})
_FREE_TEXT: Final = frozenset({"data", "stringData", "binaryData", "labels", "annotations", "matchLabels"})
# What the server adds inside lists that are owned as a whole.
_DEFAULTS: Final[Mapping[str, tuple[Json, ...]]] = {
    "protocol": ("TCP",),
    "defaultMode": (420,),
    "apiGroup": ("rbac.authorization.k8s.io", ""),
    "volumeMode": ("Filesystem",),
    "apiVersion": ("v1",),
    "kind": ("PersistentVolumeClaim",),
    "status": ({"phase": "Pending"}, {}),
    "creationTimestamp": (None,),
    "scope": ("*",),
    "type": ("ClusterIP",),
    "operator": ("Equal",),
}
_IDENTITY: Final = frozenset({"apiVersion", "kind"})
_KEY_DEFAULTS: Final[Mapping[str, Json]] = {"protocol": "TCP"}


def proven(body: Mapping[str, Json], live: Mapping[str, Json], manager: str = "helm") -> bool:
    """Whether server-side applying `body` over `live` as `manager` is certain to change nothing."""
    entries = [
        entry
        for entry in _sequence(_mapping(live.get("metadata")).get("managedFields"))
        if entry.get("manager") == manager and not entry.get("subresource")
    ]
    if len(entries) != 1 or entries[0].get("operation") != "Apply":
        return False
    if entries[0].get("apiVersion") != body.get("apiVersion") or live.get("metadata", {}).get(
        "deletionTimestamp"
    ):
        return False
    fields = _mapping(entries[0].get("fieldsV1"))
    config = {key: value for key, value in body.items() if key not in _IDENTITY}
    metadata = {k: v for k, v in _mapping(config.get("metadata")).items() if k not in ("name", "namespace")}
    config["metadata"] = metadata
    if not metadata and "f:metadata" not in fields:
        del config["metadata"]
    return _map_equal(config, fields, live, ())


def _equal(config: Json, fields: Mapping[str, Json], live: Json, path: tuple[str, ...]) -> bool:
    children = [key for key in fields if key != "."]
    if not children:
        return same_value(config, live, path)
    if isinstance(config, Mapping) and all(key.startswith("f:") for key in children):
        return isinstance(live, Mapping) and _map_equal(config, fields, live, path)
    if isinstance(config, list) and isinstance(live, list):
        if all(key.startswith("k:") for key in children):
            return _keyed_equal(config, fields, live, path)
        if all(key.startswith("v:") for key in children):
            return _set_equal(config, children, live)
    return False


def _map_equal(
    config: Mapping[str, Json], fields: Mapping[str, Json], live: Mapping[str, Json], path: tuple[str, ...]
) -> bool:
    owned = {key[2:] for key in fields if key.startswith("f:")}
    if owned != set(config):
        return False
    return all(
        _equal(value, _mapping(fields[f"f:{key}"]), live.get(key), (*path, key))
        for key, value in config.items()
    )


def _keyed_equal(
    config: list[Json], fields: Mapping[str, Json], live: list[Json], path: tuple[str, ...]
) -> bool:
    owned = [key for key in fields if key.startswith("k:")]
    if len(owned) != len(config):
        return False
    wanted_order: list[tuple[int, int]] = []
    for key in owned:
        try:
            identity = json.loads(key[2:])
        except ValueError:
            return False
        ours, theirs = _find(config, identity), _find(live, identity)
        if ours is None or theirs is None:
            return False
        wanted_order.append((ours, theirs))
        item_fields = _mapping(fields[key])
        item = config[ours]
        # A key that was left to its default is owned all the same.
        implied = {
            name: value for name, value in identity.items() if f"f:{name}" in item_fields and name not in item
        }
        if not _equal({**item, **implied}, item_fields, live[theirs], path):
            return False
    wanted_order.sort()
    positions = [theirs for _, theirs in wanted_order]
    return positions == sorted(positions) and len({ours for ours, _ in wanted_order}) == len(config)


def _find(items: Sequence[Json], identity: Mapping[str, Json]) -> int | None:
    for number, item in enumerate(items):
        if isinstance(item, Mapping) and all(
            _same_number(item.get(key, _KEY_DEFAULTS.get(key)), value) for key, value in identity.items()
        ):
            return number
    return None


def _set_equal(config: list[Json], children: list[str], live: list[Json]) -> bool:
    try:
        owned = [json.loads(key[2:]) for key in children]
    except ValueError:
        return False
    if len(owned) != len(config) or any(value not in config or value not in live for value in owned):
        return False
    positions = [live.index(value) for value in config]
    return positions == sorted(positions)


def same_value(config: Json, live: Json, path: tuple[str, ...]) -> bool:
    if live is None:
        return config is None or config in (False, 0, "") or config in ([], {})
    if isinstance(config, Mapping) and isinstance(live, Mapping):
        if any(not same_value(value, live.get(key), (*path, key)) for key, value in config.items()):
            return False
        return all(key in config or live[key] in _DEFAULTS.get(key, ()) for key in live)
    if isinstance(config, list) and isinstance(live, list):
        return len(config) == len(live) and all(
            same_value(a, b, path) for a, b in zip(config, live, strict=True)
        )
    if isinstance(config, bool) or isinstance(live, bool):
        return config is live
    if _same_number(config, live):
        return True
    return _is_quantity(path) and quantity(config) is not None and quantity(config) == quantity(live)


def _same_number(a: Json, b: Json) -> bool:
    return type(a) is not bool and type(b) is not bool and bool(a == b)


def _is_quantity(path: tuple[str, ...]) -> bool:
    if not path or any(part in _FREE_TEXT for part in path):
        return False
    return path[-1] in _QUANTITY_KEYS or (len(path) > 1 and path[-2] in _QUANTITY_PARENTS)


_QUANTITY: Final = re.compile(r"([+-]?[0-9.]+)([eE][+-]?[0-9]+|[numkMGTPE]|[KMGTPE]i)?")
_SUFFIX: Final[Mapping[str, Decimal]] = {
    "n": Decimal("1e-9"), "u": Decimal("1e-6"), "m": Decimal("1e-3"), "k": Decimal("1e3"), "M": Decimal("1e6"),
    "G": Decimal("1e9"), "T": Decimal("1e12"), "P": Decimal("1e15"), "E": Decimal("1e18"),
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", 1)},
}  # fmt: skip


def quantity(value: Json) -> Decimal | None:
    """A Kubernetes quantity ("500m", "1Gi", 0.5) as a number; None where it is none."""
    found = _QUANTITY.fullmatch(str(value))
    if found is None:
        return None
    number, suffix = found.groups()
    try:
        if suffix and suffix[0] in "eE" and len(suffix) > 1 and suffix != "Ei":
            return Decimal(number + suffix)
        return Decimal(number) * _SUFFIX.get(suffix or "", Decimal(1))
    except InvalidOperation:
        return None


def _mapping(value: Json) -> Mapping[str, Json]:
    return value if isinstance(value, Mapping) else {}


def _sequence(value: Json) -> list[Mapping[str, Json]]:
    return [item for item in value if isinstance(item, Mapping)] if isinstance(value, list) else []
