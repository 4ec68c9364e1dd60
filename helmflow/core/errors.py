"""The errors people see. Only user-caused failures are HelmflowError; anything else is a bug and keeps its traceback.

HelmflowError            what, where, why, what to do; a stable error id; an exit code
├── ConfigError          the state file, its environments, selectors, flags (several mistakes at once)
├── TemplateError        a template failed; frames through include and tpl
├── ChartError           a chart, archive, repository or registry
├── ClusterError         the cluster answered no, or did not answer
├── Refusal              helmflow will not do this, and says why
└── RunFailed            a run ended with failed releases; the report was already shown
"""

from __future__ import annotations

from helmflow.core.records import dataclass
from helmflow.core.source import Span

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import ClassVar


@dataclass(frozen=True, slots=True)
class Mistake:
    """One mistake among several: what, where, and what to do."""

    message: str
    error_id: str
    span: Span | None = None
    hint: str = ""


class HelmflowError(Exception):
    """A failure its user can act on.

    `message` says what; `error_id` is stable, dotted and documented in docs/errors.md ("state.unknown-key");
    `span` says where; `hint` says what to do. `exit_code` is Helmfile's (1 failure, 3 usage or nothing selected).
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, error_id: str, span: Span | None = None, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.error_id = error_id
        self.span = span
        self.hint = hint

    @property
    def mistakes(self) -> tuple[Mistake, ...]:
        """Every mistake this error reports, in reading order."""
        return (Mistake(self.message, self.error_id, self.span, self.hint),)

    def __str__(self) -> str:
        return f"{self.span}: {self.message}" if self.span else self.message


class ConfigError(HelmflowError):
    """The state file or a flag is wrong. `collect` reports several mistakes together."""

    def __init__(
        self,
        message: str,
        *,
        error_id: str,
        span: Span | None = None,
        hint: str = "",
        also: Sequence[Mistake] = (),
    ) -> None:
        super().__init__(message, error_id=error_id, span=span, hint=hint)
        self.also = tuple(also)

    @property
    def mistakes(self) -> tuple[Mistake, ...]:
        """This mistake and those found beside it."""
        return (Mistake(self.message, self.error_id, self.span, self.hint), *self.also)

    @classmethod
    def collect(cls, mistakes: Sequence[Mistake]) -> ConfigError:
        """One error for at least one mistake."""
        first, *rest = mistakes
        return cls(first.message, error_id=first.error_id, span=first.span, hint=first.hint, also=rest)


class TemplateError(HelmflowError):
    """A template could not be parsed or executed. `str(error)` is the reference tool's own text.

    `frames` are the places from the outermost file to the failing action, through include and tpl.
    """

    def __init__(
        self,
        message: str,
        *,
        error_id: str,
        span: Span | None = None,
        hint: str = "",
        frames: Sequence[Span] = (),
    ) -> None:
        super().__init__(message, error_id=error_id, span=span, hint=hint)
        self.frames = tuple(frames)

    def __str__(self) -> str:
        return self.message


class ChartError(HelmflowError):
    """A chart, archive, repository index, registry or signature is missing, broken or refused.

    `str(error)` is Helm's own text, without the place.
    """

    def __str__(self) -> str:
        return self.message


class ClusterError(HelmflowError):
    """The API server refused or could not be reached. `status` is the HTTP status, 0 without an answer."""

    def __init__(
        self,
        message: str,
        *,
        error_id: str,
        status: int = 0,
        reason: str = "",
        span: Span | None = None,
        hint: str = "",
    ) -> None:
        super().__init__(message, error_id=error_id, span=span, hint=hint)
        self.status = status
        self.reason = reason


class Refusal(HelmflowError):
    """helmflow could do this but will not: it is unsafe or was not confirmed."""


class RunFailed(HelmflowError):
    """A run ended with failed releases. Reporters have already shown each failure."""
