"""Where values came from, what differs between environments, and the published schema."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from helmflow.core.errors import ConfigError
from helmflow.providers.state_ports import state_ports
from helmflow.state import comparing, explain
from helmflow.state.json_schema import json_schema
from helmflow.state.load import LoadRequest, load_desired
from helmflow.state.values import CommandValues
from tests import conformance

FILES = {
    "helmfile.yaml.gotmpl": "environments:\n  dev:\n    values: [{n: 1, host: dev.example}]\n  prod:\n"
    "    values: [{n: 3, host: prod.example}]\n---\ntemplates:\n  base:\n    values:\n    - {deep: {from: template}}\n"
    "releases:\n- name: web\n  namespace: x\n  chart: ./c\n  inherit: [{template: base}]\n"
    "  version: {{ .Values.n }}.0.0\n  labels: {env: {{ .Environment.Name }}}\n"
    "  values:\n  - v.yaml\n  - {a: {b: inline}, list: [1]}\n  - r.yaml.gotmpl\n  set: [{name: s.t, value: set}]\n"
    "- name: only\n  chart: ./c\n  condition: {{ eq .Environment.Name \"prod\" }}\n",
    "v.yaml": "# first\na:\n  b: file\n  c: file\n",
    "r.yaml.gotmpl": "host: {{ .Values.host }}\nreplicas: {{ .Values.n }}\n",
    "o.yaml": "a: {c: flag}\n",
}  # fmt: skip


def _project(root: Path) -> Path:
    for name, text in FILES.items():
        (root / name).write_text(text, encoding="utf-8")
    return root


def test_every_value_has_its_origin_and_what_it_overrode(tmp_path: Path) -> None:
    request = LoadRequest(cwd=_project(tmp_path), env={}, environment="dev", ports=state_ports())
    desired = load_desired(request, lambda event: None)
    command = CommandValues(values_files=("o.yaml",), sets=("a.d=1",))
    found = explain.explain(
        desired, desired.releases[0], command=command, defaults={"a": {"b": "chart"}, "unset": True}
    )
    assert explain.text(found) == (
        'a.b = "inline"  # helmfile.yaml.gotmpl (rendered part 2):14\n'
        '    overrode "file"  # v.yaml:3\n'
        '    overrode "chart"  # chart defaults\n'
        'a.c = "flag"  # o.yaml:1\n'
        '    overrode "file"  # v.yaml:4\n'
        "a.d = 1  # --set\n"
        'deep.from = "template"  # helmfile.yaml.gotmpl (rendered part 2):4\n'
        'host = "dev.example"  # r.yaml.gotmpl:1\n'
        "list = [1]  # helmfile.yaml.gotmpl (rendered part 2):14\n"
        "replicas = 1  # r.yaml.gotmpl:2\n"
        's.t = "set"  # helmfile.yaml.gotmpl: set[0]\n'
        "unset = true  # chart defaults\n"
    )
    assert [one.name for one in explain.explain(desired, desired.releases[0], path="a.b")] == ["a.b"]
    with pytest.raises(ConfigError) as caught:
        explain.explain(desired, desired.releases[0], path="hots")
    assert caught.value.hint == "did you mean 'host'?"


def test_two_environments_side_by_side(tmp_path: Path) -> None:
    request = LoadRequest(cwd=_project(tmp_path), env={}, ports=state_ports())
    assert comparing.environment_names(request, lambda event: None) == ("dev", "prod")
    states = comparing.everywhere(request, lambda event: None)
    assert {name: len([one for one in state.releases if one.selected]) for name, state in states.items()} == {
        "dev": 1,
        "prod": 2,
    }
    found = comparing.compare(request, "dev", "prod", lambda event: None)
    web, only = found
    assert [(one.path, one.left, one.right) for one in web.differences] == [
        ("version", "1.0.0", "3.0.0"),
        ("labels.env", "dev", "prod"),
        ("values.host", "dev.example", "prod.example"),
        ("values.replicas", 1.0, 3.0),
    ]
    assert only.left is None
    assert only.right is not None
    assert all(one.equal for one in comparing.compare(request, "dev", "dev", lambda event: None))


def test_lists_merge_as_the_file_says(tmp_path: Path) -> None:
    from helmflow.state.values import layer

    (tmp_path / "helmflow.yaml").write_text(
        "mergeLists: {env: 'by:name', args: append}\nreleases:\n- name: a\n  chart: ./c\n  mergeLists: {hosts: append}\n"
        "  values:\n  - {env: [{name: A, value: '1'}, {name: B}], args: [x], hosts: [h], other: [1]}\n"
        "  - {env: [{name: A, value: '2'}, {name: C}], args: [y], hosts: [i], other: [2]}\n",
        encoding="utf-8",
    )
    desired = load_desired(LoadRequest(cwd=tmp_path, env={}), lambda event: None)
    assert layer(desired, desired.releases[0]).values == {
        "env": [{"name": "A", "value": "2"}, {"name": "B"}, {"name": "C"}],
        "args": ["x", "y"],
        "hosts": ["h", "i"],
        "other": [2.0],
    }


def test_the_schema_accepts_what_the_reader_accepts() -> None:
    """Every part of the recorded plain state files, and it is a schema itself."""
    import yaml

    schema = json_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    passed = 0
    for file in sorted(conformance.path("helmfile").glob("*/*/case.json")):
        case = json.loads(file.read_text(encoding="utf-8"))
        recorded = case["recorded"]
        path = file.parent / "input" / "helmfile.yaml"
        if recorded.get("exit") != 0 or not path.exists() or "HELMFILE_RENDER_YAML" in case["env"]:
            continue
        for part in path.read_text(encoding="utf-8").split("\n---\n"):
            for document in yaml.safe_load_all(part):
                mistakes = [error.message for error in validator.iter_errors(document)]
                assert not mistakes, (file.parent.name, mistakes)
        passed += 1
    conformance.report("helmfile state files (JSON Schema)", passed=passed)


def test_the_schema_refuses_what_the_reader_refuses() -> None:
    validator = jsonschema.Draft202012Validator(json_schema())
    for document in (
        {"relases": []},
        {"releases": [{"name": "a", "bogus": 1}]},
        {"helmDefaults": {"wait": "yes please"}},
    ):
        assert list(validator.iter_errors(document)), document
