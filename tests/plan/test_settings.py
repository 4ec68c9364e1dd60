"""Flags before releases before defaults."""

from __future__ import annotations

from helmflow.plan.settings import Overrides, settle
from helmflow.state.model import ReleaseOptions


def test_defaults_are_helmfiles() -> None:
    found = settle(ReleaseOptions(), Overrides())
    assert (found.timeout_s, found.history_max, found.create_namespace, found.wait) == (
        300.0,
        10,
        True,
        False,
    )


def test_a_release_overrides_defaults_and_a_flag_overrides_the_release() -> None:
    own = ReleaseOptions(wait=True, timeout_s=5, history_max=0, atomic=True, create_namespace=False)
    found = settle(own, Overrides())
    assert (found.wait, found.timeout_s, found.history_max, found.atomic) == (True, 5.0, 0, True)
    assert not found.create_namespace
    over = settle(own, Overrides(wait=False, timeout_s=9, history_max=3))
    assert (over.wait, over.timeout_s, over.history_max) == (False, 9.0, 3)


def test_the_newer_name_of_atomic_wins() -> None:
    assert not settle(ReleaseOptions(atomic=True, rollback_on_failure=False), Overrides()).atomic


def test_cascade_is_kubernetes_word() -> None:
    assert settle(ReleaseOptions(cascade="orphan"), Overrides()).propagation == "Orphan"
    assert settle(ReleaseOptions(), Overrides(cascade="foreground")).propagation == "Foreground"
