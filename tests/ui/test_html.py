"""The HTML report: complete without the network, and nothing in it but what the page itself put there."""

from __future__ import annotations

import base64
import hashlib
import re
from html.parser import HTMLParser

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helmflow.core.sensitive import SecretTexts
from helmflow.plan.model import Plan
from helmflow.ui import html
from tests.ui import reports

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</style></script><script>alert(1)</script>",
    "javascript:alert(1)",
    "]]><!--",
    "&lt;b&gt;",
    "\x1b[31mred\u202e",
]


class Reader(HTMLParser):
    """Elements with their attributes, and everything that is text."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.comments = 0
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def handle_comment(self, data: str) -> None:
        self.comments += 1

    def shape(self) -> list[tuple[str, tuple[str, ...]]]:
        """Elements and the names of their attributes: what texts must not be able to change."""
        return [
            (tag, tuple(sorted(attributes)))
            for tag, attributes in self.elements
            # How many lines a diff has, and what is marked in them, depends on the texts.
            if tag not in ("b", "span")
        ]

    def spans(self) -> set[tuple[str, ...]]:
        """The attributes that spans have."""
        return {tuple(sorted(attributes)) for tag, attributes in self.elements if tag in ("b", "span")}


def page() -> str:
    return html.render(reports.plan(), reports.report(), reports.recorder())


def test_everything_is_in_the_page() -> None:
    read = Reader(page())
    assert [tag for tag, _ in read.elements].count("script") == 1
    assert not {"iframe", "object", "embed", "base", "form", "img"} & {tag for tag, _ in read.elements}
    for tag, attributes in read.elements:
        for name, value in attributes.items():
            assert not name.startswith("on"), f"{tag} {name}"
            assert name != "style", f"{tag} has a style"
            assert name != "src"
            if name == "href":
                assert value is not None
                assert value.startswith("#r") or value == "data:,"
    assert "http" not in re.sub(r"https://eu1\.example:6443|http-equiv", "", page())


def test_the_policy_names_the_page_s_own_script_and_style() -> None:
    text = page()
    policy = next(
        attributes["content"] or ""
        for tag, attributes in Reader(text).elements
        if tag == "meta" and attributes.get("http-equiv") == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none';")
    assert "unsafe" not in policy
    for element in ("style", "script"):
        inside = re.search(f"<{element}>(.*?)</{element}>", text, re.DOTALL)
        assert inside is not None
        digest = base64.b64encode(hashlib.sha256(inside[1].encode()).digest()).decode()
        assert f"{element}-src 'sha256-{digest}'" in policy


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_stays_text(text: str) -> None:
    harmless = Reader(html.render(*reports.hostile("x")))
    made = Reader(html.render(*reports.hostile(text)))
    assert made.shape() == harmless.shape()
    assert made.spans() <= harmless.spans() | {()}
    assert made.comments == 0
    shown = "".join(made.texts)
    assert text.replace("\x1b[31m", "").replace("\u202e", "") in shown
    assert "\x1b" not in shown


@given(st.text(alphabet="<>\"'&`/=!-[] abc\n\x00\x1b\u2028", min_size=1, max_size=30))
@settings(max_examples=40)
def test_no_text_makes_an_element(text: str) -> None:
    # A newline ends a line of a diff, so texts have as many lines as the harmless one.
    text = "q" + text.replace("\n", " ").replace("\u2028", " ")
    assert (
        Reader(html.render(*reports.hostile(text))).shape()
        == Reader(html.render(*reports.hostile("x"))).shape()
    )


def test_known_secrets_are_masked() -> None:
    secrets = SecretTexts()
    secrets.add("walnut-Kettle-58q")
    everywhere = reports.hostile("walnut-Kettle-58q")
    assert "Kettle" not in html.render(*everywhere)
    assert "Kettle" in html.render(*everywhere, masked=False)


def test_a_plan_alone_and_an_empty_one() -> None:
    alone = html.render(reports.plan())
    assert "chart 1.1.0 -&gt; 1.2.0, values" in alone
    assert "changed in the cluster by kubectl-scale at 2026-11-21T08:00:00Z" in alone
    assert "Timeline" not in alone
    nothing = html.render(Plan(command="diff", environment="dev", cluster="c", releases=(), needs={}))
    assert "Nothing changes." in nothing


def test_a_run_shows_evidence_versions_and_the_critical_path() -> None:
    text = page()
    for wanted in (
        "ImagePullBackOff", "panic: no database", "does the image exist?", "0/2 ready", f"sha256:{'ab' * 32}",
        "Critical path: data/db → apps/api", "skipped", "Secret apps/jobs",
    ):  # fmt: skip
        assert wanted in text, wanted
