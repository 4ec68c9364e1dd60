"""ResourceQuota admission: refuses what would go over a quota's hard limits, with the server's message."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from helmflow.embedded import quantities
from helmflow.embedded.cluster import Cluster
from helmflow.embedded.kinds import Resource
from helmflow.embedded.status import denied

Json = dict[str, Any]

_PLAIN: Final = (
    "pods",
    "services",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "replicationcontrollers",
    "resourcequotas",
)


def admit(cluster: Cluster, resource: Resource, value: Json) -> None:
    """Raise 403 if storing `value` would exceed a quota of its namespace."""
    namespace = value["metadata"].get("namespace", "")
    if not namespace:
        return
    for record in cluster.storage.records("/resourcequotas", namespace):
        quota = record.parse()
        hard = (quota.get("spec") or {}).get("hard") or {}
        wanted = {k: v for k, v in usage_of(resource.key, value).items() if k in hard}
        if not wanted:
            continue
        missing = sorted(
            k
            for k in hard
            if k.startswith(("requests.", "limits.", "cpu", "memory"))
            and resource.key == "/pods"
            and k not in wanted
        )
        if missing:
            names = ",".join(
                f"{k} for: {','.join(c['name'] for c in value['spec'].get('containers') or ())}"
                for k in missing
            )
            raise denied(
                resource.group,
                resource.plural,
                value["metadata"]["name"],
                f"failed quota: {record.name}: must specify {names}",
            )
        used = used_in(cluster, namespace, set(hard))
        over = sorted(k for k, amount in wanted.items() if used[k] + amount > quantities.value(str(hard[k])))
        if over:
            why = (
                f"exceeded quota: {record.name}, requested: {_listed(over, wanted)}, used: {_listed(over, used)}, "
                f"limited: {','.join(f'{k}={hard[k]}' for k in over)}"
            )
            raise denied(resource.group, resource.plural, value["metadata"]["name"], why)


def usage_of(key: str, value: Json) -> dict[str, Decimal]:
    """What one object counts for."""
    group, _, plural = key.rpartition("/")
    found = {f"count/{plural}.{group}" if group else f"count/{plural}": Decimal(1)}
    if plural in _PLAIN and not group:
        found[plural] = Decimal(1)
    if key == "/services":
        kind = value["spec"].get("type")
        found["services.loadbalancers"] = Decimal(kind == "LoadBalancer")
        found["services.nodeports"] = Decimal(
            len(value["spec"].get("ports") or ()) if kind in ("NodePort", "LoadBalancer") else 0
        )
    if key == "/persistentvolumeclaims":
        requests = (value["spec"].get("resources") or {}).get("requests") or {}
        found["requests.storage"] = quantities.value(str(requests.get("storage", "0")))
    if key == "/pods":
        for container in value["spec"].get("containers") or ():
            resources = container.get("resources") or {}
            for section in ("requests", "limits"):
                for name, amount in (resources.get(section) or {}).items():
                    for shown in (
                        (f"{section}.{name}", name) if section == "requests" else (f"{section}.{name}",)
                    ):
                        found[shown] = found.get(shown, Decimal(0)) + quantities.value(str(amount))
    return found


def used_in(cluster: Cluster, namespace: str, names: set[str]) -> dict[str, Decimal]:
    """How much of each named resource a namespace uses."""
    used = dict.fromkeys(names, Decimal(0))
    for key in cluster.storage.resources_in(namespace):
        for value in cluster.objects(key, namespace):
            if key == "/pods" and (value.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
                continue
            for name, amount in usage_of(key, value).items():
                if name in used:
                    used[name] += amount
    return used


def _listed(names: list[str], amounts: dict[str, Decimal]) -> str:
    return ",".join(f"{name}={shown(amounts[name])}" for name in names)


def shown(amount: Decimal) -> str:
    """An amount in canonical form."""
    return quantities.canonical(format(amount, "f"))
