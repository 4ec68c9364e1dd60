"""A release's options out of its keys and helmDefaults."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from helmflow.core.records import replace
from helmflow.state import arguments
from helmflow.state.context import Context
from helmflow.state.model import ReleaseOptions
from helmflow.state.reading import span_of

# Key of the file -> field of ReleaseOptions, for keys whose value is taken as it is.
FIELDS: Final[Mapping[str, str]] = {
    "wait": "wait",
    "waitForJobs": "wait_for_jobs",
    "waitRetries": "wait_retries",
    "timeout": "timeout_s",
    "atomic": "atomic",
    "rollbackOnFailure": "rollback_on_failure",
    "cleanupOnFail": "cleanup_on_fail",
    "force": "force",
    "forceConflicts": "force_conflicts",
    "recreatePods": "recreate_pods",
    "historyMax": "history_max",
    "createNamespace": "create_namespace",
    "skipCRDs": "skip_crds",
    "skipDeps": "skip_deps",
    "skipRefresh": "skip_refresh",
    "reuseValues": "reuse_values",
    "verify": "verify",
    "keyring": "keyring",
    "cosignKey": "cosign_key",
    "devel": "devel",
    "enableDNS": "enable_dns",
    "skipSchemaValidation": "skip_schema_validation",
    "disableValidation": "disable_validation",
    "disableValidationOnInstall": "disable_validation_on_install",
    "disableOpenAPIValidation": "disable_openapi_validation",
    "disableAutoDetectedKubeVersionForDiff": "disable_kube_version_detection_for_diff",
    "insecureSkipTLSVerify": "insecure_skip_tls_verify",
    "plainHttp": "plain_http",
    "postRenderer": "post_renderer",
    "cascade": "cascade",
    "deleteWait": "delete_wait",
    "deleteTimeout": "delete_timeout_s",
    "suppressDiff": "suppress_diff",
    "syncReleaseLabels": "sync_release_labels",
    "takeOwnership": "take_ownership",
    "serverSide": "server_side",
    "description": "description",
    "updateStrategy": "update_strategy",
    "trackMode": "track_mode",
    "trackTimeout": "track_timeout_s",
    "trackLogs": "track_logs",
    "trackFailOnError": "track_fail_on_error",
    "helmStuckGrace": "helm_stuck_grace_s",
    "crds": "crds",
    "preventDestroy": "prevent_destroy",
}
LISTS: Final[Mapping[str, str]] = {
    "postRendererArgs": "post_renderer_args",
    "suppressOutputLineRegex": "suppress_output_line_regex",
    "args": "args",
    "diffArgs": "diff_args",
    "syncArgs": "sync_args",
    "templateArgs": "template_args",
}
OFFLINE: Final = ("template", "lint")  # commands that render without a cluster
_OR: Final = ("insecureSkipTLSVerify", "plainHttp")
_ARGUMENTS: Final = ("args", "syncArgs", "diffArgs", "templateArgs")


def own(spec: Mapping[str, Any]) -> ReleaseOptions:
    """What one block says itself."""
    fields: dict[str, Any] = {field: spec[key] for key, field in FIELDS.items() if key in spec}
    fields |= {field: tuple(spec[key]) for key, field in LISTS.items() if spec.get(key)}
    return ReleaseOptions(**fields)


def effective(context: Context, release: Mapping[str, Any], defaults: Mapping[str, Any]) -> ReleaseOptions:
    """The release's own options over helmDefaults, flags for helm over both.

    What allows insecure transport holds where either says so. Flags that helmflow does not have are said once.
    """
    merged = {**defaults, **{key: value for key, value in release.items() if key in FIELDS or key in LISTS}}
    for key in _OR:
        if defaults.get(key):
            merged[key] = True
    found = own(merged)
    given = _given(context, found)
    if given is None:
        return found
    for flag in given.unknown:
        place = next((key for key in _ARGUMENTS if any(flag in entry for entry in merged.get(key) or ())), "")
        span = span_of(release if place in release else defaults, place) if place else None
        context.warn(
            f"helm's flag {flag} is not one that helmflow has: it has no effect", "state.helm-flag", span,
            "say it with a key of helmDefaults or the release where there is one",
        )  # fmt: skip
    return replace(found, **given.options)


def _given(context: Context, own: ReleaseOptions) -> arguments.Arguments | None:
    """What the flags for helm say in this command; None where there are none.

    A sync takes `args` and `syncArgs`, and shows its plan by `diffArgs`; `diff` alone lets those decide what is
    compared; `template` takes `args` and `templateArgs`.
    """
    command, flags = context.command, context.args
    of_sync = [*own.args, *own.sync_args, *flags.sync]
    of_diff = [*own.diff_args, *flags.diff]
    of_template = [*own.template_args, *flags.template]
    if not (of_sync or of_diff or of_template):
        return None
    # Every list is read in every command, so that a flag without effect is always said.
    synced, templated = arguments.sync(of_sync), arguments.template(of_template)
    compared = arguments.diff(of_diff, decides=command == "diff")
    if command in OFFLINE:
        options = _joined(arguments.sync([*own.args, *flags.sync]).options, templated.options)
    else:
        options = _joined(synced.options, compared.options)
    unknown = dict.fromkeys([*synced.unknown, *compared.unknown, *templated.unknown])
    return arguments.Arguments(options, list(unknown))


def _joined(first: Mapping[str, Any], then: Mapping[str, Any]) -> dict[str, Any]:
    """The later of two wins; what may be said several times is said by both."""
    lists = {
        name: (*first[name], *value) for name, value in then.items() if isinstance(first.get(name), tuple)
    }
    return {**first, **then, **lists}
