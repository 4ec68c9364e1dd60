"""Splitting, reading heads, hooks and the order of kinds."""

from __future__ import annotations

import pytest

from helmflow.core.errors import ChartError
from helmflow.helm.chart.behaviour import HELM_3
from helmflow.helm.render import kinds, manifests
from helmflow.helm.render.hooks import events_of
from tests import conformance


def outcome(files: dict[str, str]) -> str:
    found = {f"c/{name}": text for name, text in files.items() if not name.endswith("NOTES.txt")}
    try:
        return manifests.stream(manifests.sort(found).manifests)
    except ChartError as error:
        return str(error)


def test_recorded_rows() -> None:
    rows = [row for row in conformance.data("helm/oracle/manifests.json") if "files" in row]
    wrong = [row["id"] for row in rows if outcome(row["files"]) != row.get("manifest", row.get("error"))]
    conformance.report("oracle/manifests", passed=len(rows) - len(wrong), failed=len(wrong))
    assert not wrong


@pytest.mark.parametrize(
    ("text", "documents"),
    [
        ("---\n---\na: 1\n", ["---\na: 1\n"]),
        ("a: 1\n--- # c\nb: 2\n\n", ["a: 1", "# c\nb: 2\n\n"]),
        ("a: |\n  x\n---y: 1", ["a: |\n  x", "y: 1"]),
        ("a: 1\r\n---\r\nb: 2\r\n", ["a: 1", "b: 2\r\n"]),
        ("a: 1\n  --- \nb: 1", ["a: 1\n  --- \nb: 1"]),
        ("\n\n  \n", []),
    ],
)
def test_documents(text: str, documents: list[str]) -> None:
    assert manifests.split(text) == documents
    assert manifests.split(text, HELM_3) == [document.strip() for document in documents]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("kind: [a]", "array into Go struct field SimpleHead.kind of type string"),
        ("metadata: {name: [1]}", "array into Go struct field .metadata.name of type string"),
        (
            "metadata: {annotations: x}",
            "string into Go struct field .metadata.annotations of type map[string]string",
        ),
        ("1", "number into Go value of type util.SimpleHead"),
    ],
)
def test_heads_of_the_wrong_shape(text: str, problem: str) -> None:
    prefix = "YAML parse error on f: error unmarshaling JSON: while decoding JSON: json: cannot unmarshal "
    with pytest.raises(ChartError) as caught:
        manifests.read_head(text, "f")
    assert str(caught.value) == prefix + problem


def test_heads_are_read_as_go_reads_them() -> None:
    head, _ = manifests.read_head("KIND: 1\nmetadata: {NAME: 20230101, annotations: {a: 5, b: null}}", "f")
    assert (head.kind, head.name, head.annotations) == ("1", "20230101", {"a": "5", "b": ""})


def test_events() -> None:
    assert events_of(" Pre-Install ,test-success", legacy=False) == (("pre-install", "test"), "")
    assert events_of("test-failure", legacy=False) == ((), "test-failure")
    assert events_of("test-failure", legacy=True) == (("test",), "")


def test_uninstalling_turns_the_order_round_but_for_services() -> None:
    assert kinds.UNINSTALL_ORDER[:8] == (
        "ValidatingWebhookConfiguration", "MutatingWebhookConfiguration", "APIService", "Ingress", "IngressClass",
        "Service", "CronJob", "Job",
    )  # fmt: skip
    assert sorted(kinds.UNINSTALL_ORDER) == sorted(kinds.INSTALL_ORDER)
    words = ["Foo", "Deployment", "Bar", "Service", "Foo"]
    assert kinds.in_install_order(words, str) == ["Service", "Deployment", "Bar", "Foo", "Foo"]
    assert kinds.in_uninstall_order(words, str) == ["Service", "Deployment", "Bar", "Foo", "Foo"]


def test_a_stored_stream_is_read_back() -> None:
    text = "---\n# Source: c/templates/a.yaml\nkind: A\nmetadata: {name: a}\n---\n# Source: c/templates/b.yaml\nkind: B\n"
    found = manifests.parse(text)
    assert [(one.ref.kind, one.source_path, one.text) for one in found] == [
        ("A", "c/templates/a.yaml", "kind: A\nmetadata: {name: a}"),
        ("B", "c/templates/b.yaml", "kind: B\n"),
    ]


def test_show_only() -> None:
    shown = manifests.stream(
        manifests.parse(
            "---\n# Source: c/templates/a.yaml\nkind: A\n---\n# Source: c/templates/b.yaml\nkind: B\n"
        )
    )
    assert manifests.only(shown, ["templates/b.yaml"]) == "---\n# Source: c/templates/b.yaml\nkind: B\n\n\n"
    with pytest.raises(ChartError) as caught:
        manifests.only(shown, ["templates/none.yaml"])
    assert str(caught.value) == "could not find template templates/none.yaml in chart"
