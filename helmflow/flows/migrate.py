"""helmflow migrate --verify: load and render a Helmfile project, and list what is read differently."""

from __future__ import annotations

from collections.abc import Sequence

from helmflow.core.errors import HelmflowError, Mistake
from helmflow.core.events import Emit
from helmflow.flows import prepare, template
from helmflow.flows.options import RunOptions
from helmflow.flows.session import Session, session_for
from helmflow.state import migrate


def verify(
    options: RunOptions, emit: Emit, *, render: bool = True, given: Session | None = None
) -> Sequence[Mistake]:
    """What helmflow reads or renders differently or not at all; [] where nothing does. No cluster is asked.

    Raises ConfigError where the files cannot be loaded at all.
    """
    with session_for(options, emit, given) as session:
        desired = prepare.load(session, "template")
        found = migrate.findings(desired)
        if not render:
            return found
        try:
            for _ in template.template(options, emit, session):
                pass
        except HelmflowError as failure:
            known = {(one.error_id, one.message) for one in found}
            found += [one for one in failure.mistakes if (one.error_id, one.message) not in known]
        return found
