"""ApiError: the Status objects with which the API server says no."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from helmflow.kube.structural import Cause as Cause
from helmflow.kube.structural import go_value as go_value
from helmflow.kube.structural import invalid as invalid
from helmflow.kube.structural import required as required

Json = dict[str, Any]

_REASONS: Final = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    409: "Conflict",
    410: "Expired",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
}


class ApiError(Exception):
    """A refusal, as the API server words it."""

    def __init__(
        self, code: int, message: str, *, reason: str | None = None, details: Json | None = None
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.reason = _REASONS.get(code, "") if reason is None else reason
        self.details = details

    def status(self) -> Json:
        """The Status object."""
        body: Json = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {},
            "status": "Failure",
            "message": self.message,
        }
        if self.reason:
            body["reason"] = self.reason
        if self.details:
            body["details"] = self.details
        body["code"] = self.code
        return body


def forbidden(field: str, why: str) -> Cause:
    """A value that may not be there."""
    return Cause(field, "FieldValueForbidden", f"Forbidden: {why}")


def unsupported(field: str, value: Any, allowed: Sequence[str]) -> Cause:
    """A value outside an enumeration."""
    names = ", ".join(f'"{a}"' for a in sorted(allowed))
    return Cause(
        field, "FieldValueNotSupported", f"Unsupported value: {go_value(value)}: supported values: {names}"
    )


def duplicate(field: str, value: Any) -> Cause:
    """A value that must be unique."""
    return Cause(field, "FieldValueDuplicate", f"Duplicate value: {go_value(value)}")


def unprocessable(group: str, kind: str, name: str, causes: Sequence[Cause]) -> ApiError:
    """422: every invalid field of one object."""
    texts = [f"{c.field}: {c.detail}" for c in causes]
    joined = texts[0] if len(texts) == 1 else "[" + ", ".join(dict.fromkeys(texts)) + "]"
    details: Json = {"name": name} if name else {}
    if group:
        details["group"] = group
    details["kind"] = kind
    details["causes"] = [{"reason": c.reason, "message": c.detail, "field": c.field} for c in causes]
    shown = f"{kind}.{group}" if group else kind
    return ApiError(422, f'{shown} "{name}" is invalid: {joined}', details=details)


def not_found(group: str, resource: str, name: str) -> ApiError:
    """404 for an absent object."""
    return ApiError(
        404, f'{_qualified(group, resource)} "{name}" not found', details=_details(group, resource, name)
    )


def already_exists(group: str, resource: str, name: str) -> ApiError:
    """409 for a second create."""
    message = f'{_qualified(group, resource)} "{name}" already exists'
    return ApiError(409, message, reason="AlreadyExists", details=_details(group, resource, name))


def conflict(group: str, resource: str, name: str, why: str) -> ApiError:
    """409 for a lost race or a failed precondition."""
    message = f'Operation cannot be fulfilled on {_qualified(group, resource)} "{name}": {why}'
    return ApiError(409, message, details=_details(group, resource, name))


def denied(group: str, resource: str, name: str, why: str, causes: Sequence[Json] = ()) -> ApiError:
    """403 from admission."""
    details = _details(group, resource, name)
    if causes:
        details["causes"] = list(causes)
    return ApiError(403, f'{_qualified(group, resource)} "{name}" is forbidden: {why}', details=details)


MODIFIED: Final = (
    "the object has been modified; please apply your changes to the latest version and try again"
)


def _qualified(group: str, resource: str) -> str:
    return f"{resource}.{group}" if group else resource


def _details(group: str, resource: str, name: str) -> Json:
    details: Json = {"name": name}
    if group:
        details["group"] = group
    details["kind"] = resource
    return details
