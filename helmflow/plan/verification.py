"""Objects that a plan creates, against what the server or a new kind's own schema says of them, before anything is written."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from helmflow.core.errors import ClusterError, Mistake
from helmflow.core.ids import ObjectRef
from helmflow.core.records import dataclass
from helmflow.kube import errors, structural
from helmflow.kube.client import KubeClient
from helmflow.plan import observe
from helmflow.plan.objects import Target

Json = Any
STAND_IN: Final = "default"  # a namespace that every cluster has
_NAME_LIMIT: Final = 40  # of the part of a name that is kept for a dry-run in another namespace


@dataclass(frozen=True, slots=True, kw_only=True)
class Newcomer:
    """An object that does not exist yet. `homeless`: its namespace does not either."""

    target: Target
    homeless: bool


def refusals(
    client: KubeClient, newcomers: Sequence[Newcomer], definitions: Sequence[Mapping[str, Json]]
) -> tuple[Mistake | None, ...]:
    """What is wrong with each newcomer, None where nothing is or where it cannot be found out before it is applied.

    `definitions` are the CustomResourceDefinitions of the plan: their kinds are checked by their schemas, because the
    server does not know them yet. An object without a namespace is tried in another one under another name.
    """
    served = client.discovery()
    found: dict[int, Mistake | None] = {}
    asked: list[tuple[int, dict[str, Json]]] = []
    schemas = dict(_schemas(definitions))
    for number, newcomer in enumerate(newcomers):
        ref = newcomer.target.ref
        if (ref.api_version, ref.kind) in schemas:
            found[number] = _by_schema(newcomer.target, schemas[ref.api_version, ref.kind])
        elif served.find(ref.api_version, ref.kind) is not None and not _waits_for_its_account(newcomer):
            asked.append((number, _placed(newcomer)))
    answers = observe.dry_runs(client, [body for _, body in asked])
    for (number, body), answer in zip(asked, answers, strict=True):
        if isinstance(answer, ClusterError):
            found[number] = _by_server(answer, newcomers[number].target.ref, body)
    return tuple(found.get(number) for number in range(len(newcomers)))


def _by_server(answer: ClusterError, ref: ObjectRef, body: Mapping[str, Json]) -> Mistake | None:
    """Only what is wrong with the object itself: a right, a quota or a webhook may be there when it is applied."""
    if not isinstance(answer, errors.Invalid):
        return None
    text = answer.message
    name, namespace = body["metadata"]["name"], body["metadata"].get("namespace")
    if name != ref.name:
        text = text.replace(name, ref.name)
        text = text.replace(f"{ref.kind} {namespace}/", f"{ref.kind} {ref.namespace}/")
    return Mistake(text, answer.error_id, hint=answer.hint)


def _by_schema(target: Target, schema: Mapping[str, Json]) -> Mistake | None:
    causes = structural.check(dict(target.body), dict(schema))
    texts = [f"{cause.field}: {cause.detail}" for cause in causes]
    texts += [f'unknown field "{path}"' for path in structural.unknown(dict(target.body), dict(schema))]
    if not texts:
        return None
    return Mistake(
        f"{target.ref}: {'; '.join(texts)}",
        "cluster.schema",
        hint="correct the template, or the definition of its kind, which the same release brings",
    )


def _schemas(
    definitions: Sequence[Mapping[str, Json]],
) -> Iterator[tuple[tuple[str, str], Mapping[str, Json]]]:
    for definition in definitions:
        spec = definition.get("spec") or {}
        kind = str((spec.get("names") or {}).get("kind"))
        for version in spec.get("versions") or ():
            schema = (version.get("schema") or {}).get("openAPIV3Schema")
            if isinstance(schema, Mapping):
                yield (f"{spec.get('group')}/{version.get('name')}", kind), schema


def _placed(newcomer: Newcomer) -> dict[str, Json]:
    body: dict[str, Json] = dict(newcomer.target.body)
    if not newcomer.homeless:
        return body
    name = f"{newcomer.target.ref.name[:_NAME_LIMIT].rstrip('.-')}-{secrets.token_hex(4)}"
    body["metadata"] = {**body["metadata"], "name": name, "namespace": STAND_IN}
    return body


def _waits_for_its_account(newcomer: Newcomer) -> bool:
    """A pod is refused for as long as its service account does not exist."""
    spec = newcomer.target.body.get("spec")
    named = isinstance(spec, Mapping) and spec.get("serviceAccountName")
    return newcomer.target.ref.kind == "Pod" and bool(named)
