"""GET and LIST: selectors, paging, tables and metadata-only forms."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from helmflow.embedded import converting, selectors, tables
from helmflow.embedded.cluster import Cluster
from helmflow.embedded.kinds import Resource
from helmflow.embedded.status import ApiError, not_found
from helmflow.embedded.storage import Record

Json = dict[str, Any]
Query = Mapping[str, str]

_META_GROUP: Final = "meta.k8s.io"


class Form:
    """The shape in which a client wants objects: as they are, as a Table, or their metadata alone."""

    __slots__ = ("group_version", "kind")

    def __init__(self, accept: str) -> None:
        self.kind = ""
        self.group_version = ""
        for part in accept.split(","):
            options = dict(p.strip().split("=", 1) for p in part.split(";")[1:] if "=" in p)
            if options.get("g") == _META_GROUP and options.get("as") and "json" in part.split(";")[0]:
                self.kind = options["as"]
                self.group_version = f"{_META_GROUP}/{options.get('v', 'v1')}"
                return
            if part.split(";")[0].strip() in ("application/json", "*/*"):
                return


def matcher(resource: Resource, query: Query) -> Callable[[Json], bool] | None:
    """What a request's selectors ask for; None for everything."""
    tests: list[Callable[[Json], bool]] = []
    if query.get("labelSelector"):
        wanted = selectors.labels(query["labelSelector"])
        tests.append(lambda value: wanted(value["metadata"].get("labels") or {}))
    if query.get("fieldSelector"):
        selectable = _selectable(resource)
        tests.append(selectors.fields(query["fieldSelector"], resource.key, selectable))
    if not tests:
        return None
    return lambda value: all(test(value) for test in tests)


def _selectable(resource: Resource) -> dict[str, tuple[str, ...]]:
    entries = (resource.crd_version or {}).get("selectableFields") or ()
    found = {e["jsonPath"].lstrip("."): tuple(e["jsonPath"].lstrip(".").split(".")) for e in entries}
    if resource.group == "events.k8s.io":
        found |= {
            k.replace("involvedObject", "regarding"): v
            for k, v in selectors.FIELDS["/events"].items()
            if k.startswith("involved")
        }
    return found


def served_text(resource: Resource, body: str) -> str:
    """A stored body in the served version."""
    if resource.api_version == resource.stored_version:
        return body
    return json.dumps(
        converting.to_served(resource, json.loads(body)), separators=(",", ":"), ensure_ascii=False
    )


def get(cluster: Cluster, resource: Resource, namespace: str, name: str, form: Form, query: Query) -> str:
    """One object's text. Raises 404."""
    record = cluster.storage.get(resource.key, namespace, name)
    if record is None:
        raise not_found(resource.group, resource.plural, name)
    text = served_text(resource, record.body)
    if not form.kind:
        return text
    value = json.loads(text)
    if form.kind == "Table":
        made = tables.table(
            cluster, resource, [value], query.get("includeObject", "Metadata"), form.group_version
        )
        made["metadata"] = {"resourceVersion": value["metadata"]["resourceVersion"]}
        return _dump(made)
    return _dump(tables.metadata_only(value, form.group_version))


def list_objects(cluster: Cluster, resource: Resource, namespace: str, query: Query, form: Form) -> str:
    """The list's text."""
    _check_version(query)
    match = matcher(resource, query)
    records, revision, start = _candidates(cluster, resource, namespace, query)
    limit = int(query.get("limit") or 0)
    chosen: list[str] = []
    more: Record | None = None
    last: Record | None = None
    for position, record in enumerate(records):
        if start is not None and (record.namespace, record.name) <= start:
            continue
        text = served_text(resource, record.body)
        if match is not None and not match(json.loads(text)):
            continue
        if limit and len(chosen) == limit:
            more = record
            del position
            break
        chosen.append(text)
        last = record
    metadata: Json = {"resourceVersion": str(revision)}
    if more is not None and last is not None:
        metadata["continue"] = _token(revision, last)
        if match is None:
            metadata["remainingItemCount"] = sum(
                1 for r in records if (r.namespace, r.name) > (last.namespace, last.name)
            )
    return _listed(cluster, resource, chosen, metadata, form, query)


def _candidates(
    cluster: Cluster, resource: Resource, namespace: str, query: Query
) -> tuple[list[Record], int, tuple[str, str] | None]:
    name = selectors.name_in(query.get("fieldSelector", ""))
    start: tuple[str, str] | None = None
    revision = cluster.storage.revision()
    if query.get("continue"):
        revision, start = _continued(cluster, query["continue"])
    if name is not None and namespace:
        record = cluster.storage.get(resource.key, namespace, name)
        return ([record] if record else []), revision, start
    return cluster.storage.records(resource.key, namespace or None), revision, start


def _check_version(query: Query) -> None:
    revision = query.get("resourceVersion", "")
    if revision and not revision.isdigit():
        raise ApiError(
            400,
            f'invalid resource version "{revision}": strconv.ParseUint: parsing "{revision}": invalid syntax',
        )
    if query.get("resourceVersionMatch") and not revision:
        why = "resourceVersionMatch is forbidden unless resourceVersion is provided"
        raise ApiError(
            422,
            f'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: {why}',
            reason="Invalid",
        )


def _continued(cluster: Cluster, token: str) -> tuple[int, tuple[str, str]]:
    try:
        plain = json.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        revision, namespace, name = int(plain["rv"]), str(plain["ns"]), str(plain["name"])
    except (ValueError, KeyError, TypeError):
        raise ApiError(400, "continue key is not valid: illegal base64 data or bad token") from None
    if revision < cluster.storage.compacted():
        raise ApiError(
            410,
            "The provided continue parameter is too old to display a consistent list result. You can start a new list without the continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the first chunk was returned and now may show up in the list.",
        )
    return revision, (namespace, name)


def _token(revision: int, last: Record) -> str:
    plain = json.dumps(
        {"v": "meta.k8s.io/v1", "rv": revision, "ns": last.namespace, "name": last.name},
        separators=(",", ":"),
    )
    return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


def _listed(
    cluster: Cluster, resource: Resource, texts: list[str], metadata: Json, form: Form, query: Query
) -> str:
    if form.kind == "Table":
        made = tables.table(
            cluster,
            resource,
            [json.loads(t) for t in texts],
            query.get("includeObject", "Metadata"),
            form.group_version,
        )
        made["metadata"] = metadata
        return _dump(made)
    if form.kind:
        items = [tables.metadata_only(json.loads(t), form.group_version) for t in texts]
        return _dump(
            {
                "kind": "PartialObjectMetadataList",
                "apiVersion": form.group_version,
                "metadata": metadata,
                "items": items,
            }
        )
    kind = resource.list_kind or resource.kind + "List"
    head = _dump({"kind": kind, "apiVersion": resource.api_version, "metadata": metadata})
    return f'{head[:-1]},"items":[{",".join(bare(resource, t) for t in texts)}]}}'


def bare(resource: Resource, text: str) -> str:
    """An item of a typed list, which leaves kind and apiVersion to the list; custom resources keep theirs."""
    if resource.crd is not None:
        return text
    prefix = f'{{"kind":"{resource.kind}","apiVersion":"{resource.api_version}",'
    if text.startswith(prefix):
        return "{" + text[len(prefix) :]
    value = json.loads(text)
    return _dump({k: v for k, v in value.items() if k not in ("kind", "apiVersion")})


def _dump(value: Json) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
