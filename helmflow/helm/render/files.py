"""The .Files object: what templates may read of a chart's own files."""

from __future__ import annotations

from binascii import b2a_base64

from helmflow.core import yaml_dialect
from helmflow.gotemplate.functions import Function, FunctionError, table
from helmflow.gotemplate.gotypes import GoObject, StringSlice
from helmflow.helm.chart.model import ChartFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any, ClassVar


class Files(dict[str, bytes], GoObject):
    """Go's `engine.files`: file names to bytes; a missing name is empty bytes. Shared by renders, never changed."""

    go_type: ClassVar[str] = "engine.files"
    go_kind: ClassVar[str] = "map"
    go_element: ClassVar[str] = "[]uint8"

    @classmethod
    def of(cls, files: Iterable[ChartFile]) -> Files:
        """The object over these files."""
        return cls({file.name: file.data for file in files})

    def get(self, name: str, default: Any = b"") -> Any:
        """What `.Files.NAME` is: a method without arguments, or a file's bytes."""
        if name in ("AsConfig", "AsSecrets"):
            return _as_config(self) if name == "AsConfig" else _as_secrets(self)
        if name in self.go_methods:
            raise LookupError(name)
        return super().get(name, default)

    go_methods: ClassVar[Mapping[str, Function]]


def _text(files: Files, name: str) -> str:
    data = dict.get(files, name)
    return data.decode("utf-8", "surrogateescape") if data else ""


def _bytes(files: Files, name: str) -> bytes:
    return dict.get(files, name) or b""


def _matching(files: Files, pattern: str) -> Files:
    from helmflow.helm.render.glob import BadGlob, compile_glob

    try:
        matches = compile_glob(pattern)
    except BadGlob:  # Helm takes a pattern that it cannot read for `**`
        return Files(files)
    return Files({name: data for name, data in files.items() if matches(name)})


def _as_config(files: Files) -> str:
    return _dumped({_base(name): files[name].decode("utf-8", "replace") for name in sorted(files)})


def _as_secrets(files: Files) -> str:
    return _dumped(
        {_base(name): b2a_base64(files[name], newline=False).decode("ascii") for name in sorted(files)}
    )


def _lines(files: Files, name: str) -> StringSlice:
    if name not in files:
        return StringSlice()
    text = _text(files, name)
    if not text:
        raise FunctionError("runtime error: index out of range [-1]")
    return StringSlice(text.removesuffix("\n").split("\n"))


def _base(name: str) -> str:
    return name.rstrip("/").rpartition("/")[2] or name


def _dumped(content: dict[str, str]) -> str:
    return yaml_dialect.dump(content).removesuffix("\n")


Files.go_methods = table(
    Function("Get", _text, ("string",), returns="string"),
    Function("GetBytes", _bytes, ("string",), returns="[]uint8"),
    Function("Glob", _matching, ("string",), returns="engine.files"),
    Function("AsConfig", _as_config, (), returns="string"),
    Function("AsSecrets", _as_secrets, (), returns="string"),
    Function("Lines", _lines, ("string",), returns="[]string"),
)
