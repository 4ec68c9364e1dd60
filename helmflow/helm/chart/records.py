"""Chart.yaml and lock files as data in Helm's own form: what records, packages, registries and signatures hold."""

from __future__ import annotations

from typing import Any, Final

from helmflow.helm.chart.model import Dependency, Lock, Maintainer, Metadata

ZERO_TIME: Final = "0001-01-01T00:00:00Z"  # Go's time.Time{}


def metadata(found: Metadata) -> dict[str, Any]:
    """Chart.yaml in the order of Go's fields, without what is empty."""
    fields = {
        "name": found.name,
        "home": found.home,
        "sources": list(found.sources),
        "version": found.version,
        "description": found.description,
        "keywords": list(found.keywords),
        "maintainers": [_maintainer(one) for one in found.maintainers],
        "icon": found.icon,
        "apiVersion": found.api_version,
        "condition": found.condition,
        "tags": found.tags,
        "appVersion": found.app_version,
        "deprecated": found.deprecated,
        "annotations": dict(sorted(found.annotations.items())),
        "kubeVersion": found.kube_version,
        "dependencies": [dependency(one) for one in found.dependencies],
        "type": found.type,
    }
    return {key: value for key, value in fields.items() if value}


def dependency(found: Dependency | None) -> dict[str, Any] | None:
    """A declared or locked dependency; name and repository are always there."""
    if found is None:
        return None
    fields = {
        "name": found.name,
        "version": found.version,
        "repository": found.repository,
        "condition": found.condition,
        "tags": list(found.tags),
        "enabled": found.enabled,
        "import-values": list(found.import_values),
        "alias": found.alias,
    }
    return {key: value for key, value in fields.items() if value or key in ("name", "repository")}


def lock(found: Lock) -> dict[str, Any]:
    """Chart.lock; a time that was never set is Go's zero."""
    return {
        "generated": found.generated or ZERO_TIME,
        "digest": found.digest,
        "dependencies": [dependency(one) for one in found.dependencies],
    }


def _maintainer(found: Maintainer | None) -> dict[str, str] | None:
    if found is None:
        return None
    fields = {"name": found.name, "email": found.email, "url": found.url}
    return {key: value for key, value in fields.items() if value}
