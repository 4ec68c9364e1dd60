"""Label selectors, parsed and matched as the API server does."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

Requirement = Callable[[Mapping[str, str]], bool]

_TOKEN: Final = re.compile(r"\s*(==|!=|=|!|\(|\)|,|>|<|[^\s=!(),<>]+)")
_KEY: Final = re.compile(r"([a-z0-9]([-a-z0-9.]*[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")


def parse(text: str) -> Requirement:
    """A selector such as `a=b,c!=d,e in (f,g),h,!i`. Raises ValueError with the API server's text."""
    tokens = _TOKEN.findall(text)
    if "".join(tokens) != re.sub(r"\s+", "", text):
        raise _wrong(text)
    requirements: list[Requirement] = []
    at = 0
    while at < len(tokens):
        requirement, at = _requirement(tokens, at)
        requirements.append(requirement)
        if at < len(tokens):
            if tokens[at] != "," or at + 1 == len(tokens):
                raise _wrong(f"found '{tokens[at]}', expected: ',' or 'end of string'")
            at += 1
    return lambda found: all(fits(found) for fits in requirements)


def holds(found: Mapping[str, str], key: str, operator: str, values: Sequence[str]) -> bool:
    """Whether labels fulfil one requirement; `operator` is a sign or a word of matchExpressions in lower case."""
    if operator in ("=", "==", "in"):
        return key in found and found[key] in values
    if operator in ("!=", "notin"):
        return key not in found or found[key] not in values
    if operator == "exists":
        return key in found
    if operator == "doesnotexist":
        return key not in found
    try:
        mine, theirs = int(found.get(key, "")), int(values[0])
    except ValueError:
        return False
    return mine > theirs if operator == ">" else mine < theirs


def _requirement(tokens: Sequence[str], at: int) -> tuple[Requirement, int]:
    negated = tokens[at] == "!"
    if negated:
        at += 1
    if at >= len(tokens) or not _KEY.fullmatch(tokens[at]):
        raise _wrong(f"found '{tokens[at] if at < len(tokens) else ''}', expected: identifier")
    key = tokens[at]
    at += 1
    if negated:
        return lambda found: key not in found, at
    if at >= len(tokens) or tokens[at] == ",":
        return lambda found: key in found, at
    operator = tokens[at]
    at += 1
    if operator in ("in", "notin"):
        if at >= len(tokens) or tokens[at] != "(":
            raise _wrong(f"found '{tokens[at] if at < len(tokens) else ''}' expected: '('")
        end = tokens.index(")", at) if ")" in tokens[at:] else -1
        if end < 0:
            raise _wrong("found '', expected: ',', or ')'")
        values = [t for t in tokens[at + 1 : end] if t != ","]
        return lambda found: holds(found, key, operator, values), end + 1
    if operator not in ("=", "==", "!=", ">", "<"):
        raise _wrong(f"found '{operator}', expected: in, notin, =, ==, !=, gt, lt")
    value = ""
    if at < len(tokens) and tokens[at] not in (",", ")"):
        value = tokens[at]
        at += 1
    return lambda found: holds(found, key, operator, [value]), at


def _wrong(why: str) -> ValueError:
    return ValueError(f"unable to parse requirement: {why}")
