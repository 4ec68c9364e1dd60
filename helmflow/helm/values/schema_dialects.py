"""The JSON schema drafts: how a schema names its draft, where schemas stand inside schemas, and the metaschemas."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any, Final

from helmflow.core.records import dataclass


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft: its version (4, 6, 7, 2019 or 2020), metaschema and folder in jsonschema-specifications."""

    version: int
    metaschema: str
    folder: str

    @property
    def id_keyword(self) -> str:
        """The keyword that names a schema."""
        return "id" if self.version == 4 else "$id"


DRAFTS: Final = (
    Draft(4, "http://json-schema.org/draft-04/schema", "draft4"),
    Draft(6, "http://json-schema.org/draft-06/schema", "draft6"),
    Draft(7, "http://json-schema.org/draft-07/schema", "draft7"),
    Draft(2019, "https://json-schema.org/draft/2019-09/schema", "draft201909"),
    Draft(2020, "https://json-schema.org/draft/2020-12/schema", "draft202012"),
)
LATEST: Final = DRAFTS[-1]

# Keywords whose value is a schema, a list of schemas, or schemas by name.
SINGLE: Final = (
    "additionalItems", "additionalProperties", "contains", "contentSchema", "else", "if", "items", "not",
    "propertyNames", "then", "unevaluatedItems", "unevaluatedProperties",
)  # fmt: skip
LISTS: Final = ("allOf", "anyOf", "items", "oneOf", "prefixItems")
MAPS: Final = ("$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties")


def draft_of(url: str) -> Draft | None:
    """The draft that a `$schema` URL names."""
    plain = url.removesuffix("#")
    scheme, _, rest = plain.partition("://")
    if scheme in ("http", "https"):
        if rest == "json-schema.org/schema":
            return LATEST
        for draft in DRAFTS:
            if rest == draft.metaschema.partition("://")[2]:
                return draft
    return None


@functools.cache
def metaschema(url: str) -> Any:
    """A metaschema or vocabulary by its URL, None for any other URL."""
    for draft in DRAFTS:
        if url == draft.metaschema:
            return _read(draft.folder, "metaschema.json")
        stem = draft.metaschema.removesuffix("schema") + "meta/"
        if draft.version >= 2019 and url.startswith(stem) and url[len(stem) :] in _VOCABULARIES:
            return _read(draft.folder, "vocabularies", url[len(stem) :])
    return None


_VOCABULARIES: Final = frozenset(
    [
        "applicator",
        "content",
        "core",
        "format",
        "format-annotation",
        "format-assertion",
        "meta-data",
        "unevaluated",
        "validation",
    ]
)


def _read(*parts: str) -> Any:
    """A file of the jsonschema-specifications distribution; its package is not imported."""
    from importlib.util import find_spec

    spec = find_spec("jsonschema_specifications")
    assert spec is not None
    assert spec.origin is not None
    return json.loads(Path(spec.origin).parent.joinpath("schemas", *parts).read_text(encoding="utf-8"))
