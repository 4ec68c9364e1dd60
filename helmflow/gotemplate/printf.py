"""Go fmt: verbs, flags and default formatting.

Text is str; bytes that are no UTF-8 travel as surrogate escapes. Strings and numbers are formatted by
`gotemplate.strconv`, which knows nothing of verbs' arguments.
"""

from __future__ import annotations

from helmflow.core.limits import MAX_TEMPLATE_TEXT_BYTES
from helmflow.gotemplate.functions import FunctionError
from helmflow.gotemplate.gotypes import GoError, GoObject, Int64
from helmflow.gotemplate.strconv import (
    can_backquote,
    format_float,
    quote,
    quote_rune,
    shortest_float,
)
from helmflow.gotemplate.values import kind_of, sorted_keys, type_of

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

__all__ = ["format_value", "quote", "sprint", "sprintf", "sprintln"]

TOO_LONG = f"the text is longer than {MAX_TEMPLATE_TEXT_BYTES} bytes"
_NIL = "<nil>"
_MAX_PARTS = 2_000_000  # pieces of one formatted value: lists that hold lists twice double with each level
_TOO_LARGE = 1_000_000  # before its last digit, where it stands in the format
_MOST_DIGITS = 8
_SIGNED = frozenset(("int", "int8", "int16", "int32", "int64"))
_UNSIGNED = frozenset(("uint", "uint8", "uint16", "uint32", "uint64", "uintptr"))


def format_value(value: Any) -> str:
    """%v of one value; nil is `<nil>`."""
    kind = type(value)
    if kind is str:
        return value  # type: ignore[no-any-return]
    if kind is float:
        return _floats.get(value) or _float_text(value)
    if kind is bool:
        return "true" if value else "false"
    if kind is int or kind is Int64:
        return int.__repr__(value)
    if value is None:
        return _NIL
    printer = _Printer()
    printer.print_value(value, "v", 0)
    return "".join(printer.out)


_floats: dict[float, str] = {}  # texts of the numbers that were printed
_MAX_FLOATS = 10_000


def _float_text(value: float) -> str:
    text = shortest_float(value)
    if value:  # 0 and -0 are one key
        if len(_floats) >= _MAX_FLOATS:
            _floats.clear()
        _floats[value] = text
    return text


def sprint(*values: Any) -> str:
    """fmt.Sprint: a blank between operands when neither is a string."""
    out: list[str] = []
    previous_text = True
    for value in values:
        text = isinstance(value, str)
        if out and not text and not previous_text:
            out.append(" ")
        out.append(value if type(value) is str else format_value(value))
        previous_text = text
    return joined(out)


def sprintln(*values: Any) -> str:
    """fmt.Sprintln: blanks between operands and a newline."""
    return joined([" ".join([format_value(value) for value in values]), "\n"])


def sprintf(layout: str, *values: Any) -> str:
    """fmt.Sprintf."""
    if "%" not in layout and not values:
        return layout
    printer = _Printer()
    printer.do_printf(layout, values)
    return joined(printer.out)


def joined(parts: Sequence[str]) -> str:
    """The parts as one text. Raises FunctionError beyond the limit."""
    if sum(map(len, parts)) > MAX_TEMPLATE_TEXT_BYTES:
        raise FunctionError(TOO_LONG)
    return "".join(parts)


def bounded(text: str) -> str:
    """The text itself. Raises FunctionError beyond the limit."""
    if len(text) > MAX_TEMPLATE_TEXT_BYTES:
        raise FunctionError(TOO_LONG)
    return text


class _Printer:
    """One formatting run: the flags of the verb at hand, and what has been written."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self.erroring = False
        self.reordered = False
        self.good_index = True
        self.clear()

    def clear(self) -> None:
        self.width: int | None = None
        self.precision: int | None = None
        self.minus = self.plus = self.sharp = self.space = self.zero = False
        self.plus_v = self.sharp_v = False

    # -- the layout ---------------------------------------------------------------------------------------------

    def do_printf(self, layout: str, values: Sequence[Any]) -> None:
        out, end, index, position = self.out, len(layout), 0, 0
        while position < end:
            percent = layout.find("%", position)
            if percent < 0:
                out.append(layout[position:])
                break
            if percent > position:
                out.append(layout[position:percent])
            position = percent + 1
            self.clear()
            self.good_index = True
            while position < end and layout[position] in "#0+- ":
                self._flag(layout[position])
                position += 1
            if position < end and "a" <= layout[position] <= "z" and index < len(values):
                self._print_verb(values[index], layout[position])
                index += 1
                position += 1
                continue
            index, position = self._complex_verb(layout, position, values, index)
        if not self.reordered and index < len(values):
            self._extra(values[index:])

    def _flag(self, flag: str) -> None:
        match flag:
            case "#":
                self.sharp = True
            case "0":
                self.zero = True
            case "+":
                self.plus = True
            case "-":
                self.minus = True
            case _:
                self.space = True

    def _print_verb(self, value: Any, verb: str) -> None:
        if verb in "vw":
            self.sharp_v, self.sharp = self.sharp, False
            self.plus_v, self.plus = self.plus, False
        self.print_arg(value, verb)

    def _complex_verb(self, layout: str, position: int, values: Sequence[Any], index: int) -> tuple[int, int]:
        """Argument indexes, width, precision and verb; gives the next argument and the next position."""
        end = len(layout)
        index, position, after_index = self._index(index, layout, position, len(values))
        if position < end and layout[position] == "*":
            position += 1
            self.width, index = _int_argument(values, index)
            if self.width is None:
                self.out.append("%!(BADWIDTH)")
            elif self.width < 0:
                self.width, self.minus, self.zero = -self.width, True, False
            after_index = False
        else:
            self.width, position = _number(layout, position)
            if after_index and self.width is not None:
                self.good_index = False
        if position + 1 < end and layout[position] == ".":
            index, position, after_index = self._precision(layout, position + 1, values, index, after_index)
        if not after_index:
            index, position, after_index = self._index(index, layout, position, len(values))
        if position >= end:
            self.out.append("%!(NOVERB)")
            return index, position
        verb = layout[position]
        position += 1
        if verb == "%":
            self.out.append("%")
        elif not self.good_index:
            self.out.append(f"%!{verb}(BADINDEX)")
        elif index >= len(values):
            self.out.append(f"%!{verb}(MISSING)")
        else:
            self._print_verb(values[index], verb)
            index += 1
        return index, position

    def _precision(
        self, layout: str, position: int, values: Sequence[Any], index: int, after_index: Any
    ) -> tuple[int, int, bool]:
        if after_index:
            self.good_index = False
        index, position, after_index = self._index(index, layout, position, len(values))
        if position < len(layout) and layout[position] == "*":
            position += 1
            self.precision, index = _int_argument(values, index)
            if self.precision is not None and self.precision < 0:
                self.precision = None
            if self.precision is None:
                self.out.append("%!(BADPREC)")
            return index, position, False
        found, position = _number(layout, position)
        self.precision = found or 0
        return index, position, after_index

    def _index(self, index: int, layout: str, position: int, count: int) -> tuple[int, int, bool]:
        """An explicit argument index such as [2], from 1."""
        if position >= len(layout) or layout[position] != "[":
            return index, position, False
        self.reordered = True
        close = layout.find("]", position)
        if close < 0:
            self.good_index = False
            return index, position + 1, False
        inside = layout[position + 1 : close]
        found, stop = _number(inside, 0)
        if found is None or stop != len(inside):
            self.good_index = False
            return index, close + 1, False
        if 1 <= found <= count:
            return found - 1, close + 1, True
        self.good_index = False
        return index, close + 1, True

    def _extra(self, values: Sequence[Any]) -> None:
        self.clear()
        self.out.append("%!(EXTRA ")
        for number, value in enumerate(values):
            if number:
                self.out.append(", ")
            if value is None:
                self.out.append(_NIL)
            else:
                self.out.append(f"{type_of(value)}=")
                self.print_arg(value, "v")
        self.out.append(")")

    # -- values -------------------------------------------------------------------------------------------------

    def print_arg(self, value: Any, verb: str) -> None:
        if value is None:
            if verb in "Tv":
                self.pad(_NIL)
            else:
                self.bad_verb(value, verb)
        elif verb == "T":
            self.text(type_of(value))
        elif verb == "w" and isinstance(
            value, (dict, list, GoObject)
        ):  # only errors are wrapped, and not here
            self.bad_verb(value, verb)
        else:
            self.print_value(value, verb, 0)

    def bad_verb(self, value: Any, verb: str) -> None:
        self.erroring = True
        self.out.append(f"%!{verb}(")
        if value is None:
            self.out.append(_NIL)
        else:
            self.out.append(f"{type_of(value)}=")
            self.print_value(value, "v", 0)
        self.out.append(")")
        self.erroring = False

    def print_value(self, value: Any, verb: str, depth: int) -> None:
        if value is None:
            self.out.append(f"{'interface {}'}(nil)" if self.sharp_v else _NIL)
            return
        if isinstance(value, GoObject) and self._by_method(value, verb):
            return
        kind = kind_of(value)
        if kind == "string":
            self._string(value, verb)
        elif kind == "bool":
            self.pad("true" if value else "false") if verb in "tv" else self.bad_verb(value, verb)
        elif kind in _SIGNED or kind in _UNSIGNED:
            self._integer(value, verb, kind)
        elif kind in ("float64", "float32"):
            self._float(value, verb)
        elif kind == "complex128":
            self._complex(value, verb)
        elif isinstance(value, bytes):
            self._bytes(value, verb)
        elif isinstance(value, dict):
            self._map(value, verb, depth)
        elif isinstance(value, list):
            self._list(value, verb, depth)
        elif isinstance(value, GoObject):
            self._struct(value, verb, depth)
        else:
            self.out.append(str(value))

    def _by_method(self, value: GoObject, verb: str) -> bool:
        """Error() and String() speak for the value where the verb takes text."""
        if self.erroring or self.sharp_v or verb not in "vsxXq":
            return False
        if isinstance(value, GoError):
            self._string(value.text, verb)
            return True
        for name in ("Error", "String"):
            method = value.go_methods.get(name)
            if method is not None and not method.params and name not in value.go_pointer_methods:
                self._string(method.call(value), verb)
                return True
        return False

    def _string(self, value: str, verb: str) -> None:
        match verb:
            case "v" if self.sharp_v:
                self._quoted(value)
            case "v" | "s":
                self.text(value)
            case "x" | "X":
                self._hex(value.encode("utf-8", "surrogateescape"), verb)
            case "q":
                self._quoted(value)
            case _:
                self.bad_verb(value, verb)

    def text(self, value: str) -> None:
        self.pad(value if self.precision is None else value[: self.precision])

    def _quoted(self, value: str) -> None:
        if self.precision is not None:
            value = value[: self.precision]
        if self.sharp and can_backquote(value):
            self.pad(f"`{value}`")
        else:
            self.pad(quote(value, ascii_only="yes" if self.plus else ""))

    def pad(self, text: str) -> None:
        width = self.width
        if not width or len(text) >= width:
            self.out.append(text)
        elif self.minus:
            self.out.append(text + " " * (width - len(text)))
        else:
            self.out.append(("0" if self.zero else " ") * (width - len(text)) + text)

    def _pad_blank(self, text: str) -> None:
        zero, self.zero = self.zero, False
        self.pad(text)
        self.zero = zero

    def _hex(self, value: bytes, verb: str) -> None:
        if self.precision is not None:
            value = value[: self.precision]
        if not value:
            if self.width:
                self.pad("")
            return
        digits = [f"{byte:02{verb}}" for byte in value]
        prefix = f"0{verb}" if self.sharp else ""
        self.pad(" ".join(prefix + pair for pair in digits) if self.space else prefix + "".join(digits))

    def _integer(self, value: int, verb: str, kind: str) -> None:
        number = int(value)
        match verb:
            case "v" if self.sharp_v and kind in _UNSIGNED:
                sharp, self.sharp = self.sharp, True
                self._digits(number, "x", number)
                self.sharp = sharp
            case "v" | "d":
                self._digits(number, "d", value)
            case "b" | "o" | "x" | "X" | "O":
                self._digits(number, verb, value)
            case "c":
                self.pad(_rune(number))
            case "q":
                self.pad(quote_rune(_rune(number), ascii_only="yes" if self.plus else ""))
            case "U":
                self._unicode(number)
            case _:
                self.bad_verb(value, verb)

    def _digits(self, number: int, verb: str, value: int) -> None:
        negative = number < 0
        digits = format(abs(number), "o" if verb == "O" else verb)
        least = 0
        if self.precision is not None:
            least = self.precision
            if least == 0 and number == 0:
                self.out.append(" " * (self.width or 0))
                return
        elif self.zero and not self.minus and self.width is not None:
            least = self.width - (1 if negative or self.plus or self.space else 0)
        digits = digits.rjust(least, "0")
        if self.sharp:
            if verb == "b":
                digits = "0b" + digits
            elif verb in "oO" and not digits.startswith("0"):
                digits = "0" + digits
            elif verb in "xX":
                digits = f"0{verb}{digits}"
        if verb == "O":
            digits = "0o" + digits
        sign = "-" if negative else "+" if self.plus else " " if self.space else ""
        self._pad_blank(sign + digits)

    def _unicode(self, number: int) -> None:
        bits = number & 0xFFFFFFFFFFFFFFFF
        text = f"U+{bits:0{max(4, self.precision or 0)}X}"
        if self.sharp and bits <= 0x10FFFF and chr(bits).isprintable():
            text += f" '{chr(bits)}'"
        self._pad_blank(text)

    def _float(self, value: float, verb: str) -> None:
        if verb in "vgGbxX":
            self._float_text(value, "g" if verb == "v" else verb, -1, value)
        elif verb in "feEF":
            self._float_text(value, "f" if verb == "F" else verb, 6, value)
        else:
            self.bad_verb(value, verb)

    def _float_text(self, value: float, verb: str, precision: int, owner: Any) -> None:
        if self.precision is not None:
            precision = self.precision
        text = format_float(value, verb, precision)
        if text[0] not in "+-":
            text = "+" + text
        if self.space and text[0] == "+" and not self.plus:
            text = " " + text[1:]
        if text[1] in "IN":
            if text[1] == "N" and not self.space and not self.plus:
                text = text[1:]
            self._pad_blank(text)
            return
        if self.sharp and verb != "b":
            text = _sharp_float(text, verb, precision)
        if self.plus or text[0] != "+":
            if self.zero and not self.minus and self.width is not None and self.width > len(text):
                self.out.append(text[0] + "0" * (self.width - len(text)) + text[1:])
            else:
                self.pad(text)
        else:
            self.pad(text[1:])

    def _complex(self, value: complex, verb: str) -> None:
        if verb not in "vbgGxXfFeE":
            self.bad_verb(value, verb)
            return
        plus = self.plus
        self.out.append("(")
        self._float(value.real, verb)
        self.plus = True
        self._float(value.imag, verb)
        self.out.append("i)")
        self.plus = plus

    def _bytes(self, value: bytes, verb: str) -> None:
        match verb:
            case "v" | "d" if self.sharp_v:
                self.out.append("[]byte{" + ", ".join(f"{byte:#x}" for byte in value) + "}")
            case "v" | "d":
                self.out.append("[")
                for number, byte in enumerate(value):
                    if number:
                        self.out.append(" ")
                    self._digits(byte, "d", byte)
                self.out.append("]")
            case "s":
                self.text(value.decode("utf-8", "surrogateescape"))
            case "x" | "X":
                self._hex(value, verb)
            case "q":
                self._quoted(value.decode("utf-8", "surrogateescape"))
            case _:
                self._sequence([_Byte(byte) for byte in value], verb, 0, "[]uint8")

    def _map(self, value: dict[Any, Any], verb: str, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise FunctionError("value is nested too deeply to print")
        out = self.out
        if len(out) > _MAX_PARTS:
            raise FunctionError(TOO_LONG)
        out.append(f"{type_of(value)}{{" if self.sharp_v else "map[")
        for number, key in enumerate(sorted_keys(value)):
            if number:
                out.append(", " if self.sharp_v else " ")
            self.print_value(key, verb, depth + 1)
            out.append(":")
            self.print_value(value[key], verb, depth + 1)
        out.append("}" if self.sharp_v else "]")

    def _list(self, value: list[Any], verb: str, depth: int) -> None:
        if depth > _MAX_DEPTH:
            raise FunctionError("value is nested too deeply to print")
        self._sequence(value, verb, depth, type_of(value))

    def _sequence(self, value: Sequence[Any], verb: str, depth: int, type_name: str) -> None:
        out = self.out
        if len(out) > _MAX_PARTS:
            raise FunctionError(TOO_LONG)
        out.append(f"{type_name}{{" if self.sharp_v else "[")
        for number, element in enumerate(value):
            if number:
                out.append(", " if self.sharp_v else " ")
            self.print_value(element, verb, depth + 1)
        out.append("}" if self.sharp_v else "]")

    def _struct(self, value: GoObject, verb: str, depth: int) -> None:
        out = self.out
        pointer = "&" if value.go_kind == "ptr" and not depth else ""
        out.append(f"{pointer}{type_of(value).lstrip('*') if self.sharp_v else ''}{{")
        for number, (name, attribute) in enumerate(value.go_fields.items()):
            if number:
                out.append(", " if self.sharp_v else " ")
            if self.plus_v or self.sharp_v:
                out.append(f"{name}:")
            self.print_value(getattr(value, attribute), verb, depth + 1)
        out.append("}")


_MAX_DEPTH = 200  # values deeper than this come from a template that nests a map in itself


class _Byte(int):
    """An element of []byte."""

    go_type = "uint8"


def _rune(number: int) -> str:
    return chr(number) if 0 <= number <= 0x10FFFF and not 0xD800 <= number <= 0xDFFF else "\ufffd"


def _number(layout: str, position: int) -> tuple[int | None, int]:
    """Decimal digits from the position; None where there are none, or too many."""
    stop = position
    while stop < len(layout) and layout[stop] in "0123456789":
        stop += 1
    if stop == position:
        return None, position
    digits = layout[position:stop].lstrip("0")
    if len(digits) > _MOST_DIGITS or int(digits[:-1] or 0) > _TOO_LARGE:
        return None, len(layout)
    return int(digits or 0), stop


def _int_argument(values: Sequence[Any], index: int) -> tuple[int | None, int]:
    if index >= len(values):
        return None, index
    value = values[index]
    if type(value) is bool or not isinstance(value, int) or abs(value) > _TOO_LARGE:
        return None, index + 1
    return int(value), index + 1


def _sharp_float(text: str, verb: str, precision: int) -> str:
    """The # flag: always a decimal point, and for %g the trailing zeros."""
    digits = (6 if precision == -1 else precision) if verb in "gGx" else 0
    tail = ""
    for position, char in enumerate(text):
        if char in "pP" or (char in "eE" and verb not in "xX"):
            text, tail = text[:position], text[position:]
            break
    seen_nonzero = False
    for char in text[1:]:
        if char == ".":
            continue
        seen_nonzero = seen_nonzero or char != "0"
        if seen_nonzero:
            digits -= 1
    if "." not in text:
        if text[1:] == "0":
            digits -= 1
        text += "."
    return text + "0" * max(0, digits) + tail
