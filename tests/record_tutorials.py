"""Records what the real Helm makes of every tutorial chart: `python -m tests.record_tutorials`."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

import helm_python

from tests.charts import write_chart
from tests.tutorials import TUTORIALS

TARGET = Path(__file__).parent / "golden" / "tutorials.json"


def main() -> None:
    recorded = {}
    config = helm_python.Config(storage_driver="memory")
    for name, tutorial in TUTORIALS.items():
        with tempfile.TemporaryDirectory() as folder:
            path = write_chart(Path(folder) / "chart", tutorial.files)
            with helm_python.Chart.load(path) as chart:
                release = config.install(
                    chart, "demo", tutorial.values, namespace="demo-ns", dry_run="client"
                )
                files = chart.render(tutorial.values, name="demo", namespace="demo-ns")
        recorded[name] = {"manifest": release.get("manifest", ""), "files": files}
    TARGET.write_text(json.dumps(recorded, indent=1, sort_keys=True) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
