"""lint --profile best-practices: one rule per row of the checklist in docs/best-practices.md, beyond what Helm checks."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from helmflow.core import semver
from helmflow.core.errors import HelmflowError
from helmflow.core.records import dataclass
from helmflow.helm.chart.lint import Message, Severity

if TYPE_CHECKING:
    from helmflow.helm.chart.model import Chart
    from helmflow.helm.render.engine import Rendered

PROFILE: Final = "best-practices"

Finding = tuple[str, str]  # path, text


@dataclass(frozen=True, slots=True)
class Rule:
    """One row of the checklist. `check` yields what breaks it."""

    id: str
    title: str
    check: Callable[[Subject], Iterator[Finding]]


@dataclass
class Subject:
    """A chart as the rules see it: as it is written, and as it renders with the values of the command line."""

    chart: Chart
    directory: str
    values: dict[str, Any]

    @cached_property
    def rendered(self) -> Rendered | None:
        """Its objects and hooks; None where it does not render, which Helm's own rules report."""
        from helmflow.helm.render.engine import RenderOptions, render

        options = RenderOptions(
            release_name="test-release", namespace="default", lint=True, installable=False
        )
        try:
            return render(self.chart, self.values, options)
        except HelmflowError:
            return None

    @cached_property
    def objects(self) -> tuple[tuple[str, Mapping[str, Any]], ...]:
        """Template path and body of every object of this chart, without hooks."""
        if self.rendered is None:
            return ()
        return tuple((_path(one.source_path), _map(one.body)) for one in self.rendered.manifests)

    @cached_property
    def hooks(self) -> tuple[tuple[str, Any], ...]:
        """Template path and hook of every chart hook."""
        return tuple((_path(hook.path), hook) for hook in self.rendered.hooks) if self.rendered else ()


def check(directory: str, values: dict[str, Any]) -> tuple[Message, ...]:
    """What breaks the checklist, as warnings that name their rule; nothing where the chart does not load."""
    from helmflow.helm.chart.lint import loaded

    chart, _ = loaded(directory)
    if chart is None:
        return ()
    subject = Subject(chart, directory, values)
    return tuple(
        Message(Severity.WARNING, path, f"{text} [{rule.id}]")
        for rule in RULES
        for path, text in dict.fromkeys(rule.check(subject))
    )


# ---- the chart as it is written

_DEFINE: Final = re.compile(r'\{\{-?\s*define\s+"([^"]+)"')
_INCLUDE: Final = re.compile(r'\{\{-?[^}]*\b(?:include|template)\s+"')
_ACTION: Final = re.compile(r"\{\{-?\s*(.*?)\s*-?\}\}", re.DOTALL)
_VALUE: Final = re.compile(r"\$?\.Values\.([A-Za-z_][\w.]*)")
_GUARDED: Final = re.compile(
    r"^(?:if|else if|with|range|define|/\*)\b|\b(?:required|default|coalesce|ternary|empty|hasKey|fail)\b"
)
_TESTED: Final = re.compile(r"^(?:if|else if|with|range)\b")
_ENVIRONMENT: Final = re.compile(r"(?:.*/)?(?:values[-_.].+\.ya?ml|.+[-_.]values\.ya?ml)")
_ENVIRONMENT_FOLDERS: Final = ("environments/", "values/", "ci/")


def _helpers(subject: Subject) -> Iterator[Finding]:
    if subject.chart.is_library:
        return
    defined: list[tuple[str, str]] = []
    included = False
    for file in subject.chart.templates:
        defined += [(file.name, name) for name in _DEFINE.findall(file.text)]
        included = included or bool(_INCLUDE.search(file.text))
    if not defined:
        yield "templates/", "no named templates: put names and labels into templates/_helpers.tpl, once"
    elif not included:
        yield "templates/", "named templates are defined and never included"
    prefix = f"{subject.chart.name}."
    for path, name in defined:
        if not name.startswith(prefix):
            yield (
                path,
                f"the named template {name!r} has no prefix {prefix!r}: subcharts share one space of names",
            )


def _environments(subject: Subject) -> Iterator[Finding]:
    if subject.chart.is_library:
        return
    files = [
        file
        for file in subject.chart.files
        if _ENVIRONMENT.fullmatch(file.name)
        or (file.name.startswith(_ENVIRONMENT_FOLDERS) and file.name.endswith((".yaml", ".yml")))
    ]
    if not files:
        yield (
            "values.yaml",
            "no values per environment: add values-NAME.yaml (or ci/NAME-values.yaml) for each one",
        )
        return
    from helmflow.helm.chart.load import load_values

    known = set(subject.chart.values) | {"global", "tags"} | {one.name for one in subject.chart.dependencies}
    for file in files:
        try:
            given = load_values(file.data)
        except HelmflowError as error:
            yield file.name, f"cannot be read: {error}"
            continue
        for key in given:
            if key not in known:
                yield file.name, f"sets {key!r}, which values.yaml does not have"


def _required(subject: Subject) -> Iterator[Finding]:
    empty = dict.fromkeys(_empty_paths(subject.chart.values, ""))
    for file in subject.chart.templates:
        actions = [action for action in _ACTION.findall(file.text) if not action.startswith("/*")]
        tested = {path for action in actions if _TESTED.match(action) for path in _VALUE.findall(action)}
        for action in actions:
            if _GUARDED.search(action):
                continue
            for path in _VALUE.findall(action):
                if path in empty and not any(path == one or path.startswith(f"{one}.") for one in tested):
                    yield (
                        file.name,
                        f".Values.{path} is empty by default and printed as it is: use `required` or `default`",
                    )


def _empty_paths(values: Mapping[str, Any], prefix: str) -> Iterator[str]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _empty_paths(value, f"{prefix}{key}.")
        elif value is None or value == "":
            yield f"{prefix}{key}"


def _versions(subject: Subject) -> Iterator[Finding]:
    about = subject.chart.metadata
    try:
        semver.Version.parse_strict(about.version)
    except ValueError:
        yield "Chart.yaml", f"version {about.version!r} is no strict SemVer 2 version"
    if not about.kube_version:
        yield "Chart.yaml", "kubeVersion is missing: say which Kubernetes the chart is for"
    for dependency in about.declared:
        if not _is_bounded(dependency.version):
            yield (
                "Chart.yaml",
                f"the dependency {dependency.name!r} takes any later version: {dependency.version or '*'!r}",
            )
    if any(dependency.repository for dependency in about.declared) and subject.chart.lock is None:
        yield "Chart.yaml", "there is no Chart.lock: run chart dependency update and commit it"


def _is_bounded(constraint: str) -> bool:
    """Whether a range ends: a next major version that nobody has seen yet is outside."""
    try:
        parsed = semver.Constraint.parse(constraint or "*")
    except ValueError:
        return False
    return not parsed.check(semver.Version.parse("999999.0.0"))


# ---- the chart as it renders

_WORKLOADS: Final = ("Deployment", "StatefulSet", "DaemonSet")
_UNSTABLE_LABELS: Final = ("helm.sh/chart", "app.kubernetes.io/version")


def _images(subject: Subject) -> Iterator[Finding]:
    for path, body in subject.objects:
        for container in _containers(body):
            image = str(container.get("image") or "")
            name, _, tag = image.rpartition("/")[2].partition(":")
            if image and "@sha256:" not in image and (not tag or tag == "latest"):
                yield path, f"the image {image!r} names no version: {name}:TAG or a digest"


def _rbac(subject: Subject) -> Iterator[Finding]:
    for path, body in subject.objects:
        kind, name = body.get("kind"), _map(body.get("metadata")).get("name")
        if kind in ("Role", "ClusterRole"):
            for rule in _maps(body.get("rules")):
                wide = [key for key in ("apiGroups", "resources", "verbs") if "*" in (rule.get(key) or ())]
                if wide:
                    yield (
                        path,
                        f"{kind} {name} grants everything of {' and '.join(wide)}: name what is needed",
                    )
        if kind in ("RoleBinding", "ClusterRoleBinding"):
            role = _map(body.get("roleRef")).get("name")
            if role in ("cluster-admin", "admin"):
                yield path, f"{kind} {name} makes somebody {role}: grant a role of the chart's own"
        pod = _pod(body)
        if pod and pod.get("serviceAccountName") in (None, "default") and not _keeps_token_away(pod):
            yield (
                path,
                (
                    f"{kind} {name} runs with the namespace's default account and its token: "
                    "set serviceAccountName, or automountServiceAccountToken: false"
                ),
            )


def _keeps_token_away(pod: Mapping[str, Any]) -> bool:
    return pod.get("automountServiceAccountToken") is False


def _upgrades(subject: Subject) -> Iterator[Finding]:
    for path, body in subject.objects:
        kind, name = str(body.get("kind")), _map(body.get("metadata")).get("name")
        if kind not in _WORKLOADS:
            continue
        selector = _map(_map(_map(body.get("spec")).get("selector")).get("matchLabels"))
        for label in _UNSTABLE_LABELS:
            if label in selector:
                yield (
                    path,
                    f"{kind} {name} selects by {label}, which changes: selectors cannot, so the next upgrade fails",
                )
        if any("readinessProbe" not in container for container in _maps(_pod(body).get("containers"))):
            yield (
                path,
                f"{kind} {name} has a container without readinessProbe: --atomic cannot see that it failed",
            )
    for path, hook in subject.hooks:
        if "test" not in hook.events and not hook.delete_policies:
            yield (
                path,
                f"the hook {hook.name} has no helm.sh/hook-delete-policy: what it makes stays until the next run",
            )


def _tests(subject: Subject) -> Iterator[Finding]:
    if subject.chart.is_library or subject.rendered is None:
        return
    if not any("test" in hook.events for _, hook in subject.hooks):
        yield (
            "templates/tests/",
            "no test hook: a Pod with helm.sh/hook: test that tells whether the release works",
        )


RULES: Final = (
    Rule("helpers", "Names and labels come from named templates with the chart's prefix", _helpers),
    Rule("environment-values", "Each environment has a values file, and it sets known values", _environments),
    Rule("required", "Values without a default are required or guarded where they are printed", _required),
    Rule("strict-versions", "Versions are strict, dependencies bounded and locked", _versions),
    Rule("image-versions", "Images name a version", _images),
    Rule("least-privilege", "RBAC grants what is needed and no more", _rbac),
    Rule("atomic-upgrades", "A failed upgrade can be seen and undone", _upgrades),
    Rule("tests", "The chart has a test", _tests),
)


def _pod(body: Mapping[str, Any]) -> Mapping[str, Any]:
    spec = _map(body.get("spec"))
    match body.get("kind"):
        case "Pod":
            return spec
        case "CronJob":
            spec = _map(_map(spec.get("jobTemplate")).get("spec"))
        case "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" | "Job":
            pass
        case _:
            return {}
    return _map(_map(spec.get("template")).get("spec"))


def _containers(body: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    pod = _pod(body)
    for key in ("initContainers", "containers"):
        yield from _maps(pod.get(key))


def _maps(value: Any) -> Iterator[Mapping[str, Any]]:
    yield from (item for item in value if isinstance(item, dict)) if isinstance(value, list) else ()


def _map(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _path(source: str) -> str:
    """A template's path without its chart's name, which lint's paths do not have."""
    return source.partition("/")[2] or os.path.basename(source)
