"""Fire the user's own hooks: rendered by state, run on this machine or applied to the release's cluster."""

from __future__ import annotations

from helmflow.core.errors import HelmflowError
from helmflow.core.events import Emit, ObjectApplied
from helmflow.flows.session import Session
from helmflow.state.model import DesiredState, Release


def fire(
    session: Session,
    desired: DesiredState,
    release: Release,
    event: str,
    command: str,
    error: str | None,
    emit: Emit,
) -> None:
    """Run a release's hooks of one event, in order. Raises HelmflowError where one fails."""
    _fire(session, desired, release.file, release, event, command, error, emit)


def fire_global(
    session: Session, desired: DesiredState, event: str, command: str, error: str | None = None
) -> None:
    """Run every state file's own hooks of one event."""
    for number in range(len(desired.files)):
        _fire(session, desired, number, None, event, command, error, session.emit)


def _fire(
    session: Session,
    desired: DesiredState,
    file: int,
    release: Release | None,
    event: str,
    command: str,
    error: str | None,
    emit: Emit,
) -> None:
    hooks = release.local_hooks if release is not None else desired.files[file].local_hooks
    if not any(event in hook.events for hook in hooks):
        return
    from helmflow.execute import local_hooks
    from helmflow.state import hooks as state_hooks
    from helmflow.state.hooks import Firing, RenderedHook

    def apply(hook: RenderedHook, emit: Emit) -> None:
        if release is not None:
            _apply_manifests(session, desired, release, hook, emit)

    for hook in state_hooks.hooks_for(hooks, event):
        firing = Firing(event=event, command=command, error=error)
        try:
            rendered = state_hooks.render(desired, file, release, hook, firing)
            local_hooks.run(rendered, release.id if release else None, emit, apply)
        except HelmflowError as failed:
            failed.span = failed.span or hook.span
            raise


def _apply_manifests(
    session: Session, desired: DesiredState, release: Release, hook: object, emit: Emit
) -> None:
    """What `kubectl apply -f FILE` would do, through our own client."""
    from helmflow.core import yaml_dialect
    from helmflow.core.errors import ConfigError
    from helmflow.kube import objects
    from helmflow.state.hooks import RenderedHook

    assert isinstance(hook, RenderedHook)
    assert hook.kubectl_apply is not None
    if hook.kubectl_apply.kustomize:
        raise ConfigError(
            f"hook {hook.name or hook.event}: kubectlApply with kustomize is not supported",
            error_id="hook.kustomize",
            hint="use a command that runs kubectl, or name the files with filename",
        )
    cluster = session.cluster_of(desired, release)
    path = hook.cwd / hook.kubectl_apply.filename
    files = sorted(path.glob("*.y*ml")) if path.is_dir() else [path]
    for file in files:
        try:
            documents = yaml_dialect.load_all(file.read_text(encoding="utf-8"))
        except OSError as cause:
            raise ConfigError(
                f"hook {hook.name or hook.event}: cannot read {file}: {cause.strerror}",
                error_id="hook.no-file",
            ) from cause
        for document in documents:
            if not isinstance(document, dict) or not document:
                continue
            ref = objects.ref(document)
            resource = cluster.client.resource(ref.api_version, ref.kind)
            namespace = (
                (ref.namespace or release.namespace or cluster.namespace) if resource.namespaced else ""
            )
            body = {**document, "metadata": {**document.get("metadata", {}), "namespace": namespace}}
            applied = cluster.client.apply(body, manager="kubectl", force=True)
            operation = "created" if applied.created else "configured"
            emit(
                ObjectApplied(release=release.id, ref=ref._replace(namespace=namespace), operation=operation)
            )
