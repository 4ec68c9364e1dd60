"""Frozen option groups shared by commands; defined once, passed whole."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from helmflow.core.records import dataclass, field

if TYPE_CHECKING:
    from helmflow.plan.model import Plan


class NeedsMode(StrEnum):
    """What to do about needs that were not selected: ignore them, bring them in, or refuse."""

    SKIP = "skip"
    INCLUDE = "include"
    INCLUDE_TRANSITIVE = "include-transitive"
    REQUIRE = "require"


class OnFailure(StrEnum):
    """What a failed release stops: everything not yet started, its dependents, or nothing."""

    STOP = "stop"
    SKIP_DEPENDENTS = "skip-dependents"
    CONTINUE = "continue"


@dataclass(frozen=True, slots=True, kw_only=True)
class StateOptions:
    """Where the desired state comes from. `file` "" searches the defaults, "-" is `text`, else standard input."""

    file: str = ""
    text: str | None = None
    environment: str = "default"
    selectors: tuple[str, ...] = ()
    namespace: str = ""
    chart: str = ""
    state_values_set: tuple[str, ...] = ()
    state_values_set_string: tuple[str, ...] = ()
    state_values_files: tuple[str, ...] = ()
    allow_no_matching_release: bool = False
    sequential_helmfiles: bool = False
    needs: NeedsMode = NeedsMode.SKIP
    enforce_needs_are_installed: bool = False
    cwd: Path | None = None
    untrusted: bool = False
    changed_since: str = ""
    resume: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterOptions:
    """Which cluster. `context` "" means what the file says, then kubeconfig's current one."""

    context: str = ""
    kubeconfig: str = ""
    as_user: str = ""
    as_groups: tuple[str, ...] = ()
    storage_driver: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderOptions:
    """How charts are rendered. Values and sets come on top of every release's own."""

    values_files: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    set_strings: tuple[str, ...] = ()
    set_jsons: tuple[str, ...] = ()
    set_files: tuple[str, ...] = ()
    set_literals: tuple[str, ...] = ()
    skip_deps: bool = False
    skip_refresh: bool = False
    offline: bool = False
    locked: bool = False
    use_lock: bool = True
    plain_http: bool = False
    skip_schema_validation: bool = False
    include_crds: bool | None = None
    skip_crds: bool = False
    skip_tests: bool = False
    no_hooks: bool = False
    show_only: tuple[str, ...] = ()
    kube_version: str = ""
    api_versions: tuple[str, ...] = ()
    validate: bool = False
    post_renderer: str = ""
    post_renderer_args: tuple[str, ...] = ()
    enable_dns: bool = False
    subchart_notes: bool = False
    unread_values: str = "warn"
    legacy_hooks: bool = False
    is_upgrade: bool = False
    args: str = ""
    diff_args: str = ""
    template_args: str = ""
    kustomize_binary: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class WaitOptions:
    """Overrides of every release's own waiting; None and 0 leave them alone."""

    wait: bool | None = None
    wait_for_jobs: bool | None = None
    timeout_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RunningOptions:
    """How a plan is carried out. `concurrency` 0: no bound of its own (as many as are ready, at most 16).

    `keep_values`: an upgrade that is given no values keeps the deployed ones, as Helm's own; `confirm` names the protected environment that may be written; `rollback` says what goes back after a failure:
    "" (what the environment says), none, release or group; `labels` are for the release's record.
    """

    concurrency: int = 0
    on_failure: OnFailure = OnFailure.SKIP_DEPENDENTS
    always_upgrade: bool = False
    refresh_random: bool = False
    reset_values: bool = False
    reuse_values: bool = False
    reset_then_reuse_values: bool = False
    keep_values: bool = False
    atomic: bool | None = None
    cleanup_on_fail: bool | None = None
    take_ownership: bool = False
    force_conflicts: bool = False
    description: str = ""
    sync_release_labels: bool = False
    history_max: int | None = None
    delete_wait: bool | None = None
    delete_timeout_s: float = 0.0
    cascade: str = ""
    skip_needs_on_destroy: bool = True
    prune: bool = False
    lease_duration_s: float = 30.0
    journal: str = ""
    keep_history: bool = False
    delete_data: bool = False
    confirm: str = ""
    rollback: str = ""
    labels: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShowOptions:
    """What a diff shows. `context` -1: whole objects; `skip_installs`: nothing of releases that are not there
    yet; `ignore` are rules of fields to leave out (`plan.noise`); `against` "release" compares with the stored
    revision and asks the cluster for nothing else."""

    context: int = -1
    suppress_kinds: tuple[str, ...] = ()
    suppress_secrets: bool = False
    show_secrets: bool = False
    include_tests: bool = False
    no_hooks: bool = False
    drift: bool = True
    skip_installs: bool = False
    ignore: tuple[str, ...] = ()
    show_ignored: bool = False
    against: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TestOptions:
    """Test runs: `logs` fetches what the test Pods wrote; `filters` are Helm's name=... and !name=..."""

    logs: bool = False
    cleanup: bool = False
    timeout_s: float = 300.0
    filters: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOptions:
    """Everything a command needs to know, in groups."""

    state: StateOptions = field(default_factory=StateOptions)
    cluster: ClusterOptions = field(default_factory=ClusterOptions)
    render: RenderOptions = field(default_factory=RenderOptions)
    wait: WaitOptions = field(default_factory=WaitOptions)
    running: RunningOptions = field(default_factory=RunningOptions)
    show: ShowOptions = field(default_factory=ShowOptions)
    test: TestOptions = field(default_factory=TestOptions)


Confirm: TypeAlias = "Callable[[Plan], bool]"


def accept(plan: Plan) -> bool:
    """The Confirm of a run that does not ask."""
    return True
