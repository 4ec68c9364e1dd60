"""list, build, show-dag, print-env, write-values: what the files say, without a cluster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from helmflow.core.errors import ConfigError, HelmflowError
from helmflow.core.events import Emit
from helmflow.flows import prepare
from helmflow.flows.options import RunOptions
from helmflow.flows.session import Session, session_for
from helmflow.state import views
from helmflow.state.model import DesiredState, Presence, Release


def listing(options: RunOptions, emit: Emit, *, output: str = "", given: Session | None = None) -> str:
    """The releases of the files as a table or, with output "json", as Helmfile's array."""
    with session_for(options, emit, given) as session:
        desired = prepare.load(session, "list")
    return views.list_json(desired) if output == "json" else views.list_table(desired)


def build(
    options: RunOptions,
    emit: Emit,
    *,
    embed_values: bool = False,
    skip_charts: bool = False,
    given: Session | None = None,
) -> str:
    """Every state file as it is after templates, environments and inheritance.

    Charts of OCI registries are pulled first, as in Helmfile: that they can be had is part of what `build` says.
    """
    with session_for(options, emit, given) as session:
        desired = prepare.load(session, "build")
        if not (skip_charts or options.render.offline or options.state.untrusted):
            _pull(session, desired)
        return views.build(desired, embed_values=embed_values)


def _pull(session: Session, desired: DesiredState) -> None:
    """Fetch the OCI charts of every listed release. Raises ChartError."""
    wanted = [one for one in desired.listed if one.presence is Presence.PRESENT and _from_registry(one)]
    if not wanted:
        return
    fetcher = prepare.fetcher(session, desired)
    for release in wanted:
        try:
            fetcher.fetch(release.chart, release.version, release.base_dir, devel=bool(release.options.devel))
        except HelmflowError as failure:
            failure.span = failure.span or release.span
            failure.hint = failure.hint or "`--skip-charts` builds without asking registries"
            raise


def _from_registry(release: Release) -> bool:
    declared = release.repository
    return release.chart.startswith("oci://") or bool(
        declared is not None and declared.oci and not (release.base_dir / release.chart).is_dir()
    )


def show_dag(options: RunOptions, emit: Emit, given: Session | None = None) -> str:
    """The groups in which Helmfile would run the releases."""
    with session_for(options, emit, given) as session:
        return views.show_dag(prepare.load(session, "show-dag"))


def print_env(options: RunOptions, emit: Emit, *, output: str = "yaml", given: Session | None = None) -> str:
    """The environment's values per state file."""
    with session_for(options, emit, given) as session:
        return views.print_env(prepare.load(session, "print-env", need_releases=False), output)


def write_values(
    options: RunOptions, emit: Emit, *, output_file_template: str = "", given: Session | None = None
) -> Iterator[Path]:
    """Write each chosen release's merged values; yields every file."""
    with session_for(options, emit, given) as session:
        desired = prepare.load(session, "write-values")
        command = prepare.command_values(session)
        for written in views.write_values(desired, output_file_template, command):
            try:
                written.path.parent.mkdir(parents=True, exist_ok=True)
                written.path.write_text(written.text, encoding="utf-8")
            except OSError as cause:
                raise ConfigError(
                    f"cannot write {written.path}: {cause.strerror}", error_id="state.write-values"
                ) from cause
            yield written.path
