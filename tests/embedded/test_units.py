"""Pieces of the embedded server on their own: quantities, cron, selectors, field sets, merging, protobuf."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helmflow.embedded import cron, fieldsets, merging, patching, protobuf, quantities, schema, selectors
from helmflow.embedded.status import ApiError

Json = dict[str, Any]
DEPLOYMENT = schema.catalogue().type("io.k8s.api.apps.v1.Deployment")
CONFIG = schema.catalogue().type("io.k8s.api.core.v1.ConfigMap")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("1000m", "1"), ("0.5", "500m"), ("1.5Gi", "1536Mi"), ("1024Mi", "1Gi"), ("0.1Gi", "107374182400m"), ("1e3", "1e3"),
        ("0", "0"), ("250m", "250m"), ("1024", "1024"), ("500M", "500M"), ("0.0001", "100u"), ("1024Ki", "1Mi"), ("12000", "12k"),
    ],
)  # fmt: skip
def test_quantities_are_canonical(text: str, wanted: str) -> None:
    assert quantities.canonical(text) == wanted


@given(st.integers(-(10**12), 10**12), st.sampled_from(["", "m", "k", "M", "Ki", "Mi", "Gi"]))
def test_a_canonical_quantity_keeps_its_value(number: int, suffix: str) -> None:
    text = f"{number}{suffix}"
    made = quantities.canonical(text)
    assert quantities.value(made) == quantities.value(text)
    assert quantities.canonical(made) == made


@pytest.mark.parametrize("text", ["", "abc", "1 Gi", "1.2.3", "5x"])
def test_what_is_no_quantity(text: str) -> None:
    with pytest.raises(quantities.QuantityError, match="quantities must match"):
        quantities.canonical(text)


@pytest.mark.parametrize(
    ("schedule", "minutes"),
    [
        ("*/5 * * * *", 1),
        ("0 * * * *", 56),
        ("@hourly", 56),
        ("5 3 * * *", 1),
        ("4 3 * * *", 24 * 60),
        ("0 0 * * sun", 2 * 24 * 60 - 184),
    ],
)
def test_cron_fires_next(schedule: str, minutes: int) -> None:
    start = 1767323040.0  # Friday 2026-01-02 03:04 UTC
    assert cron.following(schedule, start) == start + minutes * 60


def test_cron_mistakes() -> None:
    assert cron.problem("* * * *") == "expected exactly 5 fields, found 4: [* * * *]"
    assert cron.problem("60 * * * *")
    assert cron.problem("0 0 * * 7") == ""
    assert cron.following("0 0 30 2 *", 0.0) is None


def test_label_objects() -> None:
    match = selectors.label_object(
        {
            "matchLabels": {"a": "1"},
            "matchExpressions": [
                {"key": "b", "operator": "NotIn", "values": ["x"]},
                {"key": "c", "operator": "Exists"},
            ],
        }
    )
    assert match({"a": "1", "c": ""})
    assert not match({"a": "1", "b": "x", "c": ""})
    assert not selectors.label_object(None)({})
    assert selectors.label_object({})({"any": "thing"})


names = st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', "v:1"])
sets = st.recursive(
    st.just({}),
    lambda below: st.dictionaries(names, below, min_size=1, max_size=3).flatmap(
        lambda kids: st.booleans().map(lambda member: {**kids, ".": {}} if member else kids)
    ),
    max_leaves=8,
).filter(lambda s: "." not in s)


@given(sets, sets)
def test_field_set_laws(a: Json, b: Json) -> None:
    both, left, common = fieldsets.union(a, b), fieldsets.difference(a, b), fieldsets.intersection(a, b)
    ours, theirs = set(fieldsets.paths(a)), set(fieldsets.paths(b))
    assert set(fieldsets.paths(both)) == ours | theirs
    assert set(fieldsets.paths(left)) == ours - theirs
    assert set(fieldsets.paths(common)) == ours & theirs


values = st.recursive(
    st.one_of(st.integers(), st.text(max_size=3), st.booleans()),
    lambda below: st.dictionaries(st.sampled_from("abc"), below, max_size=3),
    max_leaves=6,
)


@given(
    st.dictionaries(st.sampled_from("abc"), values, max_size=3),
    st.dictionaries(st.sampled_from("abc"), values, max_size=3),
)
def test_merge_patch_reaches_its_target(a: Json, b: Json) -> None:
    patch = {**{k: None for k in a if k not in b}, **b}
    merged = patching.merge_patch({k: v for k, v in a.items() if k not in b}, patch)
    assert merged == patching.merge_patch({}, b)


def containers(*names: str) -> Json:
    return {"spec": {"template": {"spec": {"containers": [{"name": n, "image": n} for n in names]}}}}


@pytest.mark.parametrize(
    ("live", "config", "wanted"),
    [
        (["a", "b"], ["b", "a"], ["b", "a"]),
        (["a", "b", "c"], ["c"], ["a", "b", "c"]),
        (["a"], ["b"], ["a", "b"]),
        (["x", "a", "b"], ["b", "n", "a"], ["x", "b", "n", "a"]),
    ],
)
def test_the_applied_order_wins(live: list[str], config: list[str], wanted: list[str]) -> None:
    merged = merging.merge(containers(*live), containers(*config), DEPLOYMENT)
    assert [c["name"] for c in merged["spec"]["template"]["spec"]["containers"]] == wanted


def test_comparing_names_what_moved() -> None:
    comparison = merging.compare({"data": {"a": "1", "b": "1"}}, {"data": {"a": "2", "c": "1"}}, CONFIG)
    assert (comparison.modified, comparison.removed, comparison.added) == (
        {"f:data": {"f:a": {}}},
        {"f:data": {"f:b": {}}},
        {"f:data": {"f:c": {}}},
    )


def field(number: int, value: bytes | str | int) -> bytes:
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    raw = value.encode() if isinstance(value, str) else value
    return varint(number << 3 | 2) + varint(len(raw)) + raw


def varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def envelope(api_version: str, kind: str, raw: bytes) -> bytes:
    return b"k8s\0" + field(1, field(1, api_version) + field(2, kind)) + field(2, raw)


def test_a_protobuf_secret() -> None:
    meta = field(1, "s") + field(3, "ns") + field(11, field(1, "owner") + field(2, "helm"))
    raw = (
        field(1, meta)
        + field(2, field(1, "release") + field(2, b"\x00\xff"))
        + field(3, "helm.sh/release.v1")
    )
    assert protobuf.decode(envelope("v1", "Secret", raw)) == {
        "apiVersion": "v1", "kind": "Secret", "type": "helm.sh/release.v1", "data": {"release": "AP8="},
        "metadata": {"name": "s", "namespace": "ns", "labels": {"owner": "helm"}},
    }  # fmt: skip


def test_protobuf_delete_options_and_scale() -> None:
    options = field(1, 30) + field(4, "Foreground") + field(5, "All")
    assert protobuf.decode(envelope("v1", "DeleteOptions", options)) == {
        "apiVersion": "v1", "kind": "DeleteOptions", "gracePeriodSeconds": 30, "propagationPolicy": "Foreground", "dryRun": ["All"],
    }  # fmt: skip
    scale = protobuf.decode(
        envelope("autoscaling/v1", "Scale", field(1, field(1, "web")) + field(2, field(1, 3)))
    )
    assert scale["spec"] == {"replicas": 3}


@pytest.mark.parametrize(
    "raw", [b"", b"k8s\0\xff", b"{}", b"k8s\0" + field(1, field(1, "v9") + field(2, "None"))]
)
def test_broken_protobuf_is_a_400(raw: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        protobuf.decode(raw)
    assert caught.value.code == 400
