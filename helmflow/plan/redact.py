"""Texts as people may see them: what a Secret holds and every known secret are masked, but stay comparable."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Callable, Mapping
from typing import Any

from helmflow.core.records import dataclass, field, replace
from helmflow.plan.model import Change

Json = Any
# A mask that begins a plain scalar would make it an alias (`key: ***`), which is no YAML.
_QUOTED = re.compile(r"^(\s*(?:- )*(?:[^\s'\"#:][^\n:]*: )?)(\*\*\*[^\s'\"\\]*)$", re.MULTILINE)
Mask = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Redactor:
    """Masks the texts of changes. Equal values have equal marks within one run and no meaning outside of it."""

    mask_known: Mask
    show: bool = False
    salt: bytes = field(default_factory=lambda: secrets.token_bytes(16), repr=False)

    def change(self, change: Change) -> Change:
        """The same change with masked texts; what is sent stays as it is. With `show`, nothing is masked."""
        if self.show:
            return change
        secret = change.ref.kind == "Secret" and change.ref.api_version == "v1"
        return replace(
            change,
            before=self.text(change.before, secret=secret),
            after=self.text(change.after, secret=secret),
        )

    def text(self, text: str, *, secret: bool) -> str:
        """One document's text."""
        shown = self._secret(text) if secret and text else text
        masked = self.mask_known(shown)
        return _QUOTED.sub(r'\1"\2"', masked) if masked != shown else masked

    def _secret(self, text: str) -> str:
        from helmflow.core import yaml_dialect

        document = yaml_dialect.load(text)
        if not isinstance(document, Mapping):
            return text
        shown = dict(document)
        for key in ("data", "stringData"):
            values = document.get(key)
            if isinstance(values, Mapping):
                shown[key] = {name: self._mark(value) for name, value in values.items()}
        return yaml_dialect.dump(shown)

    def _mark(self, value: Json) -> str:
        text = str(value)
        digest = hmac.new(self.salt, text.encode(errors="surrogateescape"), hashlib.sha256).hexdigest()
        return f"(masked, {len(text)} characters, {digest[:8]})"
