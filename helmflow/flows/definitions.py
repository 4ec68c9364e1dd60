"""A chart's crds/ against the cluster: what is created, what is upgraded, and what would break."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from helmflow.core import yaml_dialect
from helmflow.core.errors import ClusterError, Mistake
from helmflow.core.ids import ObjectRef, ReleaseId
from helmflow.core.records import dataclass, field
from helmflow.helm.render.manifests import Manifest
from helmflow.kube.client import KubeClient
from helmflow.plan import crds, observe, shapes
from helmflow.plan.model import Change, ChangeKind
from helmflow.plan.objects import sendable
from helmflow.plan.settings import Settings

Json = Any


@dataclass(slots=True)
class Definitions:
    """What becomes of one release's definitions."""

    changes: tuple[Change, ...] = ()
    refusal: Mistake | None = None
    warnings: tuple[Mistake, ...] = ()

    @property
    def upgraded(self) -> int:
        """How many that are there change."""
        return sum(change.kind is ChangeKind.UPDATE for change in self.changes)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """The definitions of one release, and how it treats them."""

    release: ReleaseId
    crds: Sequence[Manifest]
    settings: Settings
    result: Definitions = field(default_factory=Definitions)


def compare(client: KubeClient, releases: Sequence[Wanted]) -> None:
    """Fill in every result: one LIST of names, and a GET for each definition that a release keeps up to date."""
    asked = [wanted for wanted in releases if wanted.crds and not wanted.settings.skip_crds]
    if not asked:
        return
    present = observe.crd_names(client)
    upgraded = sorted(
        {
            _ref(crd)
            for wanted in asked
            if wanted.settings.upgrade_crds
            for crd in wanted.crds
            if crd.ref.name in present
        }
    )
    answers = client.each([lambda r=ref: client.find(r) for ref in upgraded])  # type: ignore[misc]
    live: dict[ObjectRef, Json] = {}
    for ref, answer in zip(upgraded, answers, strict=True):
        if isinstance(answer, ClusterError):
            raise answer
        live[ref] = answer
    for wanted in asked:
        _judge(wanted, present, live)


def _judge(wanted: Wanted, present: frozenset[str], live: Mapping[ObjectRef, Json]) -> None:
    changes: list[Change] = []
    for crd in wanted.crds:
        ref = _ref(crd)
        if crd.ref.name not in present:
            changes.append(_change(crd, ChangeKind.CREATE))
            continue
        there = live.get(ref)
        if there is None:
            continue
        verdict = crds.judge(there, crd.body)
        if not verdict.changes:
            continue
        if verdict.breaks and not wanted.settings.force:
            wanted.result.refusal = wanted.result.refusal or Mistake(
                f"{ref} cannot be upgraded without losing data: {'; '.join(verdict.breaks)}",
                "release.crd-breaks",
                hint="migrate what is stored first; force: true on the release upgrades it all the same",
            )
        found = (*verdict.breaks, *verdict.narrows)
        wanted.result.warnings += tuple(Mistake(f"{ref}: {what}", "release.crd-narrows") for what in found)
        changes.append(_change(crd, ChangeKind.UPDATE, there, "; ".join(found)))
    wanted.result.changes = tuple(changes)


def _change(crd: Manifest, kind: ChangeKind, live: Json = None, reason: str = "") -> Change:
    ref = _ref(crd)
    before = yaml_dialect.dump(shapes.restricted(dict(live), crd.body)) if live else ""
    return Change(
        ref=ref,
        kind=kind,
        before=before,
        after=crd.text,
        body=sendable(crd.body, ref, None),
        source=crd.source_path,
        reason=reason,
        live=live,
        force=kind is ChangeKind.UPDATE,
    )


def _ref(crd: Manifest) -> ObjectRef:
    return crd.ref._replace(namespace="")
