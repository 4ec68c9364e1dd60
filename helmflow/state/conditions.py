"""`condition:` of a release: a literal, or a path of the state values that ends in .enabled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from helmflow.core.errors import ConfigError
from helmflow.core.source import Span


def enabled(condition: str, values: Mapping[str, Any], span: Span | None = None) -> bool:
    """Whether a condition holds; "" does. A missing leaf is false, a missing parent is a mistake.

    Source: Helmfile 1.7.4 pkg/state ConditionEnabled.
    """
    if condition in ("", "true"):
        return True
    if condition == "false":
        return False
    keys = condition.split(".")
    if len(keys) < 2 or keys[-1] != "enabled":
        raise ConfigError(
            f"Condition value must be in the form 'foo.enabled' where 'foo' can be modified as necessary: {condition}",
            error_id="state.bad-condition",
            span=span,
            hint="end it in .enabled, or write true, false or a conditionTemplate",
        )
    current: Any = values
    for key in keys[:-1]:
        current = current.get(key) if isinstance(current, Mapping) else None
        if not isinstance(current, Mapping):
            raise ConfigError(
                f'environment values does not contain field "{key}" (condition {condition})',
                error_id="state.condition-missing",
                span=span,
                hint=f"set {'.'.join(keys[:-1])} in the state values",
            )
    return current.get("enabled") is True
