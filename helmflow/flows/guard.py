"""What an environment asks for before anything happens: the right cluster, and a confirmation where it is protected."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from helmflow.core.errors import Refusal
from helmflow.core.ids import ObjectRef

if TYPE_CHECKING:
    from helmflow.flows.session import Cluster, Session
    from helmflow.kube.client import KubeClient
    from helmflow.plan.model import Plan
    from helmflow.state.model import DesiredState, Environment
    from helmflow.state.ports import Pin


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
    """Holds clusters that templates read while the files are loading to what the environments say.

    A reference that names another context on purpose is not held to it.
    """

    def __init__(self, session: Session) -> None:
        self._session = session
        self._pins: list[Pin] = []
        self._read: list[Cluster] = []
        self._look: Callable[[], Iterable[Pin] | None] = tuple

    def learn(self, pin: Pin) -> None:
        """An environment is for one cluster only. Raises Refusal where another one was read before that was known."""
        if pin in self._pins:
            return
        self._pins.append(pin)
        for cluster in self._read:
            check_cluster(cluster, _environment(pin))

    def ahead(self, look: Callable[[], Iterable[Pin] | None]) -> None:
        """How to find out what the texts not rendered yet say."""
        self._look = look

    def open(self, context: str, configured: str) -> KubeClient:
        """The client of a context, "" for the one in use; `configured` is where it stands, which the session knows.

        Raises Refusal for a cluster that an environment is not for, or may not be for.
        """
        cluster = self._session.cluster(context)
        if not context or self._session.options.cluster.context:
            ahead = self._look()
            if ahead is None:
                raise Refusal(
                    "a template reads the cluster before it is known which one the environment is for: "
                    "write `cluster:` without template actions, or in an earlier part (---)",
                    error_id="env.unknown-cluster",
                )
            for pin in ahead:
                self.learn(pin)
            if cluster not in self._read:
                for pin in self._pins:
                    check_cluster(cluster, _environment(pin))
                self._read.append(cluster)
        return cluster.client


def _environment(pin: Pin) -> Environment:
    from helmflow.state.model import Environment

    return Environment(name=pin.environment, pinned_context=pin.context, pinned_uid=pin.uid)


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
