"""Values to YAML, byte for byte as go-yaml writes them: quoting, folding at 80 columns, natural key order."""

from __future__ import annotations

import sys
from binascii import b2a_base64

from helmflow.core.go_json import (
    JsonError,
    empty_list,
    empty_map,
    format_float,
    format_json_float,
    json_key,
    plain_value,
    quoted_html,
    rfc3339,
)
from helmflow.core.lazy import pattern
from helmflow.core.limits import MAX_DATA_DEPTH
from helmflow.core.yaml_scalars import BOOLEANS_V1, needs_quotes, resolve_v2, resolve_v3

TYPE_CHECKING = False
if TYPE_CHECKING:
    import re
    from collections.abc import Callable, Iterable
    from typing import Any, Final

_WIDTH: Final = 80
_BINARY_WIDTH: Final = 70
_LONGEST_SIMPLE_KEY: Final = 128
_LONGEST_JSON_KEY: Final = 1024  # quotes and escapes included, on its way from JSON
_LONGEST_UNSEEN: Final = 170  # a key whose JSON cannot be that long, six signs a character
_INT64_HALF: Final = 1 << 63
_MEMO_LIMIT: Final = 20_000
_ORDERS_LIMIT: Final = 4_000
_LONGEST_ORDER: Final = 100

# Characters go-yaml's emitter escapes: what its is_printable refuses (tab, C0, C1, BOM, noncharacters, astral).
_SPECIAL: Final = pattern(r"[^\n\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd]")
_UNWRITABLE: Final = pattern(r"[\x7f-\x84\x86-\x9f\ufffe\uffff]")  # raw in JSON, refused by go-yaml's reader
_BREAKS: Final = pattern("[\n\r\x85\u2028\u2029]")
_BREAK_SPACE: Final = pattern("[\n\u2028\u2029] ")
_SPACE_BREAK: Final = pattern(" [\n\r\x85\u2028\u2029]")
_ESCAPED: Final = pattern(r"""["\\]|[^\n\x20-\x7e\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd]|[\n\u2028\u2029]""")
_EACH: Final = pattern("(?s).")
_LINE_START: Final = pattern("(^|(?<=[\n\u2028\u2029]))(?=[^\n\u2028\u2029])")
# JSON leaves U+0085 as it is, which breaks lines in YAML.
_NEXT_LINES: Final = pattern(" *\x85[ \x85]*")
_INDICATOR: Final = pattern(r"\x85(?:---|\.\.\.)[ \x85]")
_PLAIN_SURE: Final = pattern(r"[A-EG-MP-SU-XZa-eg-mp-su-xz_/$^(\\][A-Za-z0-9_./$()=+@\\-]*\Z")
_ESCAPES: Final = {
    "\0": "\\0", "\a": "\\a", "\b": "\\b", "\t": "\\t", "\n": "\\n", "\v": "\\v", "\f": "\\f", "\r": "\\r",
    "\x1b": "\\e", '"': '\\"', "\\": "\\\\", "\x85": "\\N", "\xa0": "\\_", "\u2028": "\\L", "\u2029": "\\P",
}  # fmt: skip


def dump(value: Any) -> str:
    """sigs.k8s.io/yaml's Marshal: through JSON, then go-yaml v2's emitter. Raises JsonError or ValueError where Go
    returns an error (NaN, a value without JSON, text go-yaml's reader refuses).
    """
    out: list[str] = []
    try:
        _write_value(value, 0, out.append, "")
    except IndexError:
        raise JsonError(_CYCLE) from None
    return "".join(out)


def dump_pretty(value: Any) -> str:
    """go-yaml v3's encoder at indent 2 (Helm's toYamlPretty, Helmfile's toYaml): sequences indented under their key,
    floats as fmt prints them, no way through JSON.
    """
    out: list[str] = []
    try:
        _Pretty(out.append).document(value)
    except IndexError:
        raise JsonError(_CYCLE) from None
    return "".join(out)


# ---- the shared rules of go-yaml's emitter

_texts: dict[str, str] = {}  # string -> its one-line form, "" for what needs a block
_key_texts: dict[str, str] = {}  # key -> its text in a simple key, "" for an explicit one
_floats: dict[float, str] = {}
_sort_keys: dict[str, str] = {}
_orders: dict[tuple[bool, tuple[Any, ...]], list[Any]] = {}  # keys as they come -> keys in order
# One past its end stands a value nested past the limit, as one that contains itself is.
_pads: list[str] = [" " * width for width in range(2 * MAX_DATA_DEPTH)]
_CYCLE: Final = "json: unsupported value: encountered a cycle via map[string]interface {}"
_LONE: Final = pattern("[\ud800-\udfff]")
_NATURAL: Final = pattern(r"(?s)[0-9]+|[^0-9]")
_DIGIT_LETTER: Final = pattern(r"[0-9][^\W\d_]|[^\x00-\x7f]|[0-9]{18}")
_ODD_DIGITS: Final = pattern(
    r"[0-9]{18}|(?![0-9])\d"
)  # numbers that an int64 may not hold, digits of other scripts


def forms() -> tuple[dict[Any, Any], ...]:
    """How texts, keys, numbers, blocks and the order of keys were written so far: for the next process, which then need not work it out."""
    return _texts, _key_texts, _orders, _floats, _blocks


def know_forms(known: Iterable[dict[Any, Any]]) -> None:
    """Take over what another process wrote."""
    for own, other in zip(forms(), known, strict=True):
        own.update(other)


def natural_order(keys: Iterable[Any], *, letters_first: bool = False) -> list[Any]:
    """go-yaml's key order: runs of digits by number, other signs before letters.

    v3 puts letters first right after a digit (`letters_first`); v2 never does. The list is shared: not to be changed.
    """
    listed = tuple(keys)
    if not 1 < len(listed) <= _LONGEST_ORDER:
        return _in_order(listed, letters_first=letters_first)
    known = _orders.get((letters_first, listed))
    if known is None:
        if len(_orders) > _ORDERS_LIMIT:
            _orders.clear()
        known = _orders[letters_first, listed] = _in_order(listed, letters_first=letters_first)
    return known


def _in_order(listed: tuple[Any, ...], *, letters_first: bool) -> list[Any]:
    joined = "".join(listed)  # TypeError where a key is no text
    if len(listed) < 2:
        return list(listed)
    if joined.isalpha() and joined.isascii():
        return sorted(listed)
    odd = _ODD_DIGITS if letters_first else _DIGIT_LETTER
    if not odd.search("\n".join(listed)):
        return sorted(listed, key=_natural)
    from functools import cmp_to_key, partial

    return sorted(listed, key=cmp_to_key(partial(_compare, letters_first=letters_first)))


def _natural(key: str) -> str:
    """A text whose plain order is go-yaml's order of `key`.

    After a digit letters come first, elsewhere last: each sign is led by its class. A run of digits sorts by value,
    then by length: the count of its significant digits, these, then the count of all.
    """
    known = _sort_keys.get(key)
    if known is not None:
        return known
    out: list[str] = []
    after_digit = False
    for token in _NATURAL.findall(key):
        first = token[0]
        if first.isdigit():
            significant = token.lstrip("0")
            out.append(f"\x01{chr(1 + len(significant))}{significant}{chr(len(token))}")
            after_digit = True
            continue
        if first.isalpha():
            out.append(("\x00" if after_digit else "\x02") + first)
        else:
            out.append("\x01\x00" + first)
        after_digit = False
    if len(_sort_keys) > _MEMO_LIMIT:
        _sort_keys.clear()
    made = _sort_keys[key] = "".join(out)
    return made


def _compare(left: str, right: str, *, letters_first: bool) -> int:
    """go-yaml's comparison of two keys; v2's is no total order where digits stand before letters."""
    for at, (mine, theirs) in enumerate(zip(left, right, strict=False)):
        if mine == theirs:
            continue
        if mine.isalpha() or theirs.isalpha():
            if mine.isalpha() and theirs.isalpha():
                return -1 if mine < theirs else 1
            after_digit = letters_first and at > 0 and left[at - 1].isdecimal()
            return -1 if (mine if after_digit else theirs).isalpha() else 1
        lead = _significant(left, at) if "0" in (mine, theirs) else 0
        my_end, my_number = _digit_run(left, at, lead)
        their_end, their_number = _digit_run(right, at, lead)
        if (my_number, my_end) != (their_number, their_end):
            return -1 if (my_number, my_end) < (their_number, their_end) else 1
        return -1 if mine < theirs else 1
    return len(left) - len(right)


def _significant(text: str, at: int) -> int:
    """1 where a digit other than 0 stands in the run of digits before this place."""
    while at > 0 and text[at - 1].isdecimal():
        at -= 1
        if text[at] != "0":
            return 1
    return 0


def _digit_run(text: str, at: int, number: int) -> tuple[int, int]:
    """Where the digits from here end, and their number with `number` before them."""
    while at < len(text) and text[at].isdecimal():
        number = number * 10 + ord(text[at]) - 0x30
        at += 1
    return at, (number + _INT64_HALF) % (2 * _INT64_HALF) - _INT64_HALF


def _plain_allowed(text: str) -> bool:
    """May go-yaml write this one-line text plain in block context?"""
    first = text[0]
    if first in "#,[]{}&*!|>'\"%@`" or first == " " or text[-1] == " ":
        return False
    if first in "?:-" and (len(text) == 1 or text[1] in " \t"):
        return False
    if text.startswith(("---", "...")) or text[-1] == ":":
        return False
    return ": " not in text and " #" not in text and not _BREAKS.search(text)


def _space_beside_break(text: str) -> tuple[bool, bool]:
    """Is there a space after a break, a space before one?"""
    return _BREAK_SPACE.search(text) is not None, _SPACE_BREAK.search(text) is not None


def _double(text: str) -> str:
    """A double-quoted scalar on one line."""
    # A byte order mark in front makes go-yaml take every character for one.
    return '"' + (_EACH if text[:1] == "\ufeff" else _ESCAPED).sub(_escape, text) + '"'


def _escape(found: re.Match[str]) -> str:
    char = found[0]
    known = _ESCAPES.get(char)
    if known:
        return known
    code = ord(char)
    return f"\\x{code:02X}" if code <= 0xFF else f"\\u{code:04X}" if code <= 0xFFFF else f"\\U{code:08X}"


def _one_line(text: str, quoted: bool) -> str:
    """The scalar in its style, unfolded; `quoted` where it would be read as something else."""
    special = _SPECIAL.search(text)
    if quoted:
        return _double(text)
    if not special and _plain_allowed(text):
        return text
    if special or any(_space_beside_break(text)):
        return _double(text)
    return "'" + text.replace("'", "''") + "'"


def _literal_allowed(text: str) -> bool:
    """May go-yaml write this text as a literal block?"""
    if text.isascii() and text.replace("\n", "").isprintable():
        return text[-1] != " " and " \n" not in text
    return text[-1] != " " and not _SPECIAL.search(text) and not _space_beside_break(text)[1]


def _literal(text: str, indent: int) -> str:
    """A literal block with its header; `indent` is that of its lines."""
    header = "|2" if text[0] in " \n\u2028\u2029" else "|"
    if text[-1] not in "\n\u2028\u2029":
        header += "-"
    elif len(text) == 1 or text[-2] in "\n\u2028\u2029":
        header += "+"
    pad = _pads[indent]
    if "\u2028" in text or "\u2029" in text:
        body = _LINE_START.sub(pad, text)
    else:
        body = "\n".join([pad + line if line else "" for line in text.split("\n")])
    if text[-1] not in "\n\u2028\u2029":
        body += "\n"
    return f"{header}\n{body}"


def _fold(text: str, shown: str, column: int, indent: int) -> str:
    """`shown` (a scalar's one-line form) broken after column 80 the way its style allows."""
    first = shown[0]
    if first == '"' and shown is not text:
        return _fold_double(text, column, indent)
    if first == "'" and shown is not text:
        return _fold_single(shown, column, indent)
    return _fold_plain(text, column, indent)


def _fold_plain(text: str, column: int, indent: int) -> str:
    """A plain scalar: a break replaces a lone space past column 80."""
    out: list[str] = []
    start = at = 0
    pad = "\n" + _pads[indent]
    while True:
        # The first space that may break is the one past the width; nothing before it needs a look.
        at = text.find(" ", max(at, start + _WIDTH + 1 - column))
        if at < 0 or at + 1 >= len(text):
            break
        if text[at - 1] == " " or text[at + 1] == " ":
            at += 1
            continue
        out.append(text[start:at])
        start = at = at + 1
        column = indent
    out.append(text[start:])
    return pad.join(out)


def _fold_single(shown: str, column: int, indent: int) -> str:
    """A single-quoted scalar: as plain, but never beside its quotes."""
    out: list[str] = []
    start = 0
    at = 2
    last = len(shown) - 1
    pad = "\n" + _pads[indent]
    while True:
        at = shown.find(" ", max(at, start + _WIDTH + 1 - column))
        if at < 0 or at + 1 >= last:
            break
        if shown[at - 1] == " " or shown[at + 1] == " ":
            at += 1
            continue
        out.append(shown[start:at])
        start = at = at + 1
        column = indent
    out.append(shown[start:])
    return pad.join(out)


def _broken_single(text: str, column: int, indent: int, width: float = _WIDTH) -> str:
    """A single-quoted scalar with line breaks of Unicode's: what follows them is indented."""
    out = ["'"]
    column += 1
    spaces = breaks = False
    last = len(text) - 1
    for index, char in enumerate(text):
        if char == " ":
            if not spaces and column > width and 0 < index < last and text[index + 1] != " ":
                out.append("\n" + _pads[indent])
                column = indent
            else:
                out.append(char)
                column += 1
            spaces = True
        elif char in "\u2028\u2029":
            out.append(char)
            column, breaks = 0, True
        else:
            if breaks:
                out.append(_pads[indent])
                column = indent
            piece = "''" if char == "'" else char
            out.append(piece)
            column += len(piece)
            spaces = breaks = False
    return "".join(out) + "'"


def _fold_double(text: str, column: int, indent: int) -> str:
    """A double-quoted scalar: a break replaces a space past column 80; a space after it is escaped."""
    out = ['"']
    column += 1
    spaces = False
    last = len(text) - 1
    for index, char in enumerate(text):
        if char == " ":
            if not spaces and column > _WIDTH and 0 < index < last:
                out.append("\n" + _pads[indent])
                column = indent
                if text[index + 1] == " ":
                    out.append("\\")
                    column += 1
            else:
                out.append(char)
                column += 1
            spaces = True
            continue
        piece = _double(char)[1:-1]
        out.append(piece)
        column += len(piece)
        spaces = False
    out.append('"')
    return "".join(out)


# ---- toYaml: sigs.k8s.io/yaml over go-yaml v2


def _text(value: str) -> str:
    """The memoised one-line form of a string, "" when it needs a block."""
    if len(_texts) > _MEMO_LIMIT:
        _texts.clear()
    text = _read_back(value)
    if "\n" in text:
        shown = "" if _literal_allowed(text) else _double(text)
    elif "\u2028" in text or "\u2029" in text:
        shown = _one_line(text, needs_quotes(text))
        shown = "" if shown[0] == "'" else shown
    elif _PLAIN_SURE.match(text):
        shown = text
    else:
        shown = _one_line(text, needs_quotes(text))
    if len(value) < 512:
        _texts[value] = shown
    return shown


def _read_back(value: str) -> str:
    """The string after JSON and go-yaml's reader: invalid UTF-8 replaced, raw control characters refused."""
    if value.isascii() and "\x7f" not in value:
        return value
    text = _LONE.sub("\ufffd", value)
    if _UNWRITABLE.search(text):
        raise JsonError("yaml: control characters are not allowed")
    if "\x85" in text:
        if _INDICATOR.search(text):
            raise JsonError("yaml: line 2: found unexpected document indicator")
        text = _NEXT_LINES.sub(_fold_next_lines, text)
    return text


def _fold_next_lines(found: re.Match[str]) -> str:
    """What a quoted scalar's line breaks are read as: one as a space, more as one less."""
    return "\n" * (found[0].count("\x85") - 1) or " "


_blocks: dict[tuple[str, int], str] = {}  # texts of several lines and the indentation of their node
_BLOCKS_KEPT: Final = 500
_LONGEST_BLOCK: Final = 32_000


def _block(value: str, column: int, indent: int) -> str:
    """A literal block below a node, or a text whose breaks only quotes may hold."""
    text = _read_back(value)
    if "\n" not in text:
        return _broken_single(text, column, indent + 2) + "\n"
    made = _literal(text, indent + 2)
    if len(value) <= _LONGEST_BLOCK:
        if len(_blocks) >= _BLOCKS_KEPT:
            _blocks.clear()
        _blocks[value, indent] = made
    return made


def _string(value: str, column: int, indent: int) -> str:
    """A string as it stands after `column`, with its line end; `indent` is the node's."""
    shown = _texts.get(value)
    if not shown:
        block = _blocks.get((value, indent))
        if block is not None:
            return block
        if shown is None:
            shown = _text(value)
        if not shown:
            return _block(value, column, indent)
    if column + len(shown) > _WIDTH and " " in shown:
        return _fold(_read_back(value), shown, column, indent + 2) + "\n"
    return shown + "\n"


def _float(value: float) -> str:
    """A float after JSON: an integer where go-yaml reads one."""
    shown = _floats.get(value)
    if shown is None:
        if len(_floats) > _MEMO_LIMIT:
            _floats.clear()
        text = format_json_float(value)
        read = resolve_v2(text)
        shown = _floats[value] = str(read) if isinstance(read, int) else format_float(float(text))
    return shown


def _atom(value: Any) -> str | None:
    """A scalar that is no string."""
    if value is None:
        return "null"
    kind = type(value)
    if kind is bool:
        return "true" if value else "false"
    if kind is float:
        return _float(value)
    if isinstance(value, int):
        number = int(value)
        return str(number) if -(1 << 63) <= number < 1 << 64 else format_float(float(number))
    return _float(float(value)) if isinstance(value, float) else None


def _write_value(value: Any, indent: int, add: Callable[[str], None], head: str) -> None:
    """A whole value as a document; `head` is written before its first line."""
    kind = type(value)
    if isinstance(value, dict):
        if value:
            _write_map(value, indent, add, head)
        else:
            add(head + empty_map(value) + "\n")
    elif isinstance(value, (list, tuple)):
        if value:
            _write_list(value, indent, add, head)
        else:
            add(head + empty_list(value) + "\n")
    elif kind is str:
        add(head + _string(value, len(head), indent))
    else:
        try:
            add(head + _other(value, len(head), indent))
        except _NotScalar:
            _write_value(plain_value(value), indent, add, head)


def _other(value: Any, column: int, indent: int) -> str:
    """A scalar of any other kind, with its line end."""
    atom = _atom(value)
    if atom is not None:
        return atom + "\n"
    if isinstance(value, str):
        return _string(str(value), column, indent)
    if isinstance(value, (bytes, bytearray)):
        return _string(b2a_base64(value, newline=False).decode("ascii"), column, indent)
    if _is_moment(value):
        return _string(rfc3339(value), column, indent)
    raise _NotScalar


def _is_moment(value: Any) -> bool:
    known = sys.modules.get("datetime")  # whoever has such a value has imported it
    return known is not None and isinstance(value, known.datetime)


class _NotScalar(Exception):
    """An object that turns into a map or list on its way through JSON."""


def _key(key: Any) -> str:
    """The text of a simple key, "" for one that needs the explicit form."""
    known = _key_texts.get(key)
    if known is not None:
        return known
    if len(key) > _LONGEST_UNSEEN and len(quoted_html(key)) > _LONGEST_JSON_KEY:
        raise JsonError("yaml: did not find expected ',' or '}'")
    if "\x85" in key:
        raise JsonError("yaml: line 1: did not find expected ',' or '}'")
    text = _read_back(key)
    if len(text.encode("utf-8", "replace")) > _LONGEST_SIMPLE_KEY or _BREAKS.search(text):
        shown = ""
    elif not text:
        shown = '""'
    else:
        shown = _one_line(text, needs_quotes(text))
    if len(_key_texts) > _MEMO_LIMIT:
        _key_texts.clear()
    _key_texts[key] = shown
    return shown


def _write_map(value: dict[Any, Any], indent: int, add: Callable[[str], None], head: str) -> None:
    """A block mapping; `head` replaces the first line's indentation."""
    pad = _pads[indent]
    lead = head or pad
    texts = _texts
    try:
        ordered = natural_order(value)
    except TypeError:  # keys of a native mapping: JSON has text only
        value = {json_key(key): item for key, item in value.items()}
        ordered = natural_order(value)
    for key in ordered:
        shown = _key_texts.get(key) or _key(key)
        item = value[key]
        if not shown:
            _write_explicit(key, item, indent, add, lead)
            lead = pad
            continue
        kind = type(item)
        if kind is str:
            known = texts.get(item)
            if known and (" " not in known or indent + len(shown) + 2 + len(known) <= _WIDTH):
                add(f"{lead}{shown}: {known}\n")
            else:
                add(f"{lead}{shown}: {_string(item, indent + len(shown) + 2, indent)}")
        elif kind is dict:
            if item:
                add(f"{lead}{shown}:\n")
                _write_map(item, indent + 2, add, "")
            else:
                add(f"{lead}{shown}: {{}}\n")
        elif kind is list:
            if item:
                add(f"{lead}{shown}:\n")
                _write_list(item, indent, add, "")
            else:
                add(f"{lead}{shown}: []\n")
        else:
            _write_other_entry(f"{lead}{shown}:", item, indent, add, indent + len(shown) + 2)
        lead = pad


def _write_other_entry(label: str, item: Any, indent: int, add: Callable[[str], None], column: int) -> None:
    """A mapping entry whose value is neither str, dict nor list by exact type."""
    if isinstance(item, dict):
        if item:
            add(label + "\n")
            _write_map(item, indent + 2, add, "")
        else:
            add(f"{label} {empty_map(item)}\n")
    elif isinstance(item, (list, tuple)):
        if item:
            add(label + "\n")
            _write_list(item, indent, add, "")
        else:
            add(f"{label} {empty_list(item)}\n")
    else:
        try:
            add(f"{label} {_other(item, column, indent)}")
        except _NotScalar:
            made = plain_value(item)
            if isinstance(made, str):
                add(f"{label} {_string(made, column, indent)}")
            else:
                _write_other_entry(label, made, indent, add, column)


def _write_list(value: Any, indent: int, add: Callable[[str], None], head: str) -> None:
    """A block sequence; `head` replaces the first line's indentation."""
    pad = _pads[indent]
    lead = head or pad
    for item in value:
        kind = type(item)
        if kind is str:
            add(f"{lead}- {_string(item, indent + 2, indent)}")
        elif isinstance(item, dict):
            if item:
                _write_map(item, indent + 2, add, lead + "- ")
            else:
                add(f"{lead}- {empty_map(item)}\n")
        elif isinstance(item, (list, tuple)):
            if item:
                _write_list(item, indent + 2, add, lead + "- ")
            else:
                add(f"{lead}- {empty_list(item)}\n")
        else:
            try:
                add(f"{lead}- {_other(item, indent + 2, indent)}")
            except _NotScalar:
                _write_list([plain_value(item)], indent, add, lead)
        lead = pad


def _write_explicit(key: str, item: Any, indent: int, add: Callable[[str], None], lead: str) -> None:
    """A key too long or with line breaks: `? key` and `: value` on lines of their own."""
    add(f"{lead}? {_string(key, indent + 2, indent)}")
    head = _pads[indent] + ": "
    if isinstance(item, dict) and item:
        _write_map(item, indent + 2, add, head)
    elif isinstance(item, (list, tuple)) and item:
        _write_list(item, indent + 2, add, head)
    elif isinstance(item, (dict, list, tuple)):
        add(head + ("{}" if isinstance(item, dict) else empty_list(item)) + "\n")
    elif isinstance(item, str):
        add(head + _string(item, indent + 2, indent))
    else:
        try:
            add(head + _other(item, indent + 2, indent))
        except _NotScalar:
            _write_explicit(key, plain_value(item), indent, add, lead)


# ---- toYamlPretty: go-yaml v3's encoder


class _Pretty:
    """go-yaml v3 at indent 2: no folding, sequences indented, values as they are."""

    def __init__(self, add: Callable[[str], None]) -> None:
        self.add = add

    def document(self, value: Any) -> None:
        """A whole value."""
        if isinstance(value, dict) and value:
            self.mapping(value, 0, "")
        elif isinstance(value, (list, tuple)) and value:
            self.sequence(value, 0, "")
        else:
            self.add(self.scalar(value, 0))

    def mapping(self, value: dict[Any, Any], indent: int, head: str) -> None:
        """A block mapping."""
        pad = _pads[indent]
        lead = head or pad
        for key in _pretty_order(value):
            item = value[key]
            text = key if isinstance(key, str) else ""
            if _LONE.search(text):
                text = _base64_lines(text)
            if len(text.encode("utf-8", "replace")) > _LONGEST_SIMPLE_KEY or _BREAKS.search(text):
                self.add(f"{lead}? {self.scalar(key, indent + 2)}")
                self.inline(item, indent + 2, f"{pad}: ")
            else:
                self.add(f"{lead}{self.key(key)}:")
                self.entry(item, indent)
            lead = pad

    def key(self, key: Any) -> str:
        """A simple key."""
        if isinstance(key, str) and not _LONE.search(key):
            return _pretty_string(key) if key else '""'
        return self.scalar(key, 0).rstrip("\n")

    def entry(self, item: Any, indent: int) -> None:
        """What follows a key's colon."""
        if isinstance(item, dict) and item:
            self.add("\n")
            self.mapping(item, indent + 2, "")
        elif isinstance(item, (list, tuple, bytes)) and item:
            self.add("\n")
            self.sequence(item, indent + 2, "")
        else:
            self.add(" " + self.scalar(item, indent + 2))

    def sequence(self, value: Any, indent: int, head: str) -> None:
        """A block sequence."""
        pad = _pads[indent]
        lead = head or pad
        for item in value:
            self.inline(item, indent + 2, lead + "- ")
            lead = pad

    def inline(self, item: Any, indent: int, head: str) -> None:
        """A value that begins on the line of its indicator."""
        if isinstance(item, dict) and item:
            self.mapping(item, indent, head)
        elif isinstance(item, (list, tuple, bytes)) and item:
            self.sequence(item, indent, head)
        else:
            self.add(head + self.scalar(item, indent))

    def scalar(self, value: Any, indent: int) -> str:
        """A scalar or an empty collection, with its line end; a block's lines stand at `indent`."""
        if isinstance(value, str):
            if _LONE.search(value):
                return "!!binary " + self.scalar(_base64_lines(value), indent)
            if "\n" in value and _pretty_literal_allowed(value):
                return _literal(value, max(indent, 2))
            shown = _pretty_string(value)
            if shown[0] == "'" and ("\u2028" in value or "\u2029" in value):
                shown = _broken_single(value, 0, max(indent, 2), float("inf"))
            return shown + "\n"
        if isinstance(value, dict):
            return "{}\n"
        if isinstance(value, (list, tuple, bytes)):
            return "[]\n"
        if isinstance(value, float):
            text = format_float(value)
            return {"NaN": ".nan", "+Inf": ".inf", "-Inf": "-.inf"}.get(text, text) + "\n"
        written = _go_text(value)
        if written is not None:
            return written + "\n"
        atom = _atom(value)
        if atom is None and _is_moment(value):
            return rfc3339(value) + "\n"
        return self.scalar(plain_value(value), indent) if atom is None else atom + "\n"


def _go_text(value: Any) -> str | None:
    """The text of a time or a duration, which go-yaml v3 writes as such and not through JSON."""
    method = getattr(value, "go_text", None)
    return None if method is None else str(method())


def _base64_lines(text: str) -> str:
    """A Go string that is no UTF-8 in base64, as go-yaml v3 breaks it into lines."""
    encoded = b2a_base64(text.encode("utf-8", "surrogateescape"), newline=False).decode("ascii")
    if len(encoded) < _BINARY_WIDTH:
        return encoded
    starts = range(0, len(encoded), _BINARY_WIDTH)
    return "".join(f"{encoded[start : start + _BINARY_WIDTH]}\n" for start in starts)


def _pretty_order(value: dict[Any, Any]) -> list[Any]:
    """Keys in go-yaml's order; numbers and booleans before text."""
    texts = [key for key in value if isinstance(key, str)]
    others = sorted((key for key in value if not isinstance(key, str)), key=_rank)
    return [*others, *natural_order(texts, letters_first=True)]


def _rank(key: Any) -> tuple[int, Any, str]:
    """Numbers by value, then dates and the like by their text, null last: kinds that do not compare are kept apart."""
    if key is None:
        return 2, 0, ""
    return (0, key, "") if isinstance(key, bool | int | float) else (1, 0, str(key))


def _pretty_string(text: str) -> str:
    """v3's one-line form: old booleans are quoted too, tabs force double quotes."""
    if not text:
        return '""'
    quoted = needs_quotes(text) or text in BOOLEANS_V1 or not isinstance(resolve_v3(text), str)
    if "\t" in text or "\n" in text:
        return _double(text)
    return _one_line(text, quoted)


def _pretty_literal_allowed(text: str) -> bool:
    """v3 lets tabs stand in a literal block."""
    return _literal_allowed(text.replace("\t", "x"))
