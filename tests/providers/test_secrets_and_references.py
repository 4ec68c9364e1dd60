"""sops files opened in process, and every scheme of ref+ references, through real files, commands and servers."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import stat
import threading
from collections.abc import Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pyrage
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from helmflow.core.errors import ConfigError, HelmflowError
from helmflow.providers.secrets.sops import SopsProvider
from helmflow.providers.state_ports import state_ports
from helmflow.state import refs, values, views
from helmflow.state.load import LoadRequest, load_desired, new_context
from tests.state import drive

WHEN = "2026-01-02T03:04:05Z"


def _sealed(value: Any, key: bytes, additional: str) -> str:
    """One value as sops writes it."""
    kind, text = {
        bool: ("bool", "True" if value else "False"),
        int: ("int", str(value)),
        float: ("float", str(value)),
    }.get(type(value), ("str", str(value)))
    iv = os.urandom(32)
    sealed = AESGCM(key).encrypt(iv, text.encode(), additional.encode())
    parts = (base64.b64encode(part).decode() for part in (sealed[:-16], iv, sealed[-16:]))
    data, iv_text, tag = parts
    return f"ENC[AES256_GCM,data:{data},iv:{iv_text},tag:{tag},type:{kind}]"


def sops_file(plain: Mapping[str, Any], identity: pyrage.x25519.Identity) -> dict[str, Any]:
    """A document as `sops -e --age RECIPIENT` writes it."""
    key = os.urandom(32)
    digest = hashlib.sha512()

    def walk(value: Any, at: tuple[str, ...]) -> Any:
        if isinstance(value, dict):
            return {name: walk(item, (*at, name)) for name, item in value.items()}
        if isinstance(value, list):
            return [walk(item, at) for item in value]
        digest.update(
            {True: b"True", False: b"False"}[value] if isinstance(value, bool) else str(value).encode()
        )
        return _sealed(value, key, "".join(f"{step}:" for step in at))

    body = walk(dict(plain), ())
    encrypted = pyrage.encrypt(key, [identity.to_public()], armored=True).decode()
    mac = _sealed(digest.hexdigest().upper(), key, WHEN)
    return {
        **body,
        "sops": {
            "age": [{"recipient": str(identity.to_public()), "enc": encrypted}],
            "lastmodified": WHEN,
            "mac": mac,
            "version": "3.9.0",
        },
    }


@pytest.fixture
def identity() -> pyrage.x25519.Identity:
    return pyrage.x25519.Identity.generate()


@pytest.fixture
def env(identity: pyrage.x25519.Identity, tmp_path: Path) -> dict[str, str]:
    return {
        "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin",
        "HOME": str(tmp_path / "home"),
        "SOPS_AGE_KEY": str(identity),
    }


PLAIN = {
    "password": "hunter2-secret",
    "deep": {"port": 5432, "on": True, "list": ["tok-aaaa", 7]},
    "ratio": 1.5,
}


def test_an_age_encrypted_file_opens_in_process(
    identity: pyrage.x25519.Identity, env: dict[str, str], tmp_path: Path
) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(json.dumps(sops_file(PLAIN, identity)), encoding="utf-8")
    provider = SopsProvider()
    data = path.read_bytes()
    assert provider.is_encrypted(data, path)
    import yaml

    assert yaml.safe_load(provider.decrypt(data, path, env)) == PLAIN
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["s.yaml"]


def test_keys_come_from_files_and_commands_too(identity: pyrage.x25519.Identity, tmp_path: Path) -> None:
    path = tmp_path / "s.json"
    path.write_text(json.dumps(sops_file({"a": "b"}, identity)), encoding="utf-8")
    keys = tmp_path / "keys.txt"
    keys.write_text(f"# created\n{identity}\n", encoding="utf-8")
    for env in ({"SOPS_AGE_KEY_FILE": str(keys)}, {"SOPS_AGE_KEY_CMD": f"cat {keys}"}):
        assert json.loads(SopsProvider().decrypt(path.read_bytes(), path, env)) == {"a": "b"}
    default = tmp_path / "home" / ".config" / "sops" / "age" / "keys.txt"
    default.parent.mkdir(parents=True)
    keys.rename(default)
    env = {"HOME": str(tmp_path / "home")}
    assert json.loads(SopsProvider().decrypt(path.read_bytes(), path, env)) == {"a": "b"}


def test_a_changed_file_is_refused(
    identity: pyrage.x25519.Identity, env: dict[str, str], tmp_path: Path
) -> None:
    tree = sops_file({"a": "one", "b": "two"}, identity)
    del tree["b"]
    path = tmp_path / "s.yaml"
    with pytest.raises(ConfigError) as caught:
        SopsProvider().decrypt(json.dumps(tree).encode(), path, env)
    assert caught.value.error_id == "secrets.mac"
    tree = sops_file({"a": "one"}, identity)
    tree["c"] = tree.pop("a")
    with pytest.raises(ConfigError) as caught:
        SopsProvider().decrypt(json.dumps(tree).encode(), path, env)
    assert caught.value.error_id == "secrets.broken"


def test_no_key_says_which_kinds_there_are(identity: pyrage.x25519.Identity, tmp_path: Path) -> None:
    path = tmp_path / "s.yaml"
    path.write_text(json.dumps(sops_file({"a": "one"}, identity)), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        SopsProvider().decrypt(path.read_bytes(), path, {"HOME": str(tmp_path)})
    assert caught.value.error_id == "secrets.no-key"
    assert "age" in caught.value.hint


def _project(root: Path, identity: pyrage.x25519.Identity) -> None:
    (root / "helmfile.yaml").write_text(
        "environments:\n  default:\n    values: [{a: plain, b: plain}]\n    secrets: [env-secret.yaml]\n---\n"
        "releases:\n- name: r\n  chart: ./c\n  secrets: [release-secret.yaml]\n  values: [{k: v}, r.yaml.gotmpl]\n",
        encoding="utf-8",
    )
    (root / "env-secret.yaml").write_text(
        json.dumps(sops_file({"b": "env-secret-1"}, identity)), encoding="utf-8"
    )
    (root / "release-secret.yaml").write_text(
        json.dumps(sops_file({"rk": "release-secret-2", "deep": {"n": 12345}}, identity)), encoding="utf-8"
    )
    (root / "r.yaml.gotmpl").write_text("from: {{ .Values.b }}\n", encoding="utf-8")


def test_secrets_layer_over_values_and_never_print_themselves(
    identity: pyrage.x25519.Identity, env: dict[str, str], tmp_path: Path
) -> None:
    _project(tmp_path, identity)
    events: list[object] = []
    desired = load_desired(LoadRequest(cwd=tmp_path, env=env, ports=state_ports()), events.append)
    assert desired.files[0].environment.values == {"a": "plain", "b": "env-secret-1"}
    resolved = values.layer(desired, desired.releases[0])
    assert resolved.values == {
        "k": "v",
        "from": "env-secret-1",
        "rk": "release-secret-2",
        "deep": {"n": 12345.0},
    }
    assert resolved.secret_paths >= {("rk",), ("deep", "n")}
    shown = " ".join((repr(desired), repr(desired.releases[0]), repr(events), str(desired.warnings)))
    for secret in ("env-secret-1", "release-secret-2"):
        assert secret not in shown
        assert desired.secrets.mask(f"x {secret} y") == "x *** y"
        encoded = base64.b64encode(secret.encode()).decode()
        assert encoded not in desired.secrets.mask(f"data: {encoded}")
    files = [path.name for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(files) == ["env-secret.yaml", "helmfile.yaml", "r.yaml.gotmpl", "release-secret.yaml"]


def test_print_env_masks_what_was_encrypted(
    identity: pyrage.x25519.Identity, env: dict[str, str], tmp_path: Path
) -> None:
    _project(tmp_path, identity)
    desired = load_desired(LoadRequest(cwd=tmp_path, env=env, ports=state_ports()), lambda event: None)
    assert "env-secret-1" not in views.print_env(desired)
    assert "env-secret-1" in views.print_env(desired, show_secrets=True)
    assert "env-secret-1" not in views.build(desired)


def test_an_error_about_a_secret_file_does_not_quote_it(
    identity: pyrage.x25519.Identity, env: dict[str, str], tmp_path: Path
) -> None:
    _project(tmp_path, identity)
    tree = sops_file({"data": "oops: [unclosed-secret"}, identity)
    (tmp_path / "release-secret.txt").write_text(json.dumps(tree), encoding="utf-8")
    text = (
        (tmp_path / "helmfile.yaml")
        .read_text(encoding="utf-8")
        .replace("release-secret.yaml", "release-secret.txt")
    )
    (tmp_path / "helmfile.yaml").write_text(text, encoding="utf-8")
    desired = load_desired(LoadRequest(cwd=tmp_path, env=env, ports=state_ports()), lambda event: None)
    with pytest.raises(HelmflowError) as caught:
        values.layer(desired, desired.releases[0])
    mistake = caught.value.mistakes[0]
    assert "unclosed-secret" not in f"{mistake.message} {mistake.span and mistake.span.excerpt()}"


def _expand(text: Any, root: Path, env: Mapping[str, str]) -> Any:
    context = new_context(LoadRequest(cwd=root, env=env, ports=state_ports()), lambda event: None)
    return refs.expand(text, context, root)


def test_local_schemes(env: dict[str, str], tmp_path: Path, identity: pyrage.x25519.Identity) -> None:
    (tmp_path / "n.yaml").write_text("num: 5\nmap: {a: [x, y]}\n", encoding="utf-8")
    (tmp_path / "s.yaml").write_text(
        json.dumps(sops_file({"db": {"pw": "pw-value"}}, identity)), encoding="utf-8"
    )
    script = tmp_path / "say.sh"
    script.write_text('#!/bin/sh\necho "said $1 $2"\n', encoding="utf-8")
    script.chmod(script.stat().st_mode | stat.S_IXUSR)
    given = {**env, "TOKEN": "tok"}
    table = {
        "ref+echo://foo/bar": "foo/bar",
        "ref+echo://foo/bar/baz#/foo/bar": "baz",
        "ref+file://n.yaml#/num": 5,
        "ref+file://n.yaml#/map": {"a": ["x", "y"]},
        "ref+file://n.yaml#/map/a/1": "y",
        "ref+file://n.yaml#/nope": None,
        "ref+env://TOKEN": "tok",
        "ref+envsubst://$TOKEN-${NOPE:-dflt}": "tok-dflt",
        f"ref+exec://{script}?args=a,b": "said a b",
        "ref+sops://s.yaml#/db/pw": "pw-value",
        "pre-ref+echo://mid+-post": "pre-mid-post",
        "secretref+echo://value": "value",
        "ref+echo://x": "ref+echo://x",  # Helmfile's pattern wants two characters
        "ref+file://ref+echo://n.yaml+#/num": 5,
        "plain": "plain",
    }
    for text, want in table.items():
        assert _expand(text, tmp_path, given).value == want, text
    nested = _expand({"a": ["ref+echo://one", {"b": "ref+echo://two"}], "c": "d"}, tmp_path, given)
    assert nested.value == {"a": ["one", {"b": "two"}], "c": "d"}
    assert nested.paths == {("a", "0"), ("a", "1", "b")}


@pytest.mark.parametrize(
    ("text", "error_id"),
    [
        ("ref+nope://some/thing", "refs.unknown-scheme"),
        ("ref+tfstate://some/thing", "refs.unknown-scheme"),
        ("ref+file://missing.yaml", "refs.file"),
        ("ref+env://NOT_SET_AT_ALL", "refs.env"),
        ("ref+exec://no-such-command-here", "refs.exec"),
        ("ref+k8s://v1/Pod/ns/name/key", "refs.malformed"),
        ("ref+gcpsecrets://only", "refs.malformed"),
        ("ref+azurekeyvault://only", "refs.malformed"),
        ("ref+vault://some/path", "refs.vault"),
    ],
)
def test_what_cannot_be_answered(text: str, error_id: str, env: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        _expand(text, tmp_path, env)
    assert caught.value.error_id == error_id


def test_clouds_are_asked_through_their_own_commands(env: dict[str, str], tmp_path: Path) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in ("aws", "gcloud", "az"):
        command = folder / name
        command.write_text('#!/bin/sh\necho "$(basename "$0") $*"\n', encoding="utf-8")
        command.chmod(0o755)
    given = {**env, "PATH": f"{folder}:{env['PATH']}"}
    with_path = {**os.environ, "PATH": given["PATH"]}
    table = {
        "ref+awsssm://app/db/pw?region=eu-west-1": "aws ssm get-parameter --name=/app/db/pw --with-decryption "
        "--query=Parameter.Value --output text --region=eu-west-1",
        "ref+awssecrets://app": "aws secretsmanager get-secret-value --secret-id=app --query=SecretString --output text",
        "ref+gcpsecrets://proj/name?version=3": "gcloud secrets versions access 3 --secret=name --project=proj",
        "ref+azurekeyvault://vault/name/v1": "az keyvault secret show --vault-name=vault --name=name --version=v1 "
        "--query=value --output=tsv",
    }
    old = os.environ["PATH"]
    os.environ["PATH"] = with_path["PATH"]
    try:
        for text, want in table.items():
            assert _expand(text, tmp_path, given).value == want
    finally:
        os.environ["PATH"] = old


class _VaultHandler(BaseHTTPRequestHandler):
    """A key-value engine of version 2 at kv/ and one of version 1 at old/."""

    def do_GET(self) -> None:
        answers: dict[str, Any] = {
            "/v1/sys/internal/ui/mounts/kv/app": {"data": {"path": "kv/", "options": {"version": "2"}}},
            "/v1/kv/data/app": {"data": {"data": {"pw": "from-v2"}, "metadata": {}}},
            "/v1/sys/internal/ui/mounts/old/app": {"data": {"path": "old/", "options": None}},
            "/v1/old/app": {"data": {"pw": "from-v1"}},
        }
        allowed = self.headers.get("X-Vault-Token") == "vault-token-1"
        found = answers.get(self.path) if allowed else None
        status = 200 if found else (403 if not allowed else 404)
        body = json.dumps(found or {"errors": ["permission denied"] if not allowed else []}).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        return


@pytest.fixture
def vault() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _VaultHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_vault_of_both_versions(vault: str, env: dict[str, str], tmp_path: Path) -> None:
    given = {**env, "VAULT_ADDR": vault, "VAULT_TOKEN": "vault-token-1"}
    assert _expand("ref+vault://kv/app#/pw", tmp_path, given).value == "from-v2"
    assert _expand("ref+vault://old/app#/pw", tmp_path, given).value == "from-v1"
    with pytest.raises(ConfigError) as caught:
        _expand("ref+vault://kv/app?token_env=OTHER#/pw", tmp_path, {**given, "OTHER": "wrong-token-2"})
    assert caught.value.error_id == "refs.vault"
    assert "wrong-token-2" not in str(caught.value)


class _Cluster:
    """What the k8s source asks of a client."""

    def get(self, ref: Any) -> dict[str, Any]:
        data = (
            {"key": base64.b64encode(b"from-k8s").decode()} if ref.kind == "Secret" else {"key": "from-map"}
        )
        return {"data": data}


def test_kubernetes_secrets_and_config_maps(tmp_path: Path) -> None:
    ports = state_ports(open_client=lambda context, config: _Cluster())
    context = new_context(LoadRequest(cwd=tmp_path, env={}, ports=ports), lambda event: None)
    assert refs.expand("ref+k8s://v1/Secret/ns/name/key", context, tmp_path).value == "from-k8s"
    assert refs.expand("ref+k8s://v1/ConfigMap/ns/name/key", context, tmp_path).value == "from-map"
    with pytest.raises(ConfigError):
        refs.expand("ref+k8s://v1/Secret/ns/name/other", context, tmp_path)


def test_references_in_release_values_are_marked_secret(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "helmfile.yaml").write_text(
        "releases:\n- name: r\n  chart: ./c\n  values:\n  - {a: 'ref+file://t.txt', b: plain}\n  - v.yaml\n"
        "  set: [{name: s, value: 'ref+file://t.txt'}]\n",
        encoding="utf-8",
    )
    (tmp_path / "v.yaml").write_text("c: ref+env://TOKEN\n", encoding="utf-8")
    (tmp_path / "t.txt").write_text("top-secret", encoding="utf-8")
    request = LoadRequest(cwd=tmp_path, env={**env, "TOKEN": "tok-value"}, ports=state_ports())
    desired = load_desired(request, lambda event: None)
    resolved = values.layer(desired, desired.releases[0])
    assert resolved.values == {"a": "top-secret", "b": "plain", "c": "tok-value", "s": "top-secret"}
    assert resolved.secret_paths == {("a",), ("c",), ("s",)}
    assert desired.secrets.mask("top-secret tok-value") == "*** ***"


def test_drive_runs_with_ports(env: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "helmfile.yaml.gotmpl").write_text(
        'releases:\n- {name: {{ fetchSecretValue "ref+env://NAME" }}, chart: ./c}\n', encoding="utf-8"
    )
    ran = drive.run(["list", "--output", "json"], tmp_path, {**env, "NAME": "named"}, state_ports())
    assert json.loads(ran.out)[0]["name"] == "named"
