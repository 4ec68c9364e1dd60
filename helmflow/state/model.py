"""DesiredState, Release and their parts: what the files want, with nothing left to look up."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helmflow.core.ids import ReleaseId
from helmflow.core.records import dataclass, field

if TYPE_CHECKING:
    from helmflow.core.errors import Mistake
    from helmflow.core.sensitive import SecretTexts
    from helmflow.core.source import Span
    from helmflow.state.context import Context
    from helmflow.state.parts import Loaded

Json = Any  # None | bool | int | float | str | list | dict, never changed after it is built


class Presence(StrEnum):
    """PRESENT is wanted; ABSENT (`installed: false`) is to be removed; DISABLED (`condition` false) is left alone."""

    PRESENT = "present"
    ABSENT = "absent"
    DISABLED = "disabled"


class NeedUntil(StrEnum):
    """How far a needed release must be: its run ended well, its objects are ready, or its CRDs are established."""

    DEPLOYED = "deployed"
    READY = "ready"
    CRD_ESTABLISHED = "crd-established"


@dataclass(frozen=True, slots=True)
class Need:
    """One entry of `needs`, with the release it names."""

    id: ReleaseId
    until: NeedUntil = NeedUntil.DEPLOYED
    written: tuple[Mapping[str, Json], int] | None = field(default=None, compare=False, repr=False)

    @property
    def span(self) -> Span | None:
        """Where it is written; looked up only when somebody asks."""
        from helmflow.state.reading import span_of

        return span_of(self.written[0], "needs", self.written[1]) if self.written else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """One entry of `repositories`. An OCI `url` has no scheme."""

    name: str
    url: str
    oci: bool = False
    username: str = ""
    password: str = field(default="", repr=False)
    ca_file: str = ""
    cert_file: str = ""
    key_file: str = ""
    registry_config: str = ""
    managed: str = ""
    keyring: str = ""
    verify: bool = False
    pass_credentials: bool = False
    skip_tls_verify: bool = False
    plain_http: bool = False
    base_dir: Path = field(default_factory=Path)


@dataclass(frozen=True, slots=True, kw_only=True)
class KubectlApply:
    """A hook that applies manifests instead of running a command: a file, or a kustomization directory."""

    filename: str = ""
    kustomize: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LocalHook:
    """A command that the user hung on events; `command` and `args` are templates until it fires (state.hooks)."""

    name: str
    events: tuple[str, ...]
    command: str = ""
    args: tuple[str, ...] = ()
    show_logs: bool = False
    kubectl_apply: KubectlApply | None = None
    span: Span | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseOptions:
    """How a release is installed, removed and compared. None: not said, so the command's default holds."""

    wait: bool | None = None
    wait_for_jobs: bool | None = None
    wait_retries: int | None = None
    timeout_s: int | None = None
    atomic: bool | None = None
    rollback_on_failure: bool | None = None
    cleanup_on_fail: bool | None = None
    force: bool | None = None
    force_conflicts: bool | None = None
    recreate_pods: bool | None = None
    history_max: int | None = None
    create_namespace: bool | None = None
    skip_crds: bool | None = None
    skip_deps: bool | None = None
    skip_refresh: bool | None = None
    reuse_values: bool | None = None
    verify: bool | None = None
    keyring: str | None = None
    cosign_key: str | None = None
    devel: bool | None = None
    enable_dns: bool | None = None
    skip_schema_validation: bool | None = None
    disable_validation: bool | None = None
    disable_validation_on_install: bool | None = None
    disable_openapi_validation: bool | None = None
    disable_kube_version_detection_for_diff: bool | None = None
    insecure_skip_tls_verify: bool | None = None
    plain_http: bool | None = None
    post_renderer: str | None = None
    post_renderer_args: tuple[str, ...] | None = None
    cascade: str | None = None
    delete_wait: bool | None = None
    delete_timeout_s: int | None = None
    suppress_output_line_regex: tuple[str, ...] | None = None
    suppress_diff: bool | None = None
    sync_release_labels: bool | None = None
    take_ownership: bool | None = None
    server_side: str | None = None
    description: str | None = None
    update_strategy: str | None = None
    track_mode: str | None = None
    track_timeout_s: int | None = None
    track_logs: bool | None = None
    track_fail_on_error: bool | None = None
    helm_stuck_grace_s: int | None = None
    crds: str | None = None
    prevent_destroy: bool | None = None
    args: tuple[str, ...] = ()
    diff_args: tuple[str, ...] = ()
    sync_args: tuple[str, ...] = ()
    template_args: tuple[str, ...] = ()
    # Only flags for helm say these (state.arguments): values on top of the release's own, ...
    no_hooks: bool | None = None
    values_files: tuple[str, ...] = ()
    sets: tuple[str, ...] = ()
    set_strings: tuple[str, ...] = ()
    set_jsons: tuple[str, ...] = ()
    set_files: tuple[str, ...] = ()
    set_literals: tuple[str, ...] = ()
    # ... what a diff shows, ...
    diff_context: int | None = None
    diff_suppress: tuple[str, ...] = ()
    diff_suppress_secrets: bool | None = None
    diff_no_hooks: bool | None = None
    diff_include_tests: bool | None = None
    diff_strip_trailing_cr: bool | None = None
    # ... and how it is rendered without a cluster.
    template_kube_version: str | None = None
    template_api_versions: tuple[str, ...] = ()
    template_include_crds: bool | None = None
    template_skip_tests: bool | None = None
    template_no_hooks: bool | None = None
    template_show_only: tuple[str, ...] = ()
    template_is_upgrade: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Patches:
    """What is changed in the rendered chart: kustomize patches and transformers, extra charts, forced namespaces.

    Entries are inline maps or paths; a path ending in .gotmpl is a template. Rendered by state.values.patches.
    """

    json_patches: tuple[Json, ...] = ()
    strategic_merge_patches: tuple[Json, ...] = ()
    transformers: tuple[Json, ...] = ()
    dependencies: tuple[Mapping[str, str], ...] = ()
    force_namespace: str = ""

    def __bool__(self) -> bool:
        return bool(
            self.json_patches
            or self.strategic_merge_patches
            or self.transformers
            or self.dependencies
            or self.force_namespace
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ValuesSources:
    """Where a release's values come from, still unread: state.values.layer reads and merges them.

    `values` and `secrets` hold paths (str) and inline maps in the order they apply; `sets` hold the raw entries of
    setTemplate + set, `set_strings` those of setString, `env` those of env.
    """

    values: tuple[Json, ...] = ()
    secrets: tuple[Json, ...] = ()
    sets: tuple[Mapping[str, Json], ...] = ()
    set_strings: tuple[Mapping[str, Json], ...] = ()
    env: tuple[Mapping[str, Json], ...] = ()
    path_prefix: str = ""
    missing_file: str = "Error"
    ignore_missing_git_branch: bool = False
    merge_lists: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """One release that the files want (or want gone).

    `chart` and `version` as written, `version` after the lock file; a chart that starts with `./`, `../` or `/`, or
    names a directory, is local to `base_dir`. `repository` is the declared one that `chart` names, if any.
    `options` are the effective ones (release over helmDefaults), `own_options` only what the release itself says.
    `labels` include name, namespace and chart. `selected`: selectors, conditions and flags chose it. `spec` is the
    settled block of the file, in the file's own words (for build, journal and hooks).
    """

    id: ReleaseId
    chart: str
    version: str = ""
    presence: Presence = Presence.PRESENT
    enabled: bool = True
    installed: bool = True
    selected: bool = True
    condition: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    own_labels: Mapping[str, str] = field(default_factory=dict)
    needs: tuple[Need, ...] = ()
    repository: Repository | None = None
    sources: ValuesSources = field(default_factory=ValuesSources)
    options: ReleaseOptions = field(default_factory=ReleaseOptions)
    own_options: ReleaseOptions = field(default_factory=ReleaseOptions)
    patches: Patches = field(default_factory=Patches)
    local_hooks: tuple[LocalHook, ...] = ()
    api_versions: tuple[str, ...] = ()
    kube_version: str = ""
    adopt: tuple[str, ...] = ()
    unit_tests: tuple[str, ...] = ()
    force_go_getter: bool = False
    spec: Mapping[str, Json] = field(default_factory=dict, repr=False, compare=False)
    base_dir: Path = field(default_factory=Path)
    file: int = 0
    span: Span | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        """The release's name."""
        return self.id.name

    @property
    def namespace(self) -> str:
        """The release's namespace, "" where neither file nor flag names one."""
        return self.id.namespace

    @property
    def context(self) -> str:
        """The kube context, "" where neither file nor flag names one."""
        return self.id.context


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """An environment's values. `values` is what templates see as .Values; `own` lacks the top-level defaults.

    `protected` asks for a confirmation of what writes; `pinned_context` (a pattern) and `pinned_uid` name the only
    cluster it may be used with; `rollback` says what goes back after a failure: "", none, release or group.
    """

    name: str
    values: Mapping[str, Json] = field(default_factory=dict, repr=False)
    own: Mapping[str, Json] = field(default_factory=dict, repr=False)
    kube_context: str = ""
    protected: bool = False
    pinned_context: str = ""
    pinned_uid: str = ""
    rollback: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class StateFileView:
    """One loaded state file, in the order Helmfile visits them (nested files before the file that names them).

    `path` absolute, `file` as Helmfile's `filepath` prints it; `spec` the merged document with its releases resolved (what `build` prints);
    `releases` are indexes into DesiredState.releases; `selectors` those in force for this file.
    """

    path: str
    file: str
    base_dir: Path
    environment: Environment
    loaded: Loaded = field(repr=False, compare=False)
    spec: Mapping[str, Json] = field(default_factory=dict, repr=False)
    releases: tuple[int, ...] = ()
    repositories: tuple[Repository, ...] = ()
    local_hooks: tuple[LocalHook, ...] = ()
    selectors: tuple[str, ...] = ()
    kube_context: str = ""
    namespace: str = ""
    chart: str = ""
    kube_version: str = ""
    lock_file: Path | None = None
    parent: int | None = None
    depth: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DesiredState:
    """Everything the files want, over all files, nested files and kube contexts.

    `releases` holds every release of every file in visiting order (duplicates of one id included: `chosen` does not).
    `limited`: only some releases are wanted although no selector says so. `warnings` did not stop the load. `secrets` knows every decrypted text, so that sinks can mask it.
    """

    environment: str
    releases: tuple[Release, ...] = ()
    files: tuple[StateFileView, ...] = ()
    repositories: tuple[Repository, ...] = ()
    warnings: tuple[Mistake, ...] = ()
    secrets: SecretTexts = field(repr=False)
    limited: bool = False
    context: Context = field(repr=False, compare=False)

    @property
    def project(self) -> str:
        """What the outermost file calls itself; "" where it does not."""
        return next((str(file.spec.get("project") or "") for file in self.files if file.depth == 0), "")

    @property
    def protected(self) -> bool:
        """Whether any file's environment asks for a confirmation of what writes."""
        return any(file.environment.protected for file in self.files)

    @property
    def chosen(self) -> tuple[Release, ...]:
        """The releases that selectors, conditions and flags chose, in visiting order."""
        return tuple(release for release in self.releases if release.selected)

    @property
    def listed(self) -> tuple[Release, ...]:
        """What list and build show: chosen releases where selectors are in force, else every release."""
        return tuple(
            one
            for one in self.releases
            if one.selected or not (self.limited or self.files[one.file].selectors)
        )

    def file_of(self, release: Release) -> StateFileView:
        """The state file that a release was written in."""
        return self.files[release.file]
