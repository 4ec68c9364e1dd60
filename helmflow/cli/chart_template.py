"""chart template: renders one chart, dispatched before anything that it does not need is imported."""

from __future__ import annotations

import os
import sys

from helmflow.core.errors import ChartError, ConfigError, HelmflowError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Final

    from helmflow.helm.render.kept import Kept

USAGE: Final = """\
usage: helmflow chart template [NAME] CHART [flags]

Render a chart and print its manifests, as `helm template` does.

  -f, --values FILE            values file; later ones win
      --set, --set-string, --set-json, --set-file, --set-literal EXPRESSION
  -n, --namespace NAMESPACE    [default]
      --version RANGE          of a chart in a repository
      --kube-version VERSION   Kubernetes version that templates see
  -a, --api-versions VERSION   more API versions that templates see
  -s, --show-only FILE         only these template files
      --include-crds, --skip-crds, --no-hooks, --skip-tests, --is-upgrade
      --skip-schema-validation, --enable-dns, --legacy-hooks
      --strict-values MODE     off, warn or error: values that no template reads
      --helm-version 3|4       whose behaviour [4]
      --output-dir FOLDER      write files instead of printing
"""

_WITH_VALUE: Final = {
    "-f": "values", "--values": "values",
    "--set": "set", "--set-string": "set-string", "--set-json": "set-json",
    "--set-file": "set-file", "--set-literal": "set-literal",
    "-n": "namespace", "--namespace": "namespace", "--version": "version",
    "--kube-version": "kube-version", "-a": "api-versions", "--api-versions": "api-versions",
    "-s": "show-only", "--show-only": "show-only", "--output-dir": "output-dir",
    "--strict-values": "strict-values", "--helm-version": "helm-version",
}  # fmt: skip
_SWITCHES: Final = frozenset({
    "include-crds", "skip-crds", "no-hooks", "skip-tests", "is-upgrade", "skip-schema-validation",
    "enable-dns", "legacy-hooks", "devel",
})  # fmt: skip


class _Request:
    """The words of one command line, sorted."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.given: list[tuple[str, str]] = []
        self.switches: set[str] = set()

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.given if key == name]

    def last(self, name: str, default: str = "") -> str:
        return next(reversed(self.all(name)), default)


def run(arguments: Sequence[str]) -> int:
    """Render and print; the exit code."""
    if not arguments or "-h" in arguments or "--help" in arguments:
        sys.stdout.write(USAGE)
        return 0 if arguments else 3
    try:
        return _render(_parse(arguments))
    except HelmflowError as error:
        from helmflow.ui import error_view

        sys.stdout.flush()
        sys.stderr.write(error_view.render(error) + "\n")
        return error.exit_code
    except BrokenPipeError:
        return 0


def _render(request: _Request) -> int:
    import gc

    gc.disable()  # the process ends before collecting pays
    from helmflow.helm.chart.capabilities import Capabilities
    from helmflow.helm.render import engine
    from helmflow.helm.render.kept import Kept

    name, source = _names(request.words)
    strictness = _strictness(request.last("strict-values", "off"))
    kept = Kept()
    chart = kept.load_chart(_chart_path(source, request))
    kept.load_seen(chart, name)
    capabilities = Capabilities().with_api_versions(tuple(request.all("api-versions")))
    if request.last("kube-version"):
        capabilities = capabilities.with_kube_version(request.last("kube-version"))
    options = engine.RenderOptions(
        release_name=name,
        namespace=request.last("namespace", "default"),
        is_upgrade="is-upgrade" in request.switches,
        capabilities=capabilities,
        helm_version=3 if request.last("helm-version") == "3" else 4,
        skip_schema_validation="skip-schema-validation" in request.switches,
        enable_dns="enable-dns" in request.switches,
        include_crds="include-crds" in request.switches and "skip-crds" not in request.switches,
        skip_tests="skip-tests" in request.switches,
        no_hooks="no-hooks" in request.switches,
        legacy_hooks="legacy-hooks" in request.switches,
        unread_values=strictness,
        programs=kept.programs,
    )
    rendered = engine.render(chart, _values(request, kept), options)
    for warning in rendered.warnings:
        from helmflow.ui import error_view

        sys.stderr.write(error_view.render_warning(warning) + "\n")
    text = rendered.template_output(show_only=tuple(request.all("show-only")))
    folder = request.last("output-dir")
    if folder:
        from pathlib import Path

        from helmflow.ui import output_dir

        for path in output_dir.write(text, Path(folder)):
            sys.stdout.write(f"wrote {path}\n")
        return 0
    sys.stdout.write(text)
    sys.stdout.flush()
    engine.keep_programs(rendered.chart, kept.programs)
    kept.save_seen(chart, name)
    return 0


def _values(request: _Request, kept: Kept) -> dict[str, Any]:
    """Values files and sets in Helm's order: files, --set-json, --set, --set-string, --set-file, --set-literal."""
    values: dict[str, Any] = {}
    for name in request.all("values"):
        text = _read(name)
        try:
            loaded = kept.load_values(text)
        except ChartError as cause:
            raise ConfigError(
                f"failed to parse {name}: {cause}", error_id="values.bad-yaml", span=cause.span
            ) from cause
        if values:
            from helmflow.helm.chart import load

            loaded = load.merge_maps(values, loaded)
        values = loaded
    if any(key.startswith("set") for key, _ in request.given):
        from helmflow.helm.values import strvals

        for kind in ("set-json", "set", "set-string", "set-file", "set-literal"):
            for expression in request.all(kind):
                values = strvals.apply(values, expression, kind=kind, read_file=_text)
    return values


def _read(name: str) -> bytes:
    try:
        if name == "-":
            return sys.stdin.buffer.read()
        with open(name, "rb") as file:
            return file.read()
    except OSError as cause:
        raise ConfigError(
            f"cannot read the values file {name}: {cause.strerror}", error_id="values.missing-file"
        ) from cause


def _text(name: str) -> str:
    return _read(name).decode("utf-8", "surrogateescape")


def _chart_path(source: str, request: _Request) -> str:
    if os.path.exists(source):
        return source
    from pathlib import Path

    from helmflow.providers.charts.fetch import ChartFetcher

    fetcher = ChartFetcher(())
    fetched = fetcher.fetch(source, request.last("version"), Path.cwd(), devel="devel" in request.switches)
    return os.fspath(fetched.path)


def _strictness(word: str) -> str:
    if word not in ("off", "warn", "error"):
        raise _usage(f"--strict-values does not take {word!r}: off, warn or error")
    return word


def _names(words: Sequence[str]) -> tuple[str, str]:
    if len(words) == 1:
        return "release-name", words[0]
    if len(words) == 2:
        return words[0], words[1]
    raise _usage(f"chart template takes a name and a chart, not {len(words)} words")


def _parse(arguments: Sequence[str]) -> _Request:
    request = _Request()
    rest = list(arguments)
    while rest:
        word = rest.pop(0)
        if word == "--":
            request.words.extend(rest)
            break
        if not word.startswith("-") or word == "-":
            request.words.append(word)
            continue
        name, equals, value = word.partition("=")
        if name in _WITH_VALUE:
            if not equals:
                if not rest:
                    raise _usage(f"{name} needs a value")
                value = rest.pop(0)
            request.given.append((_WITH_VALUE[name], value))
        elif name.removeprefix("--") in _SWITCHES and name.startswith("--"):
            if value.lower() not in ("false", "0"):
                request.switches.add(name.removeprefix("--"))
        else:
            raise _usage(f"unknown flag {name}")
    return request


class _UsageError(ConfigError):
    exit_code = 3


def _usage(message: str) -> ConfigError:
    return _UsageError(message, error_id="cli.usage", hint="helmflow chart template --help")
