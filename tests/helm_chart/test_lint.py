"""Lint: the recorded runs over Helm's own test charts, and single rules."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from helmflow.helm.chart.capabilities import Capabilities
from helmflow.helm.chart.lint import failures, lint
from tests import conformance
from tests.charts import archive_of, write_chart

BASE = {
    "Chart.yaml": "apiVersion: v2\nname: c\nversion: 1.2.3\nicon: http://x/y\n",
    "values.yaml": "{}",
    "templates/a.yaml": "",
}


def test_recorded_runs(tmp_path: Path) -> None:
    folder = conformance.path("helm/testdata")
    rows = conformance.data("helm/oracle/lint_testdata.json")
    wrong = []
    for row in rows:
        path = folder / row["chart"]
        if row["chart"].endswith(
            "frobnitz_with_dev_null"
        ):  # the recording had a link that an archive cannot keep
            path = tmp_path / str(row["strict"]) / path.name
            shutil.copytree(folder / row["chart"], path)
            os.chmod(path, 0o755)
            (path / "null").symlink_to("/dev/null")
        messages = lint(path)

        def told(text: str, path: Path = path, name: str = row["chart"]) -> str:
            return text.replace(os.path.abspath(path), name)

        got = [{"severity": int(m.severity), "path": told(m.path), "error": told(m.text)} for m in messages]
        if got != row["result"]["messages"]:
            wrong.append((row["chart"], got, row["result"]["messages"]))
        if [told(m.text) for m in failures(messages, strict=row["strict"])] != row["result"]["errors"]:
            wrong.append((row["chart"], row["strict"]))
    conformance.report("oracle/lint", passed=len(rows) - len(wrong), failed=len(wrong))
    assert not wrong


def found(path: Path, files: dict[str, str]) -> list[tuple[int, str, str]]:
    return [(int(m.severity), m.path, m.text) for m in lint(write_chart(path, {**BASE, **files}))]


UNNAMED = (
    2,
    "templates/a.yaml",
    (
        'object name does not conform to Kubernetes naming requirements: "": metadata.name: Invalid value: "": a lowercase RFC '
        "1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an "
        "alphanumeric character (e.g. 'example.com', regex used for validation is "
        "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
    ),
)


@pytest.mark.parametrize(
    ("template", "messages"),
    [
        ("{ a }", [UNNAMED]),
        ('{"a": 1}\n---\nb: c: d\n', [UNNAMED, (3, "json: offset 11: invalid character '-' in numeric literal")]),
        ("a: b\n---\nb: c: d\n",
         [UNNAMED, (3, "error converting YAML to JSON: yaml: mapping values are not allowed in this context")]),
        ("- a", [(3, ("error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go value of type "
                  "rules.k8sYamlStruct"))]),
        ("kind: [1]", [(3, ("error unmarshaling JSON: while decoding JSON: json: cannot unmarshal array into Go struct "
                        "field k8sYamlStruct.Kind of type string"))]),
        ("a: 1\n--- x\nb: 1", [(3, "invalid Yaml document separator: x")]),
        ('{{ required "x" .Values.a }}', []),
        ("metadata: {name: 1}", []),
        ('{"a": 1}x', [UNNAMED, (3, "json: offset 9: invalid character 'x' looking for beginning of value")]),
    ],
)  # fmt: skip
def test_documents(tmp_path: Path, template: str, messages: list[tuple[object, ...]]) -> None:
    wanted = [
        m if len(m) == 3 else (m[0], "templates/a.yaml", f"unable to parse YAML: {m[1]}") for m in messages
    ]
    assert found(tmp_path, {"templates/a.yaml": template}) == wanted


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (
            "  metadata: {name: a}\n",
            'document starts with an illegal indent: "  metadata: {name: a}", which may cause parsing problems',
        ),
        (
            "kind: Deployment\nmetadata: {name: a}\n",
            'a Deployment must contain matchLabels or matchExpressions, and "a" does not',
        ),
        (
            "kind: List\nmetadata: {name: a}\nitems: [{metadata: {annotations: {helm.sh/resource-policy: keep}}}]",
            "annotation 'helm.sh/resource-policy' within List objects are ignored",
        ),
        (
            "apiVersion: policy/v1beta1\nkind: PodDisruptionBudgetList\nmetadata: {name: a}",
            (
                "policy/v1beta1 PodDisruptionBudgetList is deprecated in v1.21+, unavailable in v1.25+; use policy/v1 "
                "PodDisruptionBudgetList"
            ),
        ),
    ],
)
def test_objects(tmp_path: Path, template: str, text: str) -> None:
    assert [told for _, _, told in found(tmp_path, {"templates/a.yaml": template})] == [text]


def test_deprecations_follow_the_chosen_kubernetes(tmp_path: Path) -> None:
    template = "apiVersion: policy/v1beta1\nkind: PodDisruptionBudget\nmetadata: {name: a}"
    path = write_chart(tmp_path, {**BASE, "templates/a.yaml": template})
    assert lint(path, capabilities=Capabilities().with_kube_version("1.20")) == ()
    assert len(lint(path, capabilities=Capabilities().with_kube_version("1.21"))) == 1


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("version: 0.0.0-0", 'version "0.0.0-0" is less than or equal to "0.0.0-0"'),
        ("version: v1", "version 'v1' is not a valid SemVerV2"),
        ("appVersion: 1", "appVersion should be of type string but it's of type float64"),
        ("maintainers: [{email: x}]", "each maintainer requires a name"),
        ("maintainers: [{name: a, email: x}]", "invalid email 'x' for maintainer 'a'"),
        ("maintainers: [{name: a, url: x}]", "invalid url 'x' for maintainer 'a'"),
        ("sources: ['/x']", "invalid source URL '/x'"),
        ("icon: x", "invalid icon URL 'x'"),
        ("foo: 1", 'failed to strictly parse chart metadata file\n\terror unmarshaling JSON: while decoding JSON: json: unknown field "foo"'),
        ("maintainers: [{name: a, foo: 1}]",
         'failed to strictly parse chart metadata file\n\terror unmarshaling JSON: while decoding JSON: json: unknown field "foo"'),
        ("home: a\nhome: b", ("failed to strictly parse chart metadata file\n\terror converting YAML to JSON: yaml: unmarshal errors:\n"
         '  line 6: key "home" already set in map')),
    ],
)  # fmt: skip
def test_chart_yaml(tmp_path: Path, line: str, text: str) -> None:
    key = line.partition(":")[0]
    kept = [one for one in BASE["Chart.yaml"].splitlines() if not one.startswith(f"{key}:")]
    messages = found(tmp_path, {"Chart.yaml": "\n".join([*kept, line]) + "\n"})
    assert [told for _, path, told in messages if path == "Chart.yaml"] == [text]


@pytest.mark.parametrize("line", ["maintainers: [{name: a, url: 'http://x'}]", "maintainers: [{name: a, email: a@b.c}]",
                                  "sources: ['mailto:x']", "icon: data:x", "name: C"])  # fmt: skip
def test_chart_yaml_that_is_right(tmp_path: Path, line: str) -> None:
    key = line.partition(":")[0]
    kept = [one for one in BASE["Chart.yaml"].splitlines() if not one.startswith(f"{key}:")]
    assert found(tmp_path, {"Chart.yaml": "\n".join([*kept, line]) + "\n"}) == []


def test_an_archive_is_unpacked_first(tmp_path: Path) -> None:
    path = tmp_path / "c-1.2.3.tgz"
    path.write_bytes(
        archive_of({f"c/{name}": text for name, text in {**BASE, "templates/x.foo": ""}.items()})
    )
    assert [message.path for message in lint(path)] == ["templates/x.foo"]


NEAR = (
    *(f'icon: "{text}"\n' for text in ("https://", "http://[::1]x", "http://%zz", "urn:x <[", "x:\\t", "/a", "a.b", "http://h:x")),
    *(
        f'icon: x:y\nmaintainers: [{{name: a, url: "{text}"}}]\n'
        for text in ("a.b", "a.bu:p@h", "é:80", "x.y/z", ".a.b", "www.a", "1.2.3.4", "a--b.c", "a---b", "http://", "a_b.c")
    ),
    "icon: x:y\nsources: [\"http://{@\", \"x y\"]\n",
    "icon: x:y\ndependencies: [{version: 0.1.0}]\n",
)  # fmt: skip


@pytest.mark.parametrize("more", NEAR)
def test_near_rows(tmp_path: Path, more: str) -> None:
    helm = pytest.importorskip("helm_python")
    path = write_chart(
        tmp_path, {**BASE, "Chart.yaml": f"apiVersion: v2\nname: {tmp_path.name}\nversion: 1.2.3\n{more}"}
    )
    wanted = [(m["severity"], m["path"], m["error"]) for m in helm.lint(path)["messages"]]
    assert [(int(m.severity), m.path, m.text) for m in lint(path)] == wanted


def test_null_of_the_values_file_meets_the_schema(tmp_path: Path) -> None:
    schema = '{"properties":{"sub":{"type":"string"}}}'
    assert found(tmp_path, {"values.yaml": "sub: null\n", "values.schema.json": schema})[0] == (
        3, "values.yaml", "- at '/sub': got null, want string\n",
    )  # fmt: skip


def test_version_that_no_number_holds(tmp_path: Path) -> None:
    text = BASE["Chart.yaml"].replace("1.2.3", "99999999999999999999.0.0")
    assert (2, "Chart.yaml", "version '99999999999999999999.0.0' is not a valid SemVerV2") in found(
        tmp_path, {"Chart.yaml": text}
    )
