"""Label selectors: `tier=web,env!=dev` is one selector (all terms hold); several selectors mean any of them."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

from helmflow.core.errors import ConfigError
from helmflow.core.records import dataclass

# Helmfile 1.7.4, pkg/state/release_filters.go
_TERM = re.compile(r"^([a-zA-Z0-9_./+-]+)(!=|=)([a-zA-Z0-9_./+-]+)$", re.ASCII)


@dataclass(frozen=True, slots=True)
class Selector:
    """One parsed selector: required and forbidden label values, in reading order."""

    text: str
    required: tuple[tuple[str, str], ...] = ()
    forbidden: tuple[tuple[str, str], ...] = ()

    def matches(self, labels: Mapping[str, str]) -> bool:
        """Whether every term holds; a forbidden value also holds where the label is absent."""
        return all(labels.get(key) == value for key, value in self.required) and not any(
            labels.get(key) == value for key, value in self.forbidden
        )


def parse(text: str) -> Selector:
    """A selector; raises ConfigError `selector.malformed` with Helmfile's text."""
    required: list[tuple[str, str]] = []
    forbidden: list[tuple[str, str]] = []
    for term in text.split(","):
        found = _TERM.match(term)
        if found is None:
            raise ConfigError(
                f"malformed label: {term}. Expected label in form k=v or k!=v",
                error_id="selector.malformed",
                hint="write it as -l key=value or -l key!=value, several terms with commas",
            )
        key, operator, value = found.groups()
        (required if operator == "=" else forbidden).append((key, value))
    return Selector(text, tuple(required), tuple(forbidden))


def parse_all(texts: Iterable[str]) -> tuple[Selector, ...]:
    """Several selectors, any of which may match."""
    return tuple(parse(text) for text in texts)


def matches_any(selectors: Sequence[Selector], labels: Mapping[str, str]) -> bool:
    """Whether any selector matches; without selectors everything does."""
    return not selectors or any(selector.matches(labels) for selector in selectors)


def compatible(outer: Sequence[Selector], inner: Sequence[Selector]) -> bool:
    """Whether some release could match both sets, judged by required terms of the same key alone."""
    if not outer or not inner:
        return True
    return any(_agree(a, b) for a in outer for b in inner)


def _agree(a: Selector, b: Selector) -> bool:
    return not any(
        key == other and value != wanted for key, value in a.required for other, wanted in b.required
    )
