"""helmflow template: what charts render to, without a cluster."""

from __future__ import annotations

from collections.abc import Iterator

from helmflow.core.events import Emit
from helmflow.core.ids import ReleaseId
from helmflow.flows import local_hooks, prepare, rendering
from helmflow.flows.journal import Journal
from helmflow.flows.options import RunOptions
from helmflow.flows.session import Session, session_for


def template(
    options: RunOptions, emit: Emit, given: Session | None = None
) -> Iterator[tuple[ReleaseId, str]]:
    """Every selected release and the text that `helm template` prints for it, in the order of needs."""
    with session_for(options, emit, given) as session:
        desired = prepare.load(session, "template")
        chosen = prepare.choose(session, desired, counting=prepare.RENDERED)
        preparation = prepare.prepare(session, chosen, "template")
        journal = Journal(session, desired, preparation)
        for release in chosen.order:
            prepared = preparation.prepared.get(release)
            if prepared is None:
                continue
            file = desired.file_of(prepared.release)
            rendered = rendering.render(
                session,
                prepared,
                ReleaseId(release.context, release.namespace or "default", release.name),
                rendering.offline_capabilities(session, prepared, file.kube_version),
                upgrade=options.render.is_upgrade,
                offline=True,
            )
            yield (
                release,
                rendered.template_output(
                    show_only=options.render.show_only or prepared.release.options.template_show_only
                ),
            )
            journal.record("template", prepared.release)
            local_hooks.fire(session, desired, prepared.release, "cleanup", "template", None, emit)
        local_hooks.fire_global(session, desired, "cleanup", "template")
