"""The port to whatever changes manifests between rendering and applying."""

from __future__ import annotations

from typing import Protocol


class PostRenderer(Protocol):
    """Takes a YAML stream and gives one back."""

    def run(self, manifests: str) -> str:
        """The changed stream; raises HelmflowError where it fails."""
