"""The flags of `release ...`: Helm 3's and Helm 4's names for one thing side by side, and what each of them comes to."""

from __future__ import annotations

import re
import time
from types import SimpleNamespace
from typing import Any, Final

from helmflow.cli import options
from helmflow.cli.chart_flags import DEVEL, KEYRING, LOGIN, VALUES, VERIFY
from helmflow.cli.flags import flag
from helmflow.core.errors import ConfigError

NO_EFFECT: Final = {
    "burst_limit": "requests are paced by what the server allows",
    "qps": "requests are paced by what the server allows",
    "content_cache": "charts are kept in helmflow's own cache",
    "repository_cache": "indexes are kept in helmflow's own cache",
    "dependency_update": "missing dependencies are always fetched",
    "disable_openapi_validation": "the cluster checks every object that it stores",
    "recreate_pods": "Helm ignores it since version 3",
    "show_desc": "the description is always shown",
    "show_resources": "kubectl get shows objects",
    "all_": "every status is listed unless one is asked for",
}
# Flags of Helm that stand for variables of Helm, which everything below reads.
VARIABLES: Final = {
    "kube_apiserver": "HELM_KUBEAPISERVER",
    "kube_token": "HELM_KUBETOKEN",
    "kube_ca_file": "HELM_KUBECAFILE",
    "kube_insecure_skip_tls_verify": "HELM_KUBEINSECURE_SKIP_TLS_VERIFY",
    "kube_tls_server_name": "HELM_KUBETLS_SERVER_NAME",
    "registry_config": "HELM_REGISTRY_CONFIG",
    "repository_config": "HELM_REPOSITORY_CONFIG",
}
_KEPT: Final = frozenset({
    "namespace", "kube_context", "kubeconfig", "quiet", "debug", "log_level", "log_file", "color", "no_color",
    "interactive", "offline",
})  # fmt: skip


def _ignored(dest: str, *names: str, kind: type = bool) -> Any:
    return flag(dest, *names, kind=kind, help=f"Accepted: {NO_EFFECT[dest]}")


GLOBAL: Final = (
    *(one for one in options.EVERYWHERE if one.dest in _KEPT),
    flag("as_user", "--as", "--kube-as-user", help="User to impersonate"),
    flag("as_groups", "--as-group", "--kube-as-group", kind=list, help="Group to impersonate"),
    flag("kube_apiserver", "--kube-apiserver", help="Address of the API server"),
    flag("kube_token", "--kube-token", help="Bearer token; visible to other users of this machine"),
    flag("kube_ca_file", "--kube-ca-file", help="Authority that signed the API server's certificate"),
    flag(
        "kube_insecure_skip_tls_verify",
        "--kube-insecure-skip-tls-verify",
        kind=bool,
        help="Accept any certificate of the API server",
    ),
    flag("kube_tls_server_name", "--kube-tls-server-name", help="Name in the API server's certificate"),
    flag("registry_config", "--registry-config", help="File of registry logins"),
    flag("repository_config", "--repository-config", help="File of repositories that `helm repo add` made"),
    _ignored("repository_cache", "--repository-cache", kind=str),
    _ignored("content_cache", "--content-cache", kind=str),
    _ignored("burst_limit", "--burst-limit", kind=str),
    _ignored("qps", "--qps", kind=str),
)
SOURCE: Final = (
    *VALUES,
    flag("version", "--version", help="Version or range of the chart"),
    DEVEL,
    flag("repo", "--repo", help="Address of the repository that CHART is in"),
    *LOGIN,
    flag("pass_credentials", "--pass-credentials", kind=bool, help="Send credentials to every host"),
    VERIFY,
    KEYRING,
    _ignored("dependency_update", "--dependency-update"),
)
_TIMEOUT: Final = flag("timeout", "--timeout", default="300s", help="How long it may take: 90, 90s, 5m")
_WAIT: Final = flag(
    "wait", "--wait", help="Wait until everything is ready: alone, or =watcher, =legacy (both do), =hookOnly"
)
_NO_HOOKS: Final = flag("no_hooks", "--no-hooks", kind=bool, help="Run no chart hooks")
_DRY: Final = flag(
    "dry_run",
    "--dry-run",
    help="Change nothing, print the result: alone or =client without the cluster, =server with it",
)
_DESCRIPTION: Final = flag("description", "--description", help="Description of the revision")
_HISTORY_MAX: Final = flag(
    "history_max", "--history-max", kind=int, default=10, help="Revisions to keep; 0 keeps all"
)
_CLEANUP: Final = flag(
    "cleanup_on_fail", "--cleanup-on-fail", kind=bool, help="Delete what a failed run created"
)
_FORM: Final = flag("output", "-o", "--output", help="table (the default), json or yaml")
_APPLY: Final = (
    _WAIT,
    flag("wait_for_jobs", "--wait-for-jobs", kind=bool, help="Wait for Jobs too"),
    _TIMEOUT,
    _NO_HOOKS,
    _DRY,
    flag("force", "--force", "--force-replace", kind=bool, help="Replace what cannot be changed"),
    flag("force_conflicts", "--force-conflicts", kind=bool, help="Take fields from other field managers"),
    flag("server_side", "--server-side", help="true or auto; objects are always applied by the server"),
)
_DEPLOY: Final = (
    *GLOBAL,
    *SOURCE,
    *_APPLY,
    flag("atomic", "--atomic", "--rollback-on-failure", kind=bool, help="Undo what failed; waits"),
    flag("take_ownership", "--take-ownership", kind=bool, help="Adopt objects of other releases"),
    flag("skip_crds", "--skip-crds", kind=bool, help="Leave crds/ alone"),
    flag("skip_schema_validation", "--skip-schema-validation", kind=bool, help="Ignore values.schema.json"),
    flag("enable_dns", "--enable-dns", kind=bool, help="Templates may look names up"),
    flag("create_namespace", "--create-namespace", kind=bool, help="Make the namespace where it is missing"),
    flag("labels", "-l", "--labels", kind=list, help="Labels of the record: a=b,c=d; null takes one away"),
    flag("post_renderer", "--post-renderer", help="Command that changes the manifests"),
    flag(
        "post_renderer_args", "--post-renderer-args", kind=list, help="An argument of it; once for each one"
    ),
    flag(
        "subchart_notes",
        "--render-subchart-notes",
        kind=bool,
        help="Notes of subcharts below the chart's own",
    ),
    flag("hide_notes", "--hide-notes", kind=bool, help="Do not print notes"),
    flag("hide_secret", "--hide-secret", kind=bool, help="Leave Secrets out of what --dry-run prints"),
    _DESCRIPTION,
    flag("output", "-o", "--output", help="table (the default) or json"),
    _ignored("disable_openapi_validation", "--disable-openapi-validation"),
)
INSTALL: Final = (
    *_DEPLOY,
    flag(
        "generate_name", "-g", "--generate-name", kind=bool, help="Make the name of the chart's and the time"
    ),
    flag("name_template", "--name-template", help="Template that the name is made of"),
    flag("replace", "--replace", kind=bool, help="Also over a failed release of that name"),
)
UPGRADE: Final = (
    *_DEPLOY,
    _HISTORY_MAX,
    _CLEANUP,
    flag("install", "-i", "--install", kind=bool, help="Install where it is missing"),
    flag("reuse_values", "--reuse-values", kind=bool, help="Start from the deployed values"),
    flag(
        "reset_values",
        "--reset-values",
        kind=bool,
        help="Start from the chart's values (the default where values are given)",
    ),
    flag(
        "reset_then_reuse_values",
        "--reset-then-reuse-values",
        kind=bool,
        help="The deployed values over the new chart's own",
    ),
    _ignored("recreate_pods", "--recreate-pods"),
)
ROLLBACK: Final = (
    *GLOBAL,
    *_APPLY,
    _HISTORY_MAX,
    _CLEANUP,
    _DESCRIPTION,
    _ignored("recreate_pods", "--recreate-pods"),
)
UNINSTALL: Final = (
    *GLOBAL,
    _WAIT,
    _TIMEOUT,
    _NO_HOOKS,
    _DRY,
    _DESCRIPTION,
    flag("cascade", "--cascade", help="Deletion of dependents: background, foreground, orphan"),
    flag("keep_history", "--keep-history", kind=bool, help="Keep the records"),
    flag("ignore_not_found", "--ignore-not-found", kind=bool, help="One that is not there is no mistake"),
)
HISTORY: Final = (
    *GLOBAL,
    _FORM,
    flag("max", "-m", "--max", kind=int, default=256, help="At most so many, the newest; 0 for all"),
)
STATUS: Final = (
    *GLOBAL,
    _FORM,
    flag("revision", "--revision", kind=int, default=0, help="Revision; the newest by default"),
    _ignored("show_desc", "--show-desc"),
    _ignored("show_resources", "--show-resources"),
)
STATUSES: Final = ("deployed", "failed", "pending", "superseded", "uninstalled", "uninstalling")
LIST: Final = (
    # Helm's -q is --short here.
    *(one for one in GLOBAL if one.dest != "quiet"),
    _FORM,
    flag("all_namespaces", "-A", "--all-namespaces", kind=bool, help="Every namespace"),
    flag("all", "-a", "--all", kind=bool, help="Whatever their status"),
    *(flag(word, f"--{word}", kind=bool, help=f"Those that are {word}") for word in STATUSES),
    flag("filter", "-f", "--filter", help="Only names that this pattern is found in"),
    flag("selector", "-l", "--selector", help="Only records with these labels"),
    flag("date", "-d", "--date", kind=bool, help="By the time of the last change"),
    flag("reverse", "-r", "--reverse", kind=bool, help="The other way round"),
    flag("short", "-q", "--short", kind=bool, help="Names only"),
    flag("no_headers", "--no-headers", kind=bool, help="No header line"),
    flag("time_format", "--time-format", help="Form of UPDATED, in Go's words: 2006-01-02 15:04:05"),
    flag("max", "-m", "--max", kind=int, default=256, help="At most so many; 0 for all"),
    flag("offset", "--offset", kind=int, default=0, help="Leave so many out at the beginning"),
)
GET: Final = (
    *GLOBAL,
    _FORM,
    flag("revision", "--revision", kind=int, default=0, help="Revision; the newest by default"),
    flag("all", "-a", "--all", kind=bool, help="With `values`: the chart's own below them"),
    flag("template", "--template", help="With `all`: a template, such as {{.Release.Name}}"),
)
TEST: Final = (
    *GLOBAL,
    flag("logs", "--logs", kind=bool, help="Print what the test pods wrote"),
    flag("filters", "--filter", kind=list, help="Only tests name=NAME, or all but !name=NAME"),
    flag("hide_notes", "--hide-notes", kind=bool, help="Do not print notes"),
    _TIMEOUT,
)

_SYSTEM_LABELS: Final = ("name", "owner", "status", "version", "createdAt", "modifiedAt")
_MARKS: Final = ("none", "client", "server")


def waits(given: SimpleNamespace) -> bool | None:
    """What --wait asks for; None: nothing. Raises ConfigError `cli.bad-choice`."""
    word = str(vars(given).get("wait") or "")
    known = {"": None, "hookOnly": None, "false": None, "watcher": True, "legacy": True, "true": True}
    if word not in known:
        raise ConfigError(
            f"--wait does not take {word!r}", error_id="cli.bad-choice", hint="watcher, legacy or hookOnly"
        )
    return known[word]


def dry_run(given: SimpleNamespace) -> str:
    """client, server, or "" for a run that is one. Raises ConfigError `cli.bad-choice`."""
    word = str(vars(given).get("dry_run") or "")
    meant = {"": "", "none": "", "false": "", "unset": "client", "true": "client"}.get(word, word)
    if meant and meant not in _MARKS:
        raise ConfigError(
            f"--dry-run does not take {word!r}", error_id="cli.bad-choice", hint="none, client or server"
        )
    return meant


def check_server_side(given: SimpleNamespace) -> None:
    """Raise ConfigError for --server-side=false: there is no other way here."""
    word = str(vars(given).get("server_side") or "")
    if word not in ("", "true", "auto"):
        raise ConfigError(
            f"--server-side={word} is not possible: objects are always applied by the server",
            error_id="cli.bad-choice",
            hint="leave it out; a release that Helm applied from the client's side is migrated",
        )


def labels(given: SimpleNamespace) -> dict[str, str]:
    """What --labels says. Raises ConfigError `cli.bad-labels`."""
    found: dict[str, str] = {}
    for pair in (pair for text in vars(given).get("labels") or () for pair in text.split(",") if pair):
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ConfigError(f"--labels: {pair!r} is not NAME=VALUE", error_id="cli.bad-labels")
        if name in _SYSTEM_LABELS:
            raise ConfigError(
                f"--labels: {name} belongs to Helm itself",
                error_id="cli.bad-labels",
                hint=f"any but {', '.join(_SYSTEM_LABELS)}",
            )
        found[name] = value
    return found


def name_and_chart(given: SimpleNamespace) -> tuple[str, str]:
    """NAME and CHART of an install, the name made where Helm's flags ask for that. Raises ConfigError `cli.bad-name`."""
    words = [word for word in (given.name, given.chart) if word]
    if not words:
        raise ConfigError("there is no chart", error_id="cli.bad-name", hint="release install NAME CHART")
    named = words[0] if len(words) == 2 else ""
    how = "--generate-name" if given.generate_name else "--name-template" if given.name_template else ""
    if named and how:
        raise ConfigError(f"{how} and the name {named!r} exclude each other", error_id="cli.bad-name")
    if not named and not how:
        raise ConfigError(
            "there is no name for the release", error_id="cli.bad-name", hint="give one, or --generate-name"
        )
    chart = words[-1]
    return named or (_generated(chart) if given.generate_name else _templated(given.name_template)), chart


def _generated(chart: str) -> str:
    """Helm's way: the last part of where the chart is up to its first dot, and the seconds since 1970."""
    last = re.split(r"[/\\]", chart.rstrip("/\\"))[-1].partition(".")[0]
    return f"{last or 'chart'}-{int(time.time())}"


def _templated(text: str) -> str:
    from helmflow.gotemplate.templates import TemplateSet
    from helmflow.sprig.table import functions

    templates = TemplateSet(functions())
    templates.parse("name-template", text)
    return templates.execute("name-template", None)
