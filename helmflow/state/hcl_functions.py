"""HCL's operators and the functions that values files use; any other function is a named error."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any, Final


class HclError(ValueError):
    """An operation that HCL refuses; the evaluator adds its place."""

    def __init__(self, message: str, error_id: str = "hcl.failed", hint: str = "") -> None:
        super().__init__(message)
        self.error_id = error_id
        self.hint = hint


def text(value: Any) -> str:
    """A value inside a text. Maps, lists and null have none."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return value
    if isinstance(value, (int, float)):
        return str(int(value)) if float(value).is_integer() else repr(float(value))
    raise HclError(f"cannot include {_kind(value)} in a text")


def truth(value: Any) -> bool:
    """A condition: true, false, or their texts."""
    if isinstance(value, bool):
        return value
    if value in ("true", "false"):
        return bool(value == "true")
    raise HclError(f"a condition must be true or false, not {_kind(value)}")


def number(value: Any) -> float:
    """A number, or a text that is one."""
    if isinstance(value, bool) or value is None or isinstance(value, (list, dict)):
        raise HclError(f"a number is needed, not {_kind(value)}")
    try:
        return float(value)
    except ValueError:
        raise HclError(f"a number is needed, not {value!r}") from None


def as_number(key: Any) -> Any:
    """List positions are numbers; map keys stay texts."""
    return float(key) if isinstance(key, int) else key


def is_index(key: Any) -> bool:
    """Whether a key can be a list position."""
    return isinstance(key, (int, float)) or (isinstance(key, str) and key.isdigit())


def as_key(key: Any) -> Any:
    """A whole number as int, so that it finds list positions and map keys alike."""
    return int(key) if isinstance(key, float) and key.is_integer() else key


def _kind(value: Any) -> str:
    names = {type(None): "null", bool: "a condition", str: "a text", list: "a list", dict: "a map"}
    return names.get(type(value), "a number")


def operate(operator: str, left: Any, right: Any) -> Any:
    """An arithmetic or comparison operator."""
    if operator == "==":
        return left == right and isinstance(left, bool) == isinstance(right, bool)
    if operator == "!=":
        return not operate("==", left, right)
    a, b = number(left), number(right)
    if operator in ("/", "%") and b == 0:
        raise HclError("division by zero")
    operations: dict[str, Callable[[], Any]] = {
        "+": lambda: a + b,
        "-": lambda: a - b,
        "*": lambda: a * b,
        "/": lambda: a / b,
        "%": lambda: math.fmod(a, b),
        "<": lambda: a < b,
        "<=": lambda: a <= b,
        ">": lambda: a > b,
        ">=": lambda: a >= b,
    }
    return operations[operator]()


def call(name: str, arguments: list[Any]) -> Any:
    """A function's result. Raises HclError, `hcl.unknown-function` for one that helmflow does not have."""
    function = FUNCTIONS.get(name)
    if function is None:
        import difflib

        close = difflib.get_close_matches(name, [*FUNCTIONS, "try", "can"], 1)
        hint = f"did you mean {close[0]}()?" if close else "move what needs it to a .gotmpl values file"
        raise HclError(f"helmflow has no HCL function {name}()", "hcl.unknown-function", hint)
    try:
        return function(*arguments)
    except HclError:
        raise
    except (TypeError, ValueError, LookupError, AttributeError) as error:
        raise HclError(f"{name}(): {error}") from None


def _cidr_host(prefix: str, host: Any) -> str:
    import ipaddress

    network = ipaddress.ip_network(prefix, strict=False)
    position = int(number(host))
    return str(network[position])


def _cidr_subnet(prefix: str, new_bits: Any, position: Any) -> str:
    import ipaddress

    network = ipaddress.ip_network(prefix, strict=False)
    length = network.prefixlen + int(number(new_bits))
    size = network.max_prefixlen - length
    index = int(number(position))
    if size < 0 or index >= 1 << int(number(new_bits)):
        raise HclError(f"{prefix} has no subnet {index} with {int(number(new_bits))} more bits")
    address = int(network.network_address) + (index << size)
    return f"{type(network.network_address)(address)}/{length}"


def _cidr_subnets(prefix: str, *new_bits: Any) -> list[str]:
    import ipaddress

    network = ipaddress.ip_network(prefix, strict=False)
    found: list[str] = []
    current = int(network.network_address)
    end = current + network.num_addresses
    for bits in new_bits:
        length = network.prefixlen + int(number(bits))
        size = 1 << (network.max_prefixlen - length)
        current = (current + size - 1) // size * size
        if current + size > end:
            raise HclError(f"{prefix} is too small for these subnets")
        found.append(f"{type(network.network_address)(current)}/{length}")
        current += size
    return found


def _netmask(prefix: str) -> str:
    import ipaddress

    return str(ipaddress.IPv4Network(prefix, strict=False).netmask)


def _flatten(items: list[Any]) -> list[Any]:
    return [inner for item in items for inner in (_flatten(item) if isinstance(item, list) else [item])]


def _coalesce(*values: Any) -> Any:
    for value in values:
        if value is not None:
            return value
    raise HclError("coalesce(): every argument is null")


def _merge(*maps: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for one in maps for key, value in one.items()}


def _distinct(items: list[Any]) -> list[Any]:
    found: list[Any] = []
    for item in items:
        if item not in found:
            found.append(item)
    return found


def _range(*limits: Any) -> list[float]:
    numbers = [number(one) for one in limits]
    start, stop = (0.0, numbers[0]) if len(numbers) == 1 else (numbers[0], numbers[1])
    step = numbers[2] if len(numbers) > 2 else (1.0 if stop >= start else -1.0)
    if step == 0 or abs((stop - start) / step) > 1024:
        raise HclError("range(): more than 1024 numbers")
    count = max(0, math.ceil((stop - start) / step))
    return [start + index * step for index in range(count)]


def _json(value: Any) -> str:
    return json.dumps(_whole(value), separators=(",", ":"), sort_keys=True)


def _whole(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _whole(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_whole(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _floats(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _floats(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_floats(item) for item in value]
    return float(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _yaml(source: str) -> Any:
    from helmflow.core.yaml_read import load_native

    return _floats(load_native(source))


def _substring(source: str, offset: Any, length: Any) -> str:
    start, count = int(number(offset)), int(number(length))
    start = max(0, len(source) + start) if start < 0 else start
    return source[start:] if count < 0 else source[start : start + count]


FUNCTIONS: Final[Mapping[str, Callable[..., Any]]] = {
    "abs": lambda value: abs(number(value)),
    "ceil": lambda value: float(math.ceil(number(value))),
    "chomp": lambda value: text(value).rstrip("\r\n"),
    "cidrhost": _cidr_host,
    "cidrnetmask": _netmask,
    "cidrsubnet": _cidr_subnet,
    "cidrsubnets": _cidr_subnets,
    "coalesce": _coalesce,
    "compact": lambda items: [item for item in items if item not in ("", None)],
    "concat": lambda *lists: [item for one in lists for item in one],
    "contains": lambda items, value: value in items,
    "distinct": _distinct,
    "element": lambda items, index: items[int(number(index)) % len(items)],
    "flatten": _flatten,
    "floor": lambda value: float(math.floor(number(value))),
    "indent": lambda count, value: text(value).replace("\n", "\n" + " " * int(number(count))),
    "int": lambda value: float(math.trunc(number(value))),
    "join": lambda separator, *lists: separator.join(text(item) for one in lists for item in one),
    "jsondecode": lambda value: _floats(json.loads(value)),
    "jsonencode": _json,
    "keys": lambda one: sorted(one),
    "length": lambda one: float(len(one)),
    "lookup": lambda one, key, default: one.get(key, default),
    "lower": lambda value: text(value).lower(),
    "max": lambda *values: max(map(number, values)),
    "merge": _merge,
    "min": lambda *values: min(map(number, values)),
    "parseint": lambda value, base: float(int(text(value), int(number(base)))),
    "pow": lambda value, power: number(value) ** number(power),
    "range": _range,
    "replace": lambda value, old, new: text(value).replace(old, new),
    "reverse": lambda items: list(reversed(items)),
    "signum": lambda value: float((number(value) > 0) - (number(value) < 0)),
    "slice": lambda items, start, end: items[int(number(start)) : int(number(end))],
    "sort": lambda items: sorted(map(text, items)),
    "split": lambda separator, value: text(value).split(separator),
    "strlen": lambda value: float(len(text(value))),
    "strrev": lambda value: text(value)[::-1],
    "substr": _substring,
    "trim": lambda value, characters: text(value).strip(characters),
    "trimprefix": lambda value, prefix: text(value).removeprefix(prefix),
    "trimspace": lambda value: text(value).strip(),
    "trimsuffix": lambda value, suffix: text(value).removesuffix(suffix),
    "upper": lambda value: text(value).upper(),
    "values": lambda one: [one[key] for key in sorted(one)],
    "yamldecode": _yaml,
    "zipmap": lambda keys, values: dict(zip(keys, values, strict=True)),
}
