"""semver and semverCompare: Masterminds versions as templates see them."""

from __future__ import annotations

from helmflow.core import semver as versions
from helmflow.gotemplate.functions import Function, FunctionError, function, table
from helmflow.gotemplate.gotypes import GoObject, Uint64

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import ClassVar


class Version(GoObject):
    """A *semver.Version with Go's methods."""

    __slots__ = ("value",)
    go_type: ClassVar[str] = "*semver.Version"
    go_kind: ClassVar[str] = "ptr"
    go_methods: ClassVar[Mapping[str, Function]]

    def __init__(self, value: versions.Version) -> None:
        self.value = value

    def __str__(self) -> str:
        return str(self.value)

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and _parts(self.value) == _parts(other.value)

    def __hash__(self) -> int:
        return hash(self.value)

    def deep_copy(self) -> Version:
        """0.0.0: no field of it is exported."""
        return type(self)(versions.Version(0))

    def go_json(self) -> str:
        """MarshalJSON's text."""
        return str(self.value)


class VersionValue(Version):
    """A semver.Version: what the Inc and Set methods return."""

    __slots__ = ()
    go_type: ClassVar[str] = "semver.Version"
    go_kind: ClassVar[str] = "struct"


def _parts(value: versions.Version) -> tuple[object, ...]:
    return (value.major, value.minor, value.patch, value.prerelease, value.metadata, value.original)


def _set_prerelease(version: Version, text: str) -> VersionValue:
    try:
        return VersionValue(version.value.with_prerelease(text))
    except versions.SemverError as error:
        raise FunctionError(str(error)) from None


def _set_metadata(version: Version, text: str) -> VersionValue:
    try:
        return VersionValue(version.value.with_metadata(text))
    except versions.SemverError as error:
        raise FunctionError(str(error)) from None


_POINTER = "*semver.Version"
Version.go_methods = table(
    Function("Major", lambda v: Uint64(v.value.major), (), returns="uint64"),
    Function("Minor", lambda v: Uint64(v.value.minor), (), returns="uint64"),
    Function("Patch", lambda v: Uint64(v.value.patch), (), returns="uint64"),
    Function("Prerelease", lambda v: v.value.prerelease, (), returns="string"),
    Function("Metadata", lambda v: v.value.metadata, (), returns="string"),
    Function("Original", lambda v: v.value.original, (), returns="string"),
    Function("String", str, (), returns="string"),
    Function("Compare", lambda v, other: v.value.compare(other.value), (_POINTER,), returns="int"),
    Function("Equal", lambda v, other: v.value == other.value, (_POINTER,), returns="bool"),
    Function("LessThan", lambda v, other: v.value < other.value, (_POINTER,), returns="bool"),
    Function("LessThanEqual", lambda v, other: v.value <= other.value, (_POINTER,), returns="bool"),
    Function("GreaterThan", lambda v, other: v.value > other.value, (_POINTER,), returns="bool"),
    Function("GreaterThanEqual", lambda v, other: v.value >= other.value, (_POINTER,), returns="bool"),
    Function("IncMajor", lambda v: VersionValue(v.value.inc_major()), (), returns="semver.Version"),
    Function("IncMinor", lambda v: VersionValue(v.value.inc_minor()), (), returns="semver.Version"),
    Function("IncPatch", lambda v: VersionValue(v.value.inc_patch()), (), returns="semver.Version"),
    Function("SetPrerelease", _set_prerelease, ("string",), returns="semver.Version"),
    Function("SetMetadata", _set_metadata, ("string",), returns="semver.Version"),
)


@function("semver", "string", returns="*semver.Version")
def semver(text: str) -> Version:
    try:
        return Version(versions.Version.parse(text))
    except versions.SemverError as error:
        raise FunctionError(str(error)) from None


@function("semverCompare", "string", "string", returns="bool")
def semver_compare(constraint: str, version: str) -> bool:
    try:
        return versions.Constraint.parse(constraint).check(versions.Version.parse(version))
    except versions.SemverError as error:
        raise FunctionError(str(error)) from None


FUNCTIONS: dict[str, Function] = table(semver, semver_compare)
