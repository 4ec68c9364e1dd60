"""Frozen dataclasses and named tuples for short processes: declared and type-checked as the standard ones are.

Importing `dataclasses` and `typing` takes a process longer than rendering a chart, and each dataclass generates its
methods from text. These do without; everything else works as with the standard ones, `dataclasses.replace` and
`fields` too. Of their options there are those that are used here.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from dataclasses import dataclass as dataclass
    from dataclasses import field as field
    from dataclasses import replace as replace
    from typing import NamedTuple as NamedTuple
else:
    from _operator import attrgetter, itemgetter

    _NOTHING = object()
    _FEW = 8  # objects of a class that are made without generating an __init__ for them

    class _Factory:
        """What makes a field's default."""

        __slots__ = ("call",)

        def __init__(self, call):
            self.call = call

    class _Field:
        """What is said of a field besides its type."""

        __slots__ = ("compare", "default", "repr")

        def __init__(self, default, compare, repr_):
            self.default = default
            self.compare = compare
            self.repr = repr_

    def field(*, default=_NOTHING, default_factory=None, compare=True, repr=True):
        """A field with a default, given or made anew for each object, or one that is left out of == and repr."""
        if default_factory is not None:
            default = _Factory(default_factory)
        return default if compare and repr and default is not _NOTHING else _Field(default, compare, repr)

    def dataclass(cls=None, *, frozen=False, slots=False, eq=True, kw_only=False):
        """The decorator, with the standard one's meaning."""

        def wrap(cls):
            return _made(cls, frozen, slots, eq, kw_only)

        return wrap if cls is None else wrap(cls)

    def replace(one, /, **changes):
        """A copy with other values of some fields."""
        for name in one.__record__.names:
            if name not in changes:
                changes[name] = getattr(one, name)
        return type(one)(**changes)

    class _Record:
        """What is known of such a class: its fields in order, their defaults and types."""

        __slots__ = ("defaults", "get", "hidden", "kw_only", "names", "types", "uncompared")

        def __init__(self, cls, kw_only):
            self.types = {}
            self.defaults = {}
            self.uncompared = ()
            self.hidden = ()
            for base in cls.__mro__[:0:-1]:
                inherited = base.__dict__.get("__record__")
                if inherited is not None:
                    self.types.update(inherited.types)
                    self.defaults.update(inherited.defaults)
                    self.uncompared += inherited.uncompared
                    self.hidden += inherited.hidden
            for name, type_name in getattr(cls, "__annotations__", {}).items():
                if not type_name.startswith("ClassVar"):
                    self.types[name] = type_name
                    default = cls.__dict__.get(name, _NOTHING)
                    if type(default) is _Field:
                        if not default.compare:
                            self.uncompared += (name,)
                        if not default.repr:
                            self.hidden += (name,)
                        default = default.default
                    if default is not _NOTHING:
                        self.defaults[name] = default
            self.names = tuple(self.types)
            compared = [name for name in self.names if name not in self.uncompared]
            self.get = attrgetter(*compared) if compared else lambda one: ()
            self.kw_only = kw_only

    def _made(cls, frozen, slots, eq, kw_only):
        record = _Record(cls, kw_only)
        own = cls.__dict__
        added = {
            "__record__": record,
            "__dataclass_fields__": _Standard("__dataclass_fields__"),
            "__dataclass_params__": _Standard("__dataclass_params__"),
            "__init__": _initializer(record),
        }
        if not kw_only:
            added["__match_args__"] = record.names
        if "__repr__" not in own:
            added["__repr__"] = _repr
        if eq and "__eq__" not in own:
            added["__eq__"] = _eq
            if "__hash__" not in own:
                added["__hash__"] = _hash if frozen else None
        if frozen:
            added["__setattr__"], added["__delattr__"] = _refuse, _refuse
            if slots:
                added["__getstate__"], added["__setstate__"] = _state, _set_state
        if slots:
            inherited = {name for base in cls.__mro__[1:] for name in getattr(base, "__slots__", ())}
            left = {key: own[key] for key in own if key not in record.types and key not in _DROPPED}
            left["__slots__"] = tuple(name for name in record.names if name not in inherited)
            return type(cls)(cls.__name__, cls.__bases__, {**left, **added})
        for name in record.types:
            if type(own.get(name)) in (_Factory, _Field):
                delattr(cls, name)
                if type(record.defaults.get(name, _NOTHING)) is not _Factory and name in record.defaults:
                    setattr(cls, name, record.defaults[name])
        for name, method in added.items():
            setattr(cls, name, method)
        return cls

    _DROPPED = ("__dict__", "__weakref__")

    def _initializer(record):
        """An __init__ that sets fields one by one at first, and makes way for a generated one."""
        made = 0

        def __init__(self, *args, **kwargs):
            nonlocal made
            made += 1
            if made > _FEW or not _set_fields(self, record, args, kwargs):
                generated = _generated(record)
                for cls in type(self).__mro__:
                    if cls.__dict__.get("__init__") is __init__:
                        cls.__init__ = generated
                generated(self, *args, **kwargs)

        return __init__

    def _set_fields(self, record, args, kwargs):
        """Whether the arguments fit."""
        given = dict(zip(record.names, args))  # noqa: B905  (too many of them are noticed below)
        if len(given) < len(args) or (args and record.kw_only):
            return False
        given.update(kwargs)
        if len(given) < len(args) + len(kwargs):
            return False
        values = {**record.defaults, **given}
        if len(values) != len(record.names):
            return False
        set_field = object.__setattr__
        for name in record.names:
            if name not in values:
                return False
            value = values[name]
            set_field(self, name, value.call() if type(value) is _Factory else value)
        return True

    def _generated(record):
        """An __init__ with the fields as its parameters."""
        scope = {"set_field": object.__setattr__, "_NOTHING": _NOTHING}
        parameters, lines = ["self"], []
        if record.kw_only and record.names:
            parameters.append("*")
        for name in record.names:
            value = name
            if name not in record.defaults:
                parameters.append(name)
            elif type(record.defaults[name]) is _Factory:
                scope[f"make_{name}"] = record.defaults[name].call
                parameters.append(f"{name}=_NOTHING")
                value = f"make_{name}() if {name} is _NOTHING else {name}"
            else:
                scope[f"default_{name}"] = record.defaults[name]
                parameters.append(f"{name}=default_{name}")
            lines.append(f"  set_field(self, {name!r}, {value})\n")
        exec(f"def __init__({', '.join(parameters)}):\n{''.join(lines) or '  pass'}", scope)
        return scope["__init__"]

    def _repr(self):
        record = self.__record__
        shown = (name for name in record.names if name not in record.hidden)
        fields = ", ".join(f"{name}={getattr(self, name)!r}" for name in shown)
        return f"{type(self).__qualname__}({fields})"

    def _eq(self, other):
        if other.__class__ is not self.__class__:
            return NotImplemented
        get = self.__record__.get
        return get(self) == get(other)

    def _hash(self):
        return hash(self.__record__.get(self))

    def _refuse(self, name, value=None):
        from dataclasses import FrozenInstanceError

        raise FrozenInstanceError(f"cannot change field {name!r}")

    def _state(self):
        return [getattr(self, name) for name in self.__record__.names]

    def _set_state(self, state):
        for name, value in zip(self.__record__.names, state, strict=True):
            object.__setattr__(self, name, value)

    class _Standard:
        """What `dataclasses` looks for in a class, made when it looks."""

        __slots__ = ("name",)

        def __init__(self, name):
            self.name = name

        def __get__(self, one, cls):
            import dataclasses

            record = cls.__record__
            fields = []
            for name, type_name in record.types.items():
                default = record.defaults.get(name, dataclasses.MISSING)
                said = {"compare": name not in record.uncompared, "repr": name not in record.hidden}
                if type(default) is _Factory:
                    stated = dataclasses.field(default_factory=default.call, **said)
                else:
                    stated = dataclasses.field(default=default, **said)
                fields.append((name, type_name, stated))
            frozen = cls.__setattr__ is _refuse
            made = dataclasses.make_dataclass(cls.__name__, fields, frozen=frozen, kw_only=record.kw_only)
            for owner in cls.__mro__:
                if owner.__dict__.get("__record__") is record:
                    setattr(owner, self.name, getattr(made, self.name))
            return getattr(made, self.name)

    class _NamedTupleType(type):
        """Makes of a class's annotations the places of a tuple."""

        def __new__(mcs, name, bases, body):
            if not bases:
                return super().__new__(mcs, name, (tuple,), body)
            names = body["_fields"] = body["__match_args__"] = tuple(body["__annotations__"])
            body["__slots__"] = ()
            body.update((field_name, property(itemgetter(at))) for at, field_name in enumerate(names))
            return super().__new__(mcs, name, bases, body)

    class NamedTuple(metaclass=_NamedTupleType):
        """A tuple whose places have names; without defaults."""

        __slots__ = ()

        def __new__(cls, *args, **kwargs):
            if kwargs:
                args += tuple(kwargs.pop(name) for name in cls._fields[len(args) :] if name in kwargs)
            if kwargs or len(args) != len(cls._fields):
                raise TypeError(f"{cls.__name__} takes {', '.join(cls._fields)}")
            return tuple.__new__(cls, args)

        @classmethod
        def _make(cls, values):
            return cls(*values)

        def _replace(self, **changes):
            return type(self)(**{**self._asdict(), **changes})

        def _asdict(self):
            return dict(zip(self._fields, self, strict=True))

        def __repr__(self):
            fields = ", ".join(f"{name}={value!r}" for name, value in self._asdict().items())
            return f"{type(self).__name__}({fields})"

        def __getnewargs__(self):
            return tuple(self)
