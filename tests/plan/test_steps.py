"""Steps in Helm's own order."""

from __future__ import annotations

from typing import Any

import pytest

from helmflow.core.ids import ObjectRef
from helmflow.helm.release.record import HookRecord, ReleaseStatus, Revision
from helmflow.helm.release.record import HookRun as LastRun
from helmflow.plan.model import Action, ActionKind, Change, ChangeKind, HookRun, Step
from helmflow.plan.settings import Settings
from helmflow.plan.steps import Parts, installs_again, steps


def ref(name: str) -> ObjectRef:
    return ObjectRef("v1", "ConfigMap", "shop", name)


def hook(name: str, weight: int = 0) -> HookRun:
    return HookRun(
        ref=ref(name),
        name=name,
        path="",
        text="",
        body={},
        weight=weight,
        delete_policies=(),
        output_log_policies=(),
    )


def revision(number: int, status: ReleaseStatus, **more: Any) -> Revision:
    return Revision(name="web", namespace="shop", number=number, status=status, chart={}, **more)


def parts(**more: Any) -> Parts:
    given: dict[str, Any] = {
        "namespace": "shop",
        "namespace_exists": True,
        "changes": (Change(ref=ref("a"), kind=ChangeKind.CREATE),),
        "settings": Settings(),
    }
    return Parts(**{**given, **more})


def names(found: tuple[Step, ...]) -> list[str]:
    return [
        " ".join(
            [
                type(step).__name__,
                *(str(getattr(step, key)) for key in ("event", "status") if hasattr(step, key)),
            ]
        )
        for step in found
    ]


def act(kind: ActionKind) -> Action:
    return Action(kind=kind, code="", reason="")


def test_an_install_goes_namespace_record_hooks_objects_wait_hooks_record() -> None:
    run, after = steps(
        act(ActionKind.INSTALL),
        parts(
            namespace_exists=False,
            fresh=True,
            hooks=((("pre-install",), hook("before")), (("post-install", "post-upgrade"), hook("after"))),
            settings=Settings(wait=True),
            crds=(Change(ref=ref("crd"), kind=ChangeKind.CREATE),),
        ),
    )
    assert names(run) == [
        "RunLocalHooks presync",
        "EnsureNamespace",
        "ApplyCrds",
        "SaveRevision pending-install",
        "RunChartHooks pre-install",
        "ApplyObjects",
        "WaitUntilReady",
        "RunChartHooks post-install",
        "SaveRevision deployed",
    ]
    assert names(after) == ["RunLocalHooks postsync", "RunLocalHooks cleanup"]


def test_an_upgrade_prunes_history_first_and_deletes_what_left_the_chart() -> None:
    run, _ = steps(
        act(ActionKind.UPGRADE),
        parts(
            changes=(
                Change(ref=ref("a"), kind=ChangeKind.UPDATE),
                Change(ref=ref("b"), kind=ChangeKind.DELETE),
                Change(ref=ref("c"), kind=ChangeKind.KEEP),
            ),
            revisions=(revision(3, ReleaseStatus.DEPLOYED),),
        ),
    )
    assert names(run) == [
        "RunLocalHooks presync",
        "PruneRevisions",
        "SaveRevision pending-upgrade",
        "ApplyObjects",
        "DeleteObjects",
        "SaveRevision deployed",
    ]
    assert run[-1].superseded == (3,)  # type: ignore[union-attr]
    assert run[4].kept == (ref("c"),)  # type: ignore[union-attr]


def test_hooks_run_by_weight_then_name() -> None:
    run, _ = steps(
        act(ActionKind.INSTALL),
        parts(
            fresh=True,
            hooks=tuple((("pre-install",), hook(n, w)) for n, w in (("b", 1), ("z", -5), ("a", 1))),
        ),
    )
    assert [h.name for h in run[2].hooks] == ["z", "a", "b"]  # type: ignore[union-attr]


def test_what_a_dead_run_left_is_repaired_before_anything_is_stored() -> None:
    run, _ = steps(
        act(ActionKind.RECOVER),
        parts(
            revisions=(
                revision(1, ReleaseStatus.DEPLOYED),
                revision(2, ReleaseStatus.DEPLOYED),
                revision(3, ReleaseStatus.PENDING_UPGRADE),
            )
        ),
    )
    repaired = [(step.number, step.status) for step in run if type(step).__name__ == "RepairRevision"]  # type: ignore[union-attr]
    assert repaired == [(1, "superseded"), (3, "failed")]
    assert names(run)[-1] == "SaveRevision deployed"
    assert run[-1].superseded == (1, 2)  # type: ignore[union-attr]


def test_keeping_a_release_only_cleans_up() -> None:
    assert [names(found) for found in steps(act(ActionKind.KEEP), parts())] == [[], ["RunLocalHooks cleanup"]]


def test_an_uninstall_ends_with_the_records() -> None:
    run, after = steps(
        act(ActionKind.UNINSTALL),
        parts(
            changes=(Change(ref=ref("a"), kind=ChangeKind.DELETE),),
            hooks=((("pre-delete",), hook("drain")), (("post-delete",), hook("gone"))),
            revisions=(revision(1, ReleaseStatus.DEPLOYED),),
        ),
    )
    assert names(run)[1:] == [
        "RunLocalHooks preuninstall",
        "SaveRevision uninstalling",
        "RunChartHooks pre-delete",
        "DeleteObjects",
        "RunChartHooks post-delete",
        "DeleteRevisions",
    ]
    assert names(after) == ["RunLocalHooks postuninstall", "RunLocalHooks cleanup"]


def _pre_install(phase: str) -> HookRecord:
    return HookRecord(
        name="h", kind="Job", path="", manifest="", events=("pre-install",), last_run=LastRun(phase=phase)
    )


@pytest.mark.parametrize(
    ("revisions", "fresh"),
    [
        ((), True),
        ((revision(1, ReleaseStatus.DEPLOYED),), False),
        ((revision(1, ReleaseStatus.FAILED),), False),
        ((revision(1, ReleaseStatus.FAILED, hooks=(_pre_install("Failed"),)),), True),
        ((revision(1, ReleaseStatus.FAILED, hooks=(_pre_install("Succeeded"),)),), False),
        ((revision(1, ReleaseStatus.PENDING_INSTALL),), True),
        ((revision(1, ReleaseStatus.FAILED), revision(2, ReleaseStatus.PENDING_INSTALL)), True),
        ((revision(4, ReleaseStatus.PENDING_INSTALL),), False),
        ((revision(1, ReleaseStatus.UNINSTALLED),), True),
        ((revision(2, ReleaseStatus.UNINSTALLING),), True),
        ((revision(1, ReleaseStatus.DEPLOYED), revision(2, ReleaseStatus.PENDING_UPGRADE)), False),
    ],
)
def test_a_first_install_that_never_came_past_its_hooks_is_installed_again(
    revisions: tuple[Revision, ...], fresh: bool
) -> None:
    assert installs_again(revisions) is fresh
