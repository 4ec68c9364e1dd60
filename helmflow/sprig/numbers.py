"""Number functions: spf13/cast conversions, integer and decimal arithmetic, rounding, until and seq."""

from __future__ import annotations

import math
import os

from helmflow.core.lazy import pattern
from helmflow.core.limits import MAX_SEQUENCE_ITEMS
from helmflow.gotemplate.functions import Function, FunctionError, function, table
from helmflow.gotemplate.gotypes import Int64, IntSlice
from helmflow.gotemplate.printf import format_value
from helmflow.gotemplate.strconv import decimal
from helmflow.sprig.conversion import check_items

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_MIN, _MAX, _WORD = -(2**63), 2**63 - 1, 2**64
# Patterns stay texts: re compiles and keeps them when a number first needs one, not when templates start.
_DECIMAL = pattern("[+-]?[0-9]+")
_OCTAL = pattern("[+-]?[0-7]+")
_INTEGER = pattern(
    "([+-]?)(?:0[xX]((?:_?[0-9a-fA-F])+)|0[bB]((?:_?[01])+)|0[oO]?((?:_?[0-7])+)|(0|[1-9](?:_?[0-9])*))"
)
_HEX_FLOAT = pattern(
    r"[+-]?0[xX]_?(?:(?:[0-9a-fA-F]_?)*[0-9a-fA-F](?:\.(?:[0-9a-fA-F]_?)*(?<!_))?"
    r"|\.(?:[0-9a-fA-F]_?)*[0-9a-fA-F])[pP][+-]?(?:[0-9]_?)*[0-9]"
)
_FLOAT_LETTERS = frozenset("0123456789+-._eEiInNfFtTyYaA")

Ratio = tuple[int, int]
"""A decimal as coefficient and power of ten."""


def to_int64(value: Any) -> int:
    """cast.ToInt64: floats lose their fraction, texts are Go integer literals, what fails is 0."""
    if isinstance(value, int):
        if type(value) is not int and _not_cast(value):
            return 0
        return value if _MIN <= value <= _MAX else wrapped(value)
    if isinstance(value, float):
        if -9e18 < value < 9e18:
            return int(value)
        # What no int64 holds becomes the smallest one on amd64.
        return int(value) if _MIN <= value < -_MIN else _MIN
    if isinstance(value, str):
        return _parse_integer(value)
    return 0


def to_float(value: Any) -> float:
    """cast.ToFloat64."""
    if isinstance(value, float):
        return value
    if isinstance(value, int):
        return 0.0 if type(value) is not int and _not_cast(value) else float(value)
    if isinstance(value, str):
        return _parse_float(value)
    return 0.0


def _not_cast(value: Any) -> bool:
    """A duration is none of the types that cast knows, whatever it counts."""
    return getattr(value, "go_type", "") == "time.Duration"


def wrapped(number: int) -> int:
    """The number as int64 arithmetic leaves it: two's complement."""
    if _MIN <= number <= _MAX:
        return number
    number %= _WORD
    return number - _WORD if number > _MAX else number


@function("int", "any", returns="int")
def to_int(value: Any) -> int:
    return int(to_int64(value))


@function("int64", "any", returns="int64")
def int64(value: Any) -> Int64:
    return Int64(to_int64(value))


@function("float64", "any", returns="float64")
def float64(value: Any) -> float:
    return to_float(value)


@function("atoi", "string", returns="int")
def atoi(text: str) -> int:
    if not _DECIMAL.fullmatch(text):
        return 0
    return max(_MIN, min(_MAX, decimal(text)))


@function("toDecimal", "any", returns="int64")
def to_decimal(value: Any) -> Int64:
    text = format_value(value)
    number = int(text, 8) if _OCTAL.fullmatch(text) else 0
    return Int64(number if _MIN <= number <= _MAX else 0)


@function("add1", "any", returns="int64")
def add1(value: Any) -> Int64:
    return Int64(wrapped(to_int64(value) + 1))


@function("add", "...any", returns="int64")
def add(*values: Any) -> Int64:
    return Int64(wrapped(sum(map(to_int64, values))))


@function("sub", "any", "any", returns="int64")
def sub(left: Any, right: Any) -> Int64:
    return Int64(wrapped(to_int64(left) - to_int64(right)))


@function("mul", "any", "...any", returns="int64")
def mul(first: Any, *values: Any) -> Int64:
    return Int64(wrapped(math.prod(map(to_int64, values), start=to_int64(first))))


@function("div", "any", "any", returns="int64")
def div(left: Any, right: Any) -> Int64:
    dividend, divisor = to_int64(left), to_int64(right)
    quotient = abs(dividend) // abs(_not_zero(divisor))
    return Int64(wrapped(quotient if (dividend < 0) == (divisor < 0) else -quotient))


@function("mod", "any", "any", returns="int64")
def mod(left: Any, right: Any) -> Int64:
    dividend, divisor = to_int64(left), to_int64(right)
    remainder = abs(dividend) % abs(_not_zero(divisor))
    return Int64(-remainder if dividend < 0 else remainder)


@function("max", "any", "...any", returns="int64")
def largest(first: Any, *values: Any) -> Int64:
    return Int64(max(map(to_int64, (first, *values))))


@function("min", "any", "...any", returns="int64")
def smallest(first: Any, *values: Any) -> Int64:
    return Int64(min(map(to_int64, (first, *values))))


@function("maxf", "any", "...any", returns="float64")
def largest_float(first: Any, *values: Any) -> float:
    return _extreme(max, math.inf, [to_float(value) for value in (first, *values)])


@function("minf", "any", "...any", returns="float64")
def smallest_float(first: Any, *values: Any) -> float:
    return _extreme(min, -math.inf, [to_float(value) for value in (first, *values)])


@function("add1f", "any", returns="float64")
def add1f(value: Any) -> float:
    return _calculate(value, (1,), _plus)


@function("addf", "...any", returns="float64")
def addf(*values: Any) -> float:
    return _calculate(0.0, values, _plus)


@function("subf", "any", "...any", returns="float64")
def subf(first: Any, *values: Any) -> float:
    return _calculate(first, values, _minus)


@function("mulf", "any", "...any", returns="float64")
def mulf(first: Any, *values: Any) -> float:
    return _calculate(first, values, _times)


@function("divf", "any", "...any", returns="float64")
def divf(first: Any, *values: Any) -> float:
    return _calculate(first, values, _over)


@function("ceil", "any", returns="float64")
def ceil(value: Any) -> float:
    return _whole(math.ceil, to_float(value))


@function("floor", "any", returns="float64")
def floor(value: Any) -> float:
    return _whole(math.floor, to_float(value))


@function("round", "any", "int", "...float64", returns="float64")
def round_to(value: Any, places: int, *round_on: float) -> float:
    """Up from `round_on` on, down below; negative numbers therefore mostly go down."""
    threshold = round_on[0] if round_on else 0.5
    power = _power_of_ten(places)
    digits = power * to_float(value)
    fraction = math.nan if math.isinf(digits) else math.modf(digits)[0]
    whole = _whole(math.ceil if fraction >= threshold else math.floor, digits)
    if power == 0:
        return math.nan if whole == 0 or math.isnan(whole) else math.copysign(math.inf, whole)
    return whole / power


@function("randInt", "int", "int", returns="int", random=True)
def rand_int(low: int, high: int) -> int:
    if high <= low:
        raise FunctionError("invalid argument to Intn")
    return low + int.from_bytes(os.urandom(16), "big") % (high - low)


@function("until", "int", returns="[]int")
def until(count: int) -> IntSlice:
    return _steps("until", 0, count, 1 if count >= 0 else -1)


@function("untilStep", "int", "int", "int", returns="[]int")
def until_step(start: int, stop: int, step: int) -> IntSlice:
    return _steps("untilStep", start, stop, step)


@function("seq", "...int", returns="string")
def seq(*bounds: int) -> str:
    if not bounds or len(bounds) > 3:
        return ""
    end = bounds[1] if len(bounds) == 2 else bounds[-1]
    start = 1 if len(bounds) == 1 else bounds[0]
    toward = -1 if end < start else 1
    step = bounds[1] if len(bounds) == 3 else toward
    if toward < 0 < step:
        return ""
    return " ".join(map(str, _steps("seq", start, end + toward, step)))


def _steps(name: str, start: int, stop: int, step: int) -> IntSlice:
    if step == 0 or (stop < start) == (step > 0):
        return IntSlice()
    numbers = range(start, stop, step)
    check_items(name, -((start - stop) // step), MAX_SEQUENCE_ITEMS)
    return IntSlice(numbers)


def _parse_integer(text: str) -> int:
    if len(text) < 19 and text.isascii() and text.isdigit() and (text[0] != "0" or len(text) == 1):
        return int(text)
    if text.endswith("0"):
        head, dot, zeros = text.rpartition(".")
        if dot and not zeros.strip("0"):
            text = head
    found = _INTEGER.fullmatch(text)
    if found is None:
        return 0
    sign, hexadecimal, binary, octal, plain = found.groups()
    digits, base = next(
        (digits, base) for digits, base in ((hexadecimal, 16), (binary, 2), (octal, 8), (plain, 10)) if digits
    )
    number = decimal(plain.replace("_", "")) if plain else int(digits.lstrip("_"), base)
    number = -number if sign == "-" else number
    return number if _MIN <= number <= _MAX else 0


def _parse_float(text: str) -> float:
    if not _FLOAT_LETTERS.issuperset(text):
        if _HEX_FLOAT.fullmatch(text):
            try:
                return float.fromhex(text.replace("_", ""))
            except OverflowError:
                return 0.0
        return 0.0
    try:
        number = float(text)
    except ValueError:
        return 0.0
    if math.isinf(number):
        return number if "n" in text.lower() else 0.0
    return 0.0 if number != number and text[0] in "+-" else number


def _not_zero(divisor: int) -> int:
    if divisor == 0:
        raise FunctionError("runtime error: integer divide by zero")
    return divisor


def _extreme(pick: Callable[[list[float]], float], dominant: float, numbers: list[float]) -> float:
    if dominant in numbers:
        return dominant
    if any(map(math.isnan, numbers)):
        return math.nan
    found = pick(numbers)
    if found == 0:
        signs = [math.copysign(1.0, number) for number in numbers if number == 0]
        return math.copysign(0.0, pick(signs))
    return found


def _power_of_ten(places: int) -> float:
    """math.Pow(10, places): Go multiplies squares, so powers past 22 differ from the C library's."""
    if abs(places) > 400:
        return math.inf if places > 0 else 0.0
    square, square_exponent = math.frexp(10.0)
    product, exponent, left = 1.0, 0, abs(places)
    while left:
        if left & 1:
            product *= square
            exponent += square_exponent
        square *= square
        square_exponent <<= 1
        if square < 0.5:
            square += square
            square_exponent -= 1
        left >>= 1
    if places < 0:
        product, exponent = 1 / product, -exponent
    try:
        return math.ldexp(product, exponent)
    except OverflowError:
        return math.inf


def _whole(rounding: Callable[[float], int], number: float) -> float:
    if not math.isfinite(number):
        return number
    whole = float(rounding(number))
    return whole or math.copysign(0.0, number)


def _calculate(first: Any, others: tuple[Any, ...], operation: Callable[[Ratio, Ratio], Ratio]) -> float:
    """Decimal arithmetic on shortest digits, as shopspring/decimal does it: 0.1 + 0.2 is 0.3."""
    result = _decimal(to_float(first))
    for other in others:
        result = operation(result, _decimal(to_float(other)))
    coefficient, exponent = result
    try:
        return float(coefficient * 10**exponent if exponent >= 0 else coefficient / 10**-exponent)
    except OverflowError:
        return math.inf if coefficient > 0 else -math.inf


def _decimal(number: float) -> Ratio:
    if not math.isfinite(number):
        raise FunctionError(f"Cannot create a Decimal from {format_value(number)}")
    mantissa, _, exponent = repr(number).partition("e")
    whole, _, fraction = mantissa.partition(".")
    return int(whole + fraction), int(exponent or 0) - len(fraction)


def _plus(left: Ratio, right: Ratio) -> Ratio:
    exponent = min(left[1], right[1])
    return left[0] * 10 ** (left[1] - exponent) + right[0] * 10 ** (right[1] - exponent), exponent


def _minus(left: Ratio, right: Ratio) -> Ratio:
    return _plus(left, (-right[0], right[1]))


def _times(left: Ratio, right: Ratio) -> Ratio:
    return left[0] * right[0], left[1] + right[1]


def _over(left: Ratio, right: Ratio) -> Ratio:
    """The quotient at 16 decimal places, halves away from zero."""
    if right[0] == 0:
        raise FunctionError("decimal division by 0")
    shift = left[1] - right[1] + 16
    dividend, divisor = abs(left[0]) * 10 ** max(shift, 0), abs(right[0]) * 10 ** max(-shift, 0)
    quotient = (2 * dividend + divisor) // (2 * divisor)
    return (quotient if (left[0] < 0) == (right[0] < 0) else -quotient), -16


FUNCTIONS = table(
    to_int,
    int64,
    float64,
    atoi,
    to_decimal,
    add1,
    add,
    sub,
    mul,
    div,
    mod,
    largest,
    Function("biggest", largest.call, largest.params, largest.variadic, largest.returns),
    smallest,
    largest_float,
    smallest_float,
    add1f,
    addf,
    subf,
    mulf,
    divf,
    ceil,
    floor,
    round_to,
    rand_int,
    until,
    until_step,
    seq,
)
