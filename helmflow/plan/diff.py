"""Desired against stored and live -> Changes; pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from helmflow.core.ids import ObjectRef
from helmflow.core.records import dataclass
from helmflow.helm.release import codec
from helmflow.helm.release.record import Revision
from helmflow.helm.render.engine import Rendered
from helmflow.plan.model import Change, ChangeKind
from helmflow.plan.objects import Target, owned_by, policy, without_nulls

if TYPE_CHECKING:
    from helmflow.helm.chart.model import Chart

Json = Any

# Deleting these deletes data or everything in them: it takes an explicit wish.
PROTECTED_KINDS: Final = frozenset({"PersistentVolumeClaim", "CustomResourceDefinition", "Namespace"})
_VOLATILE: Final = frozenset(
    {"managedFields", "resourceVersion", "generation", "uid", "creationTimestamp", "selfLink"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document of a release, stored or rendered, as it is compared and shown."""

    key: tuple[str, ...]
    text: str
    content: Json
    ref: ObjectRef | None = None
    hook: bool = False
    source: str = ""


def same_documents(before: Sequence[Document], after: Sequence[Document]) -> bool:
    """Whether both sides have the same documents with equal content, in whatever order."""
    if len(before) != len(after):
        return False
    stored = {document.key: document for document in before}
    for document in after:
        other = stored.get(document.key)
        if other is None or not same_content(other, document):
            return False
    return True


def same_content(before: Document, after: Document) -> bool:
    """Equal texts, or equal data behind different texts."""
    return before.text.strip() == after.text.strip() or without_nulls(before.content) == without_nulls(
        after.content
    )


def differs_only_at(before: Sequence[Document], after: Sequence[Document], again: Sequence[Document]) -> bool:
    """Whether `before` and `after` differ only where two renders of the same input, `after` and `again`, differ."""
    first = {document.key: document for document in after}
    second = {document.key: document for document in again}
    stored = {document.key: document for document in before}
    if not set(stored) == set(first) == set(second):
        return False
    return all(_equal_outside(stored[key].content, first[key].content, second[key].content) for key in stored)


def changed_count(before: Sequence[Document], after: Sequence[Document]) -> int:
    """How many objects, hooks apart, are new, gone or different."""
    stored = {document.key: document for document in before if not document.hook}
    wanted = {document.key: document for document in after if not document.hook}
    both = set(stored) & set(wanted)
    different = sum(not same_content(stored[key], wanted[key]) for key in both)
    return different + len(set(stored) ^ set(wanted))


def hook_changes(before: Sequence[Document], after: Sequence[Document]) -> tuple[Change, ...]:
    """Hooks that are new, changed or gone: shown, never applied with the objects."""
    stored = {document.key: document for document in before if document.hook}
    wanted = {document.key: document for document in after if document.hook}
    found = []
    for key, document in wanted.items():
        other = stored.get(key)
        if other is None:
            found.append(_hook_change(document, ChangeKind.CREATE, "", document.text))
        elif not same_content(other, document):
            found.append(_hook_change(document, ChangeKind.UPDATE, other.text, document.text))
    found += [
        _hook_change(document, ChangeKind.DELETE, document.text, "")
        for key, document in stored.items()
        if key not in wanted
    ]
    return tuple(found)


def deletions(
    stored: Iterable[Target],
    wanted: frozenset[ObjectRef],
    live: Mapping[ObjectRef, Json],
    *,
    delete_data: bool,
) -> tuple[Change, ...]:
    """What left the release, in the given order: deleted, or kept with the reason why."""
    found: dict[ObjectRef, Change] = {}
    for target in stored:
        existing = live.get(target.ref)
        if target.ref in wanted or target.ref in found or existing is None:
            continue
        reason = _why_kept(target, existing, delete_data=delete_data)
        found[target.ref] = Change(
            ref=target.ref,
            kind=ChangeKind.KEEP if reason else ChangeKind.DELETE,
            before=target.text,
            body={"uid": existing.get("metadata", {}).get("uid", "")},
            live=existing,
            source=target.source,
            reason=reason,
        )
    return tuple(found.values())


def same_state(live: Mapping[str, Json], result: Mapping[str, Json]) -> bool:
    """Whether a dry-run's result says that nothing would change; bookkeeping fields do not count."""
    return bool(stable(live) == stable(result))


def described_difference(before: Revision, rendered: Rendered, changed: int) -> str:
    """A phrase for why a release is upgraded."""
    metadata = rendered.chart.metadata
    if before.chart_name and (before.chart_name, before.chart_version) != (metadata.name, metadata.version):
        was = (
            f"{before.chart_name} {before.chart_version}"
            if before.chart_name != metadata.name
            else before.chart_version
        )
        return f"chart {was} -> {metadata.version}"
    if not changed:
        return "hooks changed"
    return f"{changed} object{'s' if changed != 1 else ''} changed"


def differing_inputs(before: Revision, chart: Chart, values: Mapping[str, Json]) -> tuple[str, ...]:
    """What an upgrade's content differs by: the chart's version, its files under the same version, the values."""
    found = []
    if (before.chart_name, before.chart_version) != (chart.metadata.name, chart.metadata.version):
        renamed = f"{before.chart_name} " if before.chart_name != chart.metadata.name else ""
        now = f"{chart.metadata.name} " if renamed else ""
        found.append(f"chart {renamed}{before.chart_version} -> {now}{chart.metadata.version}")
    else:
        record = codec.chart_record(chart)
        if (record.get("templates") or []) != (before.chart.get("templates") or []):
            found.append("chart templates")
        if (record.get("values") or {}) != (before.chart.get("values") or {}):
            found.append("chart defaults")
    if without_nulls(before.config) != without_nulls(values):
        found.append("values")
    return tuple(found) or ("what its templates read",)


def _why_kept(target: Target, existing: Mapping[str, Json], *, delete_data: bool) -> str:
    if target.keep or policy(existing) == "keep":
        return "helm.sh/resource-policy: keep"
    if target.ref.kind in PROTECTED_KINDS and not delete_data:
        return f"a {target.ref.kind} is not deleted by default"
    _, name, namespace = owned_by(existing)
    owner = target.owner
    if owner is not None and name and (name, namespace) != (owner.name, owner.namespace):
        return f"belongs to release {namespace}/{name} now"
    return ""


def _hook_change(document: Document, kind: ChangeKind, before: str, after: str) -> Change:
    ref = document.ref or ObjectRef("", "", "", "")
    return Change(ref=ref, kind=kind, before=before, after=after, source=document.source, hook=True)


def _equal_outside(stored: Json, first: Json, second: Json) -> bool:
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        if not isinstance(stored, Mapping):
            return False
        if set(first) == set(second):
            return set(stored) == set(first) and all(
                _equal_outside(stored[key], first[key], second[key]) for key in first
            )
        return True
    if isinstance(first, list) and isinstance(second, list) and len(first) == len(second):
        if not isinstance(stored, list) or len(stored) != len(first):
            return False
        return all(_equal_outside(a, b, c) for a, b, c in zip(stored, first, second, strict=True))
    return bool(first != second or stored == first)


def stable(obj: Mapping[str, Json]) -> Json:
    """An object without its status and without what the server keeps about it."""
    metadata = obj.get("metadata")
    kept = {key: value for key, value in obj.items() if key not in ("metadata", "status")}
    if isinstance(metadata, Mapping):
        kept["metadata"] = {key: value for key, value in metadata.items() if key not in _VOLATILE}
    return kept
