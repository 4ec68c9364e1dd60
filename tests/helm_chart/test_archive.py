"""Chart archives: what is read, and how hostile ones end."""

from __future__ import annotations

import contextlib
import gzip
import io
import tarfile

import pytest
from hypothesis import given
from hypothesis import strategies as st

from helmflow.core.errors import ChartError
from helmflow.core.limits import MAX_CHART_BYTES
from helmflow.helm.chart import archive
from tests.charts import archive_of

CHART = "apiVersion: v2\nname: c\nversion: 1.2.3\n"


def names(data: bytes) -> list[str]:
    return [file.name for file in archive.read(data)]


def special(name: str, kind: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    info.linkname = target
    return info


def test_plain_archives() -> None:
    data = archive_of({"c/Chart.yaml": CHART, "c/a.txt": "x", "c/": special("c/d", tarfile.DIRTYPE)})
    assert [(file.name, file.data) for file in archive.read(data)] == [
        ("Chart.yaml", CHART.encode()),
        ("a.txt", b"x"),
    ]


def test_long_names_and_windows_names() -> None:
    long = "x" * 150 + "/" + "y" * 150
    assert names(archive_of({f"c/{long}": "1"})) == [long]
    assert names(archive_of({"c\\a\\b.txt": "1"})) == ["a/b.txt"]
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as tar:
        tar.addfile(tarfile.TarInfo(f"c/{long}"), io.BytesIO())
    assert names(gzip.compress(raw.getvalue())) == [long]


def test_links_and_devices_are_empty_files() -> None:
    data = archive_of(
        {
            "c/a": "1",
            "l": special("c/l", tarfile.SYMTYPE, "/etc/passwd"),
            "h": special("c/h", tarfile.LNKTYPE, "c/a"),
            "f": special("c/f", tarfile.FIFOTYPE),
            "d": special("c/d", tarfile.CHRTYPE),
        }
    )
    assert [(file.name, file.data) for file in archive.read(data)] == [
        ("a", b"1"), ("l", b""), ("h", b""), ("f", b""), ("d", b""),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("c//etc/passwd", "chart illegally contains absolute paths"),
        ("c/../../x", "chart illegally references parent directory"),
        ("c/c:/x", "chart contains illegally named files"),
        ("Chart.yaml", 'chart illegally contains content outside the base directory: "Chart.yaml"'),
    ],
)
def test_paths_that_lead_out(name: str, message: str) -> None:
    with pytest.raises(ChartError) as caught:
        archive.read(archive_of({name: "x"}))
    assert (caught.value.error_id, str(caught.value)) == ("chart.archive-path", message)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (archive_of({}), "no files in chart archive"),
        (gzip.compress(b"hello"), "unexpected EOF"),
        (gzip.compress(b"x" * 2000), "archive/tar: invalid tar header"),
        (archive_of({"c/Chart.yaml": CHART})[:60], "unexpected EOF"),
        (b"hello", "gzip: invalid header"),
        (
            archive_of({"c/b": b"0" * (5 * 1024 * 1024 + 1)}),
            'decompressed chart file "c/b" is larger than the maximum file size 5242880',
        ),
    ],
)
def test_broken_archives(data: bytes, message: str) -> None:
    with pytest.raises(ChartError) as caught:
        archive.read(data)
    assert str(caught.value) == message


def test_a_bomb_stops_at_the_bound() -> None:
    info = tarfile.TarInfo("c/b")
    info.size = 8 << 30
    bomb = gzip.compress(info.tobuf() + bytes(1 << 20))
    with pytest.raises(ChartError) as caught:
        archive.read(bomb)
    assert str(caught.value) == f"decompressed chart is larger than the maximum size {MAX_CHART_BYTES}"


def test_many_members_stop_at_the_bound() -> None:
    members = b"".join(tarfile.TarInfo(f"c/{number}").tobuf() for number in range(20_001))
    with pytest.raises(ChartError) as caught:
        archive.read(gzip.compress(members, 1))
    assert caught.value.error_id == "chart.archive-members"


def test_a_byte_order_mark_goes() -> None:
    assert archive.read(archive_of({"c/a": b"\xef\xbb\xbfx"}))[0].data == b"x"


def test_several_gzip_members_are_one_stream() -> None:
    raw = gzip.decompress(archive_of({"c/a": "1", "c/b": "2"}))
    assert names(gzip.compress(raw[:700]) + gzip.compress(raw[700:])) == ["a", "b"]


@given(st.binary(max_size=2000))
def test_any_bytes_end_in_files_or_a_chart_error(data: bytes) -> None:
    for candidate in (data, gzip.compress(data, 1), gzip.compress(tarfile.TarInfo("c/x").tobuf() + data, 1)):
        with contextlib.suppress(ChartError):
            archive.read(candidate)
