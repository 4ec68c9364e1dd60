"""Requests for resources: from path, verb and body to the operation and its answer."""

from __future__ import annotations

import gzip
import json
from functools import cached_property
from typing import Any, Final

from helmflow.core.records import dataclass
from helmflow.embedded import authorization, converting, managing, patching, pods, reading, scaling, writing
from helmflow.embedded.cluster import Cluster
from helmflow.embedded.kinds import Registry, Resource
from helmflow.embedded.reading import Form
from helmflow.embedded.status import ApiError, not_found
from helmflow.embedded.writing import DeleteOptions, WriteOptions
from helmflow.kube.transport import Request

Json = dict[str, Any]

_PATCHES: Final = {
    "application/json-patch+json": "json",
    "application/merge-patch+json": "merge",
    "application/strategic-merge-patch+json": "strategic",
    "application/apply-patch+yaml": "apply",
}
_PROTOBUF: Final = "application/vnd.kubernetes.protobuf"


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send back."""

    code: int
    body: bytes
    content_type: str = "application/json"
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class Call:
    """One operation on one resource."""

    verb: str
    resource: Resource
    namespace: str
    name: str
    subresource: str
    query: dict[str, str]
    request: Request

    @cached_property
    def form(self) -> Form:
        """The shape the client wants."""
        return Form(self.header("accept"))

    def header(self, name: str) -> str:
        """A header's value, "" without it."""
        for key, value in self.request.headers.items():
            if key.lower() == name:
                return value
        return ""

    @cached_property
    def options(self) -> WriteOptions:
        """Write options from the query and the user agent."""
        manager = self.query.get("fieldManager") or self.header("user-agent").partition("/")[0] or "unknown"
        if len(manager) > managing.MAX_MANAGER_LENGTH:
            raise ApiError(
                422,
                'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Too long: may not be more than 128 bytes',
            )
        dry_run = self.query.get("dryRun", "")
        if dry_run not in ("", "All"):
            raise ApiError(
                422,
                f'CreateOptions.meta.k8s.io "" is invalid: dryRun: Unsupported value: "{dry_run}": supported values: "All"',
            )
        return WriteOptions(manager, dry_run == "All", self.query.get("fieldValidation") or "Warn")

    def body(self) -> Any:
        """The decoded body: JSON, YAML or protobuf."""
        raw = self.request.body
        if self.header("content-encoding") == "gzip":
            raw = gzip.decompress(raw)
        kind = self.header("content-type").partition(";")[0].strip()
        if kind == _PROTOBUF or raw[:4] == b"k8s\0":
            from helmflow.embedded import protobuf  # only typed Go clients send it

            return protobuf.decode(raw)
        if kind.endswith("+yaml") or kind == "application/yaml":
            return _yaml(raw)
        try:
            return json.loads(raw)
        except (ValueError, UnicodeDecodeError) as error:
            raise ApiError(400, f"couldn't get version/kind; json parse error: {error}") from None


def parse(registry: Registry, request: Request, parts: list[str]) -> Call | None:
    """The operation at a path such as /api/v1/namespaces/x/pods/y/log; None for an unknown path. Raises ApiError 405."""
    group = "" if parts[0] == "api" else parts[1]
    version, rest = (parts[1], parts[2:]) if parts[0] == "api" else (parts[2], parts[3:])
    query = dict(request.query)
    watching = query.get("watch") in ("true", "1")
    if rest and rest[0] == "watch":
        rest, watching = rest[1:], True
    namespace = ""
    own = group == "" and len(rest) == 3 and rest[2] in ("status", "finalize")  # of the Namespace itself
    if len(rest) > 2 and rest[0] == "namespaces" and not own:
        namespace, rest = rest[1], rest[2:]
    if not rest:
        return None
    resource = registry.find(group, version, rest[0])
    if resource is None or len(rest) > 3:
        return None
    if resource.namespaced and not namespace and len(rest) > 1:
        return None
    if namespace and not resource.namespaced:
        return None
    name = rest[1] if len(rest) > 1 else ""
    subresource = rest[2] if len(rest) > 2 else ""
    if subresource and subresource not in resource.subresources:
        return None
    verb = _verb(request.method, name, watching=watching)
    allowed = resource.subresources[subresource].verbs if subresource else resource.verbs
    misplaced = verb == "create" and (
        (resource.namespaced and not namespace) or (bool(name) and not subresource)
    )
    if verb not in allowed or misplaced:
        raise ApiError(405, "the server does not allow this method on the requested resource")
    return Call(verb, resource, namespace, name, subresource, query, request)


def answer(cluster: Cluster, call: Call) -> Answer:
    """Carry the operation out. Raises ApiError."""
    if call.resource.group in ("authorization.k8s.io", "authentication.k8s.io"):
        return _json(201, authorization.review(call.resource, call.body()))
    if call.subresource == "log":
        return pods.log(cluster, call)
    if call.subresource in ("eviction", "binding", "token"):
        return pods.act(cluster, call)
    if call.subresource == "scale":
        return scaling.answer(cluster, call)
    match call.verb:
        case "get":
            text = reading.get(cluster, call.resource, call.namespace, call.name, call.form, call.query)
            return Answer(200, text.encode())
        case "list":
            text = reading.list_objects(cluster, call.resource, call.namespace, call.query, call.form)
            return Answer(200, text.encode())
        case "create":
            return _create(cluster, call)
        case "update":
            return _update(cluster, call)
        case "patch":
            return _patch(cluster, call)
        case "delete":
            return _delete(cluster, call)
        case _:
            return _delete_collection(cluster, call)


def current(cluster: Cluster, resource: Resource, namespace: str, name: str) -> Json | None:
    """The stored object as served."""
    stored = cluster.get(resource.key, namespace, name)
    return converting.to_served(resource, stored) if stored is not None else None


def existing(cluster: Cluster, call: Call) -> Json:
    """The object that the call names. Raises 404."""
    found = current(cluster, call.resource, call.namespace, call.name)
    if found is None:
        raise not_found(call.resource.group, call.resource.plural, call.name)
    return found


def patched(call: Call, before: Json, resource: Resource | None = None) -> Json:
    """`before` with the call's patch laid over it; not for server-side apply."""
    kind = patch_kind(call)
    patch = call.body()
    if kind == "json":
        return patching.json_patch(before, patch)
    if not isinstance(patch, dict):
        raise ApiError(400, "json: cannot unmarshal array into Go value of type map[string]interface {}")
    if kind == "strategic":
        if resource is None or resource.crd is not None:
            raise _unsupported(call)
        return patching.strategic_merge(before, patch, resource.schema)
    merged = patching.merge_patch(before, patch)
    return merged if isinstance(merged, dict) else {}


def patch_kind(call: Call) -> str:
    """json, merge, strategic or apply. Raises 415."""
    kind = _PATCHES.get(call.header("content-type").partition(";")[0].strip())
    if kind is None:
        raise _unsupported(call)
    return kind


def shaped(call: Call, cluster: Cluster, code: int, value: Json) -> Answer:
    """An object in the form the client wants, with this call's warnings."""
    warnings = tuple(call.options.warnings)
    if call.form.kind == "Table":
        from helmflow.embedded import tables

        made = tables.table(
            cluster,
            call.resource,
            [value],
            call.query.get("includeObject", "Metadata"),
            call.form.group_version,
        )
        return _json(code, made, warnings)
    if call.form.kind:
        from helmflow.embedded import tables

        return _json(code, tables.metadata_only(value, call.form.group_version), warnings)
    return _json(code, value, warnings)


def _json(code: int, value: Json, warnings: tuple[str, ...] = ()) -> Answer:
    return Answer(
        code, json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode(), warnings=warnings
    )


def _verb(method: str, name: str, *, watching: bool) -> str:
    if method == "GET":
        return "watch" if watching else ("get" if name else "list")
    if method == "DELETE":
        return "delete" if name else "deletecollection"
    return {"POST": "create", "PUT": "update", "PATCH": "patch", "HEAD": "get"}.get(method, method.lower())


def _unsupported(call: Call) -> ApiError:
    allowed = [k for k, v in _PATCHES.items() if v != "strategic" or call.resource.crd is None]
    return ApiError(
        415,
        f"the body of the request was in an unknown format - accepted media types include: {', '.join(allowed)}",
    )


def _yaml(raw: bytes) -> Any:
    try:
        return json.loads(raw)
    except ValueError:
        from helmflow.core import yaml_dialect  # clients mostly send JSON, which is YAML

        try:
            return yaml_dialect.load_native(raw.decode())
        except ValueError as error:
            raise ApiError(400, f"error decoding YAML: {error}") from None


def _sent_object(call: Call) -> Json:
    """The body of a create or update, checked against the path."""
    sent = call.body()
    resource = call.resource
    if not isinstance(sent, dict) or not sent.get("kind") or not sent.get("apiVersion"):
        missing = "kind" if not isinstance(sent, dict) or not sent.get("kind") else "apiVersion"
        what = "Kind" if missing == "kind" else "apiVersion"
        raise ApiError(400, f"Object '{what}' is missing in '{json.dumps(sent, separators=(',', ':'))}'")
    if sent["kind"] != resource.kind or sent["apiVersion"] != resource.api_version:
        if sent["kind"] == resource.kind:
            why = f"the API version in the data ({sent['apiVersion']}) does not match the expected API version ({resource.api_version})"
        else:
            why = f'{sent["kind"]} in version "{sent["apiVersion"]}" cannot be handled as a {resource.kind}: converting is not supported'
        raise ApiError(400, why)
    metadata = sent.get("metadata")
    if metadata is None:
        sent["metadata"] = metadata = {}
    if isinstance(metadata, dict) and resource.namespaced:
        if metadata.get("namespace") and metadata["namespace"] != call.namespace:
            raise ApiError(
                400, "the namespace of the provided object does not match the namespace sent on the request"
            )
        metadata["namespace"] = call.namespace
    if call.name and isinstance(metadata, dict):
        if metadata.get("name") and metadata["name"] != call.name:
            raise ApiError(
                400,
                f"the name of the object ({metadata['name']}) does not match the name on the URL ({call.name})",
            )
        metadata["name"] = call.name
    return sent


def _create(cluster: Cluster, call: Call) -> Answer:
    if call.subresource:
        raise ApiError(405, "the server does not allow this method on the requested resource")
    value = writing.decode(call.resource, _sent_object(call), call.options)
    return shaped(call, cluster, 201, writing.create(cluster, call.resource, value, call.options))


def _update(cluster: Cluster, call: Call) -> Answer:
    if call.subresource == "finalize":
        return pods.finalize(cluster, call)
    sent = _sent_object(call)
    value = writing.decode(call.resource, sent, call.options)
    old = existing(cluster, call)
    if not value["metadata"].get("resourceVersion"):
        from helmflow.embedded import strategies
        from helmflow.embedded.status import Cause, unprocessable

        if strategies.needs_revision(call.resource):
            cause = Cause(
                "metadata.resourceVersion",
                "FieldValueInvalid",
                "Invalid value: 0: must be specified for an update",
            )
            raise unprocessable(call.resource.group, call.resource.plural, call.name, [cause])
    return shaped(
        call,
        cluster,
        200,
        writing.update(cluster, call.resource, old, value, call.options, subresource=call.subresource),
    )


def _patch(cluster: Cluster, call: Call) -> Answer:
    kind = patch_kind(call)
    if kind == "apply":
        return _apply(cluster, call)
    old = existing(cluster, call)
    new = patched(call, old, call.resource)
    if new.get("kind") != call.resource.kind or new.get("apiVersion") != call.resource.api_version:
        raise ApiError(400, "apiVersion and kind may not be changed by a patch")
    value = writing.decode(call.resource, new, call.options, patch=True)
    return shaped(
        call,
        cluster,
        200,
        writing.update(cluster, call.resource, old, value, call.options, subresource=call.subresource),
    )


def _apply(cluster: Cluster, call: Call) -> Answer:
    resource = call.resource
    if not call.query.get("fieldManager"):
        raise ApiError(
            422,
            'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
        )
    config = call.body()
    if not isinstance(config, dict):
        raise ApiError(
            400,
            "error decoding YAML: json: cannot unmarshal array into Go value of type map[string]interface {}",
        )
    _check_applied(call, config)
    stored = current(cluster, resource, call.namespace, call.name)
    if stored is None and call.subresource:
        raise not_found(resource.group, resource.plural, call.name)
    live = stored if stored is not None else writing.empty(resource)
    who = writing.writer(cluster, resource, call.options, call.subresource)
    force = call.query.get("force") == "true"
    merged = managing.apply(live, config, resource.schema, who, force=force, exists=stored is not None)
    try:
        value = writing.decode(resource, merged, call.options, patch=True)
    except ApiError as error:
        if error.code != 400:
            raise
        raise _unconvertible(resource, config, error) from None
    if stored is None:
        return shaped(
            call, cluster, 201, writing.create(cluster, resource, value, call.options, applied=True)
        )
    for key in ("uid", "resourceVersion"):
        if (config.get("metadata") or {}).get(key):
            value["metadata"][key] = config["metadata"][key]
    updated = writing.update(
        cluster, resource, stored, value, call.options, subresource=call.subresource, applied=True
    )
    return shaped(call, cluster, 200, updated)


def _unconvertible(resource: Resource, config: Json, error: ApiError) -> ApiError:
    """What the server says when a merged object does not fit its type."""
    kind = f"{resource.group}/{resource.version}, Kind={resource.kind}"
    metadata = config["metadata"]
    named = f"{metadata.get('namespace', '')}/{metadata.get('name', '')}; {kind}"
    why = error.message.partition(": ")[2]
    text = f"failed to convert new object ({named}) to proper version: unable to convert unstructured object to {kind}: {why}"
    return ApiError(500, text, reason="")


def _check_applied(call: Call, config: Json) -> None:
    resource = call.resource
    if not config.get("kind") or not config.get("apiVersion"):
        missing = "kind" if not config.get("kind") else "apiVersion"
        raise ApiError(
            400,
            f"Object '{missing.capitalize() if missing == 'kind' else missing}' is missing in '{json.dumps(config, separators=(',', ':'))}'",
        )
    if config["apiVersion"] != resource.api_version or config["kind"] != resource.kind:
        group, _, version = str(config["apiVersion"]).rpartition("/")
        raise ApiError(400, f"invalid object type: {group}/{version}, Kind={config['kind']}")
    metadata = config.get("metadata")
    if not isinstance(metadata, dict):
        config["metadata"] = metadata = {}
    if metadata.get("name", call.name) != call.name:
        raise ApiError(
            400,
            f"the name of the object ({metadata['name']}) does not match the name on the URL ({call.name})",
        )
    if resource.namespaced and metadata.get("namespace", call.namespace) != call.namespace:
        raise ApiError(
            400, "the namespace of the provided object does not match the namespace sent on the request"
        )
    metadata["name"] = call.name
    if resource.namespaced:
        metadata["namespace"] = call.namespace


def delete_options(call: Call) -> DeleteOptions:
    """From the body, the query winning."""
    body = call.body() if call.request.body.strip() else {}
    if not isinstance(body, dict):
        body = {}
    preconditions = body.get("preconditions") or {}
    grace = call.query.get("gracePeriodSeconds", body.get("gracePeriodSeconds"))
    orphan = call.query.get("orphanDependents", body.get("orphanDependents"))
    propagation = call.query.get("propagationPolicy") or body.get("propagationPolicy") or ""
    if not propagation and orphan is not None:
        propagation = "Orphan" if str(orphan).lower() == "true" else "Background"
    if propagation not in ("", "Orphan", "Background", "Foreground"):
        raise ApiError(
            422,
            f'DeleteOptions.meta.k8s.io "" is invalid: propagationPolicy: Unsupported value: "{propagation}": supported values: "Background", "Foreground", "Orphan"',
        )
    return DeleteOptions(
        propagation=propagation,
        grace=int(grace) if grace is not None else None,
        uid=preconditions.get("uid") or "",
        revision=preconditions.get("resourceVersion") or "",
        dry_run=call.query.get("dryRun") == "All" or "All" in (body.get("dryRun") or ()),
    )


def _delete(cluster: Cluster, call: Call) -> Answer:
    resource = call.resource
    options = delete_options(call)
    old = existing(cluster, call)
    stored = converting.to_stored(resource, old)
    value, gone = writing.delete(cluster, resource, stored, options)
    if not gone or resource.key in ("/services", "/serviceaccounts", "/persistentvolumeclaims", "/pods"):
        return _json(200, converting.to_served(resource, value))
    details: Json = {"name": call.name, "kind": resource.plural, "uid": value["metadata"].get("uid", "")}
    if resource.group:
        details["group"] = resource.group
    return _json(
        200, {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}
    )


def _delete_collection(cluster: Cluster, call: Call) -> Answer:
    options = delete_options(call)
    match = reading.matcher(call.resource, call.query)
    gone = []
    for record in cluster.storage.records(call.resource.key, call.namespace or None):
        value = record.parse()
        if match is None or match(converting.to_served(call.resource, value)):
            gone.append(
                converting.to_served(call.resource, writing.delete(cluster, call.resource, value, options)[0])
            )
    kind = call.resource.list_kind or call.resource.kind + "List"
    revision = str(cluster.storage.revision())
    return _json(
        200,
        {
            "kind": kind,
            "apiVersion": call.resource.api_version,
            "metadata": {"resourceVersion": revision},
            "items": gone,
        },
    )
