"""Recorded planner cases made runnable for real: synthetic charts over HTTP, an embedded cluster, the journal compared.

Nothing bypasses the engine: the real command line runs against a cluster that listens on loopback, charts are fetched
from a repository that helm's own repositories.yaml names, and what happened is read from `--journal`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from helmflow.core.clock import SystemClock
from helmflow.core.errors import HelmflowError
from helmflow.embedded import loopback
from helmflow.embedded.server import ApiServer
from helmflow.providers.charts import serve
from helmflow.providers.state_ports import state_ports
from helmflow.state.load import LoadRequest, load_desired
from helmflow.state.model import DesiredState, Presence, Release
from helmflow.state.values import layer
from tests.state import drive, real

COMMANDS = ("template", "lint", "diff", "apply", "sync", "destroy", "status", "test")
OPERATIONS = {
    "upgrade": "upgrade", "delete": "delete", "diff upgrade": "diff", "template": "template", "lint": "lint",
    "test": "test", "status": "status",
}  # fmt: skip

CHART_FILES = {
    "Chart.yaml": "apiVersion: v2\nname: {name}\nversion: {version}\n",
    "values.yaml": "",
    "templates/resources.yaml": "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: {{ .Release.Name }}-data\ndata:\n"
    "  values: {{ toJson .Values | quote }}\n",
}

_REFUSED = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: NOT_A_NAME\n"

# Flags that mean the same as an option of the journal: flag -> (option, what the flag's presence means).
FLAGS: dict[str, str] = {
    "--wait": "wait",
    "--wait-for-jobs": "wait_for_jobs",
    "--rollback-on-failure": "atomic",
    "--cleanup-on-fail": "cleanup_on_fail",
    "--force-replace": "force",
    "--recreate-pods": "recreate_pods",
    "--devel": "devel",
    "--enable-dns": "enable_dns",
    "--skip-schema-validation": "skip_schema_validation",
    "--disable-openapi-validation": "disable_openapi_validation",
    "--create-namespace": "create_namespace",
    "--skip-crds": "skip_crds",
    "--take-ownership": "take_ownership",
}


@dataclass(frozen=True, slots=True)
class Planned:
    """One release operation, recorded or journaled."""

    operation: str
    release: str
    namespace: str
    options: Mapping[str, Any] = field(default_factory=dict, hash=False, compare=False)
    values: Mapping[str, Any] | None = field(default=None, hash=False, compare=False)
    version: str = ""
    context: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """How a case went: `why` is "" where it matches."""

    why: str
    code: int = -1
    error: str = ""


@dataclass
class Workshop:
    """What one case needs: its folder, its charts, its cluster, its environment."""

    root: Path
    home: Path
    env: dict[str, str]
    charts: Path

    def helm_config(self, names: set[str], url: str) -> None:
        """Helm's repositories.yaml with one entry per repository name."""
        config = self.home / "repositories.yaml"
        entries = [{"name": name, "url": f"{url}/{name}"} for name in sorted(names)]
        config.write_text(yaml.safe_dump({"apiVersion": "", "repositories": entries}), encoding="utf-8")
        self.env["HELM_REPOSITORY_CONFIG"] = str(config)
        self.env["HELM_CONFIG_HOME"] = str(self.home)


def recorded(folder: Path) -> list[Planned]:
    """The release operations that are compared, in order."""
    path = folder / "plan.json"
    found = []
    for one in json.loads(path.read_text(encoding="utf-8")) if path.exists() else ():
        operation = OPERATIONS.get(one["op"])
        if operation is None:
            continue
        values = [yaml.safe_load(text) or {} for text in one.get("values") or ()]
        merged: dict[str, Any] = {}
        for value in values:
            merged = _over(merged, value)
        args = [arg for arg in one["args"] if not arg.startswith("-")]
        name = args[0] if args else ""
        if operation == "lint":
            name = ""
        found.append(
            Planned(
                operation,
                name,
                one["opts"].get("--namespace", ""),
                one["opts"],
                merged,
                context=one["opts"].get("--kube-context", ""),
            )
        )
    return found


def _over(lower: dict[str, Any], upper: Any) -> dict[str, Any]:
    from helmflow.state.merging import overridden

    return overridden(lower, upper) if isinstance(upper, dict) else lower


def journaled(path: Path) -> list[Planned]:
    """What helmflow did."""
    if not path.exists():
        return []
    found = []
    for line in path.read_text(encoding="utf-8").splitlines():
        one = json.loads(line)
        name = "" if one["operation"] == "lint" else one["release"]
        found.append(
            Planned(
                one["operation"], name, one["namespace"], one["options"], one["values"], one["version"], one["context"],
            )
        )  # fmt: skip
    return found


def _desired(argv: list[str], env: Mapping[str, str], cwd: Path) -> DesiredState | None:
    """Every release of the case's files, whatever is selected; None where the files are a mistake."""
    known = drive._parser()
    words = [word for word in argv if word not in COMMANDS]
    options, _ = known.parse_known_args([*words, "list"])
    request = LoadRequest(
        file=options.file, environment=options.environment, namespace=options.namespace,
        kube_context=options.kube_context, state_values_set=tuple(options.state_values_set),
        state_values_set_string=tuple(options.state_values_set_string),
        state_values_files=tuple(options.state_values_file), need_releases=False, locked=False, cwd=cwd,
        env={**os.environ, **env}, ports=state_ports(),
    )  # fmt: skip
    try:
        return load_desired(request, lambda event: None)
    except HelmflowError:
        return None


def write_chart(folder: Path, name: str, version: str, failing: frozenset[str] = frozenset()) -> None:
    refused = "".join(
        f'{{{{ if eq .Release.Name "{one}" }}}}{_REFUSED}{{{{ end }}}}' for one in sorted(failing)
    )
    for file, text in {**CHART_FILES, "templates/refused.yaml": refused}.items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        body = text.format(name=name, version=version) if file == "Chart.yaml" else text
        path.write_text(body, encoding="utf-8")


def _versions(version: str) -> list[str]:
    exact = version if re.fullmatch(r"v?\d+\.\d+\.\d+([-+].*)?", version) else ""
    return sorted({"0.1.0", "0.3.1", "1.0.0", "1.0.7", "2.3.4", exact} - {""})


def _repositories(desired: DesiredState, charts: Path) -> set[str]:
    """A packaged chart for everything that comes from a repository; the names of the repositories."""
    from helmflow.helm.chart.load import load

    names: set[str] = set()
    for release in desired.releases:
        chart = release.chart
        if (
            "/" not in chart
            or chart.startswith((".", "/"))
            or "://" in chart
            or (release.base_dir / chart).is_dir()
        ):
            continue
        repository, _, rest = chart.partition("/")
        names.add(repository)
        name = rest.rsplit("/", 1)[-1]
        for version in _versions(release.version):
            source = charts / "sources" / repository / f"{name}-{version}"
            if not source.exists():
                write_chart(source, name, version)
                load(source)
    return names


def _local_charts(desired: DesiredState, failing: frozenset[str]) -> None:
    for release in desired.releases:
        for name in (release.options.post_renderer, release.own_options.post_renderer):
            if name and name.startswith("./") and not (release.base_dir / name).exists():
                (release.base_dir / name).write_text("#!/bin/sh\ncat\n", encoding="utf-8")
                (release.base_dir / name).chmod(0o755)
        chart = release.chart
        local = chart.startswith((".", "/")) or "/" not in chart
        folder = release.base_dir / chart
        if local and "://" not in chart and not folder.exists():
            write_chart(folder, folder.name, "0.1.0", failing)
        elif local and folder.is_dir() and not (folder / "Chart.yaml").exists():
            _complete_manifests(folder)
        elif local and folder.is_dir() and not (folder / "templates").exists():
            resources = folder / "templates" / "resources.yaml"  # so that other values are a change
            resources.parent.mkdir()
            resources.write_text(CHART_FILES["templates/resources.yaml"], encoding="utf-8")


def _complete_manifests(folder: Path) -> None:
    """Recorded manifests say only their kind: enough for a recording helm, not for a cluster."""
    for path in folder.glob("*.yaml"):
        body = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
        if "metadata" not in body:
            whole = {"apiVersion": "v1", **body, "metadata": {"name": path.stem}}
            path.write_text(yaml.safe_dump(whole), encoding="utf-8")


def _installed(case: Mapping[str, Any], desired: DesiredState, command: str) -> list[tuple[Release, bool]]:
    """Which releases are on the cluster before, and whether with other values."""
    cluster = case["cluster"]
    installed, changed = set(cluster.get("installed") or ()), set(cluster.get("changed") or ())
    found = []
    once = {release.id: release for release in sorted(desired.releases, key=lambda release: release.selected)}
    for release in desired.releases:
        if release is not once[release.id]:
            continue  # two entries of one name: the selected one counts
        listed = any(re.fullmatch(name, release.name) for name in installed)
        differs = release.name in changed
        if release.presence is Presence.ABSENT or command in ("destroy", "test", "status"):
            there = listed or command in ("test", "status")
        elif command in ("apply", "diff") and "--skip-diff-on-install" not in case["argv"]:
            there = listed or not differs
        else:
            there = listed
        if there and release.presence is not Presence.DISABLED:
            found.append((release, differs))
    return found


def _preinstall(workshop: Workshop, desired: DesiredState, releases: list[tuple[Release, bool]]) -> str:
    """Put releases on the cluster with the real sync; the error text where that fails."""
    if not releases:
        return ""
    entries = []
    for release, differs in releases:
        values = layer(desired, release).values
        chart = (
            release.chart
            if "/" in release.chart and not release.chart.startswith(".")
            else str(release.base_dir / release.chart)
        )
        if (release.base_dir / release.chart).is_dir():
            chart = str(release.base_dir / release.chart)
        entry = {
            "name": release.name,
            "chart": chart,
            "values": [{**values, "before": True} if differs else values],
        }
        known = {"namespace": release.namespace, "kubeContext": release.context, "version": release.version}
        entry |= {key: value for key, value in known.items() if value}
        entries.append(entry)
    folder = workshop.home / "before"
    folder.mkdir(exist_ok=True)
    spec: dict[str, Any] = {"releases": entries}
    (folder / "helmfile.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8")
    ran = real.run(["sync"], folder, workshop.env)
    return ran.error if ran.code else ""


# Cases that cannot run on a real cluster, with the reason.
CANNOT_RUN = {
    **dict.fromkeys(
        (
            "app-apply-2/include-transitive-needs=true",
            "app-sync/include-transitive-needs=true",
            "app-diff-2/upgrade_when_releaseB_needs_releaseA_with_AWS_context",
        ),
        "its release names have capital letters, which Kubernetes and Helm refuse",
    ),
    **dict.fromkeys(
        (
            "app-apply/upgrade_when_bar_needs_foo_with_ns_override",
            "app-apply/upgrade_when_foo_needs_bar_with_ns_override",
        ),
        "its namespace has capital letters, which Kubernetes refuses",
    ),
    "probes/patches-chartify_3": "its strategic merge patch names no object, which kustomize refuses",
}


def suites() -> list[str]:
    """The suites that have such cases; one name that says so where the data is absent."""
    from tests import conformance

    if not (conformance.ROOT / "helmfile").exists():
        return ["absent"]
    return list(dict.fromkeys(folder.parent.name for folder in planner_cases("*")))


def planner_cases(suite: str) -> list[Path]:
    """The folders of every recorded case of a suite that plans releases."""
    from tests import conformance

    found = []
    for file in sorted(conformance.path("helmfile").glob(f"{suite}/*/case.json")):
        words = json.loads(file.read_text(encoding="utf-8"))["argv"]
        if not set(words) & set(drive.COMMANDS) and set(words) & set(COMMANDS):
            found.append(file.parent)
    return found


def run_case(case: Mapping[str, Any], folder: Path, scratch: Path) -> Result:
    """Run one case for real and compare it."""
    argv = [str(word) for word in case["argv"]]
    command = next(word for word in argv if word in COMMANDS)
    root, home = scratch / "root", scratch / "home"
    shutil.copytree(folder / "input", root) if (folder / "input").exists() else root.mkdir(parents=True)
    home.mkdir(parents=True)
    with contextlib.ExitStack() as stack:
        listening = loopback.serve(ApiServer(None, SystemClock()))
        listening.start()
        stack.callback(listening.stop)
        workshop = Workshop(root, home, _base_env(home, case), scratch / "charts")
        desired = _desired(argv, workshop.env, root)
        contexts = {release.context for release in desired.releases} if desired else set()
        _kubeconfig(workshop, listening, contexts | {"default"})
        if desired is not None:
            _local_charts(desired, frozenset(case["cluster"].get("failing") or ()))
            names = _repositories(desired, workshop.charts)
            if names:
                url = stack.enter_context(_serving(workshop.charts / "sources", names))
                workshop.helm_config(names, url)
                _point_at(root, url, desired)
                desired = _desired(argv, workshop.env, root) or desired
            problem = _preinstall(workshop, desired, _installed(case, desired, command))
            if problem:
                return Result(f"could not install before: {problem.strip()[-400:]}")
        journal = home / "journal.jsonl"
        words = [*argv]
        words.insert(words.index(command) + 1, f"--journal={journal}")
        if command == "sync":
            workshop.env["HELMFLOW_ALWAYS_UPGRADE"] = "1"
        ran = real.run(words, root, workshop.env)
    return Result(_compare(case, folder, command, ran.code, journal), ran.code, ran.error)


def _base_env(home: Path, case: Mapping[str, Any]) -> dict[str, str]:
    return {
        "PATH": os.environ["PATH"], "HOME": str(home), "HELMFLOW_CACHE_HOME": str(home / "cache"),
        "HELMFLOW_STATE_HOME": str(home / "state"), "NO_COLOR": "1",
        **{str(key): str(value) for key, value in (case.get("env") or {}).items()},
    }  # fmt: skip


def _kubeconfig(workshop: Workshop, listening: loopback.Loopback, contexts: set[str]) -> None:
    document = loopback.kubeconfig(listening.url, listening.token, listening.certificate, "default")
    entry = document["contexts"][0]["context"]
    document["contexts"] = [{"name": name, "context": entry} for name in sorted(contexts - {""})]
    path = workshop.home / "kubeconfig"
    path.write_text(json.dumps(document), encoding="utf-8")
    workshop.env["KUBECONFIG"] = str(path)


@contextlib.contextmanager
def _serving(sources: Path, names: set[str]) -> Iterator[str]:
    """One server; each repository lives under its name."""
    files: dict[str, bytes] = {}
    for name in names:
        built = serve.build(sources / name)
        files |= {f"/{name}/{path.lstrip('/')}": content for path, content in built.files.items()}
    with serve.serving(serve.Repository(files, len(files))) as url:
        yield url.rstrip("/")


def _point_at(root: Path, url: str, desired: DesiredState) -> None:
    """Declared repositories answer from the workshop."""
    for path in root.rglob("*.y*ml*"):
        text = changed = path.read_text(encoding="utf-8")
        for repository in desired.repositories:
            if repository.url and not repository.oci:
                changed = changed.replace(repository.url, f"{url}/{repository.name}")
        if changed != text:
            path.write_text(changed, encoding="utf-8")


def _compare(case: Mapping[str, Any], folder: Path, command: str, code: int, journal: Path) -> str:
    if code != case["recorded"]["exit"]:
        return f"exit {code} instead of {case['recorded']['exit']}"
    if code in (1, 3):
        return ""
    want, got = recorded(folder), journaled(journal)
    if command != "status":  # how Helmfile asks whether a release exists
        want = [one for one in want if one.operation != "status"]
    if command in ("template", "diff", "lint"):
        got = [one for one in got if one.operation in (command, "delete")]
    shown = [(one.operation, one.release) for one in want], [(one.operation, one.release) for one in got]
    exact = "--concurrency" in case["argv"] and command not in ("diff", "apply")
    if exact and shown[0] != shown[1]:
        return f"order: wanted {shown[0]}, got {shown[1]}"
    if Counter(shown[0]) != Counter(shown[1]):
        return f"operations: wanted {shown[0]}, got {shown[1]}"
    return _options_differ(want, got)


def _options_differ(want: list[Planned], got: list[Planned]) -> str:
    left = list(got)
    for one in want:
        same = [other for other in left if (other.operation, other.release) == (one.operation, one.release)]
        match = next((other for other in same if not one.namespace or other.namespace == one.namespace), None)
        if match is None:
            return f"{one.operation} {one.release}: namespace {one.namespace!r}, got {[other.namespace for other in same]}"
        left.remove(match)
        if one.operation == "upgrade":
            for flag, option in FLAGS.items():
                if bool(match.options.get(option)) != bool(one.options.get(flag)):
                    return f"{one.release}: {flag} is {one.options.get(flag)}, {option} is {match.options.get(option)}"
            timeout = str(one.options.get("--timeout", "")).removesuffix("s")
            if timeout and float(timeout) != float(match.options.get("timeout_s") or 0):
                return f"{one.release}: timeout {timeout}, got {match.options.get('timeout_s')}"
            if (
                "--history-max" in one.options
                and int(one.options["--history-max"]) != match.options["history_max"]
            ):
                return f"{one.release}: history_max is {match.options['history_max']}"
            if str(one.options.get("--description", "")) != match.options["description"]:
                return f"{one.release}: description is {match.options['description']!r}"
            labels = ",".join(f"{k}={v}" for k, v in sorted((match.options.get("labels") or {}).items()))
            if str(one.options.get("--labels", "")) != labels:
                return f"{one.release}: labels are {labels!r}, not {one.options.get('--labels')}"
            # Helm 4 knows a script as the plugin of its name.
            renderer = (
                Path(match.options.get("post_renderer", "")).stem,
                *match.options.get("post_renderer_args", ()),
            )
            said = (one.options.get("--post-renderer", ""), one.options.get("--post-renderer-args"))
            if tuple(filter(None, said)) != tuple(filter(None, renderer)):
                return f"{one.release}: post-renderer is {renderer}, not {said}"
            if one.options.get("--version", match.version) != match.version:
                return f"{one.release}: version is {match.version!r}"
            if bool(one.options.get("--reset-values")) != bool(match.options.get("reset_values")):
                return f"{one.release}: reset_values is {match.options.get('reset_values')}"
        if one.operation == "delete":
            waits = (bool(match.options["delete_wait"]), match.options["propagation"].lower())
            if waits != (bool(one.options.get("--wait")), one.options.get("--cascade", "background")):
                return f"{one.release}: deleted with {waits}"
            seconds = str(one.options.get("--timeout", "")).removesuffix("s")
            if seconds and float(seconds) != match.options["delete_timeout_s"]:
                return f"{one.release}: deleted within {match.options['delete_timeout_s']} s"
        if one.operation == "diff" and bool(one.options.get("--reuse-values")) is bool(
            match.options.get("reset_values")
        ):
            return f"{one.release}: diff with reset_values {match.options.get('reset_values')}"
        if match.context and one.context not in ("", match.context):
            return f"{one.release}: context {match.context!r} instead of {one.context!r}"
        compared = one.operation in ("upgrade", "template", "diff") and "--set" not in one.options
        if compared and one.values and not _equal(one.values, match.values):
            return f"{one.operation} {one.release}: values {one.values}, got {match.values}"
    return ""


def _equal(a: Any, b: Any) -> bool:
    return json.loads(json.dumps(a, default=str)) == json.loads(json.dumps(b, default=str))
