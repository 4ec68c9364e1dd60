"""helmflow compare: two environments side by side, without a cluster."""

from __future__ import annotations

from collections.abc import Sequence

from helmflow.core.errors import ConfigError
from helmflow.core.events import Emit
from helmflow.flows import prepare
from helmflow.flows.options import RunOptions
from helmflow.flows.session import Session, session_for
from helmflow.state import comparing
from helmflow.state.comparing import ComparedRelease


def compare(
    options: RunOptions, emit: Emit, left: str, right: str, given: Session | None = None
) -> Sequence[ComparedRelease]:
    """Which releases, versions and values differ. Raises ConfigError for an environment that the files do not name."""
    with session_for(options, emit, given) as session:
        request = prepare.request(session)
        names = comparing.environment_names(request, emit)
        for name in (left, right):
            if name not in names:
                raise ConfigError(
                    f"there is no environment {name!r}",
                    error_id="state.unknown-environment",
                    hint=f"the files name {', '.join(names)}",
                )
        return comparing.compare(request, left, right, emit)


def environments(options: RunOptions, emit: Emit, given: Session | None = None) -> Sequence[str]:
    """Every environment that the files name."""
    with session_for(options, emit, given) as session:
        return comparing.environment_names(prepare.request(session), emit)
