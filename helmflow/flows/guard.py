"""What an environment asks for before anything happens: the right cluster, and a confirmation where it is protected."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from helmflow.core.errors import Refusal
from helmflow.core.ids import ObjectRef

if TYPE_CHECKING:
    from helmflow.flows.session import Cluster, Session
    from helmflow.kube.client import KubeClient
    from helmflow.plan.model import Plan
    from helmflow.state.model import DesiredState, Environment


def check_cluster(cluster: Cluster, environment: Environment) -> None:
    """Refuse a cluster that is not the one the environment is pinned to, before anything else is asked of it.

    Raises Refusal `env.other-cluster`; ClusterError where the cluster does not say who it is.
    """
    pattern = environment.pinned_context
    if pattern and not fnmatchcase(cluster.context, pattern):
        raise Refusal(
            f"environment {environment.name!r} is for contexts like {pattern!r}, this one is {cluster.context!r}",
            error_id="env.other-cluster",
            hint="choose the context with --kube-context, or the environment with --environment",
        )
    if not environment.pinned_uid:
        return
    uid = identity_of(cluster)
    if uid != environment.pinned_uid:
        raise Refusal(
            f"environment {environment.name!r} is for the cluster {environment.pinned_uid}, "
            f"{cluster.name} is {uid or 'one that does not say who it is'}",
            error_id="env.other-cluster",
            hint="the uid is that of the namespace kube-system",
        )


def identity_of(cluster: Cluster) -> str:
    """kube-system's uid: the same for as long as a cluster lives; "" where there is no such namespace."""
    namespace = cluster.client.find(ObjectRef("v1", "Namespace", "", "kube-system"))
    return str(namespace["metadata"].get("uid", "")) if namespace is not None else ""


class Pins:
    """Holds clusters that templates read while the files are loading to what the environments have said so far.

    A reference that names another context on purpose is not held to it.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._environments: list[Environment] = []
        self._read: list[Cluster] = []

    def learn(self, environment: str, context: str, uid: str) -> None:
        """An environment is for one cluster only. Raises Refusal where another one was read before that was known."""
        from helmflow.state.model import Environment

        made = Environment(name=environment, pinned_context=context, pinned_uid=uid)
        self._environments.append(made)
        for cluster in self._read:
            check_cluster(cluster, made)

    def open(self, context: str, configured: str) -> KubeClient:
        """The client of a context, "" for the one in use; `configured` is where it stands, which the session knows."""
        cluster = self._session.cluster(context)
        if (not context or self._session.options.cluster.context) and cluster not in self._read:
            for environment in self._environments:
                check_cluster(cluster, environment)
            self._read.append(cluster)
        return cluster.client


def check_confirmed(session: Session, desired: DesiredState, plan: Plan) -> None:
    """Refuse to write to a protected environment that was not named. Raises Refusal `env.protected`."""
    if not desired.protected or not plan.writes or plan.command == "test":
        return
    given = session.options.running.confirm
    if given == desired.environment:
        return
    what = f"--confirm says {given!r}" if given else "nobody confirmed it"
    raise Refusal(
        f"environment {desired.environment!r} is protected, and {what}",
        error_id="env.protected",
        hint=f"add --confirm {desired.environment}, or carry out a plan that was saved and read before",
    )


def rollback_mode(session: Session, desired: DesiredState) -> str:
    """What goes back when a release fails: none, release or group; "" where every release says so itself."""
    said = (file.environment.rollback for file in desired.files)
    return session.options.running.rollback or next((mode for mode in said if mode), "")
