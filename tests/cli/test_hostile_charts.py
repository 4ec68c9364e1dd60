"""The list of bad inputs for charts, archives, provenance and credentials: clear errors, nothing outside, bounded."""

from __future__ import annotations

import functools
import gzip
import io
import os
import resource
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from helmflow.cli.main import run_cli
from tests.charts import write_chart
from tests.providers.http_parts import Site, serving

CHART = b"apiVersion: v2\nname: web\nversion: 1.0.0\n"
SECONDS = 5.0
MEMORY_KIB = 512 * 1024


def tar_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    """An archive of exactly these members."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as tar:
        for info, content in members:
            info.size = len(content) if info.isreg() else 0
            tar.addfile(info, io.BytesIO(content))
    return gzip.compress(raw.getvalue(), mtime=0)


def file(name: str, content: bytes = b"x") -> tuple[tarfile.TarInfo, bytes]:
    return tarfile.TarInfo(name), content


def special(name: str, kind: bytes, target: str = "") -> tuple[tarfile.TarInfo, bytes]:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info, b""


def pax(headers: dict[str, str]) -> tarfile.TarInfo:
    info = tarfile.TarInfo("web/short")
    info.pax_headers = headers
    return info


MAIN = file("web/Chart.yaml", CHART)


@functools.cache
def bomb(size: int) -> bytes:
    """Zeros, of which a gigabyte packs into a megabyte."""
    packed = io.BytesIO()
    info = tarfile.TarInfo("web/big")
    info.size = size
    with gzip.GzipFile(fileobj=packed, mode="wb", compresslevel=1, mtime=0) as zipped:
        zipped.write(info.tobuf(tarfile.GNU_FORMAT))
        for _ in range(size >> 20):
            zipped.write(bytes(1 << 20))
    return packed.getvalue()


def lying() -> bytes:
    """A header that promises more than there is."""
    info = tarfile.TarInfo("web/Chart.yaml")
    info.size = 1 << 20
    return gzip.compress(info.tobuf(tarfile.GNU_FORMAT) + CHART)


GOOD = tar_of(MAIN)
# What is in the list; archives that Helm takes, harmless as they are, say None.
ARCHIVES: dict[str, tuple[Callable[[], bytes], str | None]] = {
    "1 a member above": (lambda: tar_of(MAIN, file("web/../../evil")), "references parent directory"),
    "2 an absolute member": (lambda: tar_of(file("/etc/evil"), MAIN), None),
    "2 an absolute member below the chart": (lambda: tar_of(MAIN, file("web//etc/evil")), "absolute paths"),
    "3 a drive": (lambda: tar_of(MAIN, file("web/c:/evil")), "illegally named files"),
    "3 backslashes": (lambda: tar_of(MAIN, file("web\\..\\..\\evil")), "references parent directory"),
    "4 a link outside": (lambda: tar_of(MAIN, special("web/link", tarfile.SYMTYPE, "/etc/passwd")), None),
    "4 a hard link": (lambda: tar_of(MAIN, special("web/link", tarfile.LNKTYPE, "/etc/passwd")), None),
    "4 a link and a file below it": (
        lambda: tar_of(MAIN, special("web/d", tarfile.SYMTYPE, "/tmp"), file("web/d/evil")), "cannot write"),
    "4 a link inside": (lambda: tar_of(MAIN, special("web/link", tarfile.SYMTYPE, "Chart.yaml")), None),
    "4 links in a circle": (
        lambda: tar_of(MAIN, special("web/a", tarfile.SYMTYPE, "b"), special("web/b", tarfile.SYMTYPE, "a")), None),
    "5 a device": (lambda: tar_of(MAIN, special("web/null", tarfile.CHRTYPE)), None),
    "5 a pipe": (lambda: tar_of(MAIN, special("web/pipe", tarfile.FIFOTYPE)), None),
    "6 a name that comes twice": (lambda: tar_of(MAIN, file("web/a", b"1"), file("web/a", b"2")), "comes twice"),
    "6 names that differ in case": (lambda: tar_of(MAIN, file("web/a", b"1"), file("web/A", b"2")), None),
    "7 one large file": (lambda: bomb(6 << 20), "larger than the maximum"),
    "7 a bomb": (lambda: bomb(110 << 20), "larger than the maximum"),
    "8 many files": (lambda: tar_of(MAIN, *(file(f"web/f{n}", b"") for n in range(20_001))), "more than 20000 members"),
    "9 a header that lies": (lying, "unexpected EOF"),
    "10 cut": (lambda: GOOD[: len(GOOD) // 2], "unexpected EOF"),
    "10 garbage behind": (lambda: GOOD + b"garbage", None),
    "10 two archives": (lambda: GOOD + GOOD, None),
    "10 no gzip": (lambda: b"hello", "gzip"),
    "11 no Chart.yaml": (lambda: tar_of(file("web/values.yaml", b"a: 1\n")), "Chart.yaml file is missing"),
    "11 Chart.yaml at the root": (lambda: tar_of(file("Chart.yaml", CHART)), ""),
    "11 two roots": (lambda: tar_of(MAIN, file("other/Chart.yaml", CHART.replace(b"web", b"other"))), "comes twice"),
    "12 a NUL in a name": (lambda: tar_of((pax({"path": "web/a\0/../../evil"}), b"x"), MAIN), "invalid tar header"),
    "12 a name in a pax header": (lambda: tar_of(MAIN, (pax({"path": "web/../../evil"}), b"x")), "parent directory"),
    "12 a newline in a name": (lambda: tar_of(MAIN, file("web/a\nb")), None),
    "12 a long name": (lambda: tar_of(MAIN, file("web/" + "a" * 300)), "cannot write"),
    "12 a very deep name": (lambda: tar_of(MAIN, file("web/" + "a/" * 3000 + "b")), "cannot write"),
    "17 a name with a path": (lambda: tar_of(file("x/Chart.yaml", CHART.replace(b"web", b"../../evil"))), "is invalid"),
    "17 a name of dots": (lambda: tar_of(file("x/Chart.yaml", CHART.replace(b"web", b"'..'"))), "is not allowed"),
    "17 no name": (lambda: tar_of(file("x/Chart.yaml", b"apiVersion: v2\nversion: 1.0.0\n")), "name is required"),
    "18 no version": (lambda: tar_of(file("x/Chart.yaml", CHART.replace(b"1.0.0", b"../.."))), "is invalid"),
    "27 a YAML bomb": (
        lambda: tar_of(file("web/Chart.yaml", CHART + b"annotations: {a: &a [x, x, x, x, x, x, x, x, x, x],\n" + b"".join(
            b"b%d: &b%d [%s],\n" % (n, n, b", ".join([b"*b%d" % (n - 1) if n else b"*a"] * 10)) for n in range(9)) + b"}\n")),
        ""),
    "27 deep nesting": (lambda: tar_of(MAIN, file("web/values.yaml", b"a: " + b"[" * 10_000)), "values.yaml"),
    "27 a huge scalar": (lambda: tar_of(MAIN, file("web/values.yaml", b"a: " + b"x" * (4 << 20))), None),
    "27 dates, octals and yes": (
        lambda: tar_of(MAIN, file("web/values.yaml", b"a: 2001-02-03\nb: 0777\nc: yes\nd: 1_000\n")), None),
    "27 a Python tag": (lambda: tar_of(MAIN, file("web/values.yaml", b"a: !!python/object/apply:os.system [touch evil]\n")), None),
}  # fmt: skip


@pytest.fixture
def at(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder inside a folder that nothing may be written to."""
    for name in list(os.environ):
        if name.startswith(("HELM", "XDG_", "DOCKER", "GNUPG")):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HELMFLOW_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "outer" / "work"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Iterator[Callable[..., tuple[int, str]]]:
    def run(*words: str) -> tuple[int, str]:
        started = time.process_time()
        code = int(run_cli(list(words)))
        both = capsys.readouterr()
        assert time.process_time() - started < SECONDS
        assert "Traceback" not in both.err
        return code, both.out + both.err

    yield run
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss < 4 * MEMORY_KIB  # the whole test process


def outside(folder: Path) -> list[str]:
    """What was written where nothing should be."""
    return [str(path) for path in folder.parent.rglob("*") if "evil" in path.name or path.is_symlink()]


@pytest.mark.parametrize("case", ARCHIVES)
def test_an_archive_of_the_list_is_pulled_and_unpacked(
    at: Path, told: Callable[..., tuple[int, str]], case: str
) -> None:
    make, words = ARCHIVES[case]
    with serving(Site({"/web-1.0.0.tgz": make()})) as site:
        code, text = told("chart", "pull", f"{site.url}/web-1.0.0.tgz", "--untar")
    assert outside(at) in ([], [str(at / "web" / "etc" / "evil")], [str(at / "web" / "evil")])
    if words is None:
        assert code == 0, text
        assert all(path.is_dir() or path.is_file() for path in at.rglob("*"))
        return
    assert code == 1
    assert words in text
    assert text.startswith("error[")
    assert list(at.iterdir()) == []


@pytest.mark.parametrize("case", ARCHIVES)
def test_an_archive_of_the_list_is_linted_verified_and_tried(
    at: Path, told: Callable[..., tuple[int, str]], case: str
) -> None:
    make, _ = ARCHIVES[case]
    (at / "web-1.0.0.tgz").write_bytes(make())
    before = sorted(at.rglob("*"))
    for command in (
        ("lint", "web-1.0.0.tgz"),
        ("verify", "web-1.0.0.tgz"),
        ("show", "all", "web-1.0.0.tgz"),
    ):
        code, _ = told("chart", *command)
        assert code in (0, 1)
    assert sorted(at.rglob("*")) == before
    assert outside(at) == []


def folder_with(at: Path, case: str) -> str:
    """A chart folder of the list; the words of its error, "" where Helm takes it."""
    web = write_chart(at / "web", {"Chart.yaml": CHART, "values.yaml": "a: 1\n", "templates/a.yaml": ""})
    (at.parent / "secret").write_text("precious")
    match case:
        case "13 a link to a file outside":
            (web / "files").symlink_to("/etc/passwd")
            return "outside the chart"
        case "13 a link to a device":
            (web / "files").symlink_to("/dev/zero")
            return "irregular file"
        case "13 a link to itself":
            (web / "loop").symlink_to(web)
            return "symlink"
        case "13 a link that leads nowhere":
            (web / "gone").symlink_to("nowhere")
            return "symlink"
        case "14 a huge file":
            with (web / "big").open("wb") as sparse:
                sparse.truncate(1 << 40)
            return "larger than the maximum file size"
        case "14 many large files":
            for number in range(22):
                with (web / f"big{number}").open("wb") as sparse:
                    sparse.truncate(5 << 20)
            return "holds more than"
        case "15 an ignore file without end":
            (web / ".helmignore").write_text("*a" * 5000 + "\n" + "[" * 1000)
            return "syntax error in pattern"
        case "15 an ignore file that is a link":
            (web / ".helmignore").symlink_to(at.parent / "secret")
            return "outside the chart"
        case "16 no UTF-8":
            (web / "values.yaml").write_bytes(b"a: \xff\xfe\n")
            return "values.yaml"
        case "16 byte order marks":
            (web / "Chart.yaml").write_bytes(b"\xef\xbb\xbf" + CHART)
            return ""
        case "24 a lock that is a folder":
            (web / "Chart.lock").mkdir()
            return ""
        case "24 a lock that is a link":
            (web / "Chart.lock").symlink_to(at.parent / "secret")
            return "outside the chart"
        case "26 a key that comes twice":
            (web / "Chart.yaml").write_bytes(CHART + b"version: 9.9.9\n")
            return ""
        case _:
            (web / "Chart.yaml").write_text(FIELDS[case][0])
            return FIELDS[case][1]


BASE = CHART.decode()
FIELDS = {
    "17 control characters": (BASE.replace("web", '"we\\u001bb"'), ""),
    "17 300 letters": (BASE.replace("web", "w" * 300), "cannot write"),
    "17 a slash": (BASE.replace("web", "a/b"), "is invalid"),
    "18 no semver": (BASE.replace("1.0.0", "one"), "is invalid"),
    "18 a path": (BASE.replace("1.0.0", "1.0.0-/../../evil"), "is invalid"),
    "19 an alias with a path": (BASE + "dependencies: [{name: a, version: '1', alias: ../a}]\n", "disallowed characters"),
    "19 an alias with a newline": (BASE + 'dependencies: [{name: a, version: "1", alias: "a\\nb"}]\n', "disallowed characters"),
    "20 null maintainers": (BASE + "maintainers: [null]\n", "empty or null"),
    "20 null dependencies": (BASE + "dependencies: [null]\n", "empty or null"),
    "21 import-values of wrong types": (
        BASE + "dependencies: [{name: a, version: '1', import-values: {a: 1}}]\n", "cannot unmarshal"),
    "22 conditions of wrong types": (BASE + "dependencies: [{name: a, version: '1', condition: [a]}]\n", "cannot unmarshal"),
    "22 tags of wrong types": (BASE + "dependencies: [{name: a, version: '1', tags: {a: b}}]\n", "cannot unmarshal"),
    "27 an anchor that contains itself": (BASE + "annotations: &a {b: *a}\n", "Chart.yaml"),
    "27 a merge key that contains itself": (BASE + "annotations: &a {<<: *a}\n", "Chart.yaml"),
    "29 terminal escapes": (BASE + 'description: "\\e]0;evil\\a\\e[31mred"\n', ""),
}  # fmt: skip
FOLDERS = [
    "13 a link to a file outside", "13 a link to a device", "13 a link to itself", "13 a link that leads nowhere",
    "14 a huge file", "14 many large files", "15 an ignore file without end", "15 an ignore file that is a link",
    "16 no UTF-8", "16 byte order marks", "24 a lock that is a folder", "24 a lock that is a link",
    "26 a key that comes twice", *FIELDS,
]  # fmt: skip


@pytest.mark.parametrize("case", FOLDERS)
def test_a_folder_of_the_list_is_packed_linted_and_tried(
    at: Path, told: Callable[..., tuple[int, str]], case: str
) -> None:
    words = folder_with(at, case)
    code, text = told("chart", "package", "web", "-d", "dist")
    assert words in text
    assert code == (1 if words else 0), text
    assert bool(list((at / "dist").glob("*.tgz"))) == (code == 0) if (at / "dist").exists() else code == 1
    for command in (("lint", "web"), ("dependency", "list", "web"), ("dependency", "build", "web")):
        _, text = told("chart", *command)
        assert "\x1b" not in text
        assert "precious" not in text
    assert (at.parent / "secret").read_text() == "precious"


@pytest.mark.parametrize(
    "repository", ["file://.", "file://../web", "file://../other", "file://../../../../../../etc"]
)
def test_23_dependencies_that_lead_back_or_out(
    at: Path, told: Callable[..., tuple[int, str]], repository: str
) -> None:
    for name, other in (("web", repository), ("other", "file://../web")):
        dependency = f"dependencies: [{{name: {'web' if name == 'other' else 'other'}, version: '*', repository: '{other}'}}]\n"
        write_chart(at / name, {"Chart.yaml": BASE.replace("web", name) + dependency})
    code, text = told("chart", "dependency", "update", "web")
    assert code in (0, 1)
    assert code == 0 or text.count("error[") == 1
    assert sorted(path.name for path in at.iterdir()) == ["other", "web"]
    told("chart", "test", "web")


def test_25_a_lock_of_something_else(at: Path, told: Callable[..., tuple[int, str]]) -> None:
    dependency = "dependencies: [{name: a, version: '1', repository: 'https://127.0.0.1:1'}]\n"
    lock = "dependencies: []\ndigest: sha256:0\ngenerated: '2026-01-01T00:00:00Z'\n"
    write_chart(at / "web", {"Chart.yaml": BASE + dependency, "Chart.lock": lock})
    code, text = told("chart", "dependency", "build", "web")
    assert code == 1
    assert "out of sync" in text


@pytest.mark.parametrize("place", ["name", "description", "annotation", "template"])
def test_29_no_terminal_escapes_are_printed(
    at: Path, told: Callable[..., tuple[int, str]], place: str
) -> None:
    files = {"Chart.yaml": BASE, "values.yaml": "", "templates/a.yaml": ""}
    match place:
        case "template":
            files["templates/a.yaml"] = '{{ fail "\\x1b[31mred" }}'
        case "name":
            files["Chart.yaml"] = BASE.replace("web", '"\\e[31mweb/"')
        case _:
            files["Chart.yaml"] = BASE + f'{place}: "\\e[31mred"\n'
    write_chart(at / "web", files)
    for command in (("lint",), ("package",), ("dependency", "list")):
        _, text = told("chart", *command, "web")
        assert "\x1b" not in text


SECRET = "hunter-22-secret"


@pytest.mark.parametrize(
    "words",
    [
        ("chart", "pull", "web", "--repo", "URL", "--username", "u", "--password", SECRET),
        ("chart", "pull", "oci://HOST/web", "--plain-http", "--username", "u", "--password", SECRET),
        (
            "chart",
            "push",
            "web-1.0.0.tgz",
            "oci://HOST/x",
            "--plain-http",
            "--username",
            "u",
            "--password",
            SECRET,
        ),
        ("registry", "login", "HOST", "--plain-http", "-u", "u", "-p", SECRET),
        ("chart", "pull", "https://u:hunter-22-secret@127.0.0.1:1/web-1.0.0.tgz"),
        ("chart", "pull", "URL/web-1.0.0.tgz?token=hunter-22-secret"),
    ],
    ids=lambda words: " ".join(words[:2]),
)
def test_47_credentials_are_in_no_error(
    at: Path, told: Callable[..., tuple[int, str]], words: tuple[str, ...]
) -> None:
    (at / "web-1.0.0.tgz").write_bytes(GOOD)
    with serving(Site({}, user=("u", "other"))) as site:
        host = site.url.removeprefix("http://")
        code, text = told(*(word.replace("URL", site.url).replace("HOST", host) for word in words))
    assert code == 1
    assert SECRET not in text
    assert all(
        SECRET.encode() not in path.read_bytes() for path in at.parent.parent.rglob("*") if path.is_file()
    )


def test_44_credentials_stay_with_their_repository(at: Path, told: Callable[..., tuple[int, str]]) -> None:
    """CVE-2021-32690: the index on one host, the archive on another."""
    with serving(Site({"/web-1.0.0.tgz": GOOD})) as other:
        index = f"apiVersion: v1\nentries: {{web: [{{name: web, version: 1.0.0, urls: ['{other.url}/web-1.0.0.tgz']}}]}}\n"
        with serving(Site({"/index.yaml": index.encode()}, user=("u", "p"))) as site:
            words = ("chart", "pull", "web", "--repo", site.url, "--username", "u", "--password", "p")
            assert told(*words)[0] == 0
            assert all("authorization" not in headers for _, headers in other.requests)
            other.requests.clear()
            assert told(*words, "--pass-credentials")[0] == 0


@pytest.mark.parametrize("target", ["https://127.0.0.1:1/x", "file:///etc/passwd", "ftp://127.0.0.1/x"])
def test_43_redirects_elsewhere(at: Path, told: Callable[..., tuple[int, str]], target: str) -> None:
    with serving(Site({}, redirects={"/web-1.0.0.tgz": target})) as site:
        code, text = told("chart", "pull", f"{site.url}/web-1.0.0.tgz")
    assert code == 1
    assert text.startswith("error[http.")
    assert list(at.iterdir()) == []


def test_a_provenance_file_without_end_is_not_read_whole(
    at: Path, told: Callable[..., tuple[int, str]]
) -> None:
    (at / "web-1.0.0.tgz").write_bytes(GOOD)
    with (at / "web-1.0.0.tgz.prov").open("wb") as sparse:
        sparse.truncate(1 << 40)
    (at / "ring").write_bytes(b"")
    code, text = told("chart", "verify", "web-1.0.0.tgz", "--keyring", "ring")
    assert code == 1
    assert text.startswith("error[")
    with (at / "ring").open("wb") as sparse:
        sparse.truncate(1 << 40)
    code, text = told("chart", "verify", "web-1.0.0.tgz", "--keyring", "ring")
    assert code == 1
    assert "error[keyring.unreadable]" in text
