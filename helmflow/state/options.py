"""A release's options out of its keys and helmDefaults."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

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
    written = [*context.args, *found.args, *found.sync_args, *found.diff_args, *found.template_args]
    if not written:
        return found
    given = arguments.parse(written)
    for flag in given.unknown:
        place = next((key for key in _ARGUMENTS if any(flag in entry for entry in merged.get(key) or ())), "")
        span = span_of(release if place in release else defaults, place) if place else None
        context.warn(
            f"helm's flag {flag} is not one that helmflow has: it has no effect", "state.helm-flag", span,
            "say it with a key of helmDefaults or the release where there is one",
        )  # fmt: skip
    return replace(found, **given.options)
