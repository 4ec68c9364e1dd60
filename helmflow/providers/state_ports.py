"""The adapters that loading a state file may use, put together."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from helmflow.state.ports import Ports, RemoteSource


def state_ports(
    remote: RemoteSource | None = None, open_client: Callable[[str, str], Any] | None = None
) -> Ports:
    """sops for secrets, every known source of references, HTTP and git for URLs; nothing heavy is loaded yet.

    `open_client(context, kubeconfig)` opens a cluster for ref+k8s://; None means over HTTP only.
    """
    from helmflow.providers.secrets.sops import SopsProvider
    from helmflow.providers.values.remote import RemoteFiles
    from helmflow.providers.values.sources import Sources

    return Ports(secrets=SopsProvider(), values=Sources(open_client), remote=remote or RemoteFiles())
