"""A stream of YAML or JSON documents as Kubernetes' decoder reads it for lint: what each is, or the first mistake."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from helmflow.core import yaml_dialect
from helmflow.core.errors import ChartError
from helmflow.core.go_json import JsonError
from helmflow.core.go_json_scan import scan_prefix
from helmflow.core.records import dataclass
from helmflow.helm.chart.load import values_documents
from helmflow.helm.chart.metadata import go_number, json_type


@dataclass(frozen=True, slots=True)
class Document:
    """What lint looks at; `body` is the whole document."""

    api_version: str
    kind: str
    name: str
    body: dict[str, Any]


def read(text: str) -> Iterator[Document | str]:
    """Each document that is not empty, or the text of the first mistake, which ends the stream.

    A stream that starts with a brace is JSON, unless only its first value is YAML and no JSON.
    """
    if text.lstrip().startswith("{"):
        try:
            scan_prefix(text)
        except JsonError as error:
            found = list(_yaml(text))
            if any(isinstance(one, str) for one in found):
                yield f"json: offset {error.offset}: {error}"
            else:
                yield from found
            return
        yield from _json(text)
        return
    yield from _yaml(text)


def _yaml(text: str) -> Iterator[Document | str]:
    try:
        for part in values_documents(text.encode("utf-8", "surrogateescape")):
            body = yaml_dialect.load(part)
            if body is not None:
                yield _document(body)
    except ChartError as error:
        yield error.message.removeprefix("error reading yaml document: ")
    except yaml_dialect.YamlError as error:
        yield str(error)
    except _Mismatch as error:
        yield f"error unmarshaling JSON: while decoding JSON: json: cannot unmarshal {error}"


def _json(text: str) -> Iterator[Document | str]:
    at = 0
    while text[at:].strip():
        try:
            body, end = scan_prefix(text[at:])
            if body is not None:
                yield _document(body)
        except JsonError as error:
            yield f"json: offset {at + error.offset}: {error}"
            return
        except _Mismatch as error:
            yield f"json: cannot unmarshal {error}"
            return
        at += end


class _Mismatch(Exception):
    """A value of the wrong type, in Go's words."""


def _document(body: Any) -> Document:
    if not isinstance(body, dict):
        raise _Mismatch(f"{json_type(body)} into Go value of type rules.k8sYamlStruct")
    folded = {key.lower(): value for key, value in sorted(body.items())}
    meta = folded.get("metadata")
    if meta is not None and not isinstance(meta, dict):
        where = "Go struct field k8sYamlStruct.Metadata of type rules.k8sYamlMetadata"
        raise _Mismatch(f"{json_type(meta)} into {where}")
    inner = {key.lower(): value for key, value in sorted((meta or {}).items())}
    _text(inner.get("namespace"), "k8sYamlMetadata.Metadata.Namespace")
    return Document(
        _text(folded.get("apiversion"), "k8sYamlStruct.apiVersion"),
        _text(folded.get("kind"), "k8sYamlStruct.Kind"),
        _text(inner.get("name"), "k8sYamlMetadata.Metadata.Name"),
        body,
    )


def _text(value: Any, where: str) -> str:
    match value:
        case None:
            return ""
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case float():
            return go_number(int(value) if value.is_integer() else value)
    raise _Mismatch(f"{json_type(value)} into Go struct field {where} of type string")
