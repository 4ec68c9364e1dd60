"""helmflow permissions: the least access that diff, sync and destroy of these files need."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from helmflow.core.events import Emit
from helmflow.core.ids import ReleaseId
from helmflow.flows import prepare, rendering
from helmflow.flows.options import RunOptions
from helmflow.flows.session import Session, driver_of, session_for
from helmflow.helm.release.storage import Driver
from helmflow.plan.objects import is_cluster_scoped

WRITE: Final = ("get", "list", "watch", "create", "patch", "delete")
_RECORDS: Final = {Driver.SECRET: "secrets", Driver.CONFIGMAP: "configmaps"}
_IRREGULAR: Final = {"Endpoints": "endpoints", "NetworkPolicy": "networkpolicies"}

Rules = dict[str, dict[tuple[str, str], set[str]]]
"""namespace ("" for the whole cluster) -> (API group, resource) -> verbs."""


def permissions(
    options: RunOptions, emit: Emit, *, user: str = "helmflow", given: Session | None = None
) -> list[dict[str, Any]]:
    """Roles, ClusterRoles and their bindings as objects. Charts are rendered offline; no cluster is asked."""
    rules: Rules = {"": {("", "namespaces"): {"get", "create"}, ("coordination.k8s.io", "leases"): {"list"}}}
    # The inventory is in the namespace of the kube context.
    _add(rules, "default", "coordination.k8s.io", "leases", ("create", "patch"))
    with session_for(options, emit, given) as session:
        desired = prepare.load(session, "permissions")
        chosen = prepare.choose(session, desired)
        preparation = prepare.prepare(session, chosen, "permissions")
        records = _RECORDS.get(driver_of(session.options.cluster, session.environ))
        for release in chosen.releases:
            owner = ReleaseId(release.context, release.namespace or "default", release.name)
            if records:
                _add(rules, owner.namespace, "", records, ("get", "list", "create", "update", "delete"))
            _add(
                rules,
                owner.namespace,
                "coordination.k8s.io",
                "leases",
                ("get", "create", "update", "patch", "delete"),
            )
            prepared = preparation.prepared.get(release.id)
            if prepared is None:
                continue
            capabilities = rendering.offline_capabilities(
                session, prepared, desired.file_of(release).kube_version
            )
            rendered = rendering.render(session, prepared, owner, capabilities)
            bodies = [*(m.body for m in rendered.manifests), *(h.manifest.body for h in rendered.hooks)]
            _add_objects(rules, owner, bodies)
            _add_objects(rules, owner, (crd.body for crd in rendered.crds))
            if rendered.hooks or release.options.wait:
                _add(rules, owner.namespace, "", "pods", ("get", "list", "watch"))
                _add(rules, owner.namespace, "", "pods/log", ("get",))
                _add(rules, owner.namespace, "", "events", ("list", "watch"))
                _add(rules, owner.namespace, "apps", "replicasets", ("list", "watch"))
    return [manifest for namespace in sorted(rules) for manifest in _role(namespace, rules[namespace], user)]


def _add_objects(rules: Rules, owner: ReleaseId, bodies: Iterable[dict[str, Any]]) -> None:
    for body in bodies:
        group = str(body.get("apiVersion") or "").rpartition("/")[0]
        kind = str(body.get("kind") or "")
        metadata = body.get("metadata") or {}
        namespace = "" if is_cluster_scoped(kind) else str(metadata.get("namespace") or owner.namespace)
        _add(rules, namespace, group, plural(kind), WRITE)
        if group == "rbac.authorization.k8s.io":
            # Who grants rights must have them, or may escalate and bind.
            verb = "bind" if kind.endswith("Binding") else "escalate"
            _add(rules, namespace, group, plural(kind.removesuffix("Binding")), (verb,))


def _add(rules: Rules, namespace: str, group: str, resource: str, verbs: Iterable[str]) -> None:
    rules.setdefault(namespace, {}).setdefault((group, resource), set()).update(verbs)


def plural(kind: str) -> str:
    """The resource name of a kind by English rules, which Kubernetes' own kinds follow."""
    word = kind.lower()
    if kind in _IRREGULAR:
        return _IRREGULAR[kind]
    if word.endswith("y") and word[-2:-1] not in "aeiou":
        return f"{word[:-1]}ies"
    return f"{word}es" if word.endswith(("s", "x", "ch")) else f"{word}s"


def _role(namespace: str, rules: dict[tuple[str, str], set[str]], user: str) -> Iterable[dict[str, Any]]:
    kind = "Role" if namespace else "ClusterRole"
    metadata: dict[str, Any] = {"name": "helmflow", **({"namespace": namespace} if namespace else {})}
    yield {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": kind,
        "metadata": metadata,
        "rules": [
            {"apiGroups": [group], "resources": [resource], "verbs": sorted(verbs)}
            for (group, resource), verbs in sorted(rules.items())
        ],
    }
    yield {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": f"{kind}Binding",
        "metadata": metadata,
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": kind, "name": "helmflow"},
        "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": user}],
    }
