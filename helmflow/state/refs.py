"""ref+scheme:// references in values: found, fetched through a port, typed and marked as secret."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, unquote

from helmflow.core.errors import ConfigError
from helmflow.core.records import dataclass, field
from helmflow.state.ports import Reference

if TYPE_CHECKING:
    from helmflow.state.context import Context

# helmfile/vals: at least two characters after ://, a trailing + ends a reference inside a longer text
_REFERENCE = re.compile(r'((secret)?ref)\+([^+:]*://[^+\n ]+[^+\n ",])\+?')
_DEEPEST = 10  # references inside references, inside-out
_PATTERN_IN_FILE = re.compile(r"ref\+.*")

Path_ = tuple[str, ...]


@dataclass(slots=True)
class Expanded:
    """A value with its references answered; `paths` are those whose value came from one."""

    value: Any
    paths: set[Path_] = field(default_factory=set)


def mentioned(text: str) -> bool:
    """Whether a file's text may hold a reference, which makes Helmfile parse it."""
    return bool(_PATTERN_IN_FILE.search(text))


def expand(value: Any, context: Context, base_dir: Path, at: Path_ = ()) -> Expanded:
    """`value` with every reference in its texts answered. Raises ConfigError."""
    found = Expanded(value)
    found.value = _expand(value, context, base_dir, at, found.paths)
    return found


def _expand(value: Any, context: Context, base_dir: Path, at: Path_, paths: set[Path_]) -> Any:
    if isinstance(value, str):
        if "ref+" not in value:
            return value
        answered = _text(value, context, base_dir)
        if answered is not value:
            paths.add(at)
        return answered
    if isinstance(value, dict):
        return {key: _expand(item, context, base_dir, (*at, str(key)), paths) for key, item in value.items()}
    if isinstance(value, list):
        return [_expand(item, context, base_dir, (*at, str(i)), paths) for i, item in enumerate(value)]
    return value


def _text(text: str, context: Context, base_dir: Path) -> Any:
    value: Any = text
    for _ in range(_DEEPEST):
        if not isinstance(value, str):
            break
        found = _innermost(value)
        if found is None:
            break
        answer = fetch(found[0].rstrip("+"), context, base_dir)
        if found[0] == value:
            value = answer
            continue
        start, end = found[1], found[1] + len(found[0])
        value = value[:start] + _as_text(answer) + value[end:]
    return value


def _innermost(text: str) -> tuple[str, int] | None:
    """The last reference, which holds no other: its text and where it starts."""
    place = text.rfind("ref+")
    while place >= 0:
        start = place - len("secret") if text.startswith("secret", max(0, place - len("secret"))) else place
        found = _REFERENCE.match(text, max(0, start)) or _REFERENCE.match(text, place)
        if found is not None:
            return found[0], found.start()
        place = text.rfind("ref+", 0, place)
    return None


def _as_text(value: Any) -> str:
    from helmflow.gotemplate.printf import sprint

    return value if isinstance(value, str) else sprint(value)


def fetch(text: str, context: Context, base_dir: Path) -> Any:
    """The answer to one reference; its texts are remembered as secrets."""
    context.trusted("expanding secret references")
    reference = parse(text, context, base_dir)
    if context.ports.values is None:
        raise ConfigError("this run cannot expand secret references", error_id="refs.unavailable")
    try:
        answer = context.ports.values.source(reference.scheme).fetch(reference)
    except ConfigError as error:
        raise ConfigError(
            f"expanding {_shown(text)}: {error.message}",
            error_id=error.error_id,
            span=error.span,
            hint=error.hint,
        ) from error
    value = _dig(answer, reference.fragment, text, context)
    if reference.scheme not in ("echo", "envsubst"):
        context.secrets.add(value)
    return value


def parse(text: str, context: Context, base_dir: Path) -> Reference:
    """`ref+scheme://path?a=b#/x/y`; raises ConfigError `refs.malformed`."""
    _, plus, rest = text.partition("+")
    scheme, separator, location = rest.partition("://")
    if not plus or not separator or not scheme:
        raise ConfigError(f"malformed reference {_shown(text)}", error_id="refs.malformed")
    location, _, fragment = location.partition("#")
    path, _, query = location.partition("?")
    return Reference(
        scheme=scheme,
        path=unquote(path),
        parameters=dict(parse_qsl(query, keep_blank_values=True)),
        fragment=fragment,
        base_dir=base_dir,
        env=context.env,
    )


def _shown(text: str) -> str:
    """A reference without its query, which may hold credentials."""
    return text.split("?", 1)[0]


def _dig(answer: Any, fragment: str, text: str, context: Context) -> Any:
    """The value at `#/a/b`. A text is read as YAML first; what is missing is null unless told to fail."""
    if not fragment:
        return answer
    value = answer
    if isinstance(value, (str, bytes)):
        from helmflow.core.yaml_nodes import YamlError
        from helmflow.core.yaml_read import load_native

        try:
            value = load_native(value)
        except YamlError as error:
            raise ConfigError(f"{_shown(text)}: {error}", error_id="refs.not-yaml") from None
    for key in _keys(fragment):
        if isinstance(value, dict) and key in value:
            value = value[key]
        elif isinstance(value, list) and key.isdigit() and int(key) < len(value):
            value = value[int(key)]
        elif context.variable("HELMFILE_VALS_FAIL_ON_MISSING_KEY_IN_MAP") in ("true", "1"):
            raise ConfigError(f"no value found for key {key!r}", error_id="refs.missing-key")
        else:
            return None
    return value


def _keys(fragment: str) -> Iterator[str]:
    return (key for key in fragment.strip("/").split("/") if key)
