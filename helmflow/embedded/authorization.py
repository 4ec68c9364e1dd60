"""Reviews: this cluster has one user, who may do everything."""

from __future__ import annotations

from typing import Any

from helmflow.embedded.kinds import Resource

Json = dict[str, Any]


def review(resource: Resource, sent: Json) -> Json:
    """The answer to an access, rules, subject or token review."""
    made = {
        "kind": resource.kind,
        "apiVersion": resource.api_version,
        "metadata": sent.get("metadata") or {},
        "spec": sent.get("spec") or {},
    }
    if resource.kind == "SelfSubjectRulesReview":
        rules = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
        made["status"] = {
            "resourceRules": rules,
            "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}],
            "incomplete": False,
        }
    elif resource.kind == "SelfSubjectReview":
        made.pop("spec")
        made["status"] = {
            "userInfo": {"username": "embedded-admin", "groups": ["system:masters", "system:authenticated"]}
        }
    elif resource.kind == "TokenReview":
        made["status"] = {
            "authenticated": True,
            "user": {"username": "embedded-admin", "groups": ["system:masters"]},
        }
    else:
        made["status"] = {"allowed": True, "reason": "the embedded cluster allows everything"}
    return made
