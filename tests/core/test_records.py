"""The light dataclasses do what the standard ones do."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from typing import Any

import pytest

from helmflow.core import records
from helmflow.core.ids import ObjectRef
from helmflow.core.records import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Point:
    """Two numbers, and names for them."""

    x: int
    y: int = 0
    names: list[str] = field(default_factory=list)

    def far(self) -> int:
        return self.x + self.y


@dataclass(frozen=True, slots=True)
class Point3(Point):
    z: int = 0


@dataclass(frozen=True, kw_only=True)
class Options:
    name: str
    strict: bool = False


@dataclass
class Open:
    a: int
    b: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Lone:
    a: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """Fields that are left out of == or of what is shown."""

    name: str
    password: str = field(default="", repr=False)
    line: int | None = field(default=None, compare=False)
    seen: dict[str, int] = field(default_factory=dict, repr=False, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """No field at all."""


@dataclass
class Loose:
    a: int
    b: str = field(default="b", repr=False)


def test_fields_may_be_left_out_of_comparisons_and_texts() -> None:
    for number in range(20):
        one = Login(name="n", password="p", line=number, seen={"a": number})
        assert (one.password, one.line, one.seen) == ("p", number, {"a": number})
        assert one == Login(name="n", password="p")
        assert hash(one) == hash(Login(name="n", password="p"))
        assert repr(one) == f"Login(name='n', line={number})"
        assert (Loose(number).b, repr(Loose(number)), Loose.b) == ("b", f"Loose(a={number})", "b")
        assert Nothing() == Nothing()
    assert Login(name="n", password="p") != Login(name="n")
    assert [(f.name, f.compare, f.repr) for f in dataclasses.fields(Login)] == [
        ("name", True, True), ("password", True, False), ("line", False, True), ("seen", False, False),
    ]  # fmt: skip
    assert dataclasses.replace(Login(name="n", line=3), name="m").line == 3


def test_objects_are_made_alike_before_and_after_an_init_is_generated() -> None:
    made = [Point(number, y=1) for number in range(20)]
    assert [(one.x, one.y, one.names, one.far()) for one in made] == [(n, 1, [], n + 1) for n in range(20)]
    assert len({id(one.names) for one in made}) == 20
    assert made[3] == Point(3, 1)
    assert made[3] != Point(3, 2)
    assert repr(Point(1)) == "Point(x=1, y=0, names=[])"
    assert not hasattr(made[0], "__dict__")
    assert Point3(1, 2, ["n"], 3).z == 3
    assert Options(name="n") == Options(name="n", strict=False)
    assert hash(Options(name="n")) == hash(Options(name="n"))
    assert Lone(1) != Lone(1)


@pytest.mark.parametrize("count", [1, 20])
@pytest.mark.parametrize(
    ("cls", "args", "kwargs"),
    [
        (Point, (), {}), (Point, (1, 2, [], 4), {}), (Point, (1,), {"x": 2}), (Point, (1,), {"w": 2}),
        (Options, ("n",), {}), (Options, (), {}),
    ],
)  # fmt: skip
def test_wrong_arguments_are_refused(
    cls: Any, args: tuple[Any, ...], kwargs: dict[str, Any], count: int
) -> None:
    for _ in range(count):
        with pytest.raises(TypeError):
            cls(*args, **kwargs)


def test_frozen_objects_do_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Point(1).x = 2  # type: ignore[misc]
    with pytest.raises(dataclasses.FrozenInstanceError):
        del Options(name="n").name  # type: ignore[misc]
    opened = Open(1)
    opened.b = "c"
    assert opened == Open(1, "c")
    with pytest.raises(TypeError):
        hash(opened)


def test_the_standard_functions_take_them() -> None:
    assert [one.name for one in dataclasses.fields(Point3)] == ["x", "y", "names", "z"]
    assert dataclasses.replace(Point(1, 2), x=3) == replace(Point(1, 2), x=3) == Point(3, 2)
    assert dataclasses.asdict(Point(1)) == {"x": 1, "y": 0, "names": []}
    assert dataclasses.is_dataclass(Open)

    @dataclasses.dataclass(frozen=True)
    class Named(Point):
        name: str = ""

    assert Named(1, name="n").name == "n"
    for one in (Point(1, 2, ["n"]), Options(name="n"), Open(1)):
        assert copy.deepcopy(one) == one
        assert pickle.loads(pickle.dumps(one)) == one
    match Point(1, 2):
        case Point(x, y):
            assert (x, y) == (1, 2)


def test_named_tuples() -> None:
    ref = ObjectRef("v1", "Pod", "ns", name="n")
    assert ref == ("v1", "Pod", "ns", "n")
    assert (ref.kind, ref.group, str(ref)) == ("Pod", "", "Pod ns/n")
    assert ref._replace(name="m") == ObjectRef("v1", "Pod", "ns", "m")
    assert ref._asdict()["namespace"] == "ns"
    assert pickle.loads(pickle.dumps(ref)) == copy.deepcopy(ref) == ref
    assert repr(ref) == "ObjectRef(api_version='v1', kind='Pod', namespace='ns', name='n')"
    for wrong in ((), ("a",), ("a", "b", "c", "d", "e")):
        with pytest.raises(TypeError):
            ObjectRef(*wrong)
    assert records.NamedTuple is not None
