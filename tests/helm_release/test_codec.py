"""Release records: Helm's bytes, both generations of them, and what is not a record."""

from __future__ import annotations

import base64
import gzip
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helmflow.core.errors import HelmflowError
from helmflow.helm.chart.model import Chart, ChartFile, Dependency, Lock, Maintainer, Metadata
from helmflow.helm.release import codec
from helmflow.helm.release.record import HookPhase, HookRecord, HookRun, ReleaseStatus, Revision
from tests import conformance


def packed(text: str) -> str:
    """A payload as Helm makes it."""
    return base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def go_text(parsed: Any) -> str:
    """JSON as Go writes it: compact, with <, > and & escaped."""
    compact = json.dumps(parsed, separators=(",", ":"), ensure_ascii=False)
    return compact.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def revision(**fields: Any) -> Revision:
    """A small revision."""
    chart = codec.chart_record(Chart(metadata=Metadata(name="c", version="1.0.0", api_version="v2")))
    base = Revision(
        name="r", namespace="ns", number=3, status=ReleaseStatus.DEPLOYED, chart=chart, apply_method="ssa"
    )
    return replace(base, **fields)


def test_a_record_of_helm_4_is_read_and_written_back_byte_by_byte() -> None:
    text = go_text(conformance.data("helm/release_v4_sample.json"))
    read = codec.decode(packed(text))
    assert codec.to_json(read) == text
    assert codec.decode(codec.encode(read)) == read
    conformance.report("helm/release_v4_sample", passed=1)


def test_the_fields_of_the_sample_are_understood() -> None:
    read = codec.decode(packed(go_text(conformance.data("helm/release_v4_sample.json"))))
    assert (read.name, read.namespace, read.number, read.status) == ("rel", "ns", 1, ReleaseStatus.DEPLOYED)
    assert (read.chart_name, read.chart_version, read.app_version) == ("c", "1.0.0", "9")
    assert read.server_side
    assert read.notes == "hello rel\n"
    (hook,) = read.hooks
    assert hook.last_run.phase == HookPhase.SUCCEEDED
    assert hook.events == ("pre-install", "pre-upgrade", "pre-delete", "pre-rollback")


def test_the_gzip_header_is_gos() -> None:
    assert codec.compress(b"x").hex().startswith("1f8b08000000000002ff")
    assert gzip.decompress(codec.compress(b"x" * 1000)) == b"x" * 1000


def test_a_record_of_helm_3_has_no_apply_method_and_an_empty_deletion_time() -> None:
    hook = HookRecord(name="h", kind="Job", path="c/templates/h.yaml", manifest="x", events=("test",))
    made = revision(hooks=(hook,))
    parsed = json.loads(codec.to_json(made, helm_version=3))
    assert "apply_method" not in parsed
    assert parsed["info"]["deleted"] == ""
    assert parsed["hooks"][0]["last_run"] == {"started_at": "", "completed_at": "", "phase": ""}
    assert "schemamodtime" not in parsed["chart"]
    read = codec.decode(codec.encode(made, helm_version=3))
    assert read == replace(made, apply_method="", chart=read.chart)
    assert not read.server_side


def test_a_payload_that_is_not_compressed_is_read() -> None:
    text = codec.to_json(revision())
    assert codec.decode(base64.b64encode(text.encode())).name == "r"


def test_what_a_newer_helm_wrote_survives() -> None:
    parsed = json.loads(codec.to_json(revision()))
    parsed["future"] = {"a": [1, 2]}
    parsed["info"]["resources"] = {"v1/Pod": []}
    again = json.loads(codec.to_json(codec.decode(packed(json.dumps(parsed)))))
    assert again["future"] == {"a": [1, 2]}
    assert "resources" not in again["info"] or again["info"]["resources"] == {"v1/Pod": []}


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "!!!",
        "aGVsbG8=",
        packed("[]"),
        packed('{"name": 1}'),
        packed('{"name": "x", "version": "v"}'),
        packed("{"),
    ],
)
def test_what_is_no_record_is_refused(payload: str) -> None:
    with pytest.raises(HelmflowError) as refused:
        codec.decode(payload)
    assert refused.value.error_id == "release.unreadable"


def test_a_chart_is_stored_without_its_subcharts_in_the_order_of_helms_structs() -> None:
    chart = Chart(
        metadata=Metadata(
            name="shop",
            version="1.2.3",
            api_version="v2",
            app_version="9",
            description="d",
            keywords=("a",),
            maintainers=(Maintainer(name="m", email="m@example.com"),),
            annotations={"z": "1", "a": "2"},
            dependencies=(
                Dependency(name="db", version="1.x", repository="", condition="db.enabled", enabled=True),
            ),
            type="application",
        ),
        values={"b": 1, "a": {"x": None}},
        schema=b"{}",
        templates=(ChartFile("templates/a.yaml", b"a: <b>"),),
        files=(ChartFile("crds/x.yaml", b"x"),),
        dependencies=(Chart(metadata=Metadata(name="db")),),
        lock=Lock(
            generated="2026-01-01T00:00:00Z",
            digest="sha256:1",
            dependencies=(Dependency(name="db", version="1.0.0"),),
        ),
    )
    record = codec.chart_record(chart)
    assert list(record) == ["metadata", "lock", "templates", "values", "schema", "files"]
    assert list(record["metadata"]) == [
        "name", "version", "description", "keywords", "maintainers", "apiVersion", "appVersion", "annotations",
        "dependencies", "type",
    ]  # fmt: skip
    assert record["metadata"]["dependencies"] == [
        {"name": "db", "version": "1.x", "repository": "", "condition": "db.enabled", "enabled": True}
    ]
    assert record["templates"] == [{"name": "templates/a.yaml", "data": base64.b64encode(b"a: <b>").decode()}]
    assert record["lock"]["dependencies"] == [{"name": "db", "version": "1.0.0", "repository": ""}]
    assert base64.b64decode(record["schema"]) == b"{}"


def test_the_sizes_of_a_records_parts_are_told() -> None:
    sizes = codec.size_breakdown(revision(manifest="".join(chr(33 + n * n % 90) for n in range(4000))))
    total, *rest = sizes.items()
    assert total == (
        "total",
        len(codec.encode(revision(manifest="".join(chr(33 + n * n % 90) for n in range(4000))))),
    )
    assert rest[0][0] == "manifest"


texts = st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=20)
times = st.sampled_from(["", "2026-11-21T00:04:14.655924102Z", "2025-01-01T00:00:00+02:00"])
json_values = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
hooks = st.builds(
    HookRecord,
    name=texts,
    kind=texts,
    path=texts,
    manifest=texts,
    events=st.tuples(texts),
    last_run=st.builds(
        HookRun, started_at=times, completed_at=times, phase=st.sampled_from([*map(str, HookPhase), ""])
    ),
    weight=st.integers(-100, 100),
    delete_policies=st.sampled_from([(), ("hook-succeeded",), ("before-hook-creation", "hook-failed")]),
    output_log_policies=st.sampled_from([(), ("hook-failed",)]),
)
revisions = st.builds(
    Revision,
    name=texts.filter(bool),
    namespace=texts,
    number=st.integers(1, 10**6),
    status=st.sampled_from(list(ReleaseStatus)),
    chart=st.fixed_dictionaries(
        {
            "metadata": st.fixed_dictionaries({"name": texts}),
            "values": st.dictionaries(texts, json_values, max_size=3),
        }
    ),
    config=st.dictionaries(texts, json_values, max_size=3),
    manifest=texts,
    hooks=st.lists(hooks, max_size=2).map(tuple),
    first_deployed=times,
    last_deployed=times,
    deleted=times,
    description=texts,
    notes=texts,
    apply_method=st.sampled_from(["", "ssa", "csa"]),
)


@given(revisions)
def test_what_is_encoded_is_decoded_again(made: Revision) -> None:
    read = codec.decode(codec.encode(made))
    assert {k: v for k, v in read.chart.items() if k != "schemamodtime"} == made.chart
    assert replace(read, chart=made.chart) == made


@given(st.binary(max_size=200))
def test_no_bytes_make_a_traceback(payload: bytes) -> None:
    seen = set()
    for attempt in (payload, base64.b64encode(payload), base64.b64encode(b"\x1f\x8b\x08" + payload)):
        try:
            codec.decode(attempt)
        except HelmflowError as refused:
            seen.add(refused.error_id)
    assert seen <= {"release.unreadable"}
