"""What a request carries to prove who sends it; renewed when it expires or is refused."""

from __future__ import annotations

import base64
import threading
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from helmflow.core.clock import Clock
from helmflow.core.errors import ClusterError
from helmflow.core.records import dataclass
from helmflow.kube.kubeconfig import Credentials, Target

TOKEN_FILE_S: Final = 60.0  # a service account's token is replaced in place long before it expires
EXPIRY_MARGIN: Final = timedelta(seconds=30)


@dataclass(frozen=True, slots=True)
class Proof:
    """An Authorization header ("" for none) and a client certificate with its key, both PEM."""

    authorization: str = ""
    certificate: bytes | None = None
    key: bytes | None = None


class Prover:
    """Keeps the proof of one target at hand. Thread-safe; a plugin runs once, however many requests wait for it."""

    def __init__(self, target: Target, clock: Clock) -> None:
        self._target = target
        self._clock = clock
        self._lock = threading.Lock()
        self._proof: Proof | None = None
        self._until: datetime | None = None

    def proof(self) -> Proof:
        """The present proof, made anew where it has expired."""
        with self._lock:
            if self._proof is None or (self._until is not None and self._clock.now() >= self._until):
                self._proof, self._until = self._make()
            return self._proof

    def renew(self, refused: Proof) -> bool:
        """After a 401 for `refused`: make another one; False where it would be the same."""
        if not _renewable(self._target.credentials):
            return False
        with self._lock:
            if self._proof is refused:
                self._proof, self._until = self._make()
            return self._proof != refused

    def _make(self) -> tuple[Proof, datetime | None]:
        who = self._target.credentials
        certificate, key = (
            who.client_certificate,
            who.client_key.reveal().encode() if who.client_key else None,
        )
        if who.token is not None:
            return Proof(f"Bearer {who.token.reveal()}", certificate, key), None
        if who.token_file is not None:
            return Proof(f"Bearer {_read(who)}", certificate, key), self._clock.now() + timedelta(
                seconds=TOKEN_FILE_S
            )
        if who.username and who.password is not None:
            pair = base64.b64encode(f"{who.username}:{who.password.reveal()}".encode()).decode()
            return Proof(f"Basic {pair}", certificate, key), None
        if who.exec is not None:
            return _run_exec(who, self._target)
        if who.auth_provider is not None:
            return _ask_provider(self._target), None
        return Proof("", certificate, key), None


def _renewable(who: Credentials) -> bool:
    if who.token is not None or (who.token_file is None and who.username):
        return False
    return who.token_file is not None or who.exec is not None or who.auth_provider is not None


def _read(who: Credentials) -> str:
    assert who.token_file is not None
    try:
        return who.token_file.read_text(encoding="utf-8").strip()
    except OSError as cause:
        raise _failed(f"the token file {who.token_file} cannot be read: {cause.strerror}") from cause


def _run_exec(who: Credentials, target: Target) -> tuple[Proof, datetime | None]:
    """Run a credential plugin (aws, gke-gcloud-auth-plugin, kubelogin, ...) through the kubernetes package."""
    from kubernetes.config.config_exception import ConfigException
    from kubernetes.config.exec_provider import ExecProvider
    from kubernetes.config.kube_config import ConfigNode

    assert who.exec is not None
    plugin: Mapping[str, Any] = who.exec
    name = str(plugin.get("command") or "")
    try:
        folder = str(who.folder) if who.folder else None
        provider = ExecProvider(  # type: ignore[no-untyped-call]
            ConfigNode("exec", dict(plugin)),  # type: ignore[no-untyped-call]
            folder,
            ConfigNode("cluster", dict(target.raw_cluster)),  # type: ignore[no-untyped-call]
        )
        status = provider.run()  # type: ignore[no-untyped-call]
    except (ConfigException, OSError) as cause:
        hint = str(plugin.get("installHint") or f"run {name!r} yourself to see what is wrong with it")
        raise _failed(f"the credential plugin {name!r} failed: {cause}", hint=hint) from cause
    token, certificate = status.get("token"), status.get("clientCertificateData")
    if not token and not certificate:
        raise _failed(f"the credential plugin {name!r} answered neither a token nor a certificate")
    until = status.get("expirationTimestamp")
    proof = Proof(
        f"Bearer {token}" if token else "",
        str(certificate).encode() if certificate else None,
        str(status.get("clientKeyData") or "").encode() or None,
    )
    return proof, datetime.fromisoformat(str(until)) - EXPIRY_MARGIN if until else None


def _ask_provider(target: Target) -> Proof:
    """The old auth-provider blocks (oidc, gcp), through the kubernetes package."""
    from kubernetes.config.config_exception import ConfigException
    from kubernetes.config.kube_config import KubeConfigLoader

    entry = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "clusters": [{"name": "c", "cluster": dict(target.raw_cluster)}],
        "users": [{"name": "u", "user": {"auth-provider": target.credentials.auth_provider}}],
    }
    name = str((target.credentials.auth_provider or {}).get("name") or "")
    loader = KubeConfigLoader(entry, config_base_path=str(target.credentials.folder or ""))  # type: ignore[no-untyped-call]
    try:
        loader._load_authentication()  # type: ignore[no-untyped-call]
        token = getattr(loader, "token", "")
    except (ConfigException, OSError, ValueError, KeyError, TypeError, AttributeError) as cause:
        raise _failed(f"the auth provider {name!r} failed: {cause}") from cause
    if not token:
        raise _failed(
            f"the auth provider {name!r} gives no token",
            hint="use a credential plugin (exec) instead: kubelogin, gke-gcloud-auth-plugin",
        )
    return Proof(str(token))


def _failed(message: str, *, hint: str = "") -> ClusterError:
    return ClusterError(message, error_id="cluster.credentials", hint=hint)
