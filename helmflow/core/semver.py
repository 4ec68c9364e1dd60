"""Semantic versions and constraints with the rules of Masterminds/semver v3, which Helm uses."""

from __future__ import annotations

import functools
import re

from helmflow.core.go_json import go_quote
from helmflow.core.lazy import pattern
from helmflow.core.limits import MAX_CONSTRAINT_BYTES
from helmflow.core.records import dataclass, replace

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final

# Nothing is given back once it matched (++): constraints come from charts, and trying again could take forever.
_PRE: Final = r"[0-9A-Za-z\-]++(?:\.[0-9A-Za-z\-]++)*+"
_LOOSE: Final = pattern(rf"v?([0-9]+)(\.[0-9]+)?(\.[0-9]+)?(?:-({_PRE}))?(?:\+({_PRE}))?\Z")
_OPERATOR: Final = r"=||!=|>|<|>=|=>|<=|=<|~|~>|\^"
_PART: Final = r"[0-9|xX*]++"
_CV: Final = rf"v?({_PART})(\.{_PART})?(\.{_PART})?(-{_PRE})?(\+{_PRE})?"
_CV_PLAIN: Final = rf"v?{_PART}(?:\.{_PART})?(?:\.{_PART})?(?:-{_PRE})?(?:\+{_PRE})?"
_SPACE: Final = r"[\t\n\f\r ]"
_CONSTRAINT: Final = pattern(rf"{_SPACE}*({_OPERATOR}){_SPACE}*({_CV}){_SPACE}*\Z")
_FIND: Final = pattern(rf"(?:{_OPERATOR}){_SPACE}*{_CV_PLAIN}")
_RANGE: Final = pattern(rf"{_SPACE}*({_CV_PLAIN}){_SPACE}+-{_SPACE}+({_CV_PLAIN}){_SPACE}*")
_CLAUSE: Final = rf"(?:[<>]=?|=[<>]?|!=|~>?|\^)?+{_SPACE}*+{_CV_PLAIN}"
_VALID: Final = pattern(
    rf"{_SPACE}*+{_CLAUSE}(?:(?:{_SPACE}*+,{_SPACE}*+|{_SPACE}++){_CLAUSE})*+{_SPACE}*+\Z"
)
_UINT64: Final = 1 << 64
_UINT64_DIGITS: Final = 20


class SemverError(ValueError):
    """Not a version or constraint; `str` is Go's text."""


@functools.total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """A version. Comparison ignores build metadata; `original` is the text it came from."""

    major: int
    minor: int = 0
    patch: int = 0
    prerelease: str = ""
    metadata: str = ""
    original: str = ""

    @classmethod
    def parse(cls, text: str) -> Version:
        """A version, missing parts as 0 and a leading v allowed. Raises SemverError."""
        return _parse(text)

    @classmethod
    def parse_strict(cls, text: str) -> Version:
        """A version with all three parts and nothing but SemVer 2. Raises SemverError."""
        return _parse_strict(text)

    def __str__(self) -> str:
        pre = f"-{self.prerelease}" if self.prerelease else ""
        return f"{self.major}.{self.minor}.{self.patch}{pre}" + (f"+{self.metadata}" if self.metadata else "")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self.compare(other) == 0

    def __hash__(self) -> int:
        return hash((self.major, self.minor, self.patch, self.prerelease))

    def __lt__(self, other: Version) -> bool:
        return self.compare(other) < 0

    def compare(self, other: Version) -> int:
        """-1, 0 or 1."""
        mine, theirs = (self.major, self.minor, self.patch), (other.major, other.minor, other.patch)
        if mine != theirs:
            return -1 if mine < theirs else 1
        return compare_prerelease(self.prerelease, other.prerelease)

    def inc_patch(self) -> Version:
        """The next patch; a prerelease becomes its release."""
        patch = self.patch if self.prerelease else self.patch + 1
        return self._without_suffix(self.major, self.minor, patch)

    def inc_minor(self) -> Version:
        """The next minor version."""
        return self._without_suffix(self.major, self.minor + 1, 0)

    def inc_major(self) -> Version:
        """The next major version."""
        return self._without_suffix(self.major + 1, 0, 0)

    def with_prerelease(self, text: str) -> Version:
        """The same version with another prerelease. Raises SemverError."""
        if text:
            _check_prerelease(text)
        return self._renamed(replace(self, prerelease=text))

    def with_metadata(self, text: str) -> Version:
        """The same version with other build metadata. Raises SemverError."""
        if text:
            _check_metadata(text)
        return self._renamed(replace(self, metadata=text))

    def _without_suffix(self, major: int, minor: int, patch: int) -> Version:
        return self._renamed(Version(major, minor, patch))

    def _renamed(self, made: Version) -> Version:
        """`made` with an original text of its own, a leading v kept."""
        return replace(made, original=("v" if self.original.startswith("v") else "") + str(made))


def compare_prerelease(left: str, right: str) -> int:
    """SemVer's prerelease order: none is greatest, numbers below words."""
    if left == right:
        return 0
    if not left or not right:
        return 1 if not left else -1
    lefts, rights = left.split("."), right.split(".")
    for index in range(max(len(lefts), len(rights))):
        mine = lefts[index] if index < len(lefts) else ""
        theirs = rights[index] if index < len(rights) else ""
        order = _compare_part(mine, theirs)
        if order:
            return order
    return 0


def _compare_part(left: str, right: str) -> int:
    """One dot-separated part; an absent one is smallest."""
    if left == right:
        return 0
    if not left or not right:
        return -1 if not left else 1
    left_number = _number(left) if left.isdigit() else None
    right_number = _number(right) if right.isdigit() else None
    if left_number is None and right_number is None:
        return 1 if left > right else -1
    if left_number is None or right_number is None:
        return 1 if left_number is None else -1
    return 1 if left_number > right_number else -1


@functools.lru_cache(maxsize=4096)
def _parse(text: str) -> Version:
    found = _LOOSE.match(text)
    if found is None:
        raise SemverError("invalid semantic version")
    major, minor, patch = (_uint64((found[group] or "0").lstrip(".")) for group in (1, 2, 3))
    prerelease, metadata = found[4] or "", found[5] or ""
    if prerelease:
        _check_prerelease(prerelease)
    return Version(major, minor, patch, prerelease, metadata, text)


def _uint64(digits: str) -> int:
    """strconv.ParseUint's range."""
    number = _number(digits)
    if number is None:
        raise SemverError(
            f"error parsing version segment: strconv.ParseUint: parsing {go_quote(digits)}: value out of range"
        )
    return number


def _parse_strict(text: str) -> Version:
    if not text:
        raise SemverError("version string empty")
    head, plus, metadata = text.partition("+")
    core, dash, prerelease = head.partition("-")
    parts = core.split(".")
    if len(parts) != 3:
        raise SemverError("invalid semantic version")
    for part in parts:
        if not part.isascii() or not part.isdigit():
            raise SemverError("invalid characters in version")
        if len(part) > 1 and part[0] == "0":
            raise SemverError("version segment starts with 0")
    if dash:
        _check_prerelease(prerelease)
    if plus:
        _check_metadata(metadata)
    major, minor, patch = map(_number, parts)
    if major is None or minor is None or patch is None:
        raise SemverError("value out of range")
    return Version(major, minor, patch, prerelease, metadata, text)


def _number(digits: str) -> int | None:
    """The number, None for one that no uint64 holds; Python refuses to read thousands of digits."""
    significant = digits.lstrip("0")
    number = int(significant or 0) if len(significant) <= _UINT64_DIGITS else _UINT64
    return number if number < _UINT64 else None


def _check_prerelease(text: str) -> None:
    for part in text.split("."):
        if part.isascii() and part.isdigit():
            if len(part) > 1 and part[0] == "0":
                raise SemverError("version segment starts with 0")
        elif not re.fullmatch(r"[0-9A-Za-z\-]+", part):
            raise SemverError("invalid prerelease string")


def _check_metadata(text: str) -> None:
    if not all(re.fullmatch(r"[0-9A-Za-z\-]+", part) for part in text.split(".")):
        raise SemverError("invalid metadata string")


@dataclass(frozen=True, slots=True)
class _Clause:
    """One comparison: operator, version, and which of its parts were left open."""

    operator: str
    version: Version
    original: str
    dirty: bool = False
    minor_dirty: bool = False
    patch_dirty: bool = False

    def problem(self, version: Version, include_prerelease: bool) -> str:
        """Why `version` is not accepted, "" when it is."""
        if version.prerelease and not include_prerelease:
            return _only_releases(version)
        return _RULES[self.operator](version, self)


@dataclass(frozen=True, slots=True)
class Constraint:
    """Alternatives of clauses that must all hold. `include_prerelease` lets prereleases pass everywhere."""

    groups: tuple[tuple[_Clause, ...], ...]
    include_prerelease: bool = False

    @classmethod
    def parse(cls, text: str) -> Constraint:
        """A constraint. Raises SemverError with Go's text."""
        return _parse_constraint(text)

    def check(self, version: Version) -> bool:
        """Does `version` satisfy one of the alternatives?"""
        for group in self.groups:
            include = self.include_prerelease or any(clause.version.prerelease for clause in group)
            if not any(clause.problem(version, include) for clause in group):
                return True
        return False

    def validate(self, version: Version) -> list[str]:
        """Every reason why `version` is not accepted, none when it is."""
        problems: list[str] = []
        told = False
        for group in self.groups:
            include = self.include_prerelease or any(clause.version.prerelease for clause in group)
            if version.prerelease and not include:
                if not told:
                    problems.append(_only_releases(version))
                    told = True
                continue
            found = [problem for clause in group if (problem := clause.problem(version, include))]
            if not found:
                return []
            problems.extend(found)
        return problems

    def __str__(self) -> str:
        return " || ".join(" ".join(c.operator + c.original for c in group) for group in self.groups)


def _only_releases(version: Version) -> str:
    return f"{go_quote(str(version))} is a prerelease version and the constraint is only looking for release versions"


@functools.lru_cache(maxsize=4096)
def _parse_constraint(text: str) -> Constraint:
    if len(text) > MAX_CONSTRAINT_BYTES:
        raise SemverError(f"a constraint has at most {MAX_CONSTRAINT_BYTES} bytes")
    groups = []
    for part in rewrite_range(text).split("||"):
        if not _VALID.match(part):
            raise SemverError(f"improper constraint: {go_quote(part)}")
        groups.append(tuple(_parse_clause(found) for found in _find_clauses(part)))
    return Constraint(tuple(groups))


def _find_clauses(text: str) -> list[str]:
    """FindAllString of one clause."""
    return [found[0] for found in _FIND.finditer(text)]


def rewrite_range(text: str) -> str:
    """`a - b` as two comparisons."""
    out = text
    for found in _RANGE.finditer(text):
        out = out.replace(found[0], f">= {found[1]}, <= {found[2]} ", 1)
    return out


def _parse_clause(text: str) -> _Clause:
    found = _CONSTRAINT.match(text)
    if found is None:
        raise SemverError(f"improper constraint: {go_quote(text)}")
    operator, written = found[1], found[2]
    major, minor, patch, suffix = found[3], (found[4] or "")[1:], (found[5] or "")[1:], found[6] or ""
    version, dirty, minor_dirty, patch_dirty = written, False, False, False
    if _is_x(major):
        version, dirty = f"0.0.0{suffix}", True
    elif not minor or _is_x(minor):
        version, dirty, minor_dirty = f"{major}.0.0{suffix}", True, True
    elif not patch or _is_x(patch):
        version, dirty, patch_dirty = f"{major}.{minor}.0{suffix}", True, True
    try:
        parsed = _parse(version)
    except SemverError:
        raise SemverError("constraint parser error") from None
    return _Clause(operator, parsed, written, dirty, minor_dirty, patch_dirty)


def _is_x(text: str) -> bool:
    return text in ("x", "X", "*")


def _say(version: Version, verb: str, clause: _Clause) -> str:
    return f"{go_quote(str(version))} {verb} {go_quote(clause.original)}"


def _not_equal(version: Version, clause: _Clause) -> str:
    same = _say(version, "is equal to", clause)
    wanted = clause.version
    if clause.dirty:
        if wanted.major != version.major:
            return ""
        if wanted.minor != version.minor and not clause.minor_dirty:
            return ""
        if clause.minor_dirty:
            return same
        if wanted.patch != version.patch and not clause.patch_dirty:
            return ""
        if clause.patch_dirty:
            return "" if compare_prerelease(version.prerelease, wanted.prerelease) else same
    return same if version == wanted else ""


def _greater(version: Version, clause: _Clause) -> str:
    problem = _say(version, "is less than or equal to", clause)
    wanted = clause.version
    if not clause.dirty:
        return "" if version > wanted else problem
    if version.major != wanted.major:
        return "" if version.major > wanted.major else problem
    if clause.minor_dirty:
        return problem
    if clause.patch_dirty:
        return "" if version.minor > wanted.minor else problem
    return "" if version > wanted else problem


def _less(version: Version, clause: _Clause) -> str:
    return "" if version < clause.version else _say(version, "is greater than or equal to", clause)


def _greater_equal(version: Version, clause: _Clause) -> str:
    return "" if version >= clause.version else _say(version, "is less than", clause)


def _less_equal(version: Version, clause: _Clause) -> str:
    problem = _say(version, "is greater than", clause)
    wanted = clause.version
    if not clause.dirty:
        return "" if version <= wanted else problem
    if version.major > wanted.major:
        return problem
    if version.major == wanted.major and version.minor > wanted.minor and not clause.minor_dirty:
        return problem
    return ""


def _tilde(version: Version, clause: _Clause) -> str:
    wanted = clause.version
    if version < wanted:
        return _say(version, "is less than", clause)
    zero = wanted.major == wanted.minor == wanted.patch == 0
    if zero and not clause.minor_dirty and not clause.patch_dirty:
        return ""
    if version.major != wanted.major:
        return _say(version, "does not have same major version as", clause)
    if version.minor != wanted.minor and not clause.minor_dirty:
        return _say(version, "does not have same major and minor version as", clause)
    return ""


def _equal(version: Version, clause: _Clause) -> str:
    if clause.dirty:
        return _tilde(version, clause)
    return "" if version == clause.version else _say(version, "is not equal to", clause)


def _caret(version: Version, clause: _Clause) -> str:
    wanted = clause.version
    if version < wanted:
        return _say(version, "is less than", clause)
    if version.major != wanted.major:
        return _say(version, "does not have same major version as", clause)
    if wanted.major > 0 or clause.minor_dirty:
        return ""
    minor = _say(version, "does not have same minor version as", clause)
    if wanted.minor > 0 or clause.patch_dirty:
        long = f"{minor}. Expected minor versions to match when constraint major version is 0"
        return "" if version.minor == wanted.minor else long
    if version.minor > 0:
        return minor
    if version.patch == wanted.patch:
        return ""
    problem = _say(version, "does not equal", clause)
    return f"{problem}. Expect version and constraint to equal when major and minor versions are 0"


_RULES: Final[dict[str, Callable[[Version, _Clause], str]]] = {
    "": _equal, "=": _equal, "!=": _not_equal, ">": _greater, "<": _less, ">=": _greater_equal, "=>": _greater_equal,
    "<=": _less_equal, "=<": _less_equal, "~": _tilde, "~>": _tilde, "^": _caret,
}  # fmt: skip
