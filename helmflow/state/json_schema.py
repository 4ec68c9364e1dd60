"""The published JSON Schema of state files, made from state.schema."""

from __future__ import annotations

from typing import Any, Final

from helmflow.state.schema import RELEASE, STATE, Block, Key, ListOf, MapOf, OneOf, Scalar, Type

ADDRESS: Final = "https://json-schema.org/draft/2020-12/schema"
_OWN: Final = "helmflow only. "


def json_schema() -> dict[str, Any]:
    """The schema as JSON data; every block that occurs several times stands once under $defs."""
    definitions: dict[str, Any] = {}
    root = _block(STATE, definitions)
    return {
        "$schema": ADDRESS,
        "title": "helmflow state file",
        "description": "helmflow.yaml, helmfile.yaml and what they name. Files that end in .gotmpl are templates of it.",
        **root,
        "$defs": dict(sorted(definitions.items())),
    }


def _type(kind: Type, definitions: dict[str, Any]) -> dict[str, Any]:
    match kind:
        case Scalar():
            return _scalar(kind)
        case ListOf():
            item = _type(kind.item, definitions)
            listed = {"type": ["array", "null"], "items": item}
            return {"anyOf": [listed, item]} if kind.single else listed
        case MapOf():
            return {"type": ["object", "null"], "additionalProperties": _type(kind.item, definitions)}
        case OneOf():
            shapes: list[dict[str, Any]] = [{"type": ["string", "number", "boolean"]}] if kind.text else []
            if kind.block is not None:
                shapes.append(_type(kind.block, definitions))
            if kind.items is not None:
                shapes.append({"type": "array", "items": _type(kind.items, definitions)})
            return {"anyOf": shapes}
        case Block():
            return _reference(kind, definitions)


def _scalar(kind: Scalar) -> dict[str, Any]:
    shapes: dict[Scalar, dict[str, Any]] = {
        Scalar.TEXT: {"type": ["string", "number", "boolean", "null"]},
        Scalar.FLAG: {"type": ["boolean", "null"]},
        Scalar.NUMBER: {"type": ["integer", "null"]},
        Scalar.DECIMAL: {"type": ["number", "null"]},
        Scalar.ANY: {},
    }
    return dict(shapes[kind])


def _reference(block: Block, definitions: dict[str, Any]) -> dict[str, Any]:
    name = "release" if block is RELEASE else block.name
    if name not in definitions:
        definitions[name] = {}
        definitions[name].update(_block(block, definitions))
    return {"$ref": f"#/$defs/{name}"}


def _block(block: Block, definitions: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "type": ["object", "null"],
        "additionalProperties": False,
        "properties": {name: _key(key, definitions) for name, key in block.keys.items()},
    }
    if block.required:
        found["required"] = list(block.required)
    return found


def _key(key: Key, definitions: dict[str, Any]) -> dict[str, Any]:
    described = {"description": (_OWN if key.own else "") + key.doc, **_type(key.type, definitions)}
    if key.choices:
        described = {"description": described["description"], "enum": [*key.choices, None]}
    return described
