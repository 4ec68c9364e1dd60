"""Small revisions for tests of where revisions are stored."""

from __future__ import annotations

from dataclasses import replace

from helmflow.helm.chart.model import Chart, Metadata
from helmflow.helm.release import codec
from helmflow.helm.release.record import ReleaseStatus, Revision

CHART = codec.chart_record(Chart(metadata=Metadata(name="shop", version="1.0.0", api_version="v2")))


def revision(
    namespace: str, name: str = "web", number: int = 1, status: str = "deployed", **fields: object
) -> Revision:
    """A small revision."""
    base = Revision(
        name=name,
        namespace=namespace,
        number=number,
        status=ReleaseStatus(status),
        chart=CHART,
        config={"a": 1.0},
        manifest="---\n# Source: shop/templates/a.yaml\nkind: ConfigMap\n",
        first_deployed="2026-01-01T00:00:00Z",
        apply_method="ssa",
    )
    return replace(base, **fields)  # type: ignore[arg-type]
