"""No secret in any sink: every command that shows or writes something is run, and all it left behind is searched."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pyrage
import pytest

from tests.providers.test_secrets_and_references import sops_file
from tests.scenarios.shop import Done, Shop

SOPS, FILE, ENV, PLAIN = "hunter2-Zebra-quill", "plum-Tractor-91x", "otter-Lantern-44y", "violet-Anchor-77z"
NAMED = "lapwing-quarry-33k"  # in the name of an object
SECRETS = (SOPS, FILE, ENV, PLAIN, NAMED)
STATE = """\
releases:
  - name: vault
    namespace: apps
    chart: ./vault
    kubeContext: embedded
    values:
      - token: ref+env://VAULT_TOKEN
        filed: ref+file://token.txt
    secrets: [secrets.yaml]
"""
CHART = {
    "Chart.yaml": "apiVersion: v2\nname: vault\nversion: 1.0.0\n",
    "values.yaml": "size: 1\nbreak: ''\n",
    "templates/secret.yaml": """\
apiVersion: v1
kind: Secret
metadata: {name: vault}
stringData:
  password: {{ .Values.password | quote }}
  plain: PLAIN
data:
  token: {{ .Values.token | b64enc }}
""",
    "templates/config.yaml": """\
{{- if eq .Values.break "yaml" }}
a: [{{ .Values.password }}
{{- else if eq .Values.break "fail" }}
{{- fail (printf "cannot use %s and %s" .Values.password .Values.filed) }}
{{- end }}
apiVersion: v1
kind: ConfigMap
metadata: {name: vault}
data:
  size: {{ .Values.size | quote }}
  url: "postgres://user:{{ .Values.password }}@db/{{ .Values.filed }}?t={{ .Values.token }}"
  encoded: {{ .Values.password | b64enc }}
""",
    "templates/named.yaml": """\
apiVersion: v1
kind: ConfigMap
metadata: {name: "named-{{ .Values.named }}"}
data: {size: {{ .Values.size | quote }}}
""",
    "templates/NOTES.txt": "The password is {{ .Values.password }}, the token {{ .Values.token }}.\n",
}


@pytest.fixture
def vault(shop: Shop, tmp_path: Path) -> Shop:
    """A release with secrets of every kind in a Secret, in a ConfigMap and in its notes."""
    identity = pyrage.x25519.Identity.generate()
    folder = tmp_path / "vault"
    for name, text in CHART.items():
        path = folder / "vault" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.replace("PLAIN", PLAIN), encoding="utf-8")
    state = STATE.replace("kubeContext: embedded", f"kubeContext: {shop.context}")
    (folder / "helmflow.yaml").write_text(state, encoding="utf-8")
    (folder / "secrets.yaml").write_text(
        json.dumps(sops_file({"password": SOPS, "named": NAMED}, identity)), encoding="utf-8"
    )
    (folder / "token.txt").write_text(FILE, encoding="utf-8")
    (tmp_path / "tmp").mkdir()
    environ = {"SOPS_AGE_KEY": str(identity), "VAULT_TOKEN": ENV, "TMPDIR": str(tmp_path / "tmp")}
    return Shop(folder, shop.home, {**shop.environ, **environ}, shop.context, shop.transport)


def forms(secret: str) -> set[bytes]:
    """A text, and its base64 forms at all three offsets (whatever stands before and after it)."""
    raw = secret.encode()
    found = {raw}
    for offset in range(3):
        encoded = base64.b64encode(b"\0" * offset + raw)
        start = -(-offset * 4 // 3) if offset else 0
        found.add(encoded[start + (1 if offset else 0) : len(encoded.rstrip(b"=")) - 2])
    return found


def leaks(where: str, data: bytes, secrets: tuple[str, ...]) -> list[str]:
    return [f"{where}: {one}" for one in secrets for form in forms(one) if form in data]


def search(made: Shop, done: Done, what: str, secrets: tuple[str, ...] = SECRETS) -> list[str]:
    """What leaked into output, temporary files, the cache, logs and journals.

    The cluster itself holds secrets, and compiled templates hold what a chart says itself, as the chart's own files do.
    """
    found = leaks(f"{what} stdout", done.out.encode(), secrets) + leaks(
        f"{what} stderr", done.err.encode(), secrets
    )
    written = [made.folder / name for name in ("log.jsonl", "journal.jsonl", "plan", "report.html")]
    for top in (made.folder.parent / "tmp", made.home):
        written += [path for path in top.rglob("*") if "embedded" not in path.parts]
    for path in written:
        if path.is_file():
            sought = tuple(one for one in secrets if one != PLAIN or "programs" not in path.parts)
            found += leaks(f"{what} {path.name}", path.read_bytes(), sought)
    return found


REPORTS = ("report.json", "report.md", "report.html")
LOOKING = [
    ("diff",),
    ("diff", "-o", "html", "--report", "report.json"),
    ("diff", "--against", "release", "--report", "report.md"),
    ("diff", "-o", "json"),
    ("diff", "-o", "markdown"),
    ("plan",),
    ("build",),
    ("build", "--embed-values"),
    ("print-env",),
    ("list",),
    ("list", "-o", "json"),
    ("lint",),
    ("status",),
    ("status", "-o", "json"),
    ("show-dag",),
    ("compare", "default", "default"),
    ("graph", "--all-environments"),
    ("plan", "-o", "json"),
    ("diff", "-o", "html"),
    ("history", "-o", "json"),
    ("graph",),
    ("permissions",),
    ("migrate", "--verify"),
    ("explain", "values", "vault"),
    ("explain", "values", "vault", "-o", "json"),
]


def test_no_secret_in_what_looks_and_in_what_writes(vault: Shop) -> None:
    found: list[str] = []
    log = ("--log-file", "log.jsonl", "--debug")
    for words in LOOKING[:6]:
        done = vault.run(*words, *log)
        assert done.code == 0, done.err
        found += search(vault, done, f"before: {' '.join(words)}")
    for words in (
        ("sync", "--report", "report.html"),
        ("apply", "--set", "size=2", "--report", "report.json"),
        ("apply", "--set", "size=3", "-o", "html"),
        ("sync", "--set", "password=ref+echo://x", "--report", "report.md"),
    ):
        done = vault.run(*words, *log, "--journal", "journal.jsonl")
        assert done.code == 0, done.err
        found += search(vault, done, " ".join(words))
    vault.environ["VAULT_TOKEN"] = ENV[::-1]  # a changed secret shows as changed, not as what it was or is
    for words in LOOKING:
        done = vault.run(*words, *log)
        assert done.code == 0, done.err
        found += search(vault, done, f"after: {' '.join(words)}", (*SECRETS, ENV[::-1]))
    assert found == []


@pytest.mark.parametrize("how", ["yaml", "fail"])
@pytest.mark.parametrize("command", ["diff", "sync", "template"])
def test_no_secret_in_errors(vault: Shop, command: str, how: str) -> None:
    done = vault.run(command, "--set", f"break={how}", "--debug", "--log-file", "log.jsonl")
    assert done.code == 1, done.out
    assert search(vault, done, command) == []


def test_no_secret_where_the_cluster_refuses_it(vault: Shop) -> None:
    (vault.folder / "vault" / "templates" / "bad.yaml").write_text(
        "apiVersion: v1\nkind: Service\nmetadata: {name: bad}\nspec: {ports: [{port: '{{ .Values.token }}'}]}\n"
    )
    for command in ("sync",):
        done = vault.run(command, "--log-file", "log.jsonl", "--debug")
        assert done.code == 1, done.out
        assert search(vault, done, command) == []


def test_a_plan_with_secrets_is_frozen_under_a_key_or_not_at_all(vault: Shop) -> None:
    done = vault.run("plan", "--out", "plan")
    assert done.code == 1, done.out
    assert not (vault.folder / "plan").exists()
    assert search(vault, done, "plan --out") == []
    vault.environ["HELMFLOW_PLAN_KEY"] = base64.b64encode(b"k" * 32).decode()
    done = vault.run("plan", "--out", "plan")
    assert done.code == 0, done.err
    assert (vault.folder / "plan").exists()
    assert search(vault, done, "plan --out with a key") == []
    done = vault.run("apply", "plan", "--journal", "journal.jsonl", "--report", "report.html")
    assert done.code == 0, done.err
    assert search(vault, done, "apply plan") == []


def test_the_search_finds_what_is_shown_on_request(vault: Shop) -> None:
    done = vault.run("diff", "--show-secrets")
    assert leaks("diff", done.out.encode(), (SOPS,)) != []
