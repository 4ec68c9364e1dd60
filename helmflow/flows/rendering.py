"""Render a prepared release: for a cluster with what that cluster can do, or offline."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from helmflow.core.errors import ConfigError, HelmflowError
from helmflow.core.events import ReleaseRendered
from helmflow.core.ids import ObjectRef, ReleaseId
from helmflow.core.source import Span
from helmflow.flows.prepare import Prepared
from helmflow.flows.session import Session

if TYPE_CHECKING:
    from helmflow.flows.transforming import Transforming
    from helmflow.helm.chart.capabilities import Capabilities
    from helmflow.helm.render.engine import Rendered
    from helmflow.helm.render.functions import Lookup
    from helmflow.helm.render.postrender import PostRenderer
    from helmflow.kube.client import KubeClient
    from helmflow.plan.patches import Patching
    from helmflow.state.model import ReleaseOptions

_AT: Final = re.compile(r"at '(/[^']*)'")


class ClusterLookup:
    """The `lookup` function of templates, answered by a cluster."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client
        self.asked = 0

    def lookup(self, api_version: str, kind: str, namespace: str, name: str) -> dict[str, Any]:
        """The object, or with name "" the list; {} where there is none."""
        self.asked += 1
        if self._client.discovery().find(api_version, kind) is None:
            return {}
        if name:
            return self._client.find(ObjectRef(api_version, kind, namespace, name)) or {}
        listed = self._client.list(api_version, kind, namespace)
        return {"apiVersion": api_version, "kind": f"{kind}List", "metadata": {}, "items": list(listed.items)}


def cluster_capabilities(client: KubeClient) -> Capabilities:
    """What a cluster can do, as templates see it."""
    from helmflow.helm.chart.capabilities import Capabilities

    return Capabilities(client.server_version().git_version, client.discovery().api_versions())


def offline_capabilities(session: Session, prepared: Prepared, kube_version: str) -> Capabilities:
    """What Helm assumes without a cluster, with what flags and files say on top."""
    from helmflow.helm.chart.capabilities import Capabilities

    given = session.options.render
    found = Capabilities()
    own = prepared.release.options
    version = given.kube_version or own.template_kube_version or prepared.release.kube_version or kube_version
    if version:
        found = found.with_kube_version(version)
    extra = (*prepared.release.api_versions, *own.template_api_versions, *given.api_versions)
    return found.with_api_versions(extra) if extra else found


def render(
    session: Session,
    prepared: Prepared,
    owner: ReleaseId,
    capabilities: Capabilities,
    *,
    lookup: Lookup | None = None,
    number: int = 1,
    upgrade: bool = False,
    offline: bool = False,
    lint: bool = False,
) -> Rendered:
    """The release's chart rendered as revision `number`; emits ReleaseRendered."""
    from helmflow.helm.render import engine

    given, own = session.options.render, prepared.release.options
    started = session.clock.monotonic()
    try:
        rendered = engine.render(
            prepared.chart,
            prepared.values.values,
            engine.RenderOptions(
                release_name=owner.name,
                namespace=owner.namespace,
                revision=number,
                is_upgrade=upgrade or (offline and bool(own.template_is_upgrade)),
                capabilities=capabilities,
                lookup=lookup,
                skip_schema_validation=given.skip_schema_validation or bool(own.skip_schema_validation),
                enable_dns=given.enable_dns or bool(own.enable_dns),
                subchart_notes=given.subchart_notes,
                include_crds=offline and _with_crds(session, own),
                skip_tests=offline and (given.skip_tests or bool(own.template_skip_tests)),
                no_hooks=offline and (given.no_hooks or bool(own.template_no_hooks)),
                lint=lint,
                unread_values=given.unread_values,
                legacy_hooks=given.legacy_hooks,
                programs=session.programs,
                post_renderer=_post_renderer(session, prepared),
            ),
        )
    except HelmflowError as error:
        # What is wrong with the result as a whole, such as values that the schema refuses, is the release's.
        error.span = error.span or _written_at(prepared, error) or prepared.release.span
        raise
    session.rendered[id(rendered.chart)] = rendered.chart
    session.emit(
        ReleaseRendered(
            release=prepared.release.id,
            documents=len(rendered.manifests) + len(rendered.hooks),
            seconds=session.clock.monotonic() - started,
        )
    )
    return rendered


def _with_crds(session: Session, own: ReleaseOptions) -> bool:
    asked = session.options.render.include_crds
    return bool(own.template_include_crds if asked is None else asked) and not own.skip_crds


def _written_at(prepared: Prepared, error: HelmflowError) -> Span | None:
    """Where the value is written that the chart's schema refuses, where its message names one."""
    if error.error_id != "chart.values-schema":
        return None
    from helmflow.state.explain import written_at

    chart = ""
    for line in error.message.splitlines():
        named = _AT.search(line)
        if named is None:
            chart = line.strip().removesuffix(":")
            continue
        path = tuple(step.replace("~1", "/").replace("~0", "~") for step in named[1].split("/")[1:])
        for tried in (path, (chart, *path)):
            span = written_at(prepared.values, tried)
            if span is not None:
                return span
    return None


class CommandPostRenderer:
    """A post-renderer that is a command: it reads the manifests and writes them back changed."""

    def __init__(self, command: tuple[str, ...], release: ReleaseId) -> None:
        self._command = command
        self._release = release

    def run(self, manifests: str) -> str:
        """What the command wrote; HelmflowError `release.post-renderer` where it failed."""
        from helmflow.core import process

        finished = process.run(self._command, stdin=manifests)
        if finished.status != 0:
            raise HelmflowError(
                f"the post-renderer of {self._release} failed with exit code {finished.status}: "
                f"{finished.stderr.strip() or finished.stdout.strip()}",
                error_id="release.post-renderer",
            )
        return finished.stdout


class PatchRenderer:
    """The release's own patches and transformers, then its post-renderer if it has one."""

    def __init__(
        self, patching: Patching, transforming: Transforming | None, then: PostRenderer | None
    ) -> None:
        self._patching = patching
        self._transforming = transforming
        self._then = then

    def run(self, manifests: str) -> str:
        """The patched stream."""
        from helmflow.core import yaml_dialect

        documents = [body for body in yaml_dialect.load_all(manifests) if isinstance(body, dict)]
        changed = self._patching.apply(documents)
        if self._transforming is not None:
            changed = self._transforming.apply(changed)
        text = "---\n".join(yaml_dialect.dump(body) for body in changed)
        return self._then.run(text) if self._then else text


def _post_renderer(session: Session, prepared: Prepared) -> PostRenderer | None:
    command = _command(session, prepared)
    if prepared.patching is None:
        return command
    return PatchRenderer(prepared.patching, prepared.transforming, command)


def _command(session: Session, prepared: Prepared) -> PostRenderer | None:
    given, own = session.options.render, prepared.release.options
    command = given.post_renderer or own.post_renderer or ""
    if not command:
        return None
    if session.options.state.untrusted and not given.post_renderer:
        raise ConfigError(
            f"the post-renderer {command!r} of the files is not run under --untrusted",
            error_id="state.untrusted",
            hint="run without --untrusted where the files come from people you trust",
        )
    arguments = given.post_renderer_args or own.post_renderer_args or ()
    path = prepared.release.base_dir / command
    program = str(path) if "/" in command and path.exists() else command
    return CommandPostRenderer((program, *arguments), prepared.release.id)
