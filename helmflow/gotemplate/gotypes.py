"""Go's types as Python values: the classes that carry a type Python has no word for.

    nil interface      None                 []interface {}          list
    bool               bool                 map[string]interface {} dict
    string             str (surrogateescape for invalid UTF-8)
    float64            float                int                     int
    []byte             bytes                int64, uint8, ...       Int64, Uint8, ... (subclasses of int)
    []string, []int    StringSlice, IntSlice (subclasses of list)
    map[string]string  StringMap (subclass of dict)

Numbers from YAML, JSON and user data are always float; template literals and len are int; sprig's arithmetic
returns Int64; --set gives Int64. A class may name its Go type in `go_type` and offer Go methods in `go_methods`.
"""

from __future__ import annotations

from typing import Any, ClassVar


class Int64(int):
    """Go's int64."""

    __slots__ = ()
    go_type: ClassVar[str] = "int64"


class Int32(int):
    """Go's int32, also rune."""

    __slots__ = ()
    go_type: ClassVar[str] = "int32"


class Uint8(int):
    """Go's uint8, also byte: what indexing a string gives."""

    __slots__ = ()
    go_type: ClassVar[str] = "uint8"


class Uint32(int):
    """Go's uint32."""

    __slots__ = ()
    go_type: ClassVar[str] = "uint32"


class Uint64(int):
    """Go's uint64."""

    __slots__ = ()
    go_type: ClassVar[str] = "uint64"


class Uint(int):
    """Go's uint."""

    __slots__ = ()
    go_type: ClassVar[str] = "uint"


class StringSlice(list[Any]):
    """Go's []string."""

    go_type: ClassVar[str] = "[]string"


class IntSlice(list[Any]):
    """Go's []int."""

    go_type: ClassVar[str] = "[]int"


class StringMap(dict[str, Any]):
    """Go's map[string]string."""

    go_type: ClassVar[str] = "map[string]string"


class NamedMap(dict[str, Any]):
    """A Go named map type over map[string]interface {}; subclasses name it (Helm 4: common.Values)."""

    go_type: ClassVar[str] = "map[string]interface {}"
