"""OpenAPI v3: the index and one document per group version, enough for clients to validate and to find list keys."""

from __future__ import annotations

import hashlib
import json
from typing import Any, Final

from helmflow.embedded import schema as schemas
from helmflow.embedded.kinds import Registry, Resource
from helmflow.embedded.schema import Schema

Json = dict[str, Any]

_SCALARS: Final[dict[str, Json]] = {
    "s": {"type": "string"},
    "y": {"type": "string", "format": "byte"},
    "q": {"oneOf": [{"type": "string"}, {"type": "number"}]},
    "d": {"type": "string", "format": "date-time"},
    "io": {"oneOf": [{"type": "integer"}, {"type": "string"}], "format": "int-or-string"},
    "i32": {"type": "integer", "format": "int32"},
    "i64": {"type": "integer", "format": "int64"},
    "f64": {"type": "number", "format": "double"},
    "b": {"type": "boolean"},
    "x": {},
}
_QUERY: Final = (
    ("pretty", "string"), ("dryRun", "string"), ("fieldManager", "string"), ("fieldValidation", "string"), ("force", "boolean"),
)  # fmt: skip


def index(registry: Registry) -> Json:
    """/openapi/v3."""
    paths = {}
    for group, versions in registry.groups.items():
        for version, resources in versions.items():
            name = f"apis/{group}/{version}" if group else f"api/{version}"
            plain = json.dumps([_mark(r) for r in resources.values()], sort_keys=True)
            digest = hashlib.sha512(plain.encode()).hexdigest().upper()
            paths[name] = {"serverRelativeURL": f"/openapi/v3/{name}?hash={digest}"}
    return {"paths": paths}


def document(registry: Registry, name: str) -> Json | None:
    """/openapi/v3/apis/GROUP/VERSION or /openapi/v3/api/v1."""
    parts = name.split("/")
    group, version = (
        ("", parts[1])
        if parts[0] == "api" and len(parts) == 2
        else (parts[1], parts[2])
        if len(parts) == 3
        else ("", "")
    )
    resources = registry.groups.get(group, {}).get(version)
    if resources is None:
        return None
    components: dict[str, Json] = {}
    paths: Json = {}
    for resource in resources.values():
        kind = {"group": resource.group, "version": resource.version, "kind": resource.kind}
        type_name = _type_name(resource)
        if resource.crd is not None:
            components[type_name] = _custom(resource, components)
        elif resource.type_name:
            _define(resource.schema, components)
        if type_name in components:
            components[type_name]["x-kubernetes-group-version-kind"] = [kind]
        base = (
            f"/{name}/namespaces/{{namespace}}/{resource.plural}"
            if resource.namespaced
            else f"/{name}/{resource.plural}"
        )
        paths[base] = _operations(resource, kind, type_name, ("get", "post"))
        if "patch" in resource.verbs:
            paths[base + "/{name}"] = _operations(
                resource, kind, type_name, ("get", "put", "patch", "delete")
            )
    return {
        "openapi": "3.0.0",
        "info": {"title": "Kubernetes (simulated by helmflow)", "version": "v1.36.0"},
        "paths": paths,
        "components": {"schemas": components},
    }


def _mark(resource: Resource) -> Json:
    return {"name": resource.plural, "kind": resource.kind, "schema": resource.crd_version}


def _type_name(resource: Resource) -> str:
    if resource.crd is None:
        return resource.type_name
    return ".".join([*reversed(resource.group.split(".")), resource.version, resource.kind])


def _operations(resource: Resource, kind: Json, type_name: str, methods: tuple[str, ...]) -> Json:
    reference = {"application/json": {"schema": {"$ref": f"#/components/schemas/{type_name}"}}}
    made: Json = {}
    for method in methods:
        parameters = [
            {"name": n, "in": "query", "schema": {"type": t, "uniqueItems": True}} for n, t in _QUERY
        ]
        if method == "get":
            parameters = parameters[:1]
        action = {"get": "get", "post": "post", "put": "put", "patch": "patch", "delete": "delete"}[method]
        made[method] = {
            "parameters": parameters,
            "responses": {"200": {"description": "OK", "content": reference}},
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": kind,
        }
        if method in ("post", "put"):
            made[method]["requestBody"] = {
                "content": {"*/*": {"schema": {"$ref": f"#/components/schemas/{type_name}"}}}
            }
        elif method == "patch":
            made[method]["requestBody"] = {
                "content": {"application/apply-patch+yaml": {"schema": {"type": "object"}}}
            }
    return made


def _custom(resource: Resource, components: dict[str, Json]) -> Json:
    raw = ((resource.crd_version or {}).get("schema") or {}).get("openAPIV3Schema") or {"type": "object"}
    made = json.loads(json.dumps(raw))
    _define(schemas.object_meta(), components)
    properties = made.setdefault("properties", {})
    properties["apiVersion"] = properties["kind"] = {"type": "string"}
    properties["metadata"] = {"allOf": [{"$ref": f"#/components/schemas/{schemas.object_meta().name}"}]}
    return made  # type: ignore[no-any-return]


def _define(schema: Schema, components: dict[str, Json]) -> None:
    """Add a named type and all it refers to."""
    if schema.name in components:
        return
    made: Json = {}
    components[schema.name] = made
    if not schema.fields:
        made.update(_SCALARS.get(schema.kind, {"type": "object"}))
        return
    made["type"] = "object"
    if schema.required:
        made["required"] = list(schema.required)
    if schema.atomic:
        made["x-kubernetes-map-type"] = "atomic"
    properties: Json = {}
    for key, field in schema.fields.items():
        member = _member(field.schema, components)
        if field.strategy:
            member["x-kubernetes-patch-strategy"] = field.strategy
        if field.merge_key:
            member["x-kubernetes-patch-merge-key"] = field.merge_key
        if field.default is not None:
            member["default"] = field.default
        properties[key] = member
    made["properties"] = properties


def _member(schema: Schema, components: dict[str, Json]) -> Json:
    if schema.name:
        _define(schema, components)
        return {"allOf": [{"$ref": f"#/components/schemas/{schema.name}"}]}
    if schema.kind == "l":
        made: Json = {"type": "array", "items": _member(schema.item, components) if schema.item else {}}
        if schema.list_kind != "atomic":
            made["x-kubernetes-list-type"] = schema.list_kind
        if schema.keys:
            made["x-kubernetes-list-map-keys"] = list(schema.keys)
        return made
    if schema.kind == "m":
        made = {"type": "object"}
        if schema.element is not None and schema.element.kind != "x":
            made["additionalProperties"] = _member(schema.element, components)
        if schema.atomic:
            made["x-kubernetes-map-type"] = "atomic"
        return made
    return dict(_SCALARS[schema.kind])
