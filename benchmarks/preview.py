"""A preview of 50 releases of 20 objects each with 5 % changed: what the whole command costs beside planning alone.

Run alone: `python benchmarks/preview.py`. Prints the ratio of `helmflow diff -o FORMAT` (loading, charts, planning,
showing) to planning, both taken from the same run, and the size of what is shown.
"""

from __future__ import annotations

import contextlib
import io
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

RELEASES, OBJECTS, ROUNDS = 50, 20, 5
LIMIT = 1.3
STATE = """\
releases:
{{- range $i := until 50 }}
  - name: app-{{ $i }}
    namespace: apps-{{ mod $i 5 }}
    chart: ./chart
    kubeContext: embedded
    values: [values.yaml, {number: {{ $i }}}]
{{- end }}
"""
DEPLOYMENT = """\
apiVersion: apps/v1
kind: Deployment
metadata: {{name: "{{{{ .Release.Name }}}}-{number}"}}
spec:
  replicas: 1
  selector: {{matchLabels: {{app: "{{{{ .Release.Name }}}}-{number}"}}}}
  template:
    metadata: {{labels: {{app: "{{{{ .Release.Name }}}}-{number}"}}}}
    spec:
      containers:
        - name: main
          image: "registry.example/app-{number}:{{{{ {value} }}}}"
          env: [{{name: A, value: "1"}}, {{name: B, value: "2"}}]
"""
CONFIG = """\
apiVersion: v1
kind: ConfigMap
metadata: {{name: "{{{{ .Release.Name }}}}-{number}"}}
data:
{lines}
"""


def project(folder: Path) -> None:
    """The state file and a chart of ten Deployments and ten ConfigMaps; `tag` changes one object of each release."""
    (folder / "chart" / "templates").mkdir(parents=True)
    (folder / "helmflow.yaml.gotmpl").write_text(STATE)
    (folder / "values.yaml").write_text("tag: 1\n")
    (folder / "chart" / "Chart.yaml").write_text("apiVersion: v2\nname: app\nversion: 1.0.0\n")
    lines = "\n".join(f'  key-{i}: "value {i} of a file that is not short"' for i in range(40))
    for number in range(OBJECTS):
        text = (
            DEPLOYMENT.format(number=number, value=".Values.tag" if number == 0 else "1")
            if number % 2 == 0
            else CONFIG.format(number=number, lines=lines)
        )
        (folder / "chart" / "templates" / f"object-{number}.yaml").write_text(text)


def command(*words: str) -> tuple[float, str]:
    """One command in this process: its seconds and what it printed."""
    from helmflow.cli.main import run_cli

    out = io.StringIO()
    started = time.perf_counter()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(io.StringIO()):
        code = run_cli(list(words))
    assert code in (0, None), f"{words}: {code}"
    return time.perf_counter() - started, out.getvalue()


@contextlib.contextmanager
def planning_timed(seconds: list[float]) -> Iterator[None]:
    """Adds up what planning takes, wherever it is called from."""
    from helmflow.flows import diff as flow

    original = flow.make_plan

    def timed(*given: object, **named: object) -> object:
        started = time.perf_counter()
        try:
            return original(*given, **named)  # type: ignore[arg-type]
        finally:
            seconds.append(time.perf_counter() - started)

    flow.make_plan = timed  # type: ignore[assignment]
    try:
        yield
    finally:
        flow.make_plan = original


def measure(form: str) -> tuple[float, int]:
    """The median ratio of whole command to planning, and the size of its output in characters."""
    ratios, size = [], 0
    for _ in range(ROUNDS):
        planned: list[float] = []
        with planning_timed(planned):
            whole, text = command("diff", "-o", form)
        ratios.append(whole / planned[0])
        size = len(text)
    return statistics.median(ratios), size


def main() -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ |= {"HELMFLOW_STATE_HOME": f"{name}/state", "HELMFLOW_CACHE_HOME": f"{name}/cache"}
        (folder / "work").mkdir()
        project(folder / "work")
        os.chdir(folder / "work")
        command("sync")
        (folder / "work" / "values.yaml").write_text("tag: 2\n")
        worst = 0.0
        for form in ("markdown", "text", "json", "html"):
            ratio, size = measure(form)
            worst = max(worst, ratio)
            print(f"{form:9} whole command / planning {ratio:.2f}   {size:,} characters")
        os.chdir("/")
    print(f"worst {worst:.2f}, wanted {LIMIT}")
    return 0 if worst <= LIMIT else 1


if __name__ == "__main__":
    sys.exit(main())
