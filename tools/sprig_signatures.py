"""Writes helmflow/sprig/signatures.py from the sprig modules: `python -m tools.sprig_signatures`."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

from helmflow.gotemplate.functions import Function
from helmflow.sprig import table

HEAD = '''\
"""Every sprig function's module and Go signature, so that the table loads without the functions; generated.

`python -m tools.sprig_signatures` writes it again. An entry is module, parameters, variadic, result, random.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Final

    Signature = tuple[str, tuple[str, ...], bool, str, bool]

SIGNATURES: Final[dict[str, Signature]] = {
'''


def found() -> dict[str, tuple[str, Function]]:
    """The functions as the modules have them: module and function by name."""
    return {
        name: (module, one)
        for module in table.FAMILIES
        for name, one in import_module(f"helmflow.sprig.{module}").FUNCTIONS.items()
    }


def written() -> str:
    """The module's text."""
    lines = [
        f"    {quoted(name)}: ({quoted(module)}, {params(one)}, {one.variadic}, {quoted(one.returns)}, {one.random}),\n"
        for name, (module, one) in found().items()
    ]
    return HEAD + "".join(lines) + "}  # fmt: skip\n"


def params(one: Function) -> str:
    inner = ", ".join(map(quoted, one.params))
    return f"({inner},)" if len(one.params) == 1 else f"({inner})"


def quoted(text: str) -> str:
    return f'"{text}"'


if __name__ == "__main__":
    target = Path(__file__).parent.parent / "helmflow/sprig/signatures.py"
    target.write_text(written(), encoding="utf-8")
