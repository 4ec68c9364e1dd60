"""What is measured of one action: seconds of wall and of client CPU, and requests by the API server's audit log."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

OWN = ("kube-", "node-stand-in", "etcd", "curl")  # the control plane's own requests
COMMAND_S = 900.0
QUIET_REQUESTS, QUIET_S, SETTLE_S = 10, 0.5, 20.0


@dataclass(frozen=True, slots=True)
class Sample:
    """Seconds of wall and of client CPU, and requests."""

    wall: float
    cpu: float
    requests: int

    def __str__(self) -> str:
        return f"{self.wall:.2f} s, {self.cpu:.2f} s CPU, {self.requests} requests"


@dataclass
class Row:
    """One action on both sides, taken in turn."""

    name: str
    goal: float | None = None
    ours: list[Sample] = field(default_factory=list)
    theirs: list[Sample] = field(default_factory=list)

    def ratio(self, what: str = "wall") -> float | None:
        """How many times as much the other side takes, by the medians."""
        if not self.ours or not self.theirs:
            return None
        return median(self.theirs, what) / median(self.ours, what)

    def verdict(self) -> str:
        """Whether the bound holds; empty without one."""
        ratio = self.ratio()
        if self.goal is None or ratio is None:
            return ""
        return "holds" if ratio >= self.goal else "MISSED"


def median(samples: list[Sample], what: str) -> float:
    """The middle one."""
    return float(statistics.median(getattr(sample, what) for sample in samples))


def cell(samples: list[Sample]) -> str:
    """Medians, as a table's cell."""
    if not samples:
        return "not measured"
    return ", ".join(f"{median(samples, what):.2f}" for what in ("wall", "cpu"))


def times(ratio: float | None) -> str:
    """A ratio, as a table's cell."""
    return "" if ratio is None else f"{ratio:.1f}"


def others_at_work() -> str:
    """What else keeps the machine busy, for the head of a report: figures of a busy machine are worth little."""
    return f"Load of the machine before: {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores."


def asked(samples: list[Sample]) -> str:
    """The requests, as a table's cell."""
    return f"{median(samples, 'requests'):.0f}" if samples else "not measured"


class Audit:
    """Counts the requests of clients, read on from where it was."""

    def __init__(self, path: Path) -> None:
        self._path, self._at = path, 0

    def count(self) -> int:
        """Requests since the last call."""
        time.sleep(0.3)
        agents = (str(json.loads(line).get("userAgent", "")) for line in self._fresh())
        return sum(not agent.startswith(OWN) for agent in agents)

    def settle(self) -> None:
        """Wait until the control plane has little left to do for whoever wrote last, and begin to count anew."""
        deadline = time.monotonic() + SETTLE_S
        self._fresh()
        while time.monotonic() < deadline:
            time.sleep(QUIET_S)
            if len(self._fresh()) < QUIET_REQUESTS:
                return

    def _fresh(self) -> list[bytes]:
        with self._path.open("rb") as file:
            file.seek(self._at)
            text = file.read()
        whole = text[: text.rfind(b"\n") + 1]  # the last line may be half written
        self._at += len(whole)
        return whole.splitlines()


def called(audit: Audit, call: Callable[[], None]) -> Sample:
    """One call in this process."""
    audit.settle()
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return Sample(time.perf_counter() - wall, time.process_time() - cpu, audit.count())


def ran(audit: Audit, command: list[str], folder: Path, env: dict[str, str]) -> Sample:
    """One command, the processes that it starts counted."""
    audit.settle()
    log = folder / "log"
    before, wall = os.times(), time.perf_counter()
    with log.open("wb") as out:
        done = subprocess.run(
            command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out, timeout=COMMAND_S, check=False
        )  # fmt: skip
    took, after = time.perf_counter() - wall, os.times()
    if done.returncode:
        shown = log.read_text(errors="replace")[-3000:]
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{shown}")
    cpu = after.children_user + after.children_system - before.children_user - before.children_system
    return Sample(took, cpu, audit.count())


class Kept:
    """Rows in a file, so that a run that was cut short or measures some rows only does not lose the others."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> dict[str, Row]:
        """By name."""
        if not self._path.is_file():
            return {}
        document = json.loads(self._path.read_text(encoding="utf-8"))
        return {
            row["name"]: Row(
                row["name"],
                row["goal"],
                [Sample(**sample) for sample in row["ours"]],
                [Sample(**sample) for sample in row["theirs"]],
            )
            for row in document
        }

    def write(self, rows: dict[str, Row]) -> None:
        """All of them."""
        self._path.parent.mkdir(exist_ok=True)
        self._path.write_text(json.dumps([asdict(row) for row in rows.values()], indent=1), encoding="utf-8")
