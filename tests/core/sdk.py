"""The real Helm SDK as an oracle for many values at once: one chart whose templates convert each of them."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from typing import Any

import pytest

_MARK = "\n\x1e\n"


def convert(function: str, values: list[Any]) -> list[str]:
    """What a template function (or `f (g`: one over another) makes of each value; skips where the SDK is not installed."""
    helm = pytest.importorskip("helm_python")
    call = f"{function} .)" if "(" in function else f"{function} ."
    template = "{{ range .Values.v }}{{ " + call + ' }}{{ print "\\n\\x1e\\n" }}{{ end }}'
    with helm.Chart.load_archive(_archive({"templates/a.txt": template})) as chart:
        text: str = chart.render({"v": values})["c/templates/a.txt"]
    return text.split(_MARK)[:-1]


def schema_problem(schema: str, values: dict[str, Any]) -> str:
    """What Helm says of values and a schema, "" when they fit."""
    helm = pytest.importorskip("helm_python")
    with helm.Chart.load_archive(_archive({"values.schema.json": schema})) as chart:
        try:
            chart.validate_schema(values)
        except helm.HelmError as error:
            return str(error).removeprefix("c:\n")
    return ""


def _archive(files: dict[str, str]) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz", compresslevel=1) as tar:
        for name, text in _named(files):
            content = text.encode("utf-8", "surrogateescape")
            entry = tarfile.TarInfo(f"c/{name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return packed.getvalue()


def _named(files: dict[str, str]) -> Iterator[tuple[str, str]]:
    yield "Chart.yaml", "apiVersion: v2\nname: c\nversion: 0.1.0\n"
    yield from files.items()
