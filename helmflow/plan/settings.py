"""Settings: a release's own options, what the command line says on top, and Helmfile's defaults, settled once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final, TypeVar

from helmflow.core.records import dataclass, replace

if TYPE_CHECKING:
    from helmflow.state.model import ReleaseOptions

DEFAULT_TIMEOUT_S: Final = 300.0  # Helm's own
DEFAULT_HISTORY_MAX: Final = 10  # Helm's and Helmfile's own

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What a command line says for all releases; None: nothing."""

    wait: bool | None = None
    wait_for_jobs: bool | None = None
    timeout_s: float = 0.0
    atomic: bool | None = None
    cleanup_on_fail: bool | None = None
    history_max: int | None = None
    skip_crds: bool = False
    no_hooks: bool = False
    take_ownership: bool = False
    force_conflicts: bool = False
    keep_history: bool = False
    cascade: str = ""
    delete_wait: bool | None = None
    delete_timeout_s: float = 0.0
    delete_data: bool = False
    description: str = ""
    always_upgrade: bool = False
    refresh_random: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """How one release is installed, upgraded and removed; nothing is left open. `labels` None: the record keeps its own."""

    wait: bool = False
    wait_for_jobs: bool = False
    timeout_s: float = DEFAULT_TIMEOUT_S
    atomic: bool = False
    cleanup_on_fail: bool = False
    force: bool = False
    reinstall: bool = False
    force_conflicts: bool = False
    history_max: int = DEFAULT_HISTORY_MAX
    create_namespace: bool = True
    skip_crds: bool = False
    upgrade_crds: bool = False
    no_hooks: bool = False
    take_ownership: bool = False
    reuse_values: bool = False
    keep_history: bool = False
    propagation: str = "Background"
    delete_wait: bool = False
    delete_timeout_s: float = DEFAULT_TIMEOUT_S
    delete_data: bool = False
    description: str = ""
    always_upgrade: bool = False
    refresh_random: bool = False
    labels: Mapping[str, str] | None = None


def settle(own: ReleaseOptions, over: Overrides) -> Settings:
    """`over` before the release's own options before the defaults."""
    timeout_s = over.timeout_s or (DEFAULT_TIMEOUT_S if own.timeout_s is None else float(own.timeout_s))
    cascade = over.cascade or own.cascade or "background"
    own_delete_timeout = None if own.delete_timeout_s is None else float(own.delete_timeout_s)
    if own.track_mode == "kubedog":  # tracking is waiting
        over = replace(over, wait=_first(over.wait, default=True), timeout_s=over.timeout_s or _tracking(own))
        timeout_s = over.timeout_s or timeout_s
    return Settings(
        wait=_first(over.wait, own.wait, default=False),
        wait_for_jobs=_first(over.wait_for_jobs, own.wait_for_jobs, default=False),
        timeout_s=timeout_s,
        atomic=_first(over.atomic, own.rollback_on_failure, own.atomic, default=False),
        cleanup_on_fail=_first(over.cleanup_on_fail, own.cleanup_on_fail, default=False),
        force=bool(own.force),
        reinstall=own.update_strategy == "reinstallIfForbidden",
        force_conflicts=over.force_conflicts or bool(own.force_conflicts),
        history_max=_first(over.history_max, own.history_max, default=DEFAULT_HISTORY_MAX),
        create_namespace=_first(own.create_namespace, default=True),
        skip_crds=over.skip_crds or bool(own.skip_crds) or own.crds == "skip",
        upgrade_crds=own.crds == "upgrade",
        no_hooks=over.no_hooks or bool(own.no_hooks),
        take_ownership=over.take_ownership or bool(own.take_ownership),
        reuse_values=bool(own.reuse_values),
        keep_history=over.keep_history,
        propagation=cascade[:1].upper() + cascade[1:].lower(),
        delete_wait=_first(over.delete_wait, own.delete_wait, default=False),
        delete_timeout_s=over.delete_timeout_s or _first(own_delete_timeout, default=DEFAULT_TIMEOUT_S),
        delete_data=over.delete_data,
        description=over.description or own.description or "",
        always_upgrade=over.always_upgrade,
        refresh_random=over.refresh_random,
    )


def _tracking(own: ReleaseOptions) -> float:
    return float(own.track_timeout_s or 0)


def _first(*said: Value | None, default: Value) -> Value:
    return next((value for value in said if value is not None), default)
