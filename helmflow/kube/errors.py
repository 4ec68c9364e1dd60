"""A refusing answer of the API server -> a typed ClusterError with a stable error id.

ClusterError
├── Unreachable        no answer: refused, reset, timed out, TLS            cluster.unreachable
├── BadRequest         400                                                  cluster.bad-request
├── Unauthorized       401                                                  cluster.unauthorized
├── Forbidden          403 (also an exhausted quota, a namespace that ends)  cluster.forbidden, .quota, .terminating
├── NotFound           404                                                  cluster.not-found, .unknown-kind
├── Conflict           409: another resourceVersion or uid                  cluster.conflict
│   ├── FieldConflict  409: other managers own the fields                   cluster.field-conflict
│   └── AlreadyExists  409                                                  cluster.already-exists
├── Gone               410: the watch or list must start again              cluster.gone
├── Invalid            422 and, for server-side apply, typed 500s           cluster.invalid, .schema
├── TooManyRequests    429                                                  cluster.too-many-requests
└── ServerFailure      5xx                                                  cluster.server-error, .webhook
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

from helmflow.core.errors import ClusterError
from helmflow.core.records import dataclass

MAX_SHOWN = 2000  # characters of a server's message: an OpenAPI validation error can list megabytes


@dataclass(frozen=True, slots=True)
class Cause:
    """One entry of a Status' details.causes."""

    reason: str
    field: str
    message: str


@dataclass(frozen=True, slots=True)
class OwnedField:
    """A field that another manager owns: the path as the server writes it, and who."""

    field: str
    manager: str
    subresource: str
    api_version: str


class Unreachable(ClusterError):
    """No answer came. Whether the request was carried out is not known."""


class BadRequest(ClusterError):
    """400: the request itself is malformed."""


class Unauthorized(ClusterError):
    """401: the credentials are missing, wrong or expired."""


class Forbidden(ClusterError):
    """403: not allowed, over quota, or the namespace is going away."""


class NotFound(ClusterError):
    """404: no such object, or no such kind."""


class Conflict(ClusterError):
    """409: the object is no longer the one that was read."""


class AlreadyExists(Conflict):
    """409: the name is taken."""


class Gone(ClusterError):
    """410: the resourceVersion is too old; list again."""


class Invalid(ClusterError):
    """422, or server-side apply's 500 for a body that does not fit the schema. `causes` as the server lists them."""

    causes: tuple[Cause, ...] = ()


class FieldConflict(Conflict):
    """409 of server-side apply: `fields` are owned by others."""

    fields: tuple[OwnedField, ...] = ()


class TooManyRequests(ClusterError):
    """429. `retry_after_s` is what the server asked for, 0 when it said nothing."""

    retry_after_s: float = 0.0


class ServerFailure(ClusterError):
    """5xx: the server could not carry the request out, or lost track of it."""

    retry_after_s: float = 0.0


_CONFLICT = re.compile(
    r'conflict with "(?P<manager>(?:[^"\\]|\\.)*)"(?: with subresource "(?P<sub>[^"]*)")?(?: using (?P<api>\S+))?'
)
_TYPED = re.compile(
    r"failed to create (?:typed|manager) patch object|field not declared in schema|failed to (?:create|convert) (?:typed|new)"
)
_SCHEMA_HINT = "correct the template: its kind has no such field, or the indentation is wrong"
_WEBHOOK = re.compile(r"failed calling webhook|conversion webhook for|failed to call webhook")


def from_status(http_status: int, headers: Mapping[str, str], body: bytes, *, asked: str) -> ClusterError:
    """The error for a refusing answer. `asked` names the request as people know it ("get Deployment web/shop")."""
    status = _status_object(body)
    message = str(
        status.get("message") or body[:MAX_SHOWN].decode("utf-8", "replace").strip() or f"HTTP {http_status}"
    )
    message = cut(message)
    reason = str(status.get("reason") or "")
    details = status.get("details")
    causes = _causes(details.get("causes") if isinstance(details, Mapping) else None)
    code = int(status.get("code") or http_status)
    return _build(code, reason, f"{asked}: {message}", causes, _retry_after(headers, details), typed=message)


def no_dry_run(failure: ClusterError) -> bool:
    """Whether only the preview was refused: an admission webhook with side effects bears no dry-run."""
    return isinstance(failure, BadRequest) and "does not support dry run" in str(failure.message)


def cut(text: str) -> str:
    """A long text without its middle: what is wrong stands at its beginning or at its end."""
    if len(text) <= MAX_SHOWN:
        return text
    return f"{text[: MAX_SHOWN * 3 // 5]} ... {text[-MAX_SHOWN * 2 // 5 :]}"


def _build(
    code: int, reason: str, text: str, causes: tuple[Cause, ...], retry_after_s: float, *, typed: str
) -> ClusterError:
    error: ClusterError
    if code == 400:
        return BadRequest(text, error_id="cluster.bad-request", status=code, reason=reason)
    if code == 401:
        return Unauthorized(
            text,
            error_id="cluster.unauthorized",
            status=code,
            reason=reason,
            hint="the cluster does not accept the credentials of this context",
        )
    if code == 403:
        return _forbidden(code, reason, text, causes)
    if code == 404:
        unknown = not reason
        return NotFound(
            text,
            error_id="cluster.unknown-kind" if unknown else "cluster.not-found",
            status=code,
            reason=reason,
        )
    if code == 409:
        return _conflict(code, reason, text, causes)
    if code == 410:
        return Gone(text, error_id="cluster.gone", status=code, reason=reason)
    if code == 422 or (code == 500 and _TYPED.search(typed)):
        error = Invalid(
            text, error_id="cluster.invalid" if code == 422 else "cluster.schema", status=code, reason=reason,
            hint="correct the values or the template that give these fields" if code == 422 else _SCHEMA_HINT,
        )  # fmt: skip
        error.causes = causes
        return error
    if code == 429:
        error = TooManyRequests(text, error_id="cluster.too-many-requests", status=code, reason=reason)
        error.retry_after_s = retry_after_s
        return error
    if code >= 500:
        webhook = bool(_WEBHOOK.search(typed))
        error = ServerFailure(
            text,
            error_id="cluster.webhook" if webhook else "cluster.server-error",
            status=code,
            reason=reason,
        )
        error.retry_after_s = retry_after_s
        return error
    return ClusterError(text, error_id="cluster.refused", status=code, reason=reason)


def _forbidden(code: int, reason: str, text: str, causes: tuple[Cause, ...]) -> ClusterError:
    if any(c.reason == "NamespaceTerminating" for c in causes):
        return Forbidden(
            text,
            error_id="cluster.terminating",
            status=code,
            reason=reason,
            hint="the namespace is being deleted; wait until it is gone",
        )
    if "exceeded quota" in text:
        return Forbidden(text, error_id="cluster.quota", status=code, reason=reason)
    return Forbidden(
        text,
        error_id="cluster.forbidden",
        status=code,
        reason=reason,
        hint="`helmflow permissions` prints the access rules that this file needs",
    )


def _conflict(code: int, reason: str, text: str, causes: tuple[Cause, ...]) -> ClusterError:
    owned = tuple(
        OwnedField(c.field, m["manager"], m["sub"] or "", m["api"] or "")
        for c in causes
        if c.reason == "FieldManagerConflict" and (m := _CONFLICT.search(c.message))
    )
    if owned:
        error = FieldConflict(text, error_id="cluster.field-conflict", status=code, reason=reason)
        error.fields = owned
        return error
    if reason == "AlreadyExists":
        return AlreadyExists(text, error_id="cluster.already-exists", status=code, reason=reason)
    return Conflict(text, error_id="cluster.conflict", status=code, reason=reason)


def _status_object(body: bytes) -> Mapping[str, Any]:
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    return parsed if isinstance(parsed, Mapping) and parsed.get("kind") == "Status" else {}


def _causes(found: Any) -> tuple[Cause, ...]:
    if not isinstance(found, list):
        return ()
    return tuple(
        Cause(str(c.get("reason") or ""), str(c.get("field") or ""), cut(str(c.get("message") or "")))
        for c in found
        if isinstance(c, Mapping)
    )


def _retry_after(headers: Mapping[str, str], details: Any) -> float:
    for said in (
        headers.get("retry-after"),
        details.get("retryAfterSeconds") if isinstance(details, Mapping) else None,
    ):
        try:
            if said is not None:
                return max(0.0, float(said))
        except (TypeError, ValueError):
            continue
    return 0.0
