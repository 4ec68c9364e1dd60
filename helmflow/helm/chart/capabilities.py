"""What the target cluster can do, as templates see it: Kubernetes version, API versions, Helm version."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

DEFAULT_KUBE_VERSION: Final = "v1.36.0"
HELM_VERSION: Final = "v4.2.3"

DEFAULT_API_VERSIONS: Final[tuple[str, ...]] = ()


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a chart may ask about. `kube_version` as the cluster reports it; `api_versions` hold group/version and
    group/version/Kind of a cluster, group/version alone without one."""

    kube_version: str = DEFAULT_KUBE_VERSION
    api_versions: tuple[str, ...] = DEFAULT_API_VERSIONS
    helm_version: str = HELM_VERSION
