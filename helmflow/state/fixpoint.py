"""Release fields that are templates, rendered again and again until nothing changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from helmflow.core.errors import ConfigError, TemplateError
from helmflow.core.source import SourceText
from helmflow.state.context import Context
from helmflow.state.reading import Located, span_of

Spec = dict[str, Any]
_ROUNDS = 6
_TEXTS = ("name", "chart", "namespace", "version")
_FLAGS = {"installedTemplate": "installed", "waitTemplate": "wait", "verifyTemplate": "verify"}
_FIELDS = (
    *_TEXTS, *_FLAGS, "conditionTemplate", "labels", "postRendererArgs", "valuesTemplate", "values", "secrets",
    "setTemplate", "needs", "forceNamespace",
)  # fmt: skip
Render = Callable[[str], str]


def resolve(context: Context, spec: Spec, data_for: Callable[[Spec], Mapping[str, Any]], base: Any) -> Spec:
    """`spec` with its template fields rendered; `data_for` gives the data that a round's result offers.

    Raises TemplateError, or ConfigError `state.recursive-templates` where it never settles.
    """
    if not (mentions_template({key: spec[key] for key in _FIELDS if key in spec}) or _needs_round(spec)):
        return _flags(_trimmed(spec), spec)
    previous = spec
    for _ in range(_ROUNDS):
        result = _round(context, spec, data_for(previous), base)
        if result == previous:
            return _flags(result, spec)
        previous = result
    raise ConfigError(
        f'failed executing templates in release "{spec.get("name", "")}": recursive references can\'t be resolved',
        error_id="state.recursive-templates",
        span=span_of(spec),
    )


def _needs_round(spec: Spec) -> bool:
    return any(spec.get(key) for key in ("valuesTemplate", "setTemplate", *_FLAGS, "conditionTemplate"))


def mentions_template(value: Any) -> bool:
    """Whether any text in a value has a template action."""
    if isinstance(value, str):
        return "{{" in value
    if isinstance(value, dict):
        return any(mentions_template(item) for item in value.values())
    if isinstance(value, list):
        return any(mentions_template(item) for item in value)
    return False


def _trimmed(spec: Spec) -> Spec:
    changed = {key: spec[key].strip() for key in _TEXTS if key in spec and spec[key] != spec[key].strip()}
    return _with(spec, changed) if changed else spec


def _with(spec: Spec, changes: Mapping[str, Any]) -> Spec:
    values = {**spec, **changes}
    return Located(values, spec.node, spec.source) if isinstance(spec, Located) else values


def _round(context: Context, spec: Spec, data: Mapping[str, Any], base: Any) -> Spec:
    """One rendering of the original fields with the previous round's data."""

    def render(text: str, *path: str | int) -> str:
        if "{{" not in text:
            return text
        try:
            return context.renderer.render(text, data, base, SourceText("", text))
        except TemplateError as error:
            raise _failed(error, spec, path, text) from error

    out: Spec = {}
    for key in _TEXTS:
        if key in spec:
            out[key] = render(spec[key], key).strip()
    for key in (*_FLAGS, "conditionTemplate", "forceNamespace"):
        if key in spec:
            out[key] = render(spec[key], key)
    if spec.get("labels"):
        out["labels"] = {key: render(text, "labels", key) for key, text in spec["labels"].items()}
    for key in ("postRendererArgs",):
        if spec.get(key):
            out[key] = [render(text, key, i) for i, text in enumerate(spec[key])]
    if spec.get("needs"):
        out["needs"] = [_need(need, i, render) for i, need in enumerate(spec["needs"])]
    if spec.get("secrets"):
        out["secrets"] = _paths(spec["secrets"], "secrets", render)
    values = _paths(spec.get("values") or [], "values", render)
    if spec.get("valuesTemplate"):
        out["valuesTemplate"] = [_values_template(e, i, render) for i, e in enumerate(spec["valuesTemplate"])]
        values = _paths(out["valuesTemplate"], "valuesTemplate", render) + values
    if values:
        out["values"] = values
    if spec.get("setTemplate"):
        out["setTemplate"] = [_set_template(e, i, render) for i, e in enumerate(spec["setTemplate"])]
        out["set"] = out["setTemplate"] + list(spec.get("set") or [])
    return _with(spec, out)


def _need(need: Any, index: int, render: Callable[..., str]) -> Any:
    if isinstance(need, dict):
        return _with(need, {"release": render(need["release"], "needs", index)})
    return render(need, "needs", index)


def _paths(entries: list[Any], key: str, render: Callable[..., str]) -> list[Any]:
    return [render(entry, key, i) if isinstance(entry, str) else entry for i, entry in enumerate(entries)]


def _values_template(entry: Any, index: int, render: Callable[..., str]) -> Any:
    """A map is written as YAML, rendered and read again; its texts stay quoted, so results stay texts."""
    if not isinstance(entry, dict) or (not mentions_template(entry) and not _template_keys(entry)):
        return entry
    from helmflow.core.yaml_dialect import dump_pretty
    from helmflow.state.reading import values_text

    return values_text(render(dump_pretty(entry), "valuesTemplate", index), "valuesTemplate")


def _template_keys(entry: Any) -> bool:
    if isinstance(entry, dict):
        return any("{{" in str(key) or _template_keys(item) for key, item in entry.items())
    return isinstance(entry, list) and any(map(_template_keys, entry))


def _set_template(entry: Spec, index: int, render: Callable[..., str]) -> Spec:
    out: Spec = {}
    for key in ("name", "value", "file"):
        if key in entry:
            out[key] = render(entry[key], "setTemplate", index, key)
    if entry.get("values"):
        out["values"] = [
            render(item, "setTemplate", index, "values", i) if isinstance(item, str) else item
            for i, item in enumerate(entry["values"])
        ]
    return _with(entry, out)


def _flags(result: Spec, spec: Spec) -> Spec:
    """installedTemplate and its kin replace the plain keys."""
    changes: Spec = {}
    gone: list[str] = []
    for template, plain in _FLAGS.items():
        if template in result:
            changes[plain] = _flag(result[template], template, spec)
            gone.append(template)
    if "conditionTemplate" in result:
        changes["condition"] = (
            "true" if _flag(result["conditionTemplate"], "conditionTemplate", spec) else "false"
        )
        gone.append("conditionTemplate")
    if not gone:
        return result
    out = _with(result, changes)
    for key in gone:
        del out[key]
    return out


def _flag(text: str, key: str, spec: Spec) -> bool:
    from helmflow.core.yaml_nodes import YamlError
    from helmflow.core.yaml_read import load_native

    try:
        value = load_native(text)
    except YamlError:
        value = text
    if value is None:
        return False
    if isinstance(value, str) and value.lower() in ("yes", "on", "y", "no", "off", "n"):
        return value.lower() in ("yes", "on", "y")
    if not isinstance(value, bool):
        raise ConfigError(
            f'release "{spec.get("name", "")}": {key} must give true or false, not {text!r}',
            error_id="state.wrong-type",
            span=span_of(spec, key),
        )
    return value


def _failed(error: TemplateError, spec: Spec, path: tuple[str | int, ...], text: str) -> TemplateError:
    shown = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)
    message = f'failed executing template expressions in release "{spec.get("name", "")}"{shown} = "{text}": {error}'
    return TemplateError(
        message,
        error_id=error.error_id,
        span=span_of(spec, *path) or error.span,
        hint=error.hint,
        frames=error.frames,
    )
