"""The real Helm SDK as an oracle: one template and its data, rendered as the recorded rows were."""

from __future__ import annotations

import gzip
import io
import tarfile
from typing import Any

import pytest

CASE = "c/templates/_case.tpl"


def render(template: str, data: dict[str, Any], *, whole: bool = False) -> tuple[str, str]:
    """("out", text) or ("error", text) with `.` and `$` being `data`; skips where the SDK is not installed.

    With `whole` they are all values, as in recorded rows, and not a map in them.
    """
    helm = pytest.importorskip("helm_python")
    with helm.Chart.load_archive(_archive(template, ".Values" if whole else ".Values.data")) as chart:
        try:
            files = chart.render(data if whole else {"data": data}, name="c", namespace="default")
        except helm.HelmError as error:
            return "error", _inner(str(error))
    return "out", files["c/templates/outer.yaml"]


def _archive(template: str, dot: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, text in (
            ("c/Chart.yaml", "apiVersion: v2\nname: c\nversion: 0.1.0\n"),
            (CASE, template),
            ("c/templates/outer.yaml", f'{{{{ include "{CASE}" {dot} }}}}'),
        ):
            content = text.encode("utf-8", "surrogateescape")
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return gzip.compress(packed.getvalue(), 1)


def _inner(text: str) -> str:
    """The error without the frame of the outer include."""
    _, found, inner = text.partition("error calling include:")
    return inner.lstrip(" \n") if found else text
