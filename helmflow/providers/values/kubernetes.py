"""References to Secrets and ConfigMaps of a cluster."""

from __future__ import annotations

import base64
from collections.abc import Callable
from pathlib import Path
from typing import Any

from helmflow.core.errors import ClusterError, ConfigError
from helmflow.core.ids import ObjectRef
from helmflow.state.ports import Reference

OpenClient = Callable[[str, str], Any]


class Kubernetes:
    """`ref+k8s://v1/Secret/NAMESPACE/NAME/KEY?kubeContext=...&kubeConfigPath=...`.

    `open_client` opens the client of a context and a KUBECONFIG list ("" for the current ones).
    """

    def __init__(self, open_client: OpenClient | None = None) -> None:
        self._open_client = open_client or _client

    def fetch(self, reference: Reference) -> Any:
        """One key of a Secret (decoded) or ConfigMap."""
        parts = reference.path.strip("/").split("/")
        if len(parts) != 5 or parts[1] not in ("Secret", "ConfigMap"):
            raise ConfigError(
                "write ref+k8s://v1/Secret/NAMESPACE/NAME/KEY (or ConfigMap)", error_id="refs.malformed"
            )
        version, kind, namespace, name, key = parts
        try:
            configured = reference.parameters.get("kubeConfigPath", "") or reference.env.get("KUBECONFIG", "")
            client = self._open_client(reference.parameters.get("kubeContext", ""), configured)
            found = client.get(ObjectRef(version, kind, namespace, name))
        except ClusterError as error:
            raise ConfigError(error.message, error_id="refs.k8s", hint=error.hint) from error
        data = found.get("data") or {}
        if key not in data:
            raise ConfigError(
                f"{kind} {namespace}/{name} has no key {key!r}",
                error_id="refs.k8s",
                hint=f"it has {', '.join(sorted(data))}",
            )
        return (
            base64.b64decode(data[key]).decode("utf-8", "surrogateescape") if kind == "Secret" else data[key]
        )


def _client(context: str, configured: str) -> Any:
    """A client over HTTP for a context of the kubeconfig."""
    from helmflow.kube import kubeconfig
    from helmflow.kube.client import KubeClient
    from helmflow.kube.http import HttpTransport

    paths = [Path(one) for one in configured.split(":") if one]
    return KubeClient(HttpTransport(kubeconfig.load(paths or None, context)))
