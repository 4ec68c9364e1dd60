"""String functions: trimming, cutting, indenting, quoting, joining, splitting."""

from __future__ import annotations

from helmflow.gotemplate.functions import Function, FunctionError, function, table
from helmflow.gotemplate.gotypes import StringMap, StringSlice
from helmflow.gotemplate.printf import format_value
from helmflow.gotemplate.printf import quote as go_quote
from helmflow.sprig.conversion import SPACE, check_text, strval, to_bytes, to_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

NEGATIVE_COUNT = "strings: negative Repeat count"


@function("hello", returns="string")
def hello() -> str:
    return "Hello!"


@function("trim", "string", returns="string")
def trim(text: str) -> str:
    return text.strip(SPACE)


@function("trimAll", "string", "string", returns="string")
def trim_all(characters: str, text: str) -> str:
    return text.strip(characters)


@function("trimSuffix", "string", "string", returns="string")
def trim_suffix(suffix: str, text: str) -> str:
    return text.removesuffix(suffix)


@function("trimPrefix", "string", "string", returns="string")
def trim_prefix(prefix: str, text: str) -> str:
    return text.removeprefix(prefix)


@function("contains", "string", "string", returns="bool")
def contains(part: str, text: str) -> bool:
    return part in text


@function("hasPrefix", "string", "string", returns="bool")
def has_prefix(prefix: str, text: str) -> bool:
    return text.startswith(prefix)


@function("hasSuffix", "string", "string", returns="bool")
def has_suffix(suffix: str, text: str) -> bool:
    return text.endswith(suffix)


@function("trunc", "int", "string", returns="string")
def trunc(count: int, text: str) -> str:
    if text.isascii():
        return text[:count] if count >= 0 else text[count:]
    data = to_bytes(text)
    return to_text(data[:count] if count >= 0 else data[count:])


@function("substr", "int", "int", "string", returns="string")
def substr(start: int, end: int, text: str) -> str:
    data: str | bytes = text if text.isascii() else to_bytes(text)
    size = len(data)
    if start < 0:
        check_upper(end, size)
        part = data[:end]
    elif end < 0 or end > size:
        if start > size:
            raise FunctionError(f"runtime error: slice bounds out of range [{start}:{size}]")
        part = data[start:]
    else:
        if start > end:
            raise FunctionError(f"runtime error: slice bounds out of range [{start}:{end}]")
        part = data[start:end]
    return part if isinstance(part, str) else to_text(part)


@function("repeat", "int", "string", returns="string")
def repeat(count: int, text: str) -> str:
    if count < 0:
        raise FunctionError(NEGATIVE_COUNT)
    check_text("repeat", count * len(text))
    return text * count


@function("replace", "string", "string", "string", returns="string")
def replace(old: str, new: str, text: str) -> str:
    if len(text) * (len(new) + 1) > 1_000_000:
        check_text("replace", len(text) + (text.count(old)) * (len(new) - len(old)))
    return text.replace(old, new)


@function("indent", "int", "string", returns="string")
def indent(spaces: int, text: str) -> str:
    return _padding("indent", spaces, text) + text.replace("\n", "\n" + " " * spaces)


@function("nindent", "int", "string", returns="string")
def nindent(spaces: int, text: str) -> str:
    padding = "\n" + _padding("nindent", spaces, text)
    return padding + text.replace("\n", padding)


@function("quote", "...any", returns="string")
def quote(*values: Any) -> str:
    if len(values) == 1:
        value = values[0]
        if value is None:
            return ""
        text = value if type(value) is str else strval(value)
        # Most texts need no escape: printable ASCII without the two characters that always do.
        if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
            return f'"{text}"'
        return go_quote(text)
    return " ".join([go_quote(strval(value)) for value in values if value is not None])


@function("squote", "...any", returns="string")
def squote(*values: Any) -> str:
    return " ".join([f"'{format_value(value)}'" for value in values if value is not None])


@function("cat", "...any", returns="string")
def cat(*values: Any) -> str:
    parts = [format_value(value) for value in values if value is not None]
    check_text("cat", sum(map(len, parts)))
    return " ".join(parts)


@function("plural", "string", "string", "int", returns="string")
def plural(one: str, many: str, count: int) -> str:
    return one if count == 1 else many


@function("toString", "any", returns="string")
def to_string(value: Any) -> str:
    return strval(value)


@function("toStrings", "any", returns="[]string")
def to_strings(value: Any) -> StringSlice:
    return strings_of(value)


@function("join", "string", "any", returns="string")
def join(separator: str, values: Any) -> str:
    parts = strings_of(values)
    check_text("join", len(parts) * len(separator) + sum(map(len, parts)))
    return separator.join(parts)


@function("sortAlpha", "any", returns="[]string")
def sort_alpha(values: Any) -> StringSlice:
    if not isinstance(values, (list, bytes)):
        return StringSlice([strval(values)])
    found = strings_of(values)
    if all(map(str.isascii, found)):
        found.sort()
    else:
        found.sort(key=to_bytes)
    return found


@function("split", "string", "string", returns="map[string]string")
def split(separator: str, text: str) -> StringMap:
    return _numbered(_parts(text, separator))


@function("splitList", "string", "string", returns="[]string")
def split_list(separator: str, text: str) -> StringSlice:
    return StringSlice(_parts(text, separator))


@function("splitn", "string", "int", "string", returns="map[string]string")
def splitn(separator: str, count: int, text: str) -> StringMap:
    if count < 0:
        return _numbered(_parts(text, separator))
    if count == 0:
        return StringMap()
    if separator:
        return _numbered(text.split(separator, count - 1))
    letters = list(text)
    if len(letters) > count:
        letters[count - 1 :] = ["".join(letters[count - 1 :])]
    return _numbered(letters)


def strings_of(values: Any) -> StringSlice:
    """Sprig's strslice: a []string itself, the texts of a list's items but nil, one text of anything else."""
    if isinstance(values, StringSlice):
        return values
    if isinstance(values, list):
        return StringSlice(
            [value if type(value) is str else strval(value) for value in values if value is not None]
        )
    if isinstance(values, bytes):
        return StringSlice(map(str, values))
    return StringSlice([] if values is None else [strval(values)])


def check_upper(end: int, size: int) -> None:
    """Go's panic when s[:end] leaves the string."""
    if end < 0:
        raise FunctionError(f"runtime error: slice bounds out of range [:{end}]")
    if end > size:
        raise FunctionError(f"runtime error: slice bounds out of range [:{end}] with length {size}")


def _padding(name: str, spaces: int, text: str) -> str:
    if spaces < 0:
        raise FunctionError(NEGATIVE_COUNT)
    if spaces > 1000 or len(text) > 1_000_000:
        check_text(name, len(text) + spaces * (text.count("\n") + 1))
    return " " * spaces


def _parts(text: str, separator: str) -> list[str]:
    return text.split(separator) if separator else list(text)


def _numbered(parts: list[str]) -> StringMap:
    return StringMap({f"_{index}": part for index, part in enumerate(parts)})


def _alias(name: str, of: Function) -> Function:
    return Function(name, of.call, of.params, of.variadic, of.returns, of.random)


FUNCTIONS = table(
    hello,
    trim,
    trim_all,
    _alias("trimall", trim_all),
    trim_suffix,
    trim_prefix,
    contains,
    has_prefix,
    has_suffix,
    trunc,
    substr,
    repeat,
    replace,
    indent,
    nindent,
    quote,
    squote,
    cat,
    plural,
    to_string,
    to_strings,
    join,
    sort_alpha,
    split,
    split_list,
    splitn,
)
