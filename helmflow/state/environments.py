"""An environment's values: which files and maps give them, and how layers of them merge."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from helmflow.core.errors import ConfigError, TemplateError
from helmflow.core.lazy import pattern
from helmflow.core.records import dataclass, field, replace
from helmflow.core.source import SourceText, Span
from helmflow.state import files, merging
from helmflow.state.context import Context
from helmflow.state.merging import Lists, Values
from helmflow.state.ports import Pin
from helmflow.state.reading import span_of, values_text

_HCL_TEXT = pattern(r'"((?:[^"\\]|\\.)*)"')


@dataclass(frozen=True, slots=True, kw_only=True)
class Env:
    """Values as they are layered while files load. `cli` is --state-values-set, `defaults` top-level `values:`."""

    name: str
    kube_context: str = ""
    values: Values = field(default_factory=dict)
    defaults: Values = field(default_factory=dict)
    cli: Values = field(default_factory=dict)

    def merged(self) -> Values:
        """What templates see as .Values: defaults, below values, below --state-values-set."""
        below = merging.layered(self.defaults, self.values)
        return merging.layered(below, self.cli, Lists.BY_INDEX)

    def own(self) -> Values:
        """What file-level templates see as .Environment.Values: no defaults, but --state-values-set."""
        return merging.layered(self.values, self.cli, Lists.BY_INDEX)


def over(lower: Env | None, upper: Env | None) -> Env | None:
    """`upper` on top of `lower`, either of which may be missing."""
    if lower is None or upper is None:
        return upper or lower
    return Env(
        name=upper.name or lower.name,
        kube_context=upper.kube_context or lower.kube_context,
        values=merging.layered(lower.values, upper.values),
        defaults=merging.layered(lower.defaults, upper.defaults),
        cli=merging.layered(lower.cli, upper.cli, Lists.BY_INDEX),
    )


def template_data(env: Env, namespace: str = "") -> dict[str, Any]:
    """The data of a state file part or an environment values file."""
    values = env.merged()
    return {
        "Environment": {
            "Name": env.name,
            "KubeContext": env.kube_context,
            "Values": env.own(),
            "Defaults": env.defaults,
            "CLIOverrides": env.cli,
        },
        "Namespace": namespace,
        "Values": values,
        "StateValues": values,
    }


def load(context: Context, spec: Mapping[str, Any], name: str, base_dir: Path, below: Env | None) -> Env:
    """The environment `name` of one part's blocks, over what earlier parts gave (`below`)."""
    found = (spec.get("environments") or {}).get(name)
    values: Values = {}
    kube_context = ""
    if found is not None:
        pin = found.get("cluster") or {}
        if pin and context.ports.pinned is not None:
            context.ports.pinned.learn(Pin(name, pin.get("context", ""), pin.get("uid", "")))
        missing = _missing(found, spec)
        values = _values(context, found, base_dir, below or Env(name=name), missing)
        kube_context = found.get("kubeContext", "")
    env = Env(name=name, kube_context=kube_context, values=values)
    if below is not None:
        env = replace(
            env,
            name=below.name or name,
            kube_context=below.kube_context or kube_context,
            values=merging.layered(below.values, values),
            defaults=below.defaults,
            cli=below.cli,
        )
    entries = spec.get("values") or ()
    if entries:
        defaults = entries_values(context, entries, base_dir, below or Env(name=name), files.Missing(), "")
        env = replace(env, defaults=merging.overridden(env.defaults, defaults))
    return env


def _missing(found: Mapping[str, Any], spec: Mapping[str, Any]) -> files.Missing:
    config = found.get("missingFileHandlerConfig") or spec.get("missingFileHandlerConfig") or {}
    return files.Missing(
        handler=found.get("missingFileHandler") or spec.get("missingFileHandler") or "Error",
        ignore_missing_git_branch=bool(config.get("ignoreMissingGitBranch")),
    )


def _values(
    context: Context, found: Mapping[str, Any], base_dir: Path, below: Env, missing: files.Missing
) -> Values:
    """`values` of an environment with its `secrets` over them."""
    secret: Values = {}
    hcl: list[tuple[str, str]] = []
    for index, entry in enumerate(found.get("secrets") or ()):
        span = span_of(found, "secrets", index)
        for path in files.resolve(context, entry, base_dir, missing, "environment values", span):
            from helmflow.state import secret_files
            from helmflow.state.values import leaves

            opened = secret_files.open_file(context, path)
            if path.suffix == ".hcl":
                hcl.append((str(path), opened.text))
                if opened.encrypted:
                    context.secrets.add(_HCL_TEXT.findall(opened.text))
                continue
            values = values_text(opened.text, str(path))
            if opened.encrypted:
                context.secrets.add(values)
                context.secret_paths.update(leaves(values))
            secret = merging.overridden(secret, values)
    strategy = found.get("mergeStrategy", "")
    values = entries_values(
        context, found.get("values") or (), base_dir, below, missing, strategy, spans=found, hcl=hcl
    )
    return merging.overridden(values, secret)


def entries_values(
    context: Context,
    entries: Sequence[Any],
    base_dir: Path,
    below: Env,
    missing: files.Missing,
    strategy: str,
    *,
    spans: Mapping[str, Any] | None = None,
    hcl: Sequence[tuple[str, str]] = (),
) -> Values:
    """Paths and inline maps in order. `below` is what their templates see; HCL files are evaluated together, last."""
    result: Values = {}
    hcl_texts = list(hcl)
    for index, entry in enumerate(entries):
        if isinstance(entry, dict):
            result = _merge(result, entry, strategy)
            continue
        span = span_of(spans, "values", index) if spans is not None else None
        for path in files.resolve(context, entry, base_dir, missing, "environment values", span):
            if path.suffix == ".hcl":
                hcl_texts.append((str(path), context.read_text(path)))
                continue
            seen = (
                replace(below, values=merging.layered(below.values, result))
                if strategy == "fallback"
                else below
            )
            result = _merge(result, file_values(context, path, seen), strategy)
    if hcl_texts:
        from helmflow.state.hcl import evaluate

        result = merging.overridden(result, evaluate(hcl_texts))
    return result


def _merge(result: Values, values: Values, strategy: str) -> Values:
    return merging.layered(values, result) if strategy == "fallback" else merging.overridden(result, values)


def file_values(context: Context, path: Path, env: Env) -> Values:
    """One environment values file; a .gotmpl is rendered with what `env` holds."""
    text = context.read_text(path)
    name = _shown(context, path)
    if path.suffix == ".gotmpl":
        try:
            text = context.renderer.render(text, template_data(env), path.parent, SourceText(name, text))
        except TemplateError as error:
            raise TemplateError(
                f'failed to load environment values file "{name}": {error.message}',
                error_id=error.error_id, span=error.span, hint=error.hint, frames=error.frames,
            ) from error  # fmt: skip
        name = f"{name} (rendered)"
    return values_text(text, name)


def _shown(context: Context, path: Path) -> str:
    try:
        return str(path.relative_to(context.cwd))
    except ValueError:
        return str(path)


def undefined(name: str, path: str, known: Sequence[str], span: Span | None) -> ConfigError:
    """The mistake of an environment that no part of a file defines."""
    import difflib

    close = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {close[0]!r}?" if close else (f"defined here: {', '.join(known)}" if known else "")
    return ConfigError(
        f"{path}: environment {name!r} is not defined",
        error_id="state.unknown-environment",
        span=span,
        hint=hint,
    )
