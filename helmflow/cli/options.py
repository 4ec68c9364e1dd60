"""Every flag once, in the groups that commands are made of, and their way into flows.options."""

from __future__ import annotations

import os
from types import SimpleNamespace
from typing import Final

from helmflow.cli.flags import Flag, flag, tristate
from helmflow.flows import options as flow

# Helmfile's words; those above `error` are as quiet as it.
_LOG_LEVELS: Final = ("debug", "info", "warn", "error", "dpanic", "panic", "fatal")

GLOBAL: Final[tuple[Flag, ...]] = (
    flag("file", "-f", "--file", help="State file, folder or - for standard input", env="FILE_PATH"),
    flag("environment", "-e", "--environment", "--env", help="Environment [default]", env="ENVIRONMENT"),
    flag(
        "selector",
        "-l",
        "--selector",
        kind=list,
        help="Only releases with these labels: a=b,c!=d; repeat for OR",
    ),
    flag(
        "allow_no_matching_release",
        "--allow-no-matching-release",
        kind=bool,
        help="Succeed although no release matches",
    ),
    flag("state_values_set", "--state-values-set", kind=list, help="Set state values: a.b=c"),
    flag(
        "state_values_set_string", "--state-values-set-string", kind=list, help="Set state values as strings"
    ),
    flag("state_values_file", "--state-values-file", kind=list, help="More state values from a file"),
    flag("namespace", "-n", "--namespace", help="Namespace of every release", env="NAMESPACE"),
    flag(
        "kube_context",
        "--kube-context",
        help="Kube context; `embedded` for the one inside",
        env="KUBE_CONTEXT",
    ),
    flag("kubeconfig", "--kubeconfig", help="Kubeconfig file"),
    flag("as_user", "--as", help="User to impersonate"),
    flag("as_groups", "--as-group", kind=list, help="Group to impersonate"),
    flag("chart", "-c", "--chart", help="Chart of every release"),
    flag(
        "interactive",
        "-i",
        "--interactive",
        kind=bool,
        help="Ask before changing anything",
        env="INTERACTIVE",
    ),
    flag("quiet", "-q", "--quiet", kind=bool, help="Only warnings and errors", env="QUIET"),
    flag("debug", "--debug", kind=bool, help="Everything that is known", env="DEBUG"),
    flag("log_level", "--log-level", help="debug, info, warn or error", env="LOG_LEVEL", choices=_LOG_LEVELS),
    flag("log_file", "--log-file", help="Also write every event, as JSON lines, to this file"),
    flag("color", "--color", kind=bool, help="Colours although this is no terminal"),
    flag("no_color", "--no-color", kind=bool, help="No colours (also NO_COLOR)", env="NO_COLOR"),
    flag("skip_deps", "--skip-deps", kind=bool, help="Neither repositories nor dependencies"),
    flag(
        "skip_refresh", "--skip-refresh", kind=bool, help="Repositories and dependencies as they are cached"
    ),
    flag(
        "sequential_helmfiles",
        "--sequential-helmfiles",
        kind=bool,
        help="Files of a folder one after another",
    ),
    flag(
        "locked",
        "--locked",
        kind=bool,
        help="Refuse charts that are not exactly as helmflow.lock says",
        env="LOCKED",
    ),
    flag("offline", "--offline", kind=bool, help="Fetch nothing; use the cache", env="OFFLINE"),
    flag(
        "untrusted",
        "--untrusted",
        kind=bool,
        help="No exec, hooks, remote fetches or secrets",
        env="UNTRUSTED",
    ),
    flag(
        "repo_retries",
        "--repo-retries",
        kind=int,
        default=0,
        help="Tries beyond the first one",
        env="REPO_RETRIES",
    ),
)
# Read so that existing command lines work; what they choose does not exist in helmflow (docs/compatibility.md).
ACCEPTED: Final[tuple[Flag, ...]] = (
    flag(
        "helm_binary",
        "-b",
        "--helm-binary",
        help="Accepted, not used: helm is never called",
        env="HELM_BINARY",
    ),
    flag(
        "kustomize_binary", "-k", "--kustomize-binary", help="The kustomize command", env="KUSTOMIZE_BINARY"
    ),
    flag("enable_live_output", "--enable-live-output", kind=bool, help="Accepted: output is always live"),
    flag(
        "disable_force_update", "--disable-force-update", kind=bool, help="Accepted: nothing is overwritten"
    ),
    flag(
        "enforce_plugin_verification", "--enforce-plugin-verification", kind=bool, help="Accepted: no plugins"
    ),
    flag("oci_plain_http", "--oci-plain-http", kind=bool, help="OCI registries over plain HTTP"),
    tristate(
        "strip_args_values_on_exit_error",
        "--strip-args-values-on-exit-error",
        help="Accepted: set values are never in error texts",
    ),
)
EVERYWHERE: Final = (*GLOBAL, *ACCEPTED)
JSON: Final = flag("output", "-o", "--output", help="json for machines", choices=("json", "table", "text"))

VALUES: Final = (
    flag("set", "--set", kind=list, help="Chart values on top of each release's own"),
    flag("values", "--values", kind=list, help="Values file, relative to the state file"),
    flag("args", "--args", help="Extra Helm flags"),
)
RENDER: Final = (
    flag("skip_schema_validation", "--skip-schema-validation", kind=bool, help="Ignore values.schema.json"),
    flag(
        "strict_values",
        "--strict-values",
        help="Values that no template reads: off, warn (the default) or error",
        choices=("off", "warn", "error"),
    ),
    flag(
        "legacy_hooks",
        "--legacy-hooks",
        kind=bool,
        help="Hooks of Helm 2: crd-install, test-success, test-failure",
    ),
    flag("post_renderer", "--post-renderer", help="Command that changes the manifests"),
    flag("post_renderer_args", "--post-renderer-args", kind=list, help="Arguments of the post-renderer"),
    flag("kube_version", "--kube-version", help="Kubernetes version that templates see"),
    flag("api_versions", "--api-versions", kind=list, help="More API versions that templates see"),
    flag("validate", "--validate", kind=bool, help="Check the manifests against the cluster"),
    flag("template_args", "--template-args", help="Extra flags of helm template"),
)
NEEDS: Final = (
    tristate("skip_needs", "--skip-needs", help="Leave needs that are not selected out (the default)"),
    flag("include_needs", "--include-needs", kind=bool, help="Bring the needs of selected releases in"),
    flag(
        "include_transitive_needs",
        "--include-transitive-needs",
        kind=bool,
        help="Bring their needs in, all the way",
    ),
    flag(
        "enforce_needs_are_installed",
        "--enforce-needs-are-installed",
        kind=bool,
        help="Refuse where a need is installed: false",
    ),
)
CONCURRENCY: Final = (
    flag("concurrency", "--concurrency", kind=int, default=0, help="Releases at the same time"),
)
CHANGED: Final = (
    flag("changed_since", "--changed-since", help="Only releases whose files changed since this git ref"),
)
JOURNAL: Final = (
    flag("journal", "--journal", help="Write one JSON line per release operation to this file"),
)
RUN: Final = (
    *CONCURRENCY,
    tristate("wait", "--wait", help="Wait until everything is ready"),
    tristate("wait_for_jobs", "--wait-for-jobs", help="Wait for Jobs too"),
    flag("timeout", "--timeout", kind=int, default=0, help="Seconds that one release may take"),
    tristate("atomic", "--atomic", help="Roll a failed release back"),
    tristate("cleanup_on_fail", "--cleanup-on-fail", help="Delete what a failed upgrade created"),
    flag(
        "always_upgrade",
        "--always-upgrade",
        kind=bool,
        help="A new revision although nothing changed",
        env="ALWAYS_UPGRADE",
    ),
    flag("refresh_random", "--refresh-random", kind=bool, help="Write random content anew"),
    flag("reset_values", "--reset-values", kind=bool, help="Start from the chart's values (the default)"),
    flag("reuse_values", "--reuse-values", kind=bool, help="Start from the deployed values"),
    flag("take_ownership", "--take-ownership", kind=bool, help="Adopt objects of other releases"),
    flag("force_conflicts", "--force-conflicts", kind=bool, help="Take fields from other field managers"),
    flag("description", "--description", help="Description of the revision"),
    flag("skip_crds", "--skip-crds", kind=bool, help="Leave crds/ alone"),
    flag(
        "on_failure",
        "--on-failure",
        help="stop, skip-dependents (the default) or continue",
        choices=("stop", "skip-dependents", "continue"),
    ),
    flag(
        "rollback_on_failure",
        "--rollback-on-failure",
        help="What goes back when a release fails: none, release (as --atomic) or group (the whole run)",
        choices=("none", "release", "group"),
    ),
    flag("hide_notes", "--hide-notes", kind=bool, help="Do not print notes"),
    *JOURNAL,
    flag(
        "cascade",
        "--cascade",
        help="Deletion of dependents: background, foreground, orphan",
        choices=("background", "foreground", "orphan"),
    ),
    flag(
        "delete_data", "--delete-data", kind=bool, help="Delete volume claims and CRDs where they are dropped"
    ),
    flag(
        "lease_duration",
        "--lease-duration",
        kind=int,
        default=30,
        help="Seconds until a dead run's lock ends",
    ),
    flag("detailed_exitcode", "--detailed-exitcode", kind=bool, help="Exit 2 where something changed"),
    flag("confirm", "--confirm", help="Name of a protected environment"),
    flag("prune", "--prune", kind=bool, help="Uninstall releases that left the file"),
    flag("sync_args", "--sync-args", help="Extra flags of helm upgrade"),
    flag("server_side", "--server-side", help="Accepted: apply is always server-side"),
    flag(
        "sync_release_labels", "--sync-release-labels", kind=bool, help="Write labels to the release records"
    ),
    flag("track_mode", "--track-mode", help="Accepted: waiting is built in"),
)
REPORT: Final = (
    flag("report", "--report", help="Also write what happened to this file: .json, .md or .html"),
    flag(
        "report_format", "--report-format", help="json, markdown or html, where the file's name does not say"
    ),
)
RESUME: Final = (
    flag(
        "resume",
        "--resume",
        help="Only what failed or was not started: in the run of this JSON report, or alone, in the last run",
    ),
)
AGAINST: Final = (
    flag(
        "against",
        "--against",
        help="live (the default), or release: only the stored revision is read",
        choices=("live", "release"),
    ),
)
ONLY: Final = (
    flag("show_only", "-s", "--show-only", kind=list, help="Only objects of these template files (globs)"),
)
SHOW: Final = (
    *REPORT,
    flag(
        "ignore",
        "--ignore",
        kind=list,
        help="Leave fields out: kind=K,name=N,path=P,regex=R,manager=M, or a path alone",
    ),
    flag("show_ignored", "--show-ignored", kind=bool, help="Show the fields that rules leave out"),
    flag("context", "--context", kind=int, default=-1, help="Unchanged lines around a change"),
    flag("output", "-o", "--output", help="text, json, jsonl, markdown or html"),
    flag("suppress", "--suppress", kind=list, help="Leave out objects of this kind"),
    flag("suppress_secrets", "--suppress-secrets", kind=bool, help="Leave out Secrets"),
    flag("show_secrets", "--show-secrets", kind=bool, help="Print secret values"),
    flag("include_tests", "--include-tests", kind=bool, help="Test hooks too"),
    flag("no_hooks", "--no-hooks", kind=bool, help="Without chart hooks"),
    flag("diff_args", "--diff-args", help="Extra flags of helm diff"),
    flag(
        "skip_diff_on_install",
        "--skip-diff-on-install",
        kind=bool,
        help="Do not show what an install creates",
    ),
    flag("skip_diff_validation_on_install", "--skip-diff-validation-on-install", kind=bool, help="Accepted"),
    flag("strip_trailing_cr", "--strip-trailing-cr", kind=bool, help="Ignore carriage returns"),
    flag(
        "suppress_output_line_regex",
        "--suppress-output-line-regex",
        kind=list,
        help="Leave out matching lines",
    ),
    flag("suppress_diff", "--suppress-diff", kind=bool, help="Do not print the diff"),
)
TEMPLATE: Final = (
    tristate("include_crds", "--include-crds", help="With the chart's CRDs"),
    flag("skip_tests", "--skip-tests", kind=bool, help="Without test hooks"),
    *ONLY,
    flag("output_dir", "--output-dir", help="Write files below this folder"),
    flag("output_dir_template", "--output-dir-template", help="Template of each release's folder"),
    flag("is_upgrade", "--is-upgrade", kind=bool, help="Render as an upgrade"),
    flag("skip_cleanup", "--skip-cleanup", kind=bool, help="Accepted: there is nothing to clean up"),
)


def run_options(given: SimpleNamespace) -> flow.RunOptions:
    """The options of a command from what was given; flags that the command does not have keep their defaults."""
    get = vars(given).get
    return flow.RunOptions(
        state=flow.StateOptions(
            file=get("file") or "",
            environment=get("environment") or "default",
            selectors=tuple(get("selector") or ()),
            namespace=get("namespace") or "",
            chart=get("chart") or "",
            state_values_set=tuple(get("state_values_set") or ()),
            state_values_set_string=tuple(get("state_values_set_string") or ()),
            state_values_files=tuple(get("state_values_file") or ()),
            allow_no_matching_release=bool(get("allow_no_matching_release")),
            sequential_helmfiles=bool(get("sequential_helmfiles")),
            needs=_needs(given),
            enforce_needs_are_installed=bool(get("enforce_needs_are_installed")),
            untrusted=bool(get("untrusted")),
            changed_since=get("changed_since") or "",
            resume=get("resume") or "",
        ),
        cluster=flow.ClusterOptions(
            context=get("kube_context") or "",
            kubeconfig=get("kubeconfig") or "",
            as_user=get("as_user") or "",
            as_groups=tuple(get("as_groups") or ()),
            storage_driver=os.environ.get("HELM_DRIVER", ""),
        ),
        render=flow.RenderOptions(
            values_files=tuple(get("values") or ()),
            sets=tuple(get("set") or ()),
            skip_deps=bool(get("skip_deps")),
            skip_refresh=bool(get("skip_refresh") or get("skip_repos")),
            offline=bool(get("offline")),
            locked=bool(get("locked")),
            plain_http=bool(get("oci_plain_http")),
            skip_schema_validation=bool(get("skip_schema_validation")),
            include_crds=get("include_crds"),
            skip_crds=bool(get("skip_crds")),
            skip_tests=bool(get("skip_tests")),
            no_hooks=bool(get("no_hooks")),
            show_only=tuple(get("show_only") or ()),
            kube_version=get("kube_version") or "",
            api_versions=tuple(get("api_versions") or ()),
            validate=bool(get("validate")),
            post_renderer=get("post_renderer") or "",
            post_renderer_args=tuple(get("post_renderer_args") or ()),
            unread_values=get("strict_values") or "warn",
            legacy_hooks=bool(get("legacy_hooks")),
            is_upgrade=bool(get("is_upgrade")),
            args=" ".join(filter(None, (get("args"), get("sync_args")))),
            diff_args=get("diff_args") or "",
            template_args=get("template_args") or "",
            kustomize_binary=get("kustomize_binary") or "",
        ),
        wait=flow.WaitOptions(
            wait=get("wait"), wait_for_jobs=get("wait_for_jobs"), timeout_s=float(get("timeout") or 0)
        ),
        running=flow.RunningOptions(
            concurrency=get("concurrency") or 0,
            on_failure=flow.OnFailure(get("on_failure") or flow.OnFailure.SKIP_DEPENDENTS),
            always_upgrade=bool(get("always_upgrade")),
            refresh_random=bool(get("refresh_random")),
            reset_values=bool(get("reset_values")),
            reuse_values=bool(get("reuse_values")),
            atomic=get("atomic"),
            cleanup_on_fail=get("cleanup_on_fail"),
            take_ownership=bool(get("take_ownership")),
            force_conflicts=bool(get("force_conflicts")),
            description=get("description") or "",
            sync_release_labels=bool(get("sync_release_labels")),
            cascade=get("cascade") or "",
            prune=bool(get("prune")),
            journal=get("journal") or "",
            keep_history=bool(get("keep_history")),
            lease_duration_s=float(get("lease_duration") or 30),
            delete_data=bool(get("delete_data")),
            confirm=get("confirm") or "",
            rollback=get("rollback_on_failure") or "",
        ),
        show=flow.ShowOptions(
            context=get("context", -1),
            suppress_kinds=tuple(get("suppress") or ()),
            suppress_secrets=bool(get("suppress_secrets")),
            show_secrets=bool(get("show_secrets")),
            include_tests=bool(get("include_tests")),
            no_hooks=bool(get("no_hooks")),
            skip_installs=bool(get("skip_diff_on_install")),
            ignore=tuple(get("ignore") or ()),
            show_ignored=bool(get("show_ignored")),
            against=get("against") or "",
        ),
        test=flow.TestOptions(
            logs=bool(get("logs")), cleanup=bool(get("cleanup")), timeout_s=float(get("timeout") or 300)
        ),
    )


def _needs(given: SimpleNamespace) -> flow.NeedsMode:
    """Helmfile's three flags as one choice; the widest that was asked for wins."""
    get = vars(given).get
    if get("include_transitive_needs"):
        return flow.NeedsMode.INCLUDE_TRANSITIVE
    if get("include_needs"):
        return flow.NeedsMode.INCLUDE
    return flow.NeedsMode.REQUIRE if get("skip_needs") is False else flow.NeedsMode.SKIP
