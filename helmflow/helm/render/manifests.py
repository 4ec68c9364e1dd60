"""Rendered files to ordered manifests: splitting, sorting by kind, hooks apart."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

from helmflow.core.ids import ObjectRef


@dataclass(frozen=True)
class Manifest:
    """One rendered document: its exact text, where it came from, and its content, parsed when first asked for.

    `ref.namespace` is what the document itself says, "" where it says nothing.
    """

    ref: ObjectRef
    text: str
    source_path: str

    @cached_property
    def body(self) -> dict[str, Any]:
        """The document as data."""
        from helmflow.core import yaml_dialect

        loaded = yaml_dialect.load(self.text, name=self.source_path)
        return loaded if isinstance(loaded, dict) else {}
