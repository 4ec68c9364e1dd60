"""The towns of the flow tests, here too: on the embedded cluster, and on a real API server."""

from __future__ import annotations

from tests.flows.conftest import _real_cluster_ends_with_the_session, town

__all__ = ["_real_cluster_ends_with_the_session", "town"]
