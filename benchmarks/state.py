"""1,000 releases in one state file beside real Helmfile: `python -m benchmarks.state [--rounds N]`.

`list`, `build` and `show-dag` of both run in turn on one file; the figure is the median of the pairwise ratios of user +
system time (target: at most 0.25). Then the peak memory of 1,000, 2,000, 4,000 and 10,000 releases, which must grow
linearly. Helmfile is built by Go from benchmarks/helmfile/go.mod, once, into the user's cache; HELMFILE names another one.
Writes benchmarks/out/state.md.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
OUT = HERE / "out"
GOAL = 0.25
COMMANDS = (("list",), ("list", "--output", "json"), ("build",), ("show-dag",))
SIZES = (1_000, 2_000, 4_000, 10_000)
HEAD = """\
environments:
  default:
    values:
    - domain: example.com
      replicas: 2
      components: {cache: {enabled: true}, search: {enabled: false}}
---
repositories:
- {name: charts, url: "https://charts.example.com"}
helmDefaults: {wait: true, timeout: 600, createNamespace: true}
commonLabels: {team: platform}
templates:
  default:
    valuesTemplate:
    - host: '{{ `{{ .Release.Name }}.{{ .Values.domain }}` }}'
releases:
"""
RELEASE = """\
- name: service-{number}
  namespace: group-{group}
  chart: charts/service
  version: 1.{group}.0
  labels: {{tier: "{tier}"}}
  condition: components.{component}.enabled
{needs}  values:
  - replicas: {{{{ .Values.replicas }}}}
    image: {{tag: "v{number}"}}
    config: {{url: "https://service-{number}.{{{{ .Values.domain }}}}", features: [a, b, c]}}
"""


def state_file(releases: int) -> str:
    """A file of that many releases as people write them: templates, conditions, labels, needs, inline values."""
    texts = [HEAD]
    for number in range(releases):
        group = number % 20
        needs = f"  needs: [group-{group}/service-{number - 20}]\n" if number % 100 >= 20 else ""
        component = "search" if number % 100 >= 97 else "cache"
        texts.append(
            RELEASE.format(number=number, group=group, tier=number % 5, component=component, needs=needs)
        )
    return "".join(texts)


def helmfile() -> Path:
    """The Helmfile to compare with: HELMFILE's, the one in the cache, or one built now."""
    named = os.environ.get("HELMFILE")
    if named:
        return Path(named)
    pins = hashlib.sha256((HERE / "helmfile" / "go.mod").read_bytes()).hexdigest()[:12]
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "helmflow-tests"
    binary = cache / f"helmfile-{pins}"
    if not binary.is_file():
        go = shutil.which("go") or "/usr/local/go/bin/go"
        cache.mkdir(parents=True, exist_ok=True)
        print("building Helmfile (a few minutes, once) ...", flush=True)
        flags = ["-trimpath", "-ldflags", "-s -w -X go.szostok.io/version.version=v1.7.4"]
        subprocess.run(
            [go, "build", *flags, "-o", f"{binary}.new", "github.com/helmfile/helmfile"],
            cwd=HERE / "helmfile", env={**os.environ, "CGO_ENABLED": "0"}, check=True,
        )  # fmt: skip
        Path(f"{binary}.new").rename(binary)
    return binary


class Place:
    """A folder with one state file, and both tools as a user has them there."""

    def __init__(self, folder: Path, peer: Path) -> None:
        self.folder = folder
        helm = folder / "bin" / "helm"  # Helmfile asks its helm for the version, whatever it is to do
        helm.parent.mkdir()
        helm.write_text("#!/bin/sh\necho v4.2.3+g0000000\n", encoding="utf-8")
        helm.chmod(0o755)
        self.peer = [str(peer), "--log-level", "error"]
        self.ours = [str(Path(sys.executable).with_name("helmflow"))]
        kept = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
        self.env = {
            **kept, "PATH": f"{helm.parent}:{os.environ['PATH']}", "HOME": str(folder), "KUBECONFIG": str(folder / "none"),
            "HELMFLOW_CACHE_HOME": str(folder / "cache"), "XDG_CACHE_HOME": str(folder / "xdg"),
            "PYTHONPYCACHEPREFIX": str(folder / "pyc"), "HELMFILE_UPGRADE_NOTICE_DISABLED": "true",
        }  # fmt: skip

    def write(self, releases: int) -> None:
        """The state file."""
        (self.folder / "helmfile.yaml.gotmpl").write_text(state_file(releases), encoding="utf-8")

    def cpu(self, words: list[str]) -> float:
        """CPU seconds of one run, its children's with them."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            words,
            cwd=self.folder,
            env=self.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            check=False,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode:
            raise SystemExit(f"{words}: {done.stderr.decode()[-2000:]}")
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime

    def peak(self, words: list[str]) -> float:
        """MiB of one run at its largest."""
        process = subprocess.Popen(words, cwd=self.folder, env=self.env, stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = status
        if status:
            raise SystemExit(f"{words} failed")
        return usage.ru_maxrss / 1024


def compared(place: Place, rounds: int) -> list[tuple[str, float, float, float]]:
    """Per command: our seconds, Helmfile's, and the median of the pairwise ratios."""
    found = []
    for command in COMMANDS:
        ours, theirs = [*place.ours, *command], [*place.peer, *command]
        for words in (ours, theirs):
            place.cpu(words)
        pairs = [(place.cpu(ours), place.cpu(theirs)) for _ in range(rounds)]
        found.append(
            (
                " ".join(command),
                statistics.median(pair[0] for pair in pairs),
                statistics.median(pair[1] for pair in pairs),
                statistics.median(a / b for a, b in pairs),
            )
        )
        print("{:<20} helmflow {:6.2f} s   Helmfile {:6.2f} s   ratio {:.3f}".format(*found[-1]), flush=True)
    return found


def memory(place: Place) -> list[tuple[int, float, float]]:
    """Per size: peak memory and CPU of `list`."""
    found = []
    for size in SIZES:
        place.write(size)
        words = [*place.ours, "list"]
        found.append((size, place.peak(words), place.cpu(words)))
        print("{:>6} releases: {:7.1f} MiB, {:6.2f} s of CPU".format(*found[-1]), flush=True)
    return found


def linear(rows: list[tuple[int, float, float]]) -> float:
    """How much more a release costs between the largest sizes than between the smallest: 1 is linear."""
    (a, first, _), (b, second, _), (c, third, _), (d, fourth, _) = rows
    return ((fourth - third) / (d - c)) / ((second - first) / (b - a))


def main() -> int:
    """Measure, print, write; 1 where a goal is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        place = Place(Path(folder), helmfile())
        place.write(1_000)
        rows = compared(place, given.rounds)
        sizes = memory(place)
    growth = linear(sizes)
    missed = [name for name, _, _, ratio in rows if ratio > GOAL]
    if growth > 1.3:
        missed.append(f"memory grows by {growth:.2f}")
    lines = [
        "# 1,000 releases in one state file", "",
        "| command | helmflow, s of CPU | Helmfile, s of CPU | ratio (goal 0.25) |", "|---|---|---|---|",
        *(f"| {name} | {a:.2f} | {b:.2f} | {ratio:.3f} |" for name, a, b, ratio in rows), "",
        "| releases | peak MiB of `list` | s of CPU |", "|---|---|---|",
        *(f"| {size:,} | {peak:.1f} | {cpu:.2f} |" for size, peak, cpu in sizes), "",
        f"A release of 10,000 takes {growth:.2f} times the memory that one of 2,000 takes.",
    ]  # fmt: skip
    OUT.mkdir(exist_ok=True)
    (OUT / "state.md").write_text("\n".join(lines) + "\n", encoding="utf-8")
    print("missed: " + ", ".join(missed) if missed else "all goals are reached")
    return 1 if missed else 0


if __name__ == "__main__":
    raise SystemExit(main())
