"""Go's template errors in Helm's words: one block per frame, or the user's own message."""

from __future__ import annotations

import re
from typing import Final

from helmflow.core.errors import TemplateError
from helmflow.core.lazy import pattern
from helmflow.core.source import Span
from helmflow.gotemplate.errors import ExecError, ParseError
from helmflow.helm.chart.behaviour import HELM_4, Behaviour
from helmflow.helm.render.functions import FAILURE_END, FAILURE_START
from helmflow.helm.render.unread import old_name_hint

_FAILURE: Final = pattern(f"{FAILURE_START}(.*){FAILURE_END}", re.DOTALL)
_PREFIX: Final = "template: "


def parse_failure(error: ParseError, file_name: str) -> TemplateError:
    """Helm's "parse error at (NAME:LINE): MESSAGE"; its message is only what follows the last colon."""
    tokens = str(error).split(": ")
    if len(tokens) == 1:
        text = f"parse error in ({file_name}): {error}"
    else:
        text = f"parse error at ({tokens[1]}): {tokens[-1]}"
    return TemplateError(text, error_id="template.parse", span=error.span, hint=error.hint)


def exec_failure(error: ExecError, behaviour: Behaviour = HELM_4) -> TemplateError:
    """Helm's text for a template that failed: the message of required or fail alone, else a block per frame."""
    frames = _spans(error)
    text = str(error)
    tokens = text.split(": ", 2)
    error_id = "template.exec"
    if len(tokens) == 3 and (found := _FAILURE.search(tokens[2])):
        text = f"execution error at ({tokens[1]}): {found[1]}"
        error_id = "template.failed"
    elif behaviour.errors_in_blocks:
        text = _blocks(error) or text
    innermost = frames[-1] if frames else None
    return TemplateError(
        text, error_id=error_id, span=innermost, hint=error.hint or _hint(str(error)), frames=frames
    )


_NIL: Final = pattern(r"at <([^<>]*)>: nil pointer evaluating interface \{\}\.([A-Za-z0-9_]+)")


_NO_MAP: Final = pattern(r"at <([^<>]*)>: can't evaluate field ([A-Za-z0-9_]+) in type interface \{\}")
_VALUES: Final = "the chart asks for it: set it in the values of the release"


def _hint(text: str) -> str:
    """Which value was nil or no map, or today's form of a name of Helm 2's."""
    found = _NIL.findall(text)
    if found:
        node, field = found[-1]
        path = node.rpartition(f".{field}")[0]
        return f"{path} has no value" if path else ""
    if "can't evaluate field" not in text:
        return _VALUES if "at <required " in text and FAILURE_START in text else ""
    scalar = _NO_MAP.findall(text)
    path = scalar[-1][0].rpartition(f".{scalar[-1][1]}")[0] if scalar else ""
    return old_name_hint(text) or (f"{path} is a single value or a list, not a map" if path else "")


def _spans(error: ExecError) -> tuple[Span, ...]:
    """The failing places from the outermost frame inwards, through include and tpl."""
    spans: list[Span] = []
    current: BaseException | None = error
    while current is not None:
        if isinstance(current, ExecError) and current.span is not None:
            spans.append(current.span)
        current = current.cause if isinstance(current, ExecError) else current.__cause__
    return tuple(spans)


def _blocks(error: ExecError) -> str:
    """One block per distinct link of the chain; "" where a link is no template error, as Helm then changes nothing."""
    blocks: list[str] = []
    current: BaseException | None = error
    while current is not None:
        block = _block(str(current))
        if block is None:
            return ""
        if blocks[-1:] != [block]:
            blocks.append(block)
        current = current.cause if isinstance(current, ExecError) else current.__cause__
    return "".join(blocks).strip()


def _block(text: str) -> str | None:
    if not text.startswith(_PREFIX):
        return None
    rest = text[len(_PREFIX) :]
    if rest.startswith("no template "):
        return f"{text}\n"
    where, executing, after = rest.partition(": executing ")
    if executing:
        return _executing_block(where, after)
    where, colon, message = rest.rpartition(": ")
    return f"{where}\n  {_own(message)}\n" if colon else None


def _executing_block(where: str, after: str) -> str | None:
    name, quote, rest = after[1:].partition('"')
    if not after.startswith('"') or not quote or not rest.startswith(" at <"):
        return None
    node, end, message = rest[len(" at <") :].partition(">: ")
    if not end:
        return None
    own = _own(message)
    return f'{where}\n  executing "{name}" at <{node}>:\n' + (f"    {own}\n" if own else "    ")


def _own(message: str) -> str:
    """What a frame says itself, without the frame it wraps."""
    cut = message.find(" template:")
    return message if cut < 0 else message[:cut]
