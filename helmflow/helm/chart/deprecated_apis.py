"""Kubernetes' own APIs that are deprecated: since when, until when, and what replaces them (as of Kubernetes 1.36)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Final

from helmflow.core.records import dataclass


@dataclass(frozen=True, slots=True)
class Deprecation:
    """Minor versions of Kubernetes 1: `removed` 0 where no end is set; `replacement` "" where there is none."""

    deprecated: int
    removed: int
    replacement: str


# group version, deprecated in, removed in, the group version that has the same kind, kinds ("x=y": y replaces x)
_ROWS: Final = (
    ("v1", 19, 0, "", "ComponentStatus"),
    ("v1", 33, 0, "discovery.k8s.io/v1", "Endpoints=EndpointSlice"),
    ("admissionregistration.k8s.io/v1alpha1", 29, 32, "", "ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding"),
    ("admissionregistration.k8s.io/v1alpha1", 35, 38, "", "MutatingAdmissionPolicy MutatingAdmissionPolicyBinding"),
    ("admissionregistration.k8s.io/v1beta1", 16, 22, "admissionregistration.k8s.io/v1",
     "MutatingWebhookConfiguration ValidatingWebhookConfiguration"),
    ("admissionregistration.k8s.io/v1beta1", 31, 34, "", "ValidatingAdmissionPolicy ValidatingAdmissionPolicyBinding"),
    ("admissionregistration.k8s.io/v1beta1", 37, 40, "admissionregistration.k8s.io/v1",
     "MutatingAdmissionPolicy MutatingAdmissionPolicyBinding"),
    ("apps/v1beta1", 8, 16, "apps/v1", "ControllerRevision Deployment StatefulSet DeploymentRollback"),
    ("apps/v1beta1", 8, 16, "autoscaling/v1", "Scale"),
    ("apps/v1beta2", 9, 16, "apps/v1", "ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet"),
    ("apps/v1beta2", 9, 16, "autoscaling/v1", "Scale"),
    ("authentication.k8s.io/v1alpha1", 29, 32, "", "SelfSubjectReview"),
    ("authentication.k8s.io/v1beta1", 19, 22, "authentication.k8s.io/v1", "TokenReview"),
    ("authentication.k8s.io/v1beta1", 30, 33, "", "SelfSubjectReview"),
    ("authorization.k8s.io/v1beta1", 19, 22, "authorization.k8s.io/v1",
     "LocalSubjectAccessReview SelfSubjectAccessReview SelfSubjectRulesReview SubjectAccessReview"),
    ("batch/v1beta1", 21, 25, "batch/v1", "CronJob"),
    ("certificates.k8s.io/v1alpha1", 34, 37, "", "ClusterTrustBundle"),
    ("certificates.k8s.io/v1beta1", 19, 22, "certificates.k8s.io/v1", "CertificateSigningRequest"),
    ("certificates.k8s.io/v1beta1", 37, 40, "", "ClusterTrustBundle"),
    ("certificates.k8s.io/v1beta1", 38, 41, "", "PodCertificateRequest"),
    ("coordination.k8s.io/v1alpha2", 35, 38, "", "LeaseCandidate"),
    ("coordination.k8s.io/v1beta1", 19, 22, "coordination.k8s.io/v1", "Lease"),
    ("coordination.k8s.io/v1beta1", 36, 39, "", "LeaseCandidate"),
    ("discovery.k8s.io/v1beta1", 21, 25, "discovery.k8s.io/v1", "EndpointSlice EndpointSliceList=EndpointSlice"),
    ("events.k8s.io/v1beta1", 22, 25, "", "Event"),
    ("extensions/v1beta1", 8, 16, "apps/v1", "DaemonSet Deployment ReplicaSet"),
    ("extensions/v1beta1", 2, 16, "", "Scale"),
    ("extensions/v1beta1", 14, 22, "networking.k8s.io/v1", "Ingress"),
    ("extensions/v1beta1", 9, 16, "networking.k8s.io/v1", "NetworkPolicy"),
    ("extensions/v1beta1", 8, 16, "", "DeploymentRollback"),
    ("flowcontrol.apiserver.k8s.io/v1beta1", 23, 26, "flowcontrol.apiserver.k8s.io/v1beta3",
     "FlowSchema PriorityLevelConfiguration"),
    ("flowcontrol.apiserver.k8s.io/v1beta2", 26, 29, "flowcontrol.apiserver.k8s.io/v1beta3",
     "FlowSchema PriorityLevelConfiguration"),
    ("flowcontrol.apiserver.k8s.io/v1beta3", 29, 32, "flowcontrol.apiserver.k8s.io/v1",
     "FlowSchema PriorityLevelConfiguration"),
    ("networking.k8s.io/v1beta1", 19, 22, "networking.k8s.io/v1",
     "Ingress IngressClass=IngressClassList IngressClassList=IngressClassList"),
    ("networking.k8s.io/v1beta1", 34, 37, "", "IPAddress ServiceCIDR"),
    ("node.k8s.io/v1beta1", 22, 25, "", "RuntimeClass"),
    ("policy/v1beta1", 22, 25, "", "Eviction"),
    ("policy/v1beta1", 21, 25, "policy/v1", "PodDisruptionBudget"),
    ("rbac.authorization.k8s.io/v1beta1", 17, 22, "rbac.authorization.k8s.io/v1",
     "ClusterRole ClusterRoleBinding Role RoleBinding"),
    ("resource.k8s.io/v1alpha3", 36, 39, "", "DeviceTaintRule"),
    ("resource.k8s.io/v1alpha3", 39, 42, "", "ResourcePoolStatusRequest"),
    ("resource.k8s.io/v1beta1", 35, 38, "", "DeviceClass ResourceClaim ResourceClaimTemplate ResourceSlice"),
    ("resource.k8s.io/v1beta2", 36, 39, "", "DeviceClass ResourceClaim ResourceClaimTemplate ResourceSlice"),
    ("resource.k8s.io/v1beta2", 39, 42, "", "DeviceTaintRule"),
    ("scheduling.k8s.io/v1beta1", 14, 22, "scheduling.k8s.io/v1", "PriorityClass"),
    ("storage.k8s.io/v1alpha1", 21, 24, "storage.k8s.io/v1beta1", "CSIStorageCapacity"),
    ("storage.k8s.io/v1alpha1", 21, 24, "storage.k8s.io/v1", "VolumeAttachment"),
    ("storage.k8s.io/v1alpha1", 32, 35, "storage.k8s.io/v1", "VolumeAttributesClass"),
    ("storage.k8s.io/v1beta1", 19, 22, "storage.k8s.io/v1", "CSIDriver StorageClass VolumeAttachment"),
    ("storage.k8s.io/v1beta1", 17, 22, "storage.k8s.io/v1", "CSINode CSINodeList=CSINode"),
    ("storage.k8s.io/v1beta1", 24, 27, "storage.k8s.io/v1", "CSIStorageCapacity"),
    ("storage.k8s.io/v1beta1", 34, 37, "storage.k8s.io/v1", "VolumeAttributesClass"),
    ("storagemigration.k8s.io/v1beta1", 38, 41, "", "StorageVersionMigration"),
)  # fmt: skip
_WITHOUT_LIST: Final = frozenset(
    [
        "Scale",
        "DeploymentRollback",
        "SelfSubjectReview",
        "TokenReview",
        "LocalSubjectAccessReview",
        "SelfSubjectAccessReview",
        "SelfSubjectRulesReview",
        "SubjectAccessReview",
        "Eviction",
    ]
)


def warning(api_version: str, kind: str, minor: int) -> str:
    """What Kubernetes 1.`minor` says of an API that it deprecates, "" for one that it does not."""
    found = _table().get((api_version, kind))
    if found is None or minor < found.deprecated:
        return ""
    text = f"{api_version} {kind} is deprecated in v1.{found.deprecated}+"
    if found.removed:
        text += f", unavailable in v1.{found.removed}+"
    return f"{text}; use {found.replacement}" if found.replacement else text


def successor(api_version: str, kind: str) -> str:
    """The group version that has the same kind; "" for one that nothing replaces, or only another kind."""
    found = _table().get((api_version, kind))
    version, _, own = (found.replacement if found else "").rpartition(" ")
    return version if own == kind else ""


@cache
def _table() -> Mapping[tuple[str, str], Deprecation]:
    table: dict[tuple[str, str], Deprecation] = {}
    for group_version, deprecated, removed, successor, kinds in _ROWS:
        for entry in kinds.split():
            kind, _, new_kind = entry.partition("=")
            own = new_kind or kind
            table[group_version, kind] = Deprecation(
                deprecated, removed, f"{successor} {own}" if successor else ""
            )
            if kind not in _WITHOUT_LIST and not kind.endswith("List"):
                listed = Deprecation(deprecated, removed, f"{successor} {own}List" if successor else "")
                table.setdefault((group_version, f"{kind}List"), listed)
    return table
