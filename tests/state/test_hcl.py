"""HCL values files: references across files and blocks, overrides, templates, functions, named errors."""

from __future__ import annotations

from typing import Any

import pytest

from helmflow.core.errors import ConfigError
from helmflow.state import hcl
from helmflow.state.load import LoadRequest, load_desired
from tests import conformance


def _files(*names: str) -> list[tuple[str, str]]:
    return [
        (name, conformance.path(f"helmfile/_testdata/{name}").read_text(encoding="utf-8")) for name in names
    ]


RECORDED: list[tuple[tuple[str, ...], dict[str, Any]]] = [
    (("hcllang/values.1.hcl",), {"val1": 1.0, "val2": "LOCAL", "val3": "local1", "val4": -1.0}),
    (
        ("hcllang/multi.1.hcl", "hcllang/multi.2.hcl", "hcllang/multi.3.hcl"),
        {"base": "file3", "shared": {"key1": "v1", "key2": "override2", "key3": "final3", "key4": "v4"}, "final": "last"},
    ),
    (("hcllang/dep.1.hcl", "hcllang/dep.2.hcl"), {"base_var": "foundation", "dependent": "override-literal"}),
    (
        ("hcllang/dep_base.hcl", "hcllang/dep_override.hcl"),
        {"image_version": "1.0.0", "container_image": "myapp:override"},
    ),
    (
        ("hcllang/dep_chain_base.hcl", "hcllang/dep_chain_override.hcl"),
        {"version": "2.0", "image": "app:2.0", "full_path": "override/path"},
    ),
    (
        ("hcllang/cidr.hcl",),
        {
            "host": "10.0.0.2", "host_neg": "10.255.255.254", "netmask": "255.255.0.0", "subnet": "10.2.0.0/16",
            "subnets": ["10.0.0.0/12", "10.16.0.0/12"],
        },
    ),
    (
        ("state/values.7.hcl", "state/values.8.hcl"),
        {
            "a": "a", "b": "b", "c": "ab", "map": {"a": "a"}, "list": ["b"],
            "nestedmap": {"submap": {"subsubmap": {"hello": "ab"}}}, "ternary": True, "fromMap": "aab",
            "expressionInText": "yes", "insideFor": "b", "multi_block": "block", "block": "block",
            "crossfile": "crossfile var", "crossfile_var": "crossfile var", "localRef": "localInValues7",
        },
    ),
]  # fmt: skip


def test_recorded_files() -> None:
    for names, want in RECORDED:
        assert hcl.evaluate(_files(*names)) == want, names
    conformance.report("helmfile/_testdata (HCL)", passed=len(RECORDED))


def test_overrides_of_every_shape() -> None:
    found = hcl.evaluate(_files("hcllang/override.1.hcl", "hcllang/override.2.hcl"))
    assert found["env"] == "prod"
    assert found["config"] == {"replicas": 3.0, "image": "v1.1", "debug": True}
    assert found["tags"] == ["tag1", "tag2"]
    assert found["class"] == "standard"  # null keeps what was there
    assert found["region"] == "us-east"
    assert found["mixed_types"] == {
        "string_value": False, "number_value": ["val1", "val2"], "bool_value": 1.0, "list_value": "item1",
    }  # fmt: skip


def _values(body: str) -> dict[str, Any]:
    return hcl.evaluate([("v.hcl", f"values {{\n{body}\n}}\n")])


EXPRESSIONS: dict[str, Any] = {
    "-1 + 2 * 3": 5.0,
    "(1 + 2) * 3": 9.0,
    "7 % 4 / 2": 1.5,
    "1 < 2 && !(2 <= 1) || false": True,
    '"a" == "a" && 1 != 2': True,
    "[for x in [1, 2, 3] : x * 2 if x > 1]": [4.0, 6.0],
    '{for k, v in {a = "x", b = "y"} : k => upper(v)}': {"a": "X", "b": "Y"},
    '[{n = "a"}, {n = "b"}][*].n': ["a", "b"],
    '{"k" = [1, 2]}["k"][1]': 2.0,
    '"a\\n\\"b $${x} ${1 + 1}"': 'a\n"b ${x} 2',
    '"%{if false}a%{else}b%{endif}%{for i in [1, 2]}<${i}>%{endfor}"': "b<1><2>",
    'try({a = 1}.b, "fallback")': "fallback",
    "can({a = 1}.b)": False,
    'join(",", split(".", "a.b"))': "a,b",
    'coalesce(null, "x")': "x",
    "min([3, 1, 2]...)": 1.0,
    'jsonencode({b = [1, true], a = "x"})': '{"a":"x","b":[1,true]}',
    'lookup({a = 1}, "b", 2)': 2.0,
    "flatten([[1], [2, [3]]])": [1.0, 2.0, 3.0],
    'substr("hello", 1, 3)': "ell",
    "true ? null : 1": None,
}


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_expressions(expression: str) -> None:
    assert _values(f"x = {expression}") == {"x": EXPRESSIONS[expression]}


@pytest.mark.parametrize(
    ("body", "error_id"),
    [
        ("x = nosuch(1)", "hcl.unknown-function"),
        ("x = hv.y", "hcl.undefined"),
        ("x = hv.y\ny = hv.x", "hcl.cycle"),
        ("x = local.y", "hcl.undefined"),
        ("x = y", "hcl.reference"),
        ("x = hv", "hcl.reference"),
        ("x = 1 / 0", "hcl.failed"),
        ('x = "a${[1]}"', "hcl.failed"),
        ("x = [", "hcl.syntax"),
        ('x = cidrsubnet("10.0.0.0/8", 2, 9)', "hcl.failed"),
        ("x = range(0, 100000)", "hcl.failed"),
    ],
)
def test_mistakes_have_names_and_places(body: str, error_id: str) -> None:
    with pytest.raises(ConfigError) as caught:
        _values(body)
    assert caught.value.error_id == error_id
    assert caught.value.span is not None
    assert caught.value.span.source.name == "v.hcl"


def test_hcl_files_layer_over_yaml_files(tmp_path: Any) -> None:
    (tmp_path / "helmfile.yaml").write_text(
        "environments:\n  default:\n    values: [one.hcl, two.yaml, three.hcl]\n---\nreleases:\n"
        "- {name: r, chart: ./c, labels: {l: '{{ .Values.c }}'}}\n",
        encoding="utf-8",
    )
    (tmp_path / "one.hcl").write_text('values {\n  a = "hcl"\n  c = "${hv.b}!"\n}\n', encoding="utf-8")
    (tmp_path / "two.yaml").write_text("a: yaml\nd: yaml\n", encoding="utf-8")
    (tmp_path / "three.hcl").write_text('values {\n  b = "three"\n}\n', encoding="utf-8")
    desired = load_desired(LoadRequest(cwd=tmp_path, env={}), lambda event: None)
    assert desired.files[0].environment.values == {"a": "hcl", "c": "three!", "b": "three", "d": "yaml"}
    assert desired.releases[0].labels["l"] == "three!"


def test_a_block_that_is_unknown() -> None:
    with pytest.raises(ConfigError) as caught:
        hcl.evaluate([("v.hcl", "variables {\n  a = 1\n}\n")])
    assert caught.value.error_id == "hcl.block"
