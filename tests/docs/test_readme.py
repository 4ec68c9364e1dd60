"""Every command of the README's tour is run, in its order, and its sample output is what comes out."""

from __future__ import annotations

import re
import shlex
import socket
from pathlib import Path

import pytest

from helmflow.cli.chart_commands import DEFAULT_PORT
from tests.scenarios.shop import EXAMPLE, Shop

README = Path(__file__).parents[2] / "README.md"
SHOWN_PORT = str(DEFAULT_PORT)
FAILS_ON_PURPOSE = "--state-values-set newsletter.enabled=true"


def commands() -> list[str]:
    """The indented helmflow commands, in reading order."""
    return [
        line.strip()
        for line in README.read_text(encoding="utf-8").splitlines()
        if line.startswith("    helmflow ")
    ]


def sample() -> str:
    """The tour's output as the README shows it."""
    return README.read_text(encoding="utf-8").split("```\n")[1]


def normal(text: str) -> list[str]:
    """Lines in any order, without durations: releases that do not wait for each other end in any order."""
    text = re.sub(r"\b\d+ writes", "N writes", text)  # leases are renewed by the clock
    numbered = re.sub(r"\[\d/7\]", "[n/7]", re.sub(r"\b\d+(\.\d)?s\b", "Ns", text))
    return sorted(re.sub(r" +", " ", line).rstrip() for line in numbered.splitlines() if line.strip())


def test_there_are_two_set_up_commands() -> None:
    assert re.findall(r"^    (python3 .*)$", README.read_text(encoding="utf-8"), re.MULTILINE) == [
        "python3 tasks.py tour",
        "python3 tasks.py test",
    ]


def free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


PORT = free_port()  # instead of the pages' own, which another test run may have


def as_written(made: Shop) -> None:
    """Give the copy the example's own state file."""
    text = (EXAMPLE / "helmflow.yaml").read_text(encoding="utf-8")
    (made.folder / "helmflow.yaml").write_text(text.replace(SHOWN_PORT, PORT), encoding="utf-8")


def run(made: Shop, shown: list[str]) -> tuple[int, str]:
    """One command; a nested `-- helmflow` runs this helmflow too."""
    python = made.command()
    words = [word.replace(SHOWN_PORT, PORT) for word in shown]
    if words[1:3] == ["chart", "serve"]:
        words[3:3] = ["--port", PORT]
    nested = [word for part in words[1:] for word in (python if part == "helmflow" else [part])]
    done = made.run(*nested)
    return done.code, (done.out + done.err).replace(f":{PORT}", f":{SHOWN_PORT}")


@pytest.mark.usefixtures("repository_url")
def test_the_tour_shows_what_comes_out_and_every_command_works(shop: Shop) -> None:
    as_written(shop)
    code, text = run(shop, shlex.split("helmflow chart serve repository -- helmflow sync --env dev"))
    assert code == 0, text
    assert normal(text) == normal(sample())
    for command in commands():
        code, text = run(shop, shlex.split(command))
        assert "Traceback" not in text
        assert code == (1 if command.endswith(FAILS_ON_PURPOSE) else 0), f"{command}\n{text}"
