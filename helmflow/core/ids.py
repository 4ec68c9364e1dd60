"""Identities used as keys: releases and Kubernetes objects."""

from __future__ import annotations

from helmflow.core.records import NamedTuple


class ReleaseId(NamedTuple):
    """A release: kube context ("" where none is named), namespace and name.

    Prints as Helmfile writes it in `needs`: context/namespace/name with empty leading parts left out.
    """

    context: str
    namespace: str
    name: str

    def __str__(self) -> str:
        if self.context:
            return f"{self.context}/{self.namespace}/{self.name}"
        if self.namespace:
            return f"{self.namespace}/{self.name}"
        return self.name


class ObjectRef(NamedTuple):
    """A Kubernetes object: apiVersion, kind, namespace ("" for cluster scope) and name."""

    api_version: str
    kind: str
    namespace: str
    name: str

    @property
    def group(self) -> str:
        """The API group, "" for core."""
        group, slash, _ = self.api_version.partition("/")
        return group if slash else ""

    def __str__(self) -> str:
        where = f"{self.namespace}/" if self.namespace else ""
        return f"{self.kind} {where}{self.name}"
