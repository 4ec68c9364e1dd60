"""Go's regular expression syntax: its errors, and a tree that tells whether Python's `re` means the same."""

from __future__ import annotations

import re

from helmflow.core.records import dataclass, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final, Literal

_MAX_REPEAT: Final = 1000
_MAX_HEIGHT: Final = 1000

INVALID_CLASS_RANGE: Final = "invalid character class range"
INVALID_ESCAPE: Final = "invalid escape sequence"
INVALID_NAMED_CAPTURE: Final = "invalid named capture"
INVALID_PERL: Final = "invalid or unsupported Perl syntax"
INVALID_REPEAT_OP: Final = "invalid nested repetition operator"
INVALID_REPEAT_SIZE: Final = "invalid repeat count"
INVALID_UTF8: Final = "invalid UTF-8"
MISSING_BRACKET: Final = "missing closing ]"
MISSING_PAREN: Final = "missing closing )"
MISSING_ARGUMENT: Final = "missing argument to repetition operator"
TRAILING_BACKSLASH: Final = "trailing backslash at end of expression"
UNEXPECTED_PAREN: Final = "unexpected )"
NESTING_DEPTH: Final = "expression nests too deeply"
TOO_LARGE: Final = "expression too large"


class RegexError(ValueError):
    """Not a Go regular expression; `str` is package syntax's own text."""

    def __init__(self, code: str, expression: str) -> None:
        super().__init__(f"error parsing regexp: {code}: `{expression}`")


@dataclass(slots=True)
class Node:
    """A piece of an expression.

    `source` is a one-character piece in Python's syntax ("" where `re` would mean something else); `fold` says that
    it ignores case. Groups, repeats, sequences and alternatives have `subs`.
    """

    kind: Literal["char", "assert", "repeat", "group", "sequence", "choice"]
    source: str = ""
    fold: bool = False
    subs: list[Node] = field(default_factory=list)
    least: int = 1
    most: int = 1
    greedy: bool = True
    capture: int = 0
    height: int = 1


@dataclass(frozen=True, slots=True)
class Parsed:
    """A parsed expression: its tree, the names of its groups ("" for the whole and for nameless ones), and the
    expression without these names, which Go may repeat and RE2 may not.
    """

    tree: Node
    names: tuple[str, ...]
    nameless: str


def parse(expression: str, known_class: Callable[[str], bool]) -> Parsed:
    """Parse as syntax.Parse with Perl flags. `known_class` says whether \\p{...} names a Unicode class.

    Raises RegexError.
    """
    parser = _Parser(expression, known_class)
    tree = parser.parse()
    nameless = expression
    for start, end in reversed(parser.named):
        nameless = f"{nameless[:start]}({nameless[end:]}"
    return Parsed(tree, tuple(parser.names), nameless)


@dataclass(slots=True)
class _Open:
    """An open group: what came before it, and the flags to restore."""

    alternatives: list[Node]
    items: list[Node]
    flags: _Flags
    capture: int


@dataclass(frozen=True, slots=True)
class _Flags:
    """What (?flags) change."""

    fold: bool = False
    multiline: bool = False
    dot_newline: bool = False
    ungreedy: bool = False


class _Parser:
    """Go's parser: one pass, a stack of open groups."""

    def __init__(self, text: str, known_class: Callable[[str], bool]) -> None:
        self.whole = text
        self.known_class = known_class
        self.flags = _Flags()
        self.names: list[str] = [""]
        self.named: list[tuple[int, int]] = []
        self.items: list[Node] = []
        self.alternatives: list[Node] = []
        self.open: list[_Open] = []

    def parse(self) -> Node:
        """The whole expression."""
        rest = self.whole
        last_repeat = ""
        while rest:
            repeat = ""
            first = rest[0]
            if first in "*+?":
                repeat = rest
                least, most = {"*": (0, -1), "+": (1, -1), "?": (0, 1)}[first]
                rest = self.repeat(least, most, rest, rest[1:], last_repeat)
            elif first == "{":
                counted = _counted(rest)
                if counted is None:
                    self.literal("{")
                    rest = rest[1:]
                else:
                    repeat = rest
                    least, most, after = counted
                    if least < 0 or least > _MAX_REPEAT or most > _MAX_REPEAT or 0 <= most < least:
                        raise RegexError(INVALID_REPEAT_SIZE, rest[: len(rest) - len(after)])
                    rest = self.repeat(least, most, rest, after, last_repeat)
            else:
                rest = self.piece(rest)
            last_repeat = repeat
        tree = self.close()
        if self.open:
            raise RegexError(MISSING_PAREN, self.whole)
        return tree

    def piece(self, rest: str) -> str:
        """Anything but a repetition; returns what follows."""
        first = rest[0]
        if first == "(":
            if rest[1:2] == "?":
                return self.perl_group(rest)
            self.names.append("")
            self.push_group(len(self.names) - 1)
            return rest[1:]
        if first == "|":
            self.alternatives.append(_sequence(self.items))
            self.items = []
        elif first == ")":
            self.close_group()
        elif first == "^":
            self.items.append(Node("assert", "(?m:^)" if self.flags.multiline else r"\A"))
        elif first == "$":
            self.items.append(Node("assert", "(?m:$)" if self.flags.multiline else r"\Z"))
        elif first == ".":
            self.items.append(Node("char", r"[\s\S]" if self.flags.dot_newline else r"[^\n]"))
        elif first == "[":
            return self.char_class(rest)
        elif first == "\\":
            return self.backslash(rest)
        else:
            self.literal(_valid(first))
        return rest[1:]

    def literal(self, char: str) -> None:
        """One character that stands for itself."""
        source = re.escape(char) if char.isascii() else ""
        self.items.append(Node("char", source, fold=self.flags.fold))

    def push_group(self, capture: int) -> None:
        """Open a group."""
        self.open.append(_Open(self.alternatives, self.items, self.flags, capture))
        self.alternatives, self.items = [], []

    def close(self) -> Node:
        """The alternatives since the last open parenthesis as one node."""
        options = [*self.alternatives, _sequence(self.items)]
        if len(options) == 1:
            return options[0]
        return self.checked(Node("choice", subs=options))

    def close_group(self) -> None:
        """)"""
        if not self.open:
            raise RegexError(UNEXPECTED_PAREN, self.whole)
        inner = self.close()
        group = self.open.pop()
        self.alternatives, self.items, self.flags = group.alternatives, group.items, group.flags
        self.items.append(self.checked(Node("group", subs=[inner], capture=group.capture)))

    def checked(self, node: Node) -> Node:
        """The node with its height, within Go's bound."""
        node.height = 1 + max((sub.height for sub in node.subs), default=0)
        if node.height > _MAX_HEIGHT:
            raise RegexError(NESTING_DEPTH, self.whole)
        return node

    def repeat(self, least: int, most: int, before: str, after: str, last_repeat: str) -> str:
        """A repetition of the last item."""
        greedy = not self.flags.ungreedy
        if after[:1] == "?":
            after = after[1:]
            greedy = not greedy
        if last_repeat:
            raise RegexError(INVALID_REPEAT_OP, last_repeat[: len(last_repeat) - len(after)])
        written = before[: len(before) - len(after)]
        if not self.items:
            raise RegexError(MISSING_ARGUMENT, written)
        node = Node("repeat", subs=[self.items.pop()], least=least, most=most, greedy=greedy)
        if before[0] == "{" and (least >= 2 or most >= 2) and not _repeat_fits(node, _MAX_REPEAT):
            raise RegexError(INVALID_REPEAT_SIZE, written)
        self.items.append(self.checked(node))
        return after

    def perl_group(self, text: str) -> str:
        """(?...: a named group, a flag change or a group without capture."""
        named = 4 if text[2:4] == "P<" and len(text) > 4 else 3 if text[2:3] == "<" and len(text) > 3 else 0
        if named:
            end = text.find(">")
            if end < 0:
                raise RegexError(INVALID_NAMED_CAPTURE, _valid(text))
            name = _valid(text[named:end])
            if not re.fullmatch(r"[A-Za-z0-9_]+", name):
                raise RegexError(INVALID_NAMED_CAPTURE, text[: end + 1])
            self.names.append(name)
            start = len(self.whole) - len(text)
            self.named.append((start, start + end + 1))
            self.push_group(len(self.names) - 1)
            return text[end + 1 :]
        found = re.compile(r"\(\?([imsU]*)(?:(-)([imsU]+))?([:)])").match(text)
        if found is None:
            raise self.bad_flags(text)
        flags = self.flags
        on, off = found[1], found[3] or ""
        changed = _Flags(
            fold=_switched(flags.fold, "i", on, off),
            multiline=_switched(flags.multiline, "m", on, off),
            dot_newline=_switched(flags.dot_newline, "s", on, off),
            ungreedy=_switched(flags.ungreedy, "U", on, off),
        )
        if found[4] == ":":
            self.push_group(0)
        self.flags = changed
        return text[found.end() :]

    def bad_flags(self, text: str) -> RegexError:
        """How far Go reads flags before it gives up."""
        at = 2
        negated = False
        while at < len(text):
            char = _valid(text[at])
            at += 1
            if char == "-" and not negated:
                negated = True
            elif char not in "imsU":
                return RegexError(INVALID_PERL, text[:at])
        return RegexError(INVALID_PERL, text)

    def backslash(self, text: str) -> str:
        """An escape outside a class."""
        second = text[1:2]
        if second and second in "AbBz":
            self.items.append(Node("assert", r"\Z" if second == "z" else "\\" + second))
            return text[2:]
        if second == "C":
            raise RegexError(INVALID_ESCAPE, text[:2])
        if second == "Q":
            quoted, _, rest = text[2:].partition("\\E")
            for char in quoted:
                self.literal(_valid(char))
            return rest
        if second and second in "pP":
            rest = self.unicode_class(text)
            self.items.append(Node("char", "", fold=self.flags.fold))
            return rest
        if second and second in "dDsSwW":
            self.items.append(Node("char", f"[{_perl_class(second)}]"))
            return text[2:]
        char, rest = _escape(text)
        self.literal(char)
        return rest

    def unicode_class(self, text: str) -> str:
        r"""\pL or \p{Greek}; returns what follows."""
        if len(text) > 2 and text[2] != "{":
            sequence = text[: 2 + len(_valid(text[2]))]
        else:
            end = text.find("}")
            if end < 0:
                raise RegexError(INVALID_CLASS_RANGE, _valid(text))
            sequence = text[: end + 1]
        if not self.known_class(_valid(sequence)):
            raise RegexError(INVALID_CLASS_RANGE, sequence)
        return text[len(sequence) :]

    def char_class(self, text: str) -> str:
        """[...]; returns what follows."""
        rest = text[1:]
        parts: list[str] = []
        negated = rest[:1] == "^"
        if negated:
            rest = rest[1:]
        sure = True
        first = True
        while first or rest[:1] != "]":
            first = False
            if rest[:2] == "[:" and len(rest) > 2:
                end = rest.find(":]", 2)
                if end >= 0:
                    name = rest[: end + 2]
                    if name not in _POSIX:
                        raise RegexError(INVALID_CLASS_RANGE, name)
                    parts.append(_POSIX[name])
                    rest = rest[end + 2 :]
                    continue
            if rest[:2] in ("\\p", "\\P"):
                rest = self.unicode_class(rest)
                sure = False
                continue
            if rest[:1] == "\\" and rest[1:2] and rest[1] in "dDsSwW":
                parts.append(_perl_class(rest[1]))
                rest = rest[2:]
                continue
            start = rest
            low, rest = _class_char(rest, text)
            high = low
            if rest[:1] == "-" and len(rest) >= 2 and rest[1] != "]":
                high, rest = _class_char(rest[1:], text)
                if high < low:
                    raise RegexError(INVALID_CLASS_RANGE, start[: len(start) - len(rest)])
            sure = sure and high.isascii()
            parts.append(re.escape(low) if low == high else f"{re.escape(low)}-{re.escape(high)}")
        source = f"[{'^' if negated else ''}{''.join(parts)}]" if sure else ""
        self.items.append(Node("char", source, fold=self.flags.fold))
        return rest[1:]


def _sequence(items: list[Node]) -> Node:
    """Items after one another."""
    height = 1 + max((item.height for item in items), default=0) if len(items) > 1 else 1
    return items[0] if len(items) == 1 else Node("sequence", subs=items, height=height)


def _switched(before: bool, flag: str, on: str, off: str) -> bool:
    """A flag after `on` and `off` were read."""
    return False if flag in off else before or flag in on


def _valid(text: str) -> str:
    """The text, refused where it is invalid UTF-8."""
    if re.search("[\ud800-\udfff]", text):
        raise RegexError(INVALID_UTF8, text)
    return text


def _counted(text: str) -> tuple[int, int, str] | None:
    """{n}, {n,} or {n,m}: least, most (-1: unbounded) and what follows; a number too big makes least negative."""
    found = re.match(r"\{(0|[1-9][0-9]*)(,(0|[1-9][0-9]*)?)?\}", text)
    if found is None:
        return None
    least = int(found[1]) if len(found[1]) < 9 else -1
    most = (
        least if found[2] is None else -1 if found[3] is None else int(found[3]) if len(found[3]) < 9 else -2
    )
    return (-1 if most == -2 else least), most, text[found.end() :]


def _repeat_fits(node: Node, limit: int) -> bool:
    """Do nested counted repetitions stay within Go's 1000?"""
    counted = (
        node.kind == "repeat"
        and not (node.least <= 1 and node.most == -1)
        and (node.least, node.most) != (0, 1)
    )
    if counted:
        most = node.most
        if most == 0:
            return True
        most = node.least if most < 0 else most
        if most > limit:
            return False
        if most > 0:
            limit //= most
    return all(_repeat_fits(sub, limit) for sub in node.subs)


def _perl_class(letter: str) -> str:
    """\\d and friends as class items."""
    return {
        "d": "0-9",
        "D": "\\x00-/:-\\U0010ffff",
        "s": "\\t\\n\\x0c\\r ",
        "S": "\\x00-\\x08\\x0b\\x0e-\\x1f!-\\U0010ffff",
        "w": "0-9A-Z_a-z",
        "W": "\\x00-/:-@\\[-\\^`{-\\U0010ffff",
    }[letter]


_POSIX_ITEMS: Final = {
    "alnum": ("0-9A-Za-z", "\\x00-/:-@\\[-`{-\\U0010ffff"),
    "alpha": ("A-Za-z", "\\x00-@\\[-`{-\\U0010ffff"),
    "ascii": ("\\x00-\\x7f", "\\x80-\\U0010ffff"),
    "blank": ("\\t ", "\\x00-\\x08\\n-\\x1f!-\\U0010ffff"),
    "cntrl": ("\\x00-\\x1f\\x7f", " -~\\x80-\\U0010ffff"),
    "digit": ("0-9", "\\x00-/:-\\U0010ffff"),
    "graph": ("!-~", "\\x00- \\x7f-\\U0010ffff"),
    "lower": ("a-z", "\\x00-`{-\\U0010ffff"),
    "print": (" -~", "\\x00-\\x1f\\x7f-\\U0010ffff"),
    "punct": ("!-/:-@\\[-`{-~", "\\x00- 0-9A-Za-z\\x7f-\\U0010ffff"),
    "space": ("\\t-\\r ", "\\x00-\\x08\\x0e-\\x1f!-\\U0010ffff"),
    "upper": ("A-Z", "\\x00-@\\[-\\U0010ffff"),
    "word": ("0-9A-Z_a-z", "\\x00-/:-@\\[-\\^`{-\\U0010ffff"),
    "xdigit": ("0-9A-Fa-f", "\\x00-/:-@G-`g-\\U0010ffff"),
}
_POSIX: Final = {
    **{f"[:{name}:]": items for name, (items, _) in _POSIX_ITEMS.items()},
    **{f"[:^{name}:]": items for name, (_, items) in _POSIX_ITEMS.items()},
}


def _class_char(text: str, whole: str) -> tuple[str, str]:
    """One character of a class."""
    if not text:
        raise RegexError(MISSING_BRACKET, whole)
    if text[0] == "\\":
        return _escape(text)
    return _valid(text[0]), text[1:]


_SIMPLE: Final = {"a": "\a", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}
_HEX: Final = "0123456789abcdefABCDEF"


def _escape(text: str) -> tuple[str, str]:
    """A single-character escape and what follows."""
    rest = text[1:]
    if not rest:
        raise RegexError(TRAILING_BACKSLASH, "")
    char, rest = _valid(rest[0]), rest[1:]
    if char in _SIMPLE:
        return _SIMPLE[char], rest
    if char in "01234567" and (char == "0" or rest[:1] in tuple("01234567")):
        digits = char
        while len(digits) < 3 and rest[:1] and rest[0] in "01234567":
            digits, rest = digits + rest[0], rest[1:]
        return chr(int(digits, 8)), rest
    if char == "x":
        return _hex_escape(text, rest)
    if char.isascii() and not char.isalnum():
        return char, rest
    raise RegexError(INVALID_ESCAPE, text[: len(text) - len(rest)])


def _hex_escape(text: str, rest: str) -> tuple[str, str]:
    r"""\x41 or \x{1F600}."""
    start = rest
    if rest[:1] == "{":
        rest = rest[1:]
        digits = ""
        while rest:
            char, rest = _valid(rest[0]), rest[1:]
            if char == "}":
                if digits:
                    return chr(int(digits, 16)), rest
                break
            if char not in _HEX or int(digits + char, 16) > 0x10FFFF:
                break
            digits += char
    elif rest:
        if len(rest) > 1 and rest[0] in _HEX and rest[1] in _HEX:
            return chr(int(rest[:2], 16)), rest[2:]
        rest = _valid(start[:2]) and start[2:]
    raise RegexError(INVALID_ESCAPE, text[: len(text) - len(rest)])


# ---- Python's `re`, where it means the same


@dataclass(frozen=True, slots=True)
class PythonForm:
    """An expression for `re` (with re.ASCII) and what its search may cost: `branches` times length to `loops` + 1."""

    source: str
    loops: int
    branches: int
    folds: bool


class _NotSame(Exception):
    """`re` would differ, or could take too long."""


def python_form(parsed: Parsed) -> PythonForm | None:
    """The same expression for Python's `re`; None where meaning or cost is not sure.

    Only one-character pieces of ASCII, assertions, groups, alternatives outside repetitions and repetitions of what
    has one fixed length without a choice are sure: both engines prefer the same match there.
    """
    writer = _Writer()
    try:
        source = writer.write(parsed.tree)
    except _NotSame:
        return None
    return PythonForm(source, writer.loops, writer.branches, writer.folds)


class _Writer:
    """Writes a tree in Python's syntax and adds up what matching may cost."""

    def __init__(self) -> None:
        self.loops = 0
        self.branches = 1
        self.folds = False

    def write(self, node: Node) -> str:
        """A node in Python's syntax."""
        if node.kind in ("char", "assert"):
            if not node.source:
                raise _NotSame
            self.folds = self.folds or node.fold
            return f"(?i:{node.source})" if node.fold else node.source
        if node.kind == "group":
            return ("(" if node.capture else "(?:") + self.write(node.subs[0]) + ")"
        if node.kind == "sequence":
            return "".join(self.write(sub) for sub in node.subs)
        if node.kind == "choice":
            self.branches *= len(node.subs)
            return "(?:" + "|".join(self.write(sub) for sub in node.subs) + ")"
        return self.repeat(node)

    def repeat(self, node: Node) -> str:
        """A repetition of something without choices."""
        inner = node.subs[0]
        if _fixed_width(inner) < 1:
            raise _NotSame
        if node.most < 0:
            self.loops += 1
        else:
            self.branches *= max(1, node.most - node.least + 1)
            if node.most > 200:
                raise _NotSame
        most = "" if node.most < 0 else str(node.most)
        return f"(?:{self.write(inner)}){{{node.least},{most}}}{'' if node.greedy else '?'}"


def _fixed_width(node: Node) -> int:
    """How many characters the node always takes; -1 where that may vary or a capture is inside."""
    if node.kind == "char":
        return 1
    if node.kind == "group" and not node.capture:
        return _fixed_width(node.subs[0])
    if node.kind == "sequence":
        widths = [_fixed_width(sub) for sub in node.subs]
        return -1 if -1 in widths else sum(widths)
    return -1
