"""What a state file may say: every block and key of Helmfile's format, its type, its meaning."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from helmflow.core.records import dataclass


class Scalar(StrEnum):
    """A single value. TEXT takes any scalar as it was written, as Go does: `version: 1.10` stays "1.10"."""

    TEXT = "text"
    FLAG = "true or false"
    NUMBER = "a whole number"
    DECIMAL = "a number"
    ANY = "anything"


@dataclass(frozen=True, slots=True)
class ListOf:
    """A list of one type; `single`: one item may be written without the list."""

    item: Type
    single: bool = False


@dataclass(frozen=True, slots=True)
class MapOf:
    """A map from free names to one type; `deep`: two of them merge all the way down."""

    item: Type
    deep: bool = False


@dataclass(frozen=True, slots=True)
class Key:
    """One key: its type and what it means. `choices` are the texts it takes; `rejected` why helmflow refuses it."""

    type: Type
    doc: str
    choices: tuple[str, ...] = ()
    rejected: str = ""
    own: bool = False


@dataclass(frozen=True, slots=True)
class Block:
    """A map with known keys, in Helmfile's order."""

    name: str
    keys: Mapping[str, Key]
    required: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of several shapes: `text` for a scalar, `block` for a map, `items` for a list."""

    text: bool = False
    block: Block | MapOf | None = None
    items: Type | None = None


Type = Scalar | ListOf | MapOf | Block | OneOf

_TEXT: Final = Scalar.TEXT
_FLAG: Final = Scalar.FLAG
_NUMBER: Final = Scalar.NUMBER
_ANY: Final = Scalar.ANY
_TEXTS: Final = ListOf(_TEXT)
_FREE: Final = MapOf(_ANY, deep=True)
_PATH_OR_MAP: Final = ListOf(OneOf(text=True, block=_FREE))

_HANDLERS: Final = ("Error", "Warn", "Info", "Debug")
_MISSING: Final = {
    "missingFileHandler": Key(
        _TEXT, "What a missing file means: an error, or a message at that level.", _HANDLERS
    ),
    "missingFileHandlerConfig": Key(
        Block(
            "missingFileHandlerConfig", {"ignoreMissingGitBranch": Key(_FLAG, "Tolerate a missing git ref.")}
        ),
        "Details of missingFileHandler.",
    ),
}

HOOK: Final = Block(
    "hooks",
    {
        "name": Key(_TEXT, "Shown in logs; the command where absent."),
        "events": Key(
            _TEXTS,
            "When it runs: prepare, preapply, presync, postsync, preuninstall, postuninstall, cleanup.",
        ),
        "command": Key(_TEXT, "What runs, without a shell, beside the state file; a template."),
        "kubectlApply": Key(MapOf(_TEXT), "Apply `filename` or `kustomize` instead of running a command."),
        "args": Key(_TEXTS, "Its arguments; templates."),
        "showlogs": Key(_FLAG, "Show what the command prints."),
    },
)
_HOOKS: Final = ListOf(HOOK)

INHERIT: Final = Block(
    "inherit",
    {
        "template": Key(_TEXT, "Name of an entry of `templates`."),
        "except": Key(_TEXTS, "Fields not to take over."),
    },
)
SET: Final = Block(
    "set",
    {
        "name": Key(_TEXT, "Path of the value, as in helm --set."),
        "value": Key(_TEXT, "The value."),
        "file": Key(_TEXT, "A file whose text is the value."),
        "values": Key(ListOf(_ANY), "Several values: a list."),
    },
)
_SETS: Final = ListOf(SET)
NEED: Final = Block(
    "needs",
    {
        "release": Key(_TEXT, "The release that must come first: [[kubeContext/]namespace/]name."),
        "until": Key(_TEXT, "How far it must be.", ("deployed", "ready", "crd-established")),
    },
    required=("release",),
)
DEPENDENCY: Final = Block(
    "dependencies",
    {
        "chart": Key(_TEXT, "A chart to add as a subchart."),
        "version": Key(_TEXT, "Its version or constraint."),
        "alias": Key(_TEXT, "Its name inside the chart."),
    },
)
RESOURCE: Final = Block(
    "trackResources",
    {
        "kind": Key(_TEXT, "Kind of the object."),
        "name": Key(_TEXT, "Name of the object."),
        "namespace": Key(_TEXT, "Namespace of the object."),
    },
)
IGNORED: Final = Block(
    "ignoreDifferences",
    {
        "kind": Key(_TEXT, "Glob of the object's kind.", own=True),
        "name": Key(_TEXT, "Glob of the object's name.", own=True),
        "path": Key(_TEXT, "Path of the field as diffs print it (a glob), or a JSON pointer.", own=True),
        "regex": Key(_TEXT, "Regular expression that is searched in the field's path.", own=True),
        "manager": Key(_TEXT, "Glob of the field manager that wrote the field last.", own=True),
    },
)
_MERGE_LISTS: Final = Key(
    MapOf(_TEXT),
    "How lists of values merge, by path: replace (Helm's rule), append, or by:KEY to match items by a key.",
    own=True,
)

# Keys that helmDefaults and releases share, in Helmfile's order.
_SHARED: Final[dict[str, Key]] = {
    "verify": Key(_FLAG, "Check the chart's signature."),
    "keyring": Key(_TEXT, "Public keys for `verify`."),
    "cosignKey": Key(_TEXT, "Public key that cosign signed the chart with, in its registry.", own=True),
    "enableDNS": Key(_FLAG, "Allow DNS lookups while rendering."),
    "devel": Key(_FLAG, "Consider pre-release versions too."),
    "skipSchemaValidation": Key(_FLAG, "Do not check values against values.schema.json."),
    "wait": Key(_FLAG, "Wait until the release's objects are ready."),
    "waitRetries": Key(_NUMBER, "Deprecated by Helmfile, without effect."),
    "waitForJobs": Key(_FLAG, "Wait until Jobs have completed."),
    "timeout": Key(_NUMBER, "Seconds for each wait."),
    "recreatePods": Key(_FLAG, "Restart the Pods of changed workloads."),
    "force": Key(_FLAG, "Replace objects that cannot be updated."),
    "atomic": Key(_FLAG, "Roll back when the upgrade fails."),
    "rollbackOnFailure": Key(_FLAG, "Helm 4's name for atomic."),
    "forceConflicts": Key(_FLAG, "Take over fields that others own."),
    "cleanupOnFail": Key(_FLAG, "Delete objects that a failed upgrade created."),
    "historyMax": Key(_NUMBER, "Revisions kept; 0 means all."),
    "createNamespace": Key(_FLAG, "Create the namespace where it does not exist."),
    "skipDeps": Key(_FLAG, "Do not build chart dependencies."),
    "skipRefresh": Key(_FLAG, "Do not refresh repositories."),
    "reuseValues": Key(_FLAG, "Start from the deployed release's values."),
    "postRenderer": Key(_TEXT, "Command that edits the rendered manifests."),
    "postRendererArgs": Key(_TEXTS, "Its arguments; templates."),
    "cascade": Key(_TEXT, "How dependents are deleted.", ("background", "foreground", "orphan")),
    "suppressOutputLineRegex": Key(_TEXTS, "Changed lines that a diff does not show."),
    "disableValidation": Key(_FLAG, "Do not validate against the cluster while comparing."),
    "disableOpenAPIValidation": Key(_FLAG, "Do not validate against the cluster's schema."),
    "disableAutoDetectedKubeVersionForDiff": Key(_FLAG, "Do not use the server's version while comparing."),
    "insecureSkipTLSVerify": Key(_FLAG, "Do not verify TLS when fetching the chart."),
    "plainHttp": Key(_FLAG, "Fetch the chart over plain HTTP."),
    "deleteWait": Key(_FLAG, "Wait until deleted objects are gone."),
    "deleteTimeout": Key(_NUMBER, "Seconds for that wait."),
    "syncReleaseLabels": Key(_FLAG, "Store the release's labels in Helm's record."),
    "takeOwnership": Key(_FLAG, "Adopt objects that exist already."),
    "serverSide": Key(_TEXT, "Server-side apply.", ("true", "false", "auto")),
    "trackMode": Key(_TEXT, "How readiness is tracked.", ("helm", "helm-legacy", "kubedog")),
    "helmStuckGrace": Key(
        _NUMBER, "Seconds after which Helmfile kills a stuck helm; helmflow has none to kill."
    ),
    "crds": Key(
        _TEXT,
        "What becomes of the chart's crds/: left alone, created where missing (as Helm), or kept up to date.",
        ("skip", "create", "upgrade"),
        own=True,
    ),
    "preventDestroy": Key(_FLAG, "Never uninstall this release.", own=True),
}

HELM_DEFAULTS: Final = Block(
    "helmDefaults",
    {
        "kubeContext": Key(_TEXT, "Kube context of releases that name none."),
        "args": Key(_TEXTS, "Extra flags of every helm command."),
        "diffArgs": Key(_TEXTS, "Extra flags of diff."),
        "syncArgs": Key(_TEXTS, "Extra flags of upgrade."),
        "templateArgs": Key(_TEXTS, "Extra flags of template."),
        **_SHARED,
        "skipCRDs": Key(_FLAG, "Do not install CRDs of charts."),
    },
)

RELEASE: Final = Block(
    "releases",
    {
        "chart": Key(_TEXT, "The chart: repository/name, a path, a URL or oci://...; a template."),
        "chartPath": Key(_TEXT, "Written by `build`; without effect."),
        "directory": Key(_TEXT, "Another name of `chart` for directories of manifests."),
        "version": Key(_TEXT, "Version or constraint of the chart; a template."),
        "installed": Key(_FLAG, "false: to be uninstalled."),
        "condition": Key(_TEXT, "true, false, or a path of the state values that ends in .enabled."),
        "disableValidationOnInstall": Key(_FLAG, "disableValidation while the release is not installed yet."),
        **_MISSING,
        "needs": Key(ListOf(OneOf(text=True, block=NEED)), "Releases that must come first; templates."),
        "hooks": Key(_HOOKS, "Commands that run on events of this release."),
        "name": Key(_TEXT, "The release's name; a template."),
        "namespace": Key(_TEXT, "The release's namespace; a template."),
        "labels": Key(MapOf(_TEXT), "For selectors; values are templates."),
        "values": Key(_PATH_OR_MAP, "Values files (paths are templates) and inline values."),
        "secrets": Key(_PATH_OR_MAP, "Encrypted values files."),
        "set": Key(_SETS, "Single values, as helm --set."),
        "setString": Key(_SETS, "Single texts, as helm --set-string."),
        "valuesTemplate": Key(_PATH_OR_MAP, "Values before `values`; maps are templates too."),
        "setTemplate": Key(_SETS, "`set` entries that are templates."),
        "apiVersions": Key(_TEXTS, "Capabilities.APIVersions."),
        "kubeVersion": Key(_TEXT, "Capabilities.KubeVersion."),
        "env": Key(_SETS, "Values from environment variables."),
        "valuesPathPrefix": Key(_TEXT, "Prefix of values and secrets paths."),
        "kubeContext": Key(_TEXT, "The kube context."),
        **_SHARED,
        "verifyTemplate": Key(_TEXT, "A template that gives `verify`."),
        "waitTemplate": Key(_TEXT, "A template that gives `wait`."),
        "installedTemplate": Key(_TEXT, "A template that gives `installed`."),
        "conditionTemplate": Key(_TEXT, "A template that gives `condition`."),
        "dependencies": Key(ListOf(DEPENDENCY), "Charts to add as subcharts."),
        "jsonPatches": Key(_PATH_OR_MAP, "JSON patches of the rendered chart."),
        "strategicMergePatches": Key(_PATH_OR_MAP, "Strategic merge patches of the rendered chart."),
        "transformers": Key(_PATH_OR_MAP, "Kustomize transformers of the rendered chart."),
        "adopt": Key(_TEXTS, "Objects to take over, as KIND/NAME."),
        "forceGoGetter": Key(_FLAG, "Take `chart` for a go-getter URL."),
        "forceNamespace": Key(_TEXT, "Namespace of every object that names none."),
        "inherit": Key(ListOf(INHERIT, single=True), "Release templates to start from."),
        "suppressDiff": Key(_FLAG, "Do not show this release's diff."),
        "ignoreDifferences": Key(
            ListOf(IGNORED), "Fields that diffs do not show and whose drift is not undone.", own=True
        ),
        "updateStrategy": Key(_TEXT, "What a forbidden update does.", ("", "reinstallIfForbidden")),
        "unitTests": Key(_TEXTS, "Paths of unit tests."),
        "description": Key(_TEXT, "Description of the revision."),
        "trackTimeout": Key(_NUMBER, "Seconds of tracking."),
        "trackLogs": Key(_FLAG, "Show Pod logs while waiting."),
        "trackFailedLogs": Key(_FLAG, "Show logs of failed Pods."),
        "trackFailOnError": Key(_FLAG, "Fail when tracking fails."),
        "trackKinds": Key(_TEXTS, "Kinds to track."),
        "skipKinds": Key(_TEXTS, "Kinds not to track."),
        "trackResources": Key(ListOf(RESOURCE), "Objects to track."),
        "kubedogQPS": Key(Scalar.DECIMAL, "Request rate of tracking."),
        "kubedogBurst": Key(_NUMBER, "Request burst of tracking."),
        "mergeLists": _MERGE_LISTS,
    },
)

CLUSTER_PIN: Final = Block(
    "cluster",
    {
        "context": Key(_TEXT, "Pattern of the kube context: prod-*.", own=True),
        "uid": Key(_TEXT, "uid of the cluster's kube-system namespace.", own=True),
    },
)
ENVIRONMENT: Final = Block(
    "environments",
    {
        "values": Key(_PATH_OR_MAP, "Values files (globs, URLs, .gotmpl, .hcl) and inline values."),
        "secrets": Key(_TEXTS, "Encrypted values files, over `values`."),
        "kubeContext": Key(_TEXT, "Kube context where neither a release nor helmDefaults names one."),
        **_MISSING,
        "mergeStrategy": Key(_TEXT, "Which file of `values` wins.", ("override", "fallback")),
        "protected": Key(
            _FLAG, "sync, apply, destroy and rollback need --confirm NAME or a saved plan.", own=True
        ),
        "cluster": Key(CLUSTER_PIN, "The only cluster that this environment may be used with.", own=True),
        "rollback": Key(
            _TEXT,
            "What goes back when a release of a run fails: nothing, that release, or all the run has done.",
            ("none", "release", "group"),
            own=True,
        ),
    },
)
SUB_HELMFILE: Final = Block(
    "helmfiles",
    {
        "path": Key(_TEXT, "Path, glob or URL of state files."),
        "selectors": Key(_TEXTS, "Selectors for it; [] means none."),
        "selectorsInherited": Key(_FLAG, "Use this file's selectors."),
        "values": Key(_PATH_OR_MAP, "State values for it, over its own."),
        "inherits": Key(_TEXTS, "What it takes over from this file."),
    },
)
INHERITABLE: Final = (
    "repositories", "helmDefaults", "commonLabels", "apiVersions", "kubeVersion", "templates", "environments",
)  # fmt: skip
REPOSITORY: Final = Block(
    "repositories",
    {
        "name": Key(_TEXT, "The name that charts use."),
        "url": Key(_TEXT, "Its URL; without scheme for OCI."),
        "caFile": Key(_TEXT, "CA certificates."),
        "certFile": Key(_TEXT, "Client certificate."),
        "keyFile": Key(_TEXT, "Client key."),
        "username": Key(_TEXT, "User name."),
        "password": Key(_TEXT, "Password."),
        "registryConfig": Key(_TEXT, "Registry credentials file."),
        "managed": Key(_TEXT, "Who manages its credentials.", ("", "acr")),
        "oci": Key(_FLAG, "An OCI registry."),
        "verify": Key(_FLAG, "Check signatures."),
        "keyring": Key(_TEXT, "Public keys for `verify`."),
        "passCredentials": Key(_FLAG, "Send credentials to every host."),
        "skipTLSVerify": Key(_FLAG, "Do not verify TLS."),
        "plainHttp": Key(_FLAG, "Plain HTTP."),
    },
)
LLM: Final = Block(
    "llm",
    {name: Key(_TEXT, "For `doctor`.") for name in ("baseURL", "apiKey", "model")}
    | {
        "timeout": Key(_NUMBER, "For `doctor`."),
        "maxTokens": Key(_NUMBER, "For `doctor`."),
        "temperature": Key(Scalar.DECIMAL, "For `doctor`."),
    },
)

STATE: Final = Block(
    "state file",
    {
        "filepath": Key(_TEXT, "Written by `build`; without effect."),
        "helmBinary": Key(_TEXT, "Without effect: helmflow needs no helm."),
        "kustomizeBinary": Key(_TEXT, "The kustomize to use for what cannot be done in process."),
        "values": Key(_PATH_OR_MAP, "Default state values, below every environment's."),
        "environments": Key(MapOf(ENVIRONMENT), "Environments by name."),
        "bases": Key(_TEXTS, "State files merged below this one."),
        "helmDefaults": Key(HELM_DEFAULTS, "Options of every release."),
        "helmfiles": Key(ListOf(OneOf(text=True, block=SUB_HELMFILE)), "State files to process first."),
        "kubeContext": Key(_TEXT, "Kube context of every release, whatever it says."),
        "namespace": Key(_TEXT, "Namespace of every release, whatever it says."),
        "chart": Key(_TEXT, "Chart of every release, whatever it says."),
        "repositories": Key(ListOf(REPOSITORY), "Chart repositories."),
        "commonLabels": Key(MapOf(_TEXT), "Labels of every release, over its own; templates."),
        "releases": Key(ListOf(RELEASE), "What is to be installed, or uninstalled."),
        "apiVersions": Key(_TEXTS, "Capabilities.APIVersions of every release."),
        "kubeVersion": Key(_TEXT, "Capabilities.KubeVersion of every release."),
        "hooks": Key(_HOOKS, "Commands that run on prepare and cleanup of this file."),
        "templates": Key(MapOf(RELEASE), "Release templates for `inherit`."),
        "defaultInherit": Key(ListOf(_TEXT, single=True), "Templates that every release inherits first."),
        **_MISSING,
        "lockFilePath": Key(_TEXT, "Path of the lock file."),
        "mirrors": Key(MapOf(_TEXT), "URL prefixes and where to fetch from instead of them.", own=True),
        "llm": Key(LLM, "Settings of `doctor`."),
        "renderedvalues": Key(_FREE, "Written by `build`; without effect."),
        "requiredVersion": Key(_TEXT, "Versions of helmflow that may read this file.", own=True),
        "project": Key(_TEXT, "Name of this file in clusters, for its inventory and history.", own=True),
        "mergeLists": _MERGE_LISTS,
    },
)

# Where keys were moved or removed, said instead of a did-you-mean.
MOVED: Final[Mapping[tuple[str, str], str]] = {
    ("state file", "charts"): "Helmfile 1 removed `charts`: name it `releases`",
    ("state file", "context"): "Helmfile 1 removed `context`: name it `kubeContext` in helmDefaults",
    ("helmDefaults", "tillerless"): "Helm 2's Tiller is gone: remove the key",
    ("helmDefaults", "tillerNamespace"): "Helm 2's Tiller is gone: remove the key",
    ("helmDefaults", "tls"): "Helm 2's Tiller is gone: remove the key",
    ("releases", "tillerless"): "Helm 2's Tiller is gone: remove the key",
    ("releases", "tillerNamespace"): "Helm 2's Tiller is gone: remove the key",
    ("releases", "tls"): "Helm 2's Tiller is gone: remove the key",
    ("helmDefaults", "missingFileHandler"): "it belongs to the top level, an environment or a release",
}
