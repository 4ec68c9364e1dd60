"""What helmflow reads or does differently in a Helmfile project: the findings of `migrate --verify`."""

from __future__ import annotations

from collections.abc import Iterator

from helmflow.core.errors import HelmflowError, Mistake
from helmflow.core.ids import ReleaseId
from helmflow.state.model import DesiredState, Release, StateFileView
from helmflow.state.reading import span_of
from helmflow.state.values import layer


def findings(desired: DesiredState) -> list[Mistake]:
    """Every place that differs, in reading order; [] where helmflow reads the project as Helmfile does.

    Every release's values are layered, so that unknown references, missing files and broken templates show too.
    """
    found: list[Mistake] = list(desired.warnings)
    for view in desired.files:
        found += _file(view)
    for release in desired.releases:
        found += _release(desired, release)
    found += _across_files(desired)
    return found


def _file(view: StateFileView) -> Iterator[Mistake]:
    defaults = view.spec.get("helmDefaults") or {}
    if defaults.get("trackMode") == "kubedog":
        yield Mistake(
            "`trackMode: kubedog` is helmflow's own waiting, which always shows progress", "migrate.tracking",
            span_of(defaults, "trackMode"),
        )  # fmt: skip
    for name, environment in (view.spec.get("environments") or {}).items():
        if environment and environment.get("kubeContext") and defaults.get("kubeContext"):
            yield Mistake(
                f"helmDefaults.kubeContext wins over environments.{name}.kubeContext, in Helmfile too",
                "migrate.shadowed-context",
                span_of(environment, "kubeContext"),
                "remove one of them",
            )


def _release(desired: DesiredState, release: Release) -> Iterator[Mistake]:
    try:
        layer(desired, release)
    except HelmflowError as error:
        for mistake in error.mistakes:
            yield Mistake(mistake.message, mistake.error_id, mistake.span or release.span, mistake.hint)


def _across_files(desired: DesiredState) -> Iterator[Mistake]:
    """Helmfile runs files one by one; helmflow has one graph."""
    seen: dict[ReleaseId, Release] = {}
    for release in desired.releases:
        first = seen.setdefault(release.id, release)
        if first is not release and first.file != release.file:
            yield Mistake(
                f"release {str(release.id)!r} is in two files: Helmfile upgrades it twice, helmflow once",
                "migrate.two-files",
                release.span,
                "two different definitions are a mistake",
            )
    for release in desired.releases:
        for need in release.needs:
            target = seen.get(need.id)
            if target is not None and target.file != release.file:
                yield Mistake(
                    f"release {release.name!r} needs {str(need.id)!r} of another file, which Helmfile cannot",
                    "migrate.need-across-files",
                    need.span,
                )
