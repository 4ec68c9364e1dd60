"""A loaded file's releases, with nothing left to look up: names, contexts, needs, labels, charts, options."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from helmflow.core.errors import ConfigError, HelmflowError, Mistake
from helmflow.core.ids import ReleaseId
from helmflow.core.records import dataclass
from helmflow.core.source import Span
from helmflow.state import conditions, files, fixpoint, inherit, lockfile, no_effect, options
from helmflow.state.context import Context
from helmflow.state.model import (
    Environment,
    KubectlApply,
    LocalHook,
    Need,
    NeedUntil,
    Patches,
    Presence,
    Release,
    Repository,
    ValuesSources,
)
from helmflow.state.parts import Loaded
from helmflow.state.reading import span_of

Spec = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What holds for every release of a file, from its top level or from flags."""

    kube_context: str = ""
    namespace: str = ""
    chart: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolved:
    """A file's releases and what they share."""

    releases: tuple[Release, ...]
    repositories: tuple[Repository, ...]
    environment: Environment
    local_hooks: tuple[LocalHook, ...]
    lock: Path | None


def resolve(context: Context, loaded: Loaded, overrides: Overrides, file: int, *, locked: bool) -> Resolved:
    """The releases of a file, in the order they are written. Raises ConfigError with every mistake found."""
    spec = loaded.spec
    no_effect.warn(context, spec)
    repositories = tuple(repository(one, loaded.base_dir) for one in spec.get("repositories", ()))
    lock_path = lockfile.path_of(loaded.path, spec.get("lockFilePath", ""), loaded.base_dir)
    resolver = _Resolver(
        context=context,
        loaded=loaded,
        overrides=overrides,
        file=file,
        repositories={one.name: one for one in repositories},
        lock=lockfile.read(context, lock_path) if locked else None,
    )
    releases, mistakes = [], []
    for written in spec.get("releases", ()):
        try:
            releases.append(resolver.release(written))
        except HelmflowError as error:
            mistakes.append((error, [_at(mistake, span_of(written)) for mistake in error.mistakes]))
    if len(mistakes) == 1:
        raise mistakes[0][0]
    if mistakes:
        raise ConfigError.collect([mistake for _, found in mistakes for mistake in found])
    return Resolved(
        releases=tuple(releases),
        repositories=repositories,
        environment=_environment(loaded),
        local_hooks=local_hooks(spec.get("hooks", ())),
        lock=lock_path if lock_path.is_file() else None,
    )


def _environment(loaded: Loaded) -> Environment:
    """The environment with its values and what it says about safety."""
    env = loaded.env
    written = (loaded.spec.get("environments") or {}).get(env.name) or {}
    pin = written.get("cluster") or {}
    return Environment(
        name=env.name,
        values=loaded.values,
        own=env.values,
        kube_context=env.kube_context,
        protected=bool(written.get("protected")),
        pinned_context=pin.get("context", ""),
        pinned_uid=pin.get("uid", ""),
        rollback=written.get("rollback", ""),
    )


def _at(mistake: Mistake, span: Span | None) -> Mistake:
    return mistake if mistake.span else Mistake(mistake.message, mistake.error_id, span, mistake.hint)


def repository(spec: Mapping[str, Any], base_dir: Path) -> Repository:
    """One entry of `repositories`."""
    return Repository(
        name=spec.get("name", ""),
        url=spec.get("url", ""),
        oci=bool(spec.get("oci")),
        username=spec.get("username", ""),
        password=spec.get("password", ""),
        ca_file=spec.get("caFile", ""),
        cert_file=spec.get("certFile", ""),
        key_file=spec.get("keyFile", ""),
        registry_config=spec.get("registryConfig", ""),
        managed=spec.get("managed", ""),
        keyring=spec.get("keyring", ""),
        verify=bool(spec.get("verify")),
        pass_credentials=bool(spec.get("passCredentials")),
        skip_tls_verify=bool(spec.get("skipTLSVerify")),
        plain_http=bool(spec.get("plainHttp")),
        base_dir=base_dir,
    )


def local_hooks(specs: Sequence[Mapping[str, Any]]) -> tuple[LocalHook, ...]:
    """The hooks of a release or a file."""
    return tuple(_local_hook(spec) for spec in specs)


def _local_hook(spec: Mapping[str, Any]) -> LocalHook:
    kubectl = spec.get("kubectlApply")
    if kubectl and kubectl.get("filename") and kubectl.get("kustomize"):
        raise ConfigError(
            "kubectlApply takes filename or kustomize, not both",
            error_id="state.conflicting-keys",
            span=span_of(spec, "kubectlApply"),
        )
    apply = (
        KubectlApply(filename=kubectl.get("filename", ""), kustomize=kubectl.get("kustomize", ""))
        if kubectl
        else None
    )
    return LocalHook(
        name=spec.get("name", "") or spec.get("command", ""),
        events=tuple(spec.get("events", ())),
        command=spec.get("command", ""),
        args=tuple(spec.get("args", ())),
        show_logs=bool(spec.get("showlogs")),
        kubectl_apply=apply,
        span=span_of(spec, "command") if spec.get("command") else span_of(spec),
    )


def release_data(
    env_name: str, loaded: Loaded, overrides: Overrides, release: Mapping[str, Any]
) -> dict[str, Any]:
    """What a release-level template sees."""
    env = loaded.env
    return {
        "Environment": {
            "Name": env.name or env_name,
            "KubeContext": env.kube_context,
            "Values": env.values,
            "Defaults": env.defaults,
            "CLIOverrides": env.cli,
        },
        "Release": {
            "Name": release.get("name", ""),
            "Namespace": release.get("namespace", ""),
            "Labels": release.get("labels") or {},
            "Chart": release.get("chart", ""),
            "ChartVersion": release.get("version", ""),
            "KubeContext": release.get("kubeContext", ""),
        },
        "Values": loaded.values,
        "StateValues": loaded.values,
        "KubeContext": overrides.kube_context,
        "Namespace": overrides.namespace,
        "Chart": overrides.chart,
    }


def need_id(text: str, namespace: str, context: str) -> ReleaseId:
    """`[[kubeContext/]namespace/]name`; parts left out are the release's own, the context may hold slashes."""
    *rest, name = text.split("/")
    if not rest:
        return ReleaseId(context, namespace, name)
    *contexts, own_namespace = rest
    return ReleaseId("/".join(contexts) if contexts else context, own_namespace, name)


@dataclass(slots=True, kw_only=True)
class _Resolver:
    context: Context
    loaded: Loaded
    overrides: Overrides
    file: int
    repositories: Mapping[str, Repository]
    lock: lockfile.LockFile | None

    def release(self, written: Spec) -> Release:
        """One release."""
        spec = self.settled(written)
        span = span_of(written)
        if not spec.get("chart"):
            raise ConfigError(
                f'encountered empty chart while reading release "{spec.get("name", "")}"',
                error_id="state.empty-chart",
                span=span,
                hint="set `chart`",
            )
        self.override(spec)
        if spec.get("forceGoGetter") and not files.is_remote(spec["chart"]):
            raise ConfigError(
                f"chart {spec['chart']!r} is no URL, which forceGoGetter asks for",
                error_id="state.no-url",
                span=span_of(written, "chart") or span,
                hint="git::https://host/repository@path?ref=v1, or remove forceGoGetter",
            )
        own_labels = dict(spec.get("labels") or {})
        spec["labels"] = {
            **own_labels,
            "name": spec.get("name", ""),
            "namespace": spec.get("namespace", ""),
            "chart": spec["chart"].rsplit("/", 1)[-1],
        }
        repository_name = spec["chart"].split("/", 1)[0] if "/" in spec["chart"] else ""
        declared = self.repositories.get(repository_name)
        if self.lock is not None and declared is not None:
            chart = spec["chart"].split("/", 1)[1].rsplit("/", 1)[-1]
            place = span_of(written, "version") or span
            try:
                spec["version"] = self.lock.version(chart, spec.get("version", ""), place)
            except ConfigError:
                if self.has_chart(
                    spec, span
                ):  # `deps` locks what is wanted: another environment may want less
                    raise
        return self.built(spec, own_labels, declared, span)

    def has_chart(self, spec: Spec, span: Span | None) -> bool:
        """Whether a settled release is wanted here, so that its chart matters."""
        wanted = conditions.enabled(spec.get("condition", ""), self.loaded.values, span)
        return wanted and bool(spec.get("installed", True))

    def settled(self, written: Spec) -> Spec:
        """The written release with templates inherited, defaults taken over and its own templates rendered."""
        top = self.loaded.spec
        spec = inherit.inherited(written, top.get("templates") or {}, top.get("defaultInherit") or ())
        if not spec.get("chart") and spec.get("directory"):
            spec["chart"] = spec["directory"]
        if not spec.get("kubeContext") and (top.get("helmDefaults") or {}).get("kubeContext"):
            spec["kubeContext"] = top["helmDefaults"]["kubeContext"]
        spec["labels"] = {**(spec.get("labels") or {}), **(top.get("commonLabels") or {})}
        if not spec.get("apiVersions") and top.get("apiVersions"):
            spec["apiVersions"] = list(top["apiVersions"])
        if not spec.get("kubeVersion") and top.get("kubeVersion"):
            spec["kubeVersion"] = top["kubeVersion"]
        return fixpoint.resolve(self.context, spec, self.data, self.loaded.base_dir)

    def data(self, release: Spec) -> dict[str, Any]:
        """Template data for a round."""
        return release_data(self.loaded.env.name, self.loaded, self.overrides, release)

    def override(self, spec: Spec) -> None:
        """What the top level or flags say of every release; needs become full ids."""
        if self.overrides.kube_context:
            spec["kubeContext"] = self.overrides.kube_context
        if self.overrides.namespace:
            spec["namespace"] = self.overrides.namespace
        if self.overrides.chart:
            spec["chart"] = self.overrides.chart
        if spec.get("needs"):
            spec["needs"] = [self.full_need(need, spec) for need in spec["needs"]]

    def full_need(self, need: Any, spec: Spec) -> Any:
        """A need as Helmfile prints it after normalising."""
        text = need["release"] if isinstance(need, dict) else need
        full = str(need_id(text, spec.get("namespace", ""), spec.get("kubeContext", "")))
        return {**need, "release": full} if isinstance(need, dict) else full

    def built(
        self, spec: Spec, own_labels: dict[str, str], declared: Repository | None, span: Span | None
    ) -> Release:
        """The model out of a settled block."""
        context = spec.get("kubeContext") or self.loaded.env.kube_context
        installed = spec.get("installed", True)
        condition = spec.get("condition", "")
        where = span_of(spec, "condition") if condition else None
        enabled = conditions.enabled(condition, self.loaded.values, where or span)
        wanted = Presence.PRESENT if installed else Presence.ABSENT
        defaults = self.loaded.spec.get("helmDefaults") or {}
        return Release(
            id=ReleaseId(context, spec.get("namespace", ""), spec.get("name", "")),
            chart=spec["chart"],
            version=spec.get("version", ""),
            presence=wanted if enabled else Presence.DISABLED,
            enabled=enabled,
            installed=installed,
            condition=condition,
            labels=spec["labels"],
            own_labels=own_labels,
            needs=self.needs(spec, context),
            repository=declared,
            sources=self.sources(spec),
            options=options.effective(self.context, spec, defaults),
            own_options=options.own(spec),
            patches=_patches(spec),
            local_hooks=local_hooks(spec.get("hooks", ())),
            api_versions=tuple(spec.get("apiVersions", ())),
            kube_version=spec.get("kubeVersion", ""),
            adopt=tuple(spec.get("adopt", ())),
            unit_tests=tuple(spec.get("unitTests", ())),
            force_go_getter=bool(spec.get("forceGoGetter")),
            spec=spec,
            base_dir=self.loaded.base_dir,
            file=self.file,
            span=span,
        )

    def needs(self, spec: Spec, context: str) -> tuple[Need, ...]:
        """The needs with the contexts in force."""
        found = []
        for index, need in enumerate(spec.get("needs") or ()):
            text = need["release"] if isinstance(need, dict) else need
            until = NeedUntil(need.get("until", "deployed")) if isinstance(need, dict) else NeedUntil.DEPLOYED
            full = need_id(text, spec.get("namespace", ""), context)
            found.append(Need(full, until, (spec, index)))
        return tuple(found)

    def sources(self, spec: Spec) -> ValuesSources:
        """Where the values come from."""
        top = self.loaded.spec
        config = spec.get("missingFileHandlerConfig") or top.get("missingFileHandlerConfig") or {}
        return ValuesSources(
            values=tuple(spec.get("values", ())),
            secrets=tuple(spec.get("secrets", ())),
            sets=tuple(spec.get("set", ())),
            set_strings=tuple(spec.get("setString", ())),
            env=tuple(spec.get("env", ())),
            path_prefix=spec.get("valuesPathPrefix", ""),
            missing_file=spec.get("missingFileHandler") or top.get("missingFileHandler") or "Error",
            ignore_missing_git_branch=bool(config.get("ignoreMissingGitBranch")),
            merge_lists={**top.get("mergeLists", {}), **spec.get("mergeLists", {})},
        )


def _patches(spec: Spec) -> Patches:
    return Patches(
        json_patches=tuple(spec.get("jsonPatches", ())),
        strategic_merge_patches=tuple(spec.get("strategicMergePatches", ())),
        transformers=tuple(spec.get("transformers", ())),
        dependencies=tuple(spec.get("dependencies", ())),
        force_namespace=spec.get("forceNamespace", ""),
    )
