"""Which cluster and who we are on it: KUBECONFIG lists merged, contexts, overrides, the in-cluster service account."""

from __future__ import annotations

import base64
import binascii
import difflib
import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from helmflow.core.errors import ConfigError
from helmflow.core.records import dataclass, field, replace
from helmflow.core.sensitive import SecretText

SERVICE_ACCOUNT: Final = Path("/var/run/secrets/kubernetes.io/serviceaccount")
IN_CLUSTER: Final = "in-cluster"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """How to prove who we are. At most one of token, token_file, basic and plugin is used, in this order of Kubernetes':
    token, token_file, basic, plugin; a client certificate comes on top."""

    token: SecretText | None = None
    token_file: Path | None = None
    username: str = ""
    password: SecretText | None = None
    client_certificate: bytes | None = None
    client_key: SecretText | None = None
    exec: Mapping[str, Any] | None = None
    auth_provider: Mapping[str, Any] | None = None
    folder: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Impersonation:
    """Act as somebody else: kubectl's --as, --as-group, --as-uid."""

    user: str = ""
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A cluster to talk to. `context` is its name in the kubeconfig; `namespace` the context's own, "" where it has none."""

    context: str
    server: str
    cluster: str = ""
    namespace: str = ""
    ca: bytes | None = None
    skip_tls_verify: bool = False
    tls_server_name: str = ""
    proxy_url: str = ""
    credentials: Credentials = field(default_factory=Credentials)
    impersonate: Impersonation = field(default_factory=Impersonation)
    raw_cluster: Mapping[str, Any] = field(default_factory=dict)

    @property
    def identity(self) -> str:
        """What a cache is keyed by: the server's address, its authority, and whom we act as."""
        authority = hashlib.sha256(self.ca or b"").hexdigest()[:16]
        return f"{self.server}#{authority}#{self.impersonate.user}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """What flags and HELM_KUBE* variables change about a context; empty values change nothing."""

    server: str = ""
    token: SecretText | None = None
    ca_file: str = ""
    skip_tls_verify: bool = False
    tls_server_name: str = ""
    as_user: str = ""
    as_groups: tuple[str, ...] = ()
    as_uid: str = ""

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Overrides:
        """Helm's variables."""
        token = environ.get("HELM_KUBETOKEN", "")
        return cls(
            server=environ.get("HELM_KUBEAPISERVER", ""),
            token=SecretText(token) if token else None,
            ca_file=environ.get("HELM_KUBECAFILE", ""),
            skip_tls_verify=environ.get("HELM_KUBEINSECURE_SKIP_TLS_VERIFY", "").lower()
            in ("1", "t", "true"),
            tls_server_name=environ.get("HELM_KUBETLS_SERVER_NAME", ""),
            as_user=environ.get("HELM_KUBEASUSER", ""),
            as_groups=tuple(g for g in environ.get("HELM_KUBEASGROUPS", "").split(",") if g),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KubeConfig:
    """Merged kubeconfig files: by name, each entry with the folder that its relative paths start from."""

    contexts: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    clusters: Mapping[str, tuple[Mapping[str, Any], Path]] = field(default_factory=dict)
    users: Mapping[str, tuple[Mapping[str, Any], Path]] = field(default_factory=dict)
    current: str = ""
    files: tuple[Path, ...] = ()


def load(
    paths: Sequence[Path] | None = None,
    context: str = "",
    *,
    overrides: Overrides | None = None,
    environ: Mapping[str, str] | None = None,
) -> Target:
    """The target of a context ("": the current one).

    `paths` are --kubeconfig's; without them KUBECONFIG, then ~/.kube/config, then the in-cluster service account.
    Raises ConfigError `cluster.no-context` where nothing says which cluster, `cluster.unknown-context`, `cluster.kubeconfig`.
    """
    environment = os.environ if environ is None else environ
    config = read(_files(paths, environment), required=bool(paths))
    wanted = overrides or Overrides()
    if not config.contexts and not context:
        inside = _in_cluster(environment)
        if inside is not None:
            return _override(inside, wanted)
        if wanted.server:
            return _override(Target(context="", server=wanted.server), wanted)
    return _override(target(config, context), wanted)


def read(paths: Sequence[Path], *, required: bool = False) -> KubeConfig:
    """Merge files as kubectl does: the first one that names an entry wins; absent files are left out."""
    contexts: dict[str, Mapping[str, Any]] = {}
    clusters: dict[str, tuple[Mapping[str, Any], Path]] = {}
    users: dict[str, tuple[Mapping[str, Any], Path]] = {}
    current = ""
    files: list[Path] = []
    for path in paths:
        document = _document(path, required=required)
        if document is None:
            continue
        files.append(path)
        current = current or str(document.get("current-context") or "")
        for name, entry in _named(document, "contexts", "context"):
            contexts.setdefault(name, entry)
        for name, entry in _named(document, "clusters", "cluster"):
            clusters.setdefault(name, (entry, path.parent))
        for name, entry in _named(document, "users", "user"):
            users.setdefault(name, (entry, path.parent))
    return KubeConfig(contexts=contexts, clusters=clusters, users=users, current=current, files=tuple(files))


def target(config: KubeConfig, context: str = "") -> Target:
    """The target of one context of merged files ("": the current one)."""
    name = context or config.current
    if not name:
        raise ConfigError(
            "no kube context: there is no kubeconfig with a current context",
            error_id="cluster.no-context",
            hint="set kubeContext in the state file, pass --kube-context NAME, or use --kube-context embedded for the built-in cluster",
        )
    if name not in config.contexts:
        close = difflib.get_close_matches(name, config.contexts, n=1)
        known = ", ".join(sorted(config.contexts)) or "none"
        raise ConfigError(
            f"kube context {name!r} does not exist",
            error_id="cluster.unknown-context",
            hint=f"did you mean {close[0]!r}?" if close else f"contexts in the kubeconfig: {known}",
        )
    chosen = config.contexts[name]
    cluster_name, user_name = str(chosen.get("cluster") or ""), str(chosen.get("user") or "")
    if cluster_name not in config.clusters:
        raise _broken(f"context {name!r} names the cluster {cluster_name!r}, which does not exist")
    if user_name and user_name not in config.users:
        raise _broken(f"context {name!r} names the user {user_name!r}, which does not exist")
    cluster, folder = config.clusters[cluster_name]
    user, user_folder = config.users.get(user_name, ({}, folder))
    server = str(cluster.get("server") or "").rstrip("/")
    if not server:
        raise _broken(f"cluster {cluster_name!r} has no server")
    return Target(
        context=name,
        server=server,
        cluster=cluster_name,
        namespace=str(chosen.get("namespace") or ""),
        ca=_data(cluster, "certificate-authority", folder),
        skip_tls_verify=bool(cluster.get("insecure-skip-tls-verify")),
        tls_server_name=str(cluster.get("tls-server-name") or ""),
        proxy_url=str(cluster.get("proxy-url") or ""),
        credentials=_credentials(user, user_folder),
        impersonate=_impersonation(user),
        raw_cluster=cluster,
    )


def _files(paths: Sequence[Path] | None, environ: Mapping[str, str]) -> list[Path]:
    if paths:
        return list(paths)
    listed = environ.get("KUBECONFIG", "")
    if listed:
        return list(dict.fromkeys(Path(part).expanduser() for part in listed.split(os.pathsep) if part))
    home = environ.get("HOME") or environ.get("USERPROFILE")
    return [Path(home) / ".kube" / "config"] if home else []


def _document(path: Path, *, required: bool) -> Mapping[str, Any] | None:
    from helmflow.core import yaml_dialect

    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        if required:
            raise ConfigError(
                f"the kubeconfig {path} does not exist",
                error_id="cluster.kubeconfig",
                hint="--kubeconfig and KUBECONFIG name files; leave them out for ~/.kube/config",
            ) from None
        return None
    except (OSError, UnicodeDecodeError) as cause:
        raise _broken(f"the kubeconfig {path} cannot be read: {cause}") from cause
    try:
        parsed = yaml_dialect.load(text)
    except ValueError as cause:
        raise _broken(f"the kubeconfig {path} is not valid: {cause}") from cause
    if parsed is None:
        return None
    if not isinstance(parsed, Mapping):
        raise _broken(f"the kubeconfig {path} is not valid: it holds no mapping")
    return parsed


def _named(document: Mapping[str, Any], plural: str, singular: str) -> list[tuple[str, Mapping[str, Any]]]:
    entries = document.get(plural) or []
    found = [e for e in entries if isinstance(e, Mapping)] if isinstance(entries, list) else []
    return [
        (str(e.get("name") or ""), body) for e in found if isinstance(body := e.get(singular) or {}, Mapping)
    ]


def _credentials(user: Mapping[str, Any], folder: Path) -> Credentials:
    token, password, key = user.get("token"), user.get("password"), _data(user, "client-key", folder)
    token_file = user.get("tokenFile")
    plugin, provider = user.get("exec"), user.get("auth-provider")
    return Credentials(
        token=SecretText(str(token)) if token else None,
        token_file=folder / str(token_file) if token_file else None,
        username=str(user.get("username") or ""),
        password=SecretText(str(password)) if password else None,
        client_certificate=_data(user, "client-certificate", folder),
        client_key=SecretText(key.decode("utf-8", "replace")) if key else None,
        exec=plugin if isinstance(plugin, Mapping) else None,
        auth_provider=provider if isinstance(provider, Mapping) else None,
        folder=folder,
    )


def _impersonation(user: Mapping[str, Any]) -> Impersonation:
    extra = user.get("as-user-extra")
    return Impersonation(
        user=str(user.get("as") or ""),
        groups=tuple(map(str, user.get("as-groups") or ())),
        uid=str(user.get("as-uid") or ""),
        extra={str(k): tuple(map(str, v)) for k, v in extra.items()} if isinstance(extra, Mapping) else {},
    )


def _data(entry: Mapping[str, Any], key: str, folder: Path) -> bytes | None:
    """`KEY-data` in base64, else the content of the file that `KEY` names."""
    inline = entry.get(f"{key}-data")
    if inline:
        try:
            return base64.b64decode(str(inline), validate=False)
        except binascii.Error as cause:
            raise _broken(f"{key}-data is not base64: {cause}") from cause
    path = entry.get(key)
    if not path:
        return None
    try:
        return (folder / str(path)).read_bytes()
    except OSError as cause:
        raise _broken(f"{key} {folder / str(path)} cannot be read: {cause.strerror}") from cause


def _in_cluster(environ: Mapping[str, str]) -> Target | None:
    host, port = environ.get("KUBERNETES_SERVICE_HOST", ""), environ.get("KUBERNETES_SERVICE_PORT", "")
    folder = Path(environ.get("HELMFLOW_SERVICE_ACCOUNT_DIR") or SERVICE_ACCOUNT)
    token_file = folder / "token"
    if not host or not port or not token_file.is_file():
        return None
    ca, namespace = folder / "ca.crt", folder / "namespace"
    return Target(
        context=IN_CLUSTER,
        server=f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}",
        namespace=namespace.read_text(encoding="utf-8").strip() if namespace.is_file() else "",
        ca=ca.read_bytes() if ca.is_file() else None,
        credentials=Credentials(token_file=token_file),
    )


def _override(found: Target, wanted: Overrides) -> Target:
    if wanted.server:
        found = replace(found, server=wanted.server.rstrip("/"))
    if wanted.ca_file:
        found = replace(
            found, ca=_data({"certificate-authority": wanted.ca_file}, "certificate-authority", Path())
        )
    if wanted.skip_tls_verify:
        found = replace(found, skip_tls_verify=True)
    if wanted.tls_server_name:
        found = replace(found, tls_server_name=wanted.tls_server_name)
    if wanted.token is not None:
        found = replace(found, credentials=replace(found.credentials, token=wanted.token))
    if wanted.as_user or wanted.as_groups or wanted.as_uid:
        who = Impersonation(user=wanted.as_user, groups=wanted.as_groups, uid=wanted.as_uid)
        found = replace(found, impersonate=who)
    return found


def _broken(message: str) -> ConfigError:
    return ConfigError(
        message, error_id="cluster.kubeconfig", hint="`kubectl config view` shows what kubectl makes of it"
    )
