"""The port to whatever changes manifests between rendering and applying, and how Helm 4 and Helm 3 feed it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Protocol

from helmflow.core import yaml_dialect
from helmflow.core.errors import ChartError
from helmflow.core.records import replace
from helmflow.helm.render import manifests

FILE_NAME: Final = "postrenderer.helm.sh/postrender-filename"


class PostRenderer(Protocol):
    """Takes a YAML stream and gives one back."""

    def run(self, manifests: str) -> str:
        """The changed stream; raises HelmflowError where it fails."""


def files(rendered: Mapping[str, str], renderer: PostRenderer) -> dict[str, str]:
    """Helm 4: every document, hooks too, goes through, led back to its file by an annotation.

    Documents that come back without it are filed as generated-by-postrender-N.yaml.
    """
    documents = [
        yaml_dialect.dump(_annotated(body, path))
        for path in sorted(rendered)
        for body in _bodies(rendered[path], path)
    ]
    if not documents:
        return {}
    returned = renderer.run("---\n".join(documents))
    found: dict[str, list[str]] = {}
    generated = 0
    for body in _bodies(returned, "the post-renderer's output"):
        path = _take_name(body)
        if not path:
            path = f"generated-by-postrender-{generated}.yaml"
            generated += 1
        found.setdefault(path, []).append(yaml_dialect.dump(body))
    return {path: "---\n".join(texts) for path, texts in found.items()}


def without_hooks(found: manifests.Sorted, renderer: PostRenderer) -> manifests.Sorted:
    """Helm 3: only the sorted manifests go through, as one text, and what comes back is taken as it is."""
    return replace(found, manifests=manifests.parse(renderer.run(manifests.stream(found.manifests))))


def _bodies(text: str, path: str) -> list[dict[str, Any]]:
    try:
        return [body for body in yaml_dialect.load_all(text) if isinstance(body, dict)]
    except yaml_dialect.YamlError as error:
        raise ChartError(f"error while parsing {path}: {error}", error_id="chart.post-render") from None


def _annotated(body: dict[str, Any], path: str) -> dict[str, Any]:
    metadata = body.get("metadata") or {}
    annotations = {**(metadata.get("annotations") or {}), FILE_NAME: path}
    return {**body, "metadata": {**metadata, "annotations": annotations}}


def _take_name(body: dict[str, Any]) -> str:
    metadata = body.get("metadata")
    annotations = metadata.get("annotations") if isinstance(metadata, dict) else None
    if not isinstance(annotations, dict) or FILE_NAME not in annotations:
        return ""
    name = str(annotations.pop(FILE_NAME))
    if not annotations and isinstance(metadata, dict):
        del metadata["annotations"]
        if not metadata:
            del body["metadata"]
    return name
