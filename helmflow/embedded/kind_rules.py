"""Validation of everything that is no workload: Services, data, claims, Ingresses, RBAC, autoscalers, definitions."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

from helmflow.embedded import naming
from helmflow.embedded.status import Cause, duplicate, forbidden, invalid, required, unsupported

Json = dict[str, Any]
Causes = list[Cause]

_KEY_RE: Final = re.compile(r"[-._a-zA-Z0-9]+")
_SERVICE_TEXT: Final = (
    "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an "
    "alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
)


def _service(value: Json) -> Causes:
    spec = value["spec"]
    causes: Causes = []
    kind = spec.get("type")
    headless = spec.get("clusterIP") == "None"
    ports = spec.get("ports") or []
    if kind not in ("ClusterIP", "NodePort", "LoadBalancer", "ExternalName"):
        causes.append(
            unsupported("spec.type", kind, ["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"])
        )
    if not ports and not headless and kind != "ExternalName":
        causes.append(required("spec.ports"))
    if kind == "ExternalName" and not spec.get("externalName"):
        causes.append(required("spec.externalName"))
    if kind in ("NodePort", "LoadBalancer") and headless:
        causes.append(invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services"))
    if spec.get("sessionAffinity") not in ("None", "ClientIP"):
        causes.append(unsupported("spec.sessionAffinity", spec.get("sessionAffinity"), ["ClientIP", "None"]))
    names: set[str] = set()
    used: set[tuple[int, str]] = set()
    for index, port in enumerate(ports):
        where = f"spec.ports[{index}]"
        name = port.get("name", "")
        if len(ports) > 1 and not name:
            causes.append(required(f"{where}.name"))
        elif name and (not naming.LABEL_RE.fullmatch(name) or len(name) > 63):
            causes.append(invalid(f"{where}.name", name, naming.LABEL_TEXT))
        elif name and name in names:
            causes.append(duplicate(f"{where}.name", name))
        names.add(name)
        number = port.get("port") or 0
        if not 0 < number < 65536:
            causes.append(invalid(f"{where}.port", number, "must be between 1 and 65535, inclusive"))
        elif (number, port.get("protocol", "")) in used:
            causes.append(duplicate(where, {"port": number, "protocol": port.get("protocol")}))
        used.add((number, port.get("protocol", "")))
        if port.get("protocol") not in ("TCP", "UDP", "SCTP"):
            causes.append(unsupported(f"{where}.protocol", port.get("protocol"), ["SCTP", "TCP", "UDP"]))
        target = port.get("targetPort")
        if isinstance(target, int) and not 0 < target < 65536:
            causes.append(invalid(f"{where}.targetPort", target, "must be between 1 and 65535, inclusive"))
        node = port.get("nodePort") or 0
        if node and kind == "ClusterIP":
            causes.append(forbidden(f"{where}.nodePort", "may not be used when `type` is 'ClusterIP'"))
        elif node and not 30000 <= node <= 32767:
            causes.append(
                invalid(
                    f"{where}.nodePort",
                    node,
                    "provided port is not in the valid range. The range of valid ports is 30000-32767",
                )
            )
    return causes + naming.check_labels(spec.get("selector"), "spec.selector")


def _data(value: Json) -> Causes:
    causes: Causes = []
    size = 0
    for field in ("data", "binaryData"):
        for key, item in (value.get(field) or {}).items():
            if not _KEY_RE.fullmatch(key):
                causes.append(
                    invalid(
                        f"{field}[{key}]",
                        key,
                        "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')",
                    )
                )
            size += (
                len(item) * 3 // 4
                if value["kind"] == "Secret" or field == "binaryData"
                else len(item.encode())
            )
    if size > 1024 * 1024:
        causes.append(
            Cause(
                "data" if value["kind"] == "Secret" else "",
                "FieldValueTooLong",
                "Too long: may not be more than 1048576 bytes",
            )
        )
    return causes


def _secret(value: Json) -> Causes:
    causes = _data(value)
    data = value.get("data") or {}
    needed = {
        "kubernetes.io/dockerconfigjson": [".dockerconfigjson"],
        "kubernetes.io/dockercfg": [".dockercfg"],
        "kubernetes.io/tls": ["tls.crt", "tls.key"],
        "kubernetes.io/ssh-auth": ["ssh-privatekey"],
    }.get(value.get("type", ""), [])
    causes += [required(f"data[{key}]") for key in needed if key not in data]
    return causes


def _claim(value: Json) -> Causes:
    spec = value["spec"]
    causes: Causes = []
    modes = spec.get("accessModes") or []
    if not modes:
        causes.append(required("spec.accessModes", "at least 1 access mode is required"))
    allowed = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"]
    causes += [unsupported("spec.accessModes", mode, allowed) for mode in modes if mode not in allowed]
    if "storage" not in ((spec.get("resources") or {}).get("requests") or {}):
        causes.append(required("spec.resources[storage]"))
    name = spec.get("storageClassName") or ""
    if name and not naming.SUBDOMAIN_RE.fullmatch(name):
        causes.append(invalid("spec.storageClassName", name, naming.SUBDOMAIN_TEXT))
    return causes


def _ingress(value: Json) -> Causes:
    spec = value["spec"]
    causes: Causes = []
    if not spec.get("rules") and not spec.get("defaultBackend"):
        causes.append(invalid("spec", None, "either `defaultBackend` or `rules` must be specified"))
    for index, rule in enumerate(spec.get("rules") or ()):
        host = rule.get("host") or ""
        if host and not naming.SUBDOMAIN_RE.fullmatch(host.removeprefix("*.")):
            causes.append(invalid(f"spec.rules[{index}].host", host, naming.SUBDOMAIN_TEXT))
        http = rule.get("http")
        if http is None:
            continue
        if not http.get("paths"):
            causes.append(required(f"spec.rules[{index}].http.paths"))
        for at, path in enumerate(http.get("paths") or ()):
            where = f"spec.rules[{index}].http.paths[{at}]"
            kind = path.get("pathType")
            if kind is None:
                causes.append(required(f"{where}.pathType", "pathType must be specified"))
            elif kind not in ("Exact", "Prefix", "ImplementationSpecific"):
                causes.append(
                    unsupported(f"{where}.pathType", kind, ["Exact", "ImplementationSpecific", "Prefix"])
                )
            elif kind != "ImplementationSpecific" and not path.get("path", "").startswith("/"):
                causes.append(invalid(f"{where}.path", path.get("path", ""), "must be an absolute path"))
            causes += _backend(path.get("backend") or {}, f"{where}.backend")
    return causes


def _backend(backend: Json, path: str) -> Causes:
    service = backend.get("service")
    if service is None:
        return (
            []
            if backend.get("resource")
            else [required(path, "either service or resource must be specified")]
        )
    port = service.get("port") or {}
    if not service.get("name"):
        return [required(f"{path}.service.name")]
    if len(service["name"]) > 63 or not naming.LABEL_RE.fullmatch(service["name"]):
        why = "must be no more than 63 characters" if len(service["name"]) > 63 else _SERVICE_TEXT
        return [invalid(f"{path}.service.name", service["name"], why)]
    if not port.get("name") and not port.get("number"):
        return [required(path, "port name or number is required")]
    return []


def _role(value: Json) -> Causes:
    causes: Causes = []
    for index, rule in enumerate(value.get("rules") or ()):
        path = f"rules[{index}]"
        if not rule.get("verbs"):
            causes.append(required(f"{path}.verbs", "verbs must contain at least one value"))
        urls = rule.get("nonResourceURLs")
        if urls:
            if value["kind"] == "Role":
                why = "namespaced rules cannot apply to non-resource URLs"
                causes.append(invalid(f"{path}.nonResourceURLs", urls, why))
            if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
                why = "rules cannot apply to both regular resources and non-resource URLs"
                causes.append(invalid(f"{path}.nonResourceURLs", urls, why))
            continue
        if not rule.get("apiGroups"):
            causes.append(required(f"{path}.apiGroups", "resource rules must supply at least one api group"))
        if not rule.get("resources"):
            causes.append(required(f"{path}.resources", "resource rules must supply at least one resource"))
    return causes


def _role_binding(value: Json) -> Causes:
    ref = value.get("roleRef") or {}
    causes: Causes = []
    allowed = ["ClusterRole"] if value["kind"] == "ClusterRoleBinding" else ["ClusterRole", "Role"]
    if ref.get("kind") not in allowed:
        causes.append(unsupported("roleRef.kind", ref.get("kind", ""), allowed))
    if not ref.get("name"):
        causes.append(required("roleRef.name"))
    for index, subject in enumerate(value.get("subjects") or ()):
        if not subject.get("name"):
            causes.append(required(f"subjects[{index}].name"))
        if (
            subject.get("kind") == "ServiceAccount"
            and not subject.get("namespace")
            and value["kind"] == "ClusterRoleBinding"
        ):
            causes.append(required(f"subjects[{index}].namespace"))
        if subject.get("kind") not in ("ServiceAccount", "User", "Group"):
            causes.append(
                unsupported(
                    f"subjects[{index}].kind", subject.get("kind", ""), ["Group", "ServiceAccount", "User"]
                )
            )
    return causes


def _autoscaler(value: Json) -> Causes:
    spec = value["spec"]
    low, high = spec.get("minReplicas") or 0, spec.get("maxReplicas") or 0
    causes: Causes = []
    if low < 1:
        causes.append(invalid("spec.minReplicas", low, "must be greater than or equal to 1"))
    if high < 1:
        causes.append(required("spec.maxReplicas", "must be set and greater than 0"))
    if high < low:
        causes.append(invalid("spec.maxReplicas", high, "must be greater than or equal to `minReplicas`"))
    target = spec.get("scaleTargetRef") or {}
    causes += [required(f"spec.scaleTargetRef.{key}") for key in ("kind", "name") if not target.get(key)]
    return causes


def _network_policy(value: Json) -> Causes:
    allowed = ["Egress", "Ingress"]
    return [
        Cause(
            f"spec.policyTypes[{n}]",
            "FieldValueNotSupported",
            f'Unsupported value: "{kind}": supported values: "Ingress", "Egress"',
        )
        for n, kind in enumerate(value["spec"].get("policyTypes") or ())
        if kind not in allowed
    ]


def _budget(value: Json) -> Causes:
    spec = value["spec"]
    if spec.get("minAvailable") is not None and spec.get("maxUnavailable") is not None:
        return [invalid("spec", _shown(spec), "minAvailable and maxUnavailable cannot be both set")]
    return []


def _shown(spec: Json) -> Json:
    return {
        "MinAvailable": spec.get("minAvailable"),
        "Selector": spec.get("selector"),
        "MaxUnavailable": spec.get("maxUnavailable"),
    }


def _crd(value: Json) -> Causes:
    spec = value["spec"]
    names = spec["names"]
    name = value["metadata"].get("name", "")
    causes: Causes = []
    if name != f"{names.get('plural', '')}.{spec.get('group', '')}":
        causes.append(invalid("metadata.name", name, 'must be spec.names.plural+"."+spec.group'))
    versions = spec.get("versions") or []
    if not versions:
        causes.append(
            Cause(
                "spec.versions",
                "FieldValueInvalid",
                "Invalid value: null: must have exactly one version marked as storage version",
            )
        )
    elif sum(1 for v in versions if v.get("storage")) != 1:
        causes.append(
            invalid("spec.versions", versions, "must have exactly one version marked as storage version")
        )
    for index, version in enumerate(versions):
        if not (version.get("schema") or {}).get("openAPIV3Schema"):
            causes.append(required(f"spec.versions[{index}].schema.openAPIV3Schema", "schemas are required"))
    if spec.get("scope") not in ("Cluster", "Namespaced"):
        causes.append(
            required("spec.scope")
            if not spec.get("scope")
            else unsupported("spec.scope", spec["scope"], ["Cluster", "Namespaced"])
        )
    causes += [required(f"spec.names.{key}") for key in ("plural", "kind") if not names.get(key)]
    return causes


RULES: Final[dict[tuple[str, str], Callable[[Json], Causes]]] = {
    ("", "Service"): _service,
    ("", "ConfigMap"): _data,
    ("", "Secret"): _secret,
    ("", "PersistentVolumeClaim"): _claim,
    ("networking.k8s.io", "Ingress"): _ingress,
    ("networking.k8s.io", "NetworkPolicy"): _network_policy,
    ("rbac.authorization.k8s.io", "Role"): _role,
    ("rbac.authorization.k8s.io", "ClusterRole"): _role,
    ("rbac.authorization.k8s.io", "RoleBinding"): _role_binding,
    ("rbac.authorization.k8s.io", "ClusterRoleBinding"): _role_binding,
    ("autoscaling", "HorizontalPodAutoscaler"): _autoscaler,
    ("policy", "PodDisruptionBudget"): _budget,
    ("apiextensions.k8s.io", "CustomResourceDefinition"): _crd,
}
