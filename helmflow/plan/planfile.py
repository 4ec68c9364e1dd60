"""Plan <-> a versioned file: frozen steps and what must still be true when they are carried out."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

from helmflow.core import errors as core_errors
from helmflow.core import ids
from helmflow.core.errors import ConfigError, Refusal
from helmflow.core.ids import ObjectRef, ReleaseId
from helmflow.core.records import dataclass, field, replace
from helmflow.helm.release import marks, record
from helmflow.plan import model, settings, shapes
from helmflow.plan.model import Plan
from helmflow.state import hooks as state_hooks
from helmflow.state import model as state_model

Json = Any
FORMAT: Final = 1
MARK: Final = "helmflow plan"
_HINT: Final = "`helmflow plan --out FILE` writes one; without a file, apply makes its own plan"


@dataclass(frozen=True, slots=True, kw_only=True)
class Precondition:
    """What an object must still be: its fingerprint without status and bookkeeping, "" where it must not exist.

    `fields` has a fingerprint of every field by its path, so that it can be told which ones have changed.
    """

    context: str
    ref: ObjectRef
    fingerprint: str
    fields: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """Where a release's history must still be: its newest revision's number and status, 0 and "" for none."""

    owner: ReleaseId
    number: int
    status: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SavedPlan:
    """A plan with everything that carrying it out later takes.

    `clusters` are kube-system's uids by context; `hooks` the user's own hooks, rendered, by release and event;
    `secrets` what must not be shown when the plan is carried out (only ever in an encrypted file).
    """

    plan: Plan
    clusters: Mapping[str, str]
    preconditions: tuple[Precondition, ...]
    expected: tuple[Expected, ...]
    hooks: tuple[tuple[ReleaseId, str, tuple[state_hooks.RenderedHook, ...]], ...] = ()
    secrets: tuple[str, ...] = ()


def write(saved: SavedPlan, path: Path, *, key: str = "", secret: bool = False) -> None:
    """Write the file, readable by its owner only, encrypted where there is a key.

    Raises Refusal `plan.secrets` where it holds secrets and there is no key.
    """
    if secret and not key:
        raise Refusal(
            "the plan holds secrets and there is no key to encrypt it with",
            error_id="plan.secrets",
            hint="set HELMFLOW_PLAN_KEY, here and where the plan is applied",
        )
    payload = gzip.compress(json.dumps(_encode(_light(saved)), separators=(",", ":")).encode(), mtime=0)
    salt = os.urandom(16)
    if key:
        payload = _cipher(key, salt).encrypt(payload)
    document = {
        "kind": MARK,
        "format": FORMAT,
        "encrypted": bool(key),
        "salt": base64.b64encode(salt).decode(),
        "sha256": hashlib.sha256(payload).hexdigest(),
        "payload": base64.b64encode(payload).decode(),
    }
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        json.dump(document, file)


def read(path: Path, *, key: str = "") -> SavedPlan:
    """The plan of a file. Raises ConfigError where it is none, was changed, or the key does not fit."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        if document["kind"] != MARK:
            raise ValueError("no plan")
        payload = base64.b64decode(document["payload"])
        salt = base64.b64decode(document["salt"])
    except OSError as cause:
        raise ConfigError(
            f"cannot read {path}: {cause.strerror}", error_id="plan.unreadable", hint=_HINT
        ) from cause
    except (ValueError, KeyError, TypeError) as cause:
        raise ConfigError(f"{path} is no helmflow plan", error_id="plan.unreadable", hint=_HINT) from cause
    if document.get("format") != FORMAT:
        raise ConfigError(
            f"{path} has plan format {document.get('format')}, this helmflow reads {FORMAT}",
            error_id="plan.format",
            hint="make the plan anew with this version",
        )
    if hashlib.sha256(payload).hexdigest() != document.get("sha256"):
        raise ConfigError(f"{path} was changed after it was written", error_id="plan.tampered")
    if document.get("encrypted"):
        payload = _decrypted(payload, key, salt, path)
    try:
        saved = _decode(json.loads(gzip.decompress(payload)))
    except (OSError, ValueError, KeyError, TypeError) as cause:
        raise ConfigError(f"{path} cannot be read: {cause}", error_id="plan.unreadable") from cause
    if not isinstance(saved, SavedPlan):
        raise ConfigError(f"{path} is no helmflow plan", error_id="plan.unreadable", hint=_HINT)
    return saved


def fingerprint(live: Mapping[str, Json] | None) -> str:
    """What a live object says, without status and bookkeeping, as a digest; "" for no object."""
    if live is None:
        return ""
    from helmflow.plan.diff import stable

    text = json.dumps([live["metadata"].get("uid"), stable(live)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def field_prints(live: Mapping[str, Json] | None) -> dict[str, str]:
    """A short fingerprint of every field that `fingerprint` covers, by its path."""
    if live is None:
        return {}
    from helmflow.plan.diff import stable

    uid = str(live["metadata"].get("uid"))
    found = {}
    for path, value in shapes.leaves(shapes.keyed(stable(live))):
        where = shapes.pointer(path)
        text = json.dumps([uid, where, value], sort_keys=True)
        found[where] = hashlib.sha256(text.encode()).hexdigest()[:16]
    return found


def _light(saved: SavedPlan) -> SavedPlan:
    """Without what only planning needed: values, patches and repositories with their passwords."""
    releases = tuple(
        replace(
            release,
            release=replace(
                release.release,
                sources=state_model.ValuesSources(),
                patches=state_model.Patches(),
                repository=None,
                needs=(),
                spec={},
                span=None,
            ),
            steps=tuple(_without_live(step) for step in release.steps),
            changes=tuple(replace(change, live=None, last=None) for change in release.changes),
        )
        for release in saved.plan.releases
    )
    return replace(saved, plan=replace(saved.plan, releases=releases))


def _without_live(step: model.Step) -> model.Step:
    match step:
        case model.ApplyObjects():
            changes, migrated = (
                tuple(replace(change, live=None) for change in group)
                for group in (step.changes, step.migrated)
            )
            return replace(step, changes=changes, migrated=migrated)
        case model.DeleteObjects():
            return replace(step, changes=tuple(replace(change, live=None) for change in step.changes))
        case _:
            return step


def _cipher(key: str, salt: bytes) -> Any:
    from cryptography.fernet import Fernet
    from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

    derived = Scrypt(salt=salt, length=32, n=2**15, r=8, p=1).derive(key.encode())
    return Fernet(base64.urlsafe_b64encode(derived))


def _decrypted(payload: bytes, key: str, salt: bytes, path: Path) -> bytes:
    from cryptography.fernet import InvalidToken

    if not key:
        raise ConfigError(f"{path} is encrypted", error_id="plan.key", hint="set HELMFLOW_PLAN_KEY")
    try:
        plain: bytes = _cipher(key, salt).decrypt(payload)
    except InvalidToken as cause:
        raise ConfigError(f"HELMFLOW_PLAN_KEY does not fit {path}", error_id="plan.key") from cause
    return plain


def _known(*modules: Any) -> dict[str, type]:
    found: dict[str, type] = {}
    for module in modules:
        for name, kind in vars(module).items():
            if isinstance(kind, type) and kind.__module__ == module.__name__:
                found[f"{module.__name__.rpartition('.')[2]}.{name}"] = kind
    return found


_OWN: Final = {
    "planfile.Precondition": Precondition,
    "planfile.Expected": Expected,
    "planfile.SavedPlan": SavedPlan,
}
_TYPES: Final = {**_known(model, settings, marks, record, ids, core_errors), **_OWN}
_STATE: Final = {
    f"state.{name}": kind
    for module in (state_model, state_hooks)
    for name, kind in vars(module).items()
    if isinstance(kind, type) and kind.__module__ == module.__name__
}
_NAMES: Final = {kind: name for name, kind in {**_TYPES, **_STATE}.items()}
_KINDS: Final = {**_TYPES, **_STATE}


def _encode(value: Json) -> Json:
    """Every value as JSON that says of what type it is, where JSON itself does not."""
    if isinstance(value, Enum):
        return {"e": [_NAMES[type(value)], value.value]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, list):
        return [_encode(item) for item in value]
    if isinstance(value, tuple) and type(value) in _NAMES:
        return {"n": [_NAMES[type(value)], [_encode(item) for item in value]]}
    if isinstance(value, tuple):
        return {"t": [_encode(item) for item in value]}
    if isinstance(value, frozenset):
        return {"f": [_encode(item) for item in sorted(value)]}
    if isinstance(value, Mapping):
        return {"m": [[_encode(key), _encode(item)] for key, item in value.items()]}
    if isinstance(value, Path):
        return {"p": str(value)}
    if is_dataclass(value):
        return {"d": [_NAMES[type(value)], {f.name: _encode(getattr(value, f.name)) for f in fields(value)}]}
    raise TypeError(f"{type(value).__name__} cannot be saved")


def _decode(value: Json) -> Json:
    if isinstance(value, list):
        return [_decode(item) for item in value]
    if not isinstance(value, dict):
        return value
    ((tag, content),) = value.items()
    return _DECODERS[tag](content)


def _object(content: Json) -> Json:
    name, given = content
    return _KINDS[name](**{key: _decode(item) for key, item in given.items()})


_DECODERS: Final[Mapping[str, Callable[[Json], Json]]] = {
    "e": lambda content: _KINDS[content[0]](content[1]),
    "n": lambda content: _KINDS[content[0]](*(_decode(item) for item in content[1])),
    "t": lambda content: tuple(_decode(item) for item in content),
    "f": lambda content: frozenset(_decode(item) for item in content),
    "m": lambda content: {_decode(key): _decode(item) for key, item in content},
    "p": Path,
    "d": _object,
}
