"""The order of kinds in which Helm installs and uninstalls."""

from __future__ import annotations

from helmflow.helm.chart.behaviour import HELM_4, Behaviour

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Final, TypeVar

    T = TypeVar("T")

_WEBHOOKS: Final = ("MutatingWebhookConfiguration", "ValidatingWebhookConfiguration")
INSTALL_ORDER: Final = (
    "PriorityClass", "Namespace", "NetworkPolicy", "ResourceQuota", "LimitRange", "PodSecurityPolicy",
    "PodDisruptionBudget", "ServiceAccount", "Secret", "SecretList", "ConfigMap", "StorageClass", "PersistentVolume",
    "PersistentVolumeClaim", "CustomResourceDefinition", "ClusterRole", "ClusterRoleList", "ClusterRoleBinding",
    "ClusterRoleBindingList", "Role", "RoleList", "RoleBinding", "RoleBindingList", "Service", "DaemonSet", "Pod",
    "ReplicationController", "ReplicaSet", "Deployment", "HorizontalPodAutoscaler", "StatefulSet", "Job", "CronJob",
    "IngressClass", "Ingress", "APIService", *_WEBHOOKS,
)  # fmt: skip
# The reverse, but for Service, which goes before the workloads behind it.
UNINSTALL_ORDER: Final = (
    *_WEBHOOKS[::-1], "APIService", "Ingress", "IngressClass", "Service",
    *(kind for kind in reversed(INSTALL_ORDER)
      if kind not in (*_WEBHOOKS, "APIService", "Ingress", "IngressClass", "Service")),
)  # fmt: skip

_INSTALL_RANK: Final = {kind: rank for rank, kind in enumerate(INSTALL_ORDER)}
_INSTALL_RANK_3: Final = {kind: rank for kind, rank in _INSTALL_RANK.items() if kind not in _WEBHOOKS}
_UNINSTALL_RANK: Final = {kind: rank for rank, kind in enumerate(UNINSTALL_ORDER)}


def in_install_order(items: list[T], kind: Callable[[T], str], behaviour: Behaviour = HELM_4) -> list[T]:
    """Stable: known kinds first in Helm's order, unknown kinds after them by name."""
    return _sorted(items, kind, _INSTALL_RANK if behaviour.webhooks_in_order else _INSTALL_RANK_3)


def in_uninstall_order(items: list[T], kind: Callable[[T], str]) -> list[T]:
    """Stable: known kinds first in Helm's order for removal, unknown kinds after them by name."""
    return _sorted(items, kind, _UNINSTALL_RANK)


def _sorted(items: list[T], kind: Callable[[T], str], rank: dict[str, int]) -> list[T]:
    unknown = len(rank)

    def key(item: T) -> tuple[int, str]:
        name = kind(item)
        place = rank.get(name, unknown)
        return place, name if place == unknown else ""

    return sorted(items, key=key)
