"""One stored revision as `helm status` and a dry run of Helm show it."""

from __future__ import annotations

from collections.abc import Iterator

from helmflow.helm.release.record import HookRecord, ReleaseStatus, Revision, ansi_time
from helmflow.helm.render import manifests
from helmflow.ui.text import sanitize

HIDDEN = "# HIDDEN: The Secret output has been suppressed"


def head(revision: Revision) -> Iterator[str]:
    """The first lines of both."""
    yield f"NAME: {revision.name}"
    yield f"LAST DEPLOYED: {ansi_time(revision.last_deployed)}"
    yield f"NAMESPACE: {revision.namespace}"
    yield f"STATUS: {revision.status}"
    yield f"REVISION: {revision.number}"
    yield f"DESCRIPTION: {sanitize(revision.description)}"


def status(revision: Revision) -> str:
    """What is stored, its tests and its notes."""
    return "\n".join([*head(revision), *_tests(revision.hooks), *_notes(revision)]) + "\n"


def rehearsal(revision: Revision, *, hide_secrets: bool, notes: bool) -> str:
    """What would be stored: hooks, manifest and notes."""
    text = _without_secrets(revision.manifest) if hide_secrets else revision.manifest
    lines = [*head(revision), "HOOKS:"]
    if revision.status is ReleaseStatus.PENDING_UPGRADE:
        lines.insert(0, f'Release "{revision.name}" has been upgraded. Happy Helming!')
    lines += [f"---\n# Source: {hook.path}\n{hook.manifest}" for hook in revision.hooks]
    lines += ["MANIFEST:", text]
    return "\n".join([*lines, *(_notes(revision) if notes else ())]) + "\n"


def _tests(hooks: tuple[HookRecord, ...]) -> Iterator[str]:
    found = [hook for hook in hooks if "test" in hook.events]
    if not found:
        yield "TEST SUITE: None"
    for hook in found:
        if hook.last_run.started_at:
            yield from test_lines(
                hook.name, hook.last_run.started_at, hook.last_run.completed_at, str(hook.last_run.phase)
            )


def test_lines(suite: str, started: str, completed: str, phase: str) -> Iterator[str]:
    """One test's four lines."""
    yield f"TEST SUITE:     {suite}"
    yield f"Last Started:   {ansi_time(started)}"
    yield f"Last Completed: {ansi_time(completed)}"
    yield f"Phase:          {phase}"


def _notes(revision: Revision) -> Iterator[str]:
    if revision.notes.strip():
        yield "NOTES:\n" + sanitize(revision.notes.strip("\n"))


def _without_secrets(manifest: str) -> str:
    found = []
    for one in manifests.parse(manifest):
        secret = (one.ref.api_version, one.ref.kind) == ("v1", "Secret")
        found.append(f"---\n# Source: {one.source_path}\n{HIDDEN if secret else one.text}")
    text = "\n".join(found)
    return text if text.endswith("\n") else text + "\n"
