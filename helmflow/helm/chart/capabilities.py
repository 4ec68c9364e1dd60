"""What the target cluster can do, as templates see it: Kubernetes version, API versions, Helm version."""

from __future__ import annotations

from helmflow.core.errors import ChartError
from helmflow.core.lazy import cached_property
from helmflow.core.records import dataclass

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

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


_DIGITS: Final = "0123456789"


@dataclass(frozen=True)
class Capabilities:
    """What a chart may ask about. `kube_version` as the cluster reports it ("v1.31.4-gke.1"); `api_versions` hold
    group/version and group/version/Kind of a cluster, group/version alone without one. `normalised` is the version
    that kubeVersion constraints see: without a vendor's suffix where the version was given, as reported on a cluster.
    """

    kube_version: str = DEFAULT_KUBE_VERSION
    api_versions: tuple[str, ...] = DEFAULT_API_VERSIONS
    normalised: str = DEFAULT_KUBE_VERSION

    @cached_property
    def memo(self) -> dict[str, Any]:
        """What other layers made of this object; lives as long as it does."""
        return {}

    @cached_property
    def api_version_set(self) -> frozenset[str]:
        """The API versions for membership tests."""
        return frozenset(self.api_versions)

    @property
    def major_minor(self) -> tuple[str, str]:
        """The first two numbers of the version."""
        numbers = _numbers(self.kube_version).split(".")
        return numbers[0], numbers[1]

    def with_kube_version(self, text: str) -> Capabilities:
        """As `--kube-version` gives it: "1.29", "v1.29.3" and "1.30.2-gke.1" are all right. Raises ChartError."""
        numbers = _numbers(text)
        return Capabilities(text if text.startswith("v") else f"v{text}", self.api_versions, f"v{numbers}")

    def with_api_versions(self, extra: tuple[str, ...]) -> Capabilities:
        """As `--api-versions` gives them: added at the end."""
        return Capabilities(self.kube_version, (*self.api_versions, *extra), self.normalised)


DEFAULT_CAPABILITIES: Final = Capabilities()


def _numbers(text: str) -> str:
    """The numbers with dots between them that the version begins with, at least two."""
    numbers: list[str] = []
    for part in text.lstrip(" \t\n\r\f\v").removeprefix("v").split("."):
        rest = part.lstrip(_DIGITS)
        if rest != part:
            numbers.append(part.removesuffix(rest))
        if rest or not part:
            break
    if len(numbers) < 2:
        raise ChartError(f'could not parse "{text}" as version', error_id="chart.kube-version")
    return ".".join(numbers)
