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

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, ClassVar

    from helmflow.gotemplate.functions import Function

    _List = list[Any]
    _Dict = dict[str, Any]
else:
    _List, _Dict = list, dict


class GoObject:
    """A Go value with methods or fields that templates reach by Go name.

    `go_methods` maps a method's Go name to a Function whose `call` takes the object first (`params` without it);
    `go_fields` maps exported fields, in order, to attributes. `get` answers as templates do for a name without
    arguments; it raises LookupError where the template engine must say what is wrong. A method "String" or "Error"
    without parameters is what printing uses; one named in `go_pointer_methods` only where an action prints the field
    itself, since an argument is a copy that has no pointer methods. `go_kind` is the reflect kind ("struct", "ptr", "int64", "map", ...).
    """

    __slots__ = ()
    go_type: ClassVar[str] = "struct {}"
    go_kind: ClassVar[str] = "struct"
    go_methods: ClassVar[Mapping[str, Function]] = {}
    go_pointer_methods: ClassVar[frozenset[str]] = frozenset()
    go_fields: ClassVar[Mapping[str, str]] = {}

    def deep_copy(self) -> Any:
        """What sprig's deepCopy makes of it: the zero value where Go exports none of its fields."""
        return self

    def get(self, name: str, default: Any = None) -> Any:
        """The field, or the result of the method that needs no arguments."""
        method = self.go_methods.get(name)
        if method is not None:
            if method.params and not (method.variadic and len(method.params) == 1):
                raise LookupError(name)
            return method.call(self)
        attribute = self.go_fields.get(name)
        if attribute is None:
            raise LookupError(name)
        return getattr(self, attribute)


class GoError(GoObject):
    """A Go error value; templates see its text."""

    __slots__ = ("text",)
    go_type: ClassVar[str] = "*errors.errorString"
    go_kind: ClassVar[str] = "ptr"
    go_fields: ClassVar[Mapping[str, str]] = {"s": "text"}

    def __init__(self, text: str) -> None:
        self.text = text

    def __str__(self) -> str:
        return self.text


class Int8(int):
    """Go's int8."""

    __slots__ = ()
    go_type: ClassVar[str] = "int8"


class Int16(int):
    """Go's int16."""

    __slots__ = ()
    go_type: ClassVar[str] = "int16"


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


class Uint16(int):
    """Go's uint16."""

    __slots__ = ()
    go_type: ClassVar[str] = "uint16"


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


class StringSlice(_List):
    """Go's []string."""

    go_type: ClassVar[str] = "[]string"


class NilSlice(_List):
    """A nil []interface {}: empty, equal to nil, null in JSON and YAML."""

    go_type: ClassVar[str] = "[]interface {}"
    go_nil: ClassVar[bool] = True


class NilStringSlice(StringSlice):
    """A nil []string: empty, equal to nil, null in JSON and YAML."""

    go_nil: ClassVar[bool] = True


class IntSlice(_List):
    """Go's []int."""

    go_type: ClassVar[str] = "[]int"


class StringMap(_Dict):
    """Go's map[string]string: a missing key is "", not nil."""

    go_type: ClassVar[str] = "map[string]string"
    go_zero: ClassVar[Any] = ""

    def get(self, key: str, default: Any = "") -> Any:
        """The value, "" where the key is missing."""
        return super().get(key, default)


class Float32(float):
    """Go's float32."""

    __slots__ = ()
    go_type: ClassVar[str] = "float32"


class NamedMap(_Dict):
    """A Go named map type over map[string]interface {}; subclasses name it (Helm 4: common.Values).

    `twin` is the same map under its other type, once a function gave it back: what changes one changes both.
    """

    go_type: ClassVar[str] = "map[string]interface {}"
    twin: NamedMap | None = None

    def unnamed(self) -> NamedMap:
        """The same map as a function gets it whose parameter is a plain map."""
        if self.twin is None:
            self.twin = PlainMap(self)
            self.twin.twin = self
        return self.twin


class PlainMap(NamedMap):
    """A map[string]interface {} that has a name elsewhere."""

    def unnamed(self) -> NamedMap:
        """Itself."""
        return self


class NilMap(NamedMap):
    """A nil map[string]interface {}: empty, equal to nil, null in JSON and YAML."""

    go_type: ClassVar[str] = "map[string]interface {}"
    go_nil: ClassVar[bool] = True

    def unnamed(self) -> NamedMap:
        """Itself."""
        return self
