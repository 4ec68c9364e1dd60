"""Slash-separated paths: base, dir, clean, ext, isAbs and their os* twins (Helm runs them as on Linux)."""

from __future__ import annotations

from helmflow.gotemplate.functions import Function, table


def base(path: str) -> str:
    """The last element; trailing slashes do not count."""
    if not path:
        return "."
    trimmed = path.rstrip("/")
    return trimmed.rpartition("/")[2] if trimmed else "/"


def directory(path: str) -> str:
    """All but the last element, cleaned."""
    return clean(path[: path.rfind("/") + 1])


def clean(path: str) -> str:
    """The shortest equal path."""
    rooted = path.startswith("/")
    kept: list[str] = []
    for part in path.split("/"):
        if part in ("", "."):
            continue
        if part != "..":
            kept.append(part)
        elif kept and kept[-1] != "..":
            kept.pop()
        elif not rooted:
            kept.append("..")
    joined = "/".join(kept)
    return "/" + joined if rooted else joined or "."


def extension(path: str) -> str:
    """From the last dot of the last element on."""
    name = path.rpartition("/")[2]
    dot = name.rfind(".")
    return name[dot:] if dot >= 0 else ""


def is_absolute(path: str) -> bool:
    """Whether the path starts at the root."""
    return path.startswith("/")


FUNCTIONS = table(
    *(
        Function(name, call, ("string",), returns="string")
        for call, names in (
            (base, ("base", "osBase")),
            (directory, ("dir", "osDir")),
            (clean, ("clean", "osClean")),
            (extension, ("ext", "osExt")),
        )
        for name in names
    ),
    *(Function(name, is_absolute, ("string",), returns="bool") for name in ("isAbs", "osIsAbs")),
)
