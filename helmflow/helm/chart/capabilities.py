"""What the target cluster can do, as templates see it: Kubernetes version, API versions, Helm version."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Final

from helmflow.core.errors import ChartError

HELM_VERSION: Final = "v4.2"
GO_VERSION: Final = "go1.26.6"
KUBE_CLIENT_VERSION: Final = "v1.36"
DEFAULT_KUBE_VERSION: Final = "v1.36.0"

# The group versions that Helm 4.2 assumes without a cluster, in its order. No kinds: `Has "apps/v1/Deployment"` is false.
DEFAULT_API_VERSIONS: Final[tuple[str, ...]] = (
    "v1",
    *(f"admissionregistration.k8s.io/{v}" for v in ("v1", "v1alpha1", "v1beta1")),
    "internal.apiserver.k8s.io/v1alpha1",
    *(f"apps/{v}" for v in ("v1", "v1beta1", "v1beta2")),
    *(f"authentication.k8s.io/{v}" for v in ("v1", "v1alpha1", "v1beta1")),
    *(f"authorization.k8s.io/{v}" for v in ("v1", "v1beta1")),
    *(f"autoscaling/{v}" for v in ("v1", "v2")),
    *(f"batch/{v}" for v in ("v1", "v1beta1")),
    *(f"certificates.k8s.io/{v}" for v in ("v1", "v1beta1", "v1alpha1")),
    *(f"coordination.k8s.io/{v}" for v in ("v1alpha2", "v1beta1", "v1")),
    *(f"discovery.k8s.io/{v}" for v in ("v1", "v1beta1")),
    *(f"events.k8s.io/{v}" for v in ("v1", "v1beta1")),
    "extensions/v1beta1",
    *(f"flowcontrol.apiserver.k8s.io/{v}" for v in ("v1", "v1beta1", "v1beta2", "v1beta3")),
    *(f"networking.k8s.io/{v}" for v in ("v1", "v1beta1")),
    *(f"node.k8s.io/{v}" for v in ("v1", "v1alpha1", "v1beta1")),
    *(f"policy/{v}" for v in ("v1", "v1beta1")),
    *(f"rbac.authorization.k8s.io/{v}" for v in ("v1", "v1beta1", "v1alpha1")),
    *(f"resource.k8s.io/{v}" for v in ("v1", "v1beta2", "v1beta1", "v1alpha3")),
    *(f"scheduling.k8s.io/{v}" for v in ("v1alpha2", "v1beta1", "v1")),
    *(f"storage.k8s.io/{v}" for v in ("v1beta1", "v1", "v1alpha1")),
    "storagemigration.k8s.io/v1beta1",
    *(f"apiextensions.k8s.io/{v}" for v in ("v1beta1", "v1")),
)


@dataclass(frozen=True)
class Capabilities:
    """What a chart may ask about. `kube_version` as the cluster reports it ("v1.31.4-gke.1"); `api_versions` hold
    group/version and group/version/Kind of a cluster, group/version alone without one."""

    kube_version: str = DEFAULT_KUBE_VERSION
    api_versions: tuple[str, ...] = DEFAULT_API_VERSIONS

    @cached_property
    def api_version_set(self) -> frozenset[str]:
        """The API versions for membership tests."""
        return frozenset(self.api_versions)

    @cached_property
    def normalised_kube_version(self) -> str:
        """The version without what vendors append after a plus or a dash."""
        major, minor, patch = _parts(self.kube_version)
        return f"v{major}.{minor}.{patch}"

    def with_kube_version(self, text: str) -> Capabilities:
        """As `--kube-version` gives it: "1.29" and "v1.29.3" are both right. Raises ChartError."""
        major, minor, patch = _parts(text)
        suffix = _VERSION.fullmatch(text)
        assert suffix is not None
        return Capabilities(f"v{major}.{minor}.{patch}{suffix['rest'] or ''}", self.api_versions)

    def with_api_versions(self, extra: tuple[str, ...]) -> Capabilities:
        """As `--api-versions` gives them: added at the end."""
        return Capabilities(self.kube_version, (*self.api_versions, *extra))


_VERSION: Final = re.compile(r"v?(?P<major>\d+)(?:\.(?P<minor>\d+))?(?:\.(?P<patch>\d+))?(?P<rest>[-+].*)?")


def _parts(text: str) -> tuple[int, int, int]:
    found = _VERSION.fullmatch(text)
    if found is None:
        raise ChartError(f"invalid kube version {text!r}: Invalid Semantic Version", error_id="chart.kube-version")
    return int(found["major"]), int(found["minor"] or 0), int(found["patch"] or 0)
