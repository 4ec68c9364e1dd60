"""Which cluster and who we are: merged files, relative paths, overrides, the service account, and every mistake."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from helmflow.core.errors import ConfigError
from helmflow.core.sensitive import SecretText
from helmflow.kube import kubeconfig
from helmflow.kube.kubeconfig import Overrides


def write(path: Path, *, current: str = "", **parts: dict[str, dict[str, Any]]) -> Path:
    """A kubeconfig with contexts, clusters and users by name."""
    singular = {"contexts": "context", "clusters": "cluster", "users": "user"}
    document: dict[str, Any] = {"apiVersion": "v1", "kind": "Config", "current-context": current}
    for plural, entries in parts.items():
        document[plural] = [{"name": name, singular[plural]: body} for name, body in entries.items()]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


@pytest.fixture
def one(tmp_path: Path) -> Path:
    """A file with one context."""
    return write(
        tmp_path / "one" / "config",
        current="dev",
        contexts={"dev": {"cluster": "c1", "user": "u1", "namespace": "team"}},
        clusters={
            "c1": {
                "server": "https://one.example:6443/",
                "certificate-authority": "ca.pem",
                "tls-server-name": "api",
            }
        },
        users={"u1": {"token": "t0ken"}},
    )


def test_a_context_becomes_a_target(one: Path) -> None:
    (one.parent / "ca.pem").write_text("CA")
    target = kubeconfig.load([one])
    assert (target.context, target.server, target.namespace) == ("dev", "https://one.example:6443", "team")
    assert target.ca == b"CA", "relative to the file's own folder"
    assert target.credentials.token is not None
    assert target.credentials.token.reveal() == "t0ken"
    assert target.tls_server_name == "api"
    assert "t0ken" not in repr(target)


def test_of_several_files_the_first_that_names_something_wins(one: Path, tmp_path: Path) -> None:
    (one.parent / "ca.pem").write_text("CA")
    two = write(
        tmp_path / "two" / "config",
        current="prod",
        contexts={"dev": {"cluster": "other"}, "prod": {"cluster": "c2", "user": "u1"}},
        clusters={"c1": {"server": "https://shadowed"}, "c2": {"server": "https://two.example"}},
        users={"u1": {"token": "shadowed"}},
    )
    environ = {"KUBECONFIG": f"{tmp_path}/absent:{one}:{two}:{one}"}
    target = kubeconfig.load(environ=environ)
    assert (target.context, target.server) == ("dev", "https://one.example:6443")
    prod = kubeconfig.load(context="prod", environ=environ)
    assert prod.server == "https://two.example"
    assert prod.credentials.token is not None
    assert prod.credentials.token.reveal() == "t0ken"
    config = kubeconfig.read([one, two])
    assert (sorted(config.contexts), config.current, config.files) == (["dev", "prod"], "dev", (one, two))


def test_the_home_folders_file_is_the_default(tmp_path: Path) -> None:
    write(
        tmp_path / ".kube" / "config",
        current="x",
        contexts={"x": {"cluster": "c"}},
        clusters={"c": {"server": "https://h"}},
    )
    assert kubeconfig.load(environ={"HOME": str(tmp_path)}).server == "https://h"


def test_yaml_as_people_write_it(tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(
        "current-context: 1234\ncontexts:\n- name: '1234'\n  context: {cluster: c}\nclusters:\n- name: c\n  cluster:\n    server: https://x\n"
        "    insecure-skip-tls-verify: true\n    proxy-url: http://proxy:3128\nusers: null\npreferences: {}\n"
    )
    target = kubeconfig.load([path], "1234")
    assert target.skip_tls_verify
    assert target.proxy_url == "http://proxy:3128"


def test_inline_data_is_decoded(tmp_path: Path) -> None:
    def encoded(text: str) -> str:
        return base64.b64encode(text.encode()).decode()

    path = write(
        tmp_path / "config",
        current="x",
        contexts={"x": {"cluster": "c", "user": "u"}},
        clusters={"c": {"server": "https://x", "certificate-authority-data": encoded("CA")}},
        users={
            "u": {
                "client-certificate-data": encoded("CERT"),
                "client-key-data": encoded("KEY"),
                "username": "a",
                "password": "b",
                "as": "root",
                "as-groups": ["g1", "g2"],
                "as-user-extra": {"scopes": ["s"]},
                "tokenFile": "token",
                "exec": {"command": "aws"},
            }
        },
    )
    target = kubeconfig.load([path])
    who = target.credentials
    assert (target.ca, who.client_certificate, who.username) == (b"CA", b"CERT", "a")
    assert who.client_key is not None
    assert who.client_key.reveal() == "KEY"
    assert who.token_file == tmp_path / "token"
    assert who.exec == {"command": "aws"}
    assert (target.impersonate.user, target.impersonate.groups) == ("root", ("g1", "g2"))
    assert target.impersonate.extra == {"scopes": ("s",)}


def test_a_pod_finds_its_service_account(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("sa-token\n")
    (tmp_path / "ca.crt").write_text("CA")
    (tmp_path / "namespace").write_text("apps\n")
    environ = {
        "KUBERNETES_SERVICE_HOST": "10.0.0.1",
        "KUBERNETES_SERVICE_PORT": "443",
        "HELMFLOW_SERVICE_ACCOUNT_DIR": str(tmp_path),
    }
    target = kubeconfig.load(environ=environ)
    assert (target.context, target.server, target.namespace, target.ca) == (
        "in-cluster",
        "https://10.0.0.1:443",
        "apps",
        b"CA",
    )
    assert target.credentials.token_file == tmp_path / "token"
    six = kubeconfig.load(environ={**environ, "KUBERNETES_SERVICE_HOST": "fd00::1"})
    assert six.server == "https://[fd00::1]:443"


def test_a_kubeconfig_goes_before_the_service_account(one: Path, tmp_path: Path) -> None:
    (one.parent / "ca.pem").write_text("CA")
    (tmp_path / "token").write_text("x")
    environ = {
        "KUBECONFIG": str(one),
        "KUBERNETES_SERVICE_HOST": "10.0.0.1",
        "KUBERNETES_SERVICE_PORT": "443",
        "HELMFLOW_SERVICE_ACCOUNT_DIR": str(tmp_path),
    }
    assert kubeconfig.load(environ=environ).context == "dev"


def test_helms_variables_change_a_context(one: Path, tmp_path: Path) -> None:
    (one.parent / "ca.pem").write_text("CA")
    (tmp_path / "other.pem").write_text("OTHER")
    overrides = Overrides.from_environment(
        {
            "HELM_KUBEAPISERVER": "https://elsewhere/",
            "HELM_KUBETOKEN": "new",
            "HELM_KUBEASUSER": "jane",
            "HELM_KUBEASGROUPS": "a,b",
            "HELM_KUBECAFILE": str(tmp_path / "other.pem"),
            "HELM_KUBEINSECURE_SKIP_TLS_VERIFY": "true",
            "HELM_KUBETLS_SERVER_NAME": "sni",
        }
    )
    target = kubeconfig.load([one], overrides=overrides)
    assert (target.server, target.ca, target.skip_tls_verify, target.tls_server_name) == (
        "https://elsewhere",
        b"OTHER",
        True,
        "sni",
    )
    assert target.credentials.token == SecretText("new")
    assert (target.impersonate.user, target.impersonate.groups) == ("jane", ("a", "b"))
    assert Overrides.from_environment({}) == Overrides()


def test_a_server_alone_is_enough() -> None:
    target = kubeconfig.load(environ={}, overrides=Overrides(server="https://x", token=SecretText("t")))
    assert (target.context, target.server) == ("", "https://x")


def test_identities_tell_clusters_and_people_apart(one: Path) -> None:
    (one.parent / "ca.pem").write_text("CA")
    first = kubeconfig.load([one])
    (one.parent / "ca.pem").write_text("OTHER")
    as_jane = kubeconfig.load([one], overrides=Overrides(as_user="jane"))
    assert len({first.identity, kubeconfig.load([one]).identity, as_jane.identity}) == 3


def mistake(error_id: str, *paths: Path, context: str = "") -> ConfigError:
    """The mistake that loading makes."""
    with pytest.raises(ConfigError) as failure:
        kubeconfig.load(paths, context, environ={})
    assert failure.value.error_id == error_id
    return failure.value


def test_no_context_at_all_says_how_to_name_one() -> None:
    with pytest.raises(ConfigError) as failure:
        kubeconfig.load(environ={})
    assert failure.value.error_id == "cluster.no-context"
    assert "--kube-context" in failure.value.hint


def test_an_unknown_context_suggests_one(one: Path) -> None:
    assert "dev" in mistake("cluster.unknown-context", one, context="dve").hint
    assert "dev" in mistake("cluster.unknown-context", one, context="production").hint


def test_a_named_file_must_be_there(tmp_path: Path) -> None:
    mistake("cluster.kubeconfig", tmp_path / "absent")


@pytest.mark.parametrize("text", ["a: [", "- 1", "\x00", "contexts: 1\ncurrent-context: x\nclusters: {}"])
def test_a_broken_file_is_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(ConfigError):
        kubeconfig.load([path], environ={})


def test_dangling_names_and_unreadable_files_are_mistakes(tmp_path: Path) -> None:
    context = {"x": {"cluster": "c", "user": "u"}}
    mistake("cluster.kubeconfig", write(tmp_path / "a", current="x", contexts=context))
    mistake(
        "cluster.kubeconfig",
        write(tmp_path / "b", current="x", contexts=context, clusters={"c": {"server": "s"}}),
    )
    mistake(
        "cluster.kubeconfig",
        write(tmp_path / "d", current="x", contexts={"x": {"cluster": "c"}}, clusters={"c": {}}),
    )
    unreadable = {"c": {"server": "https://s", "certificate-authority": "absent.pem"}}
    mistake(
        "cluster.kubeconfig",
        write(tmp_path / "e", current="x", contexts={"x": {"cluster": "c"}}, clusters=unreadable),
    )
