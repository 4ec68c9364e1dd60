"""What build and print-env hide: every secret at its own path, long ones anywhere, and no innocent word."""

from __future__ import annotations

import json
from pathlib import Path

import pyrage
import yaml

from tests.cli.project import project
from tests.providers.test_secrets_and_references import sops_file

STATE = """\
environments:
  default:
    values: [{stage: prod, port: 5432, note: production runs on prod, greeting: hunter2-Zebra-quill}]
    secrets: [secrets.yaml]
---
releases:
  - name: web
    chart: ./web
    labels: {stage: prod}
"""
SECRETS = {
    "db": {"user": "prod", "port": 5432, "key": "no"},
    "password": "hunter2-Zebra-quill",
    "pins": [1, 22],
}


def test_a_word_that_equals_a_short_secret_is_left_alone(tmp_path: Path) -> None:
    identity = pyrage.x25519.Identity.generate()
    made = project(
        tmp_path, {"helmflow.yaml": STATE, "secrets.yaml": json.dumps(sops_file(SECRETS, identity))}
    )
    made.environ["SOPS_AGE_KEY"] = str(identity)
    hidden = {
        "stage": "prod",
        "port": 5432,
        "note": "production runs on prod",
        "greeting": "***",
        "db": {"user": "***", "port": "***", "key": "***"},
        "password": "***",
        "pins": "***",
    }
    env = made.run("print-env")
    assert (env.code, yaml.safe_load(env.out)["values"]) == (0, hidden), env.err
    assert json.loads(made.run("print-env", "-o", "json").out)[0]["values"] == hidden
    built = yaml.safe_load(made.run("build").out)
    assert built["renderedvalues"] == hidden
    assert built["releases"][0]["labels"]["stage"] == "prod"


def test_texts_of_encrypted_hcl_files_are_hidden_too(tmp_path: Path) -> None:
    identity = pyrage.x25519.Identity.generate()
    opened = 'values {\n  password = "plum-Tractor-91x"\n}\n'
    sealed = sops_file({"data": opened}, identity)
    state = STATE.replace("secrets.yaml", "secrets.hcl")
    made = project(tmp_path, {"helmflow.yaml": state, "secrets.hcl": json.dumps(sealed)})
    made.environ["SOPS_AGE_KEY"] = str(identity)
    ran = made.run("print-env")
    assert "plum-Tractor-91x" not in ran.out + ran.err
