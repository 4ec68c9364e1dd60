"""References to what is on this machine: texts, files, environment variables, commands, sops files."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from typing import Any

from helmflow.core import process
from helmflow.core.errors import ConfigError, HelmflowError
from helmflow.state.ports import Reference


class Echo:
    """`ref+echo://a/b`: the path itself; with `#/a` the path as nested maps."""

    def fetch(self, reference: Reference) -> Any:
        """The path, or maps made of it where a fragment looks into them."""
        if not reference.fragment:
            return reference.path
        *keys, last = reference.path.split("/")
        value: Any = last
        for key in reversed(keys):
            value = {key: value}
        return value


class File:
    """`ref+file://path`: a file's text; `?encode=base64` for its bytes."""

    def fetch(self, reference: Reference) -> Any:
        """The file's text."""
        data = read_bytes(reference)
        if reference.parameters.get("encode") == "base64":
            return base64.b64encode(data).decode("ascii")
        return data.decode("utf-8", "surrogateescape")


def read_bytes(reference: Reference) -> bytes:
    """The bytes of the file a reference names, relative to the state file."""
    path = reference.base_dir / Path(reference.path).expanduser()
    try:
        return path.read_bytes()
    except OSError as cause:
        raise ConfigError(f"cannot read {path}: {cause.strerror}", error_id="refs.file") from cause


class Variable:
    """`ref+env://NAME`: an environment variable."""

    def fetch(self, reference: Reference) -> Any:
        """The variable's text; one that is not set is a mistake."""
        value = reference.env.get(reference.path)
        if value is None:
            raise ConfigError(f"environment variable {reference.path!r} is not set", error_id="refs.env")
        return value


_VARIABLE = re.compile(r"\$(?:\{(?P<braced>\w+)(?::?-(?P<default>[^}]*))?\}|(?P<plain>\w+))")


class Substitution:
    """`ref+envsubst://$NAME`: a text with environment variables in it."""

    def fetch(self, reference: Reference) -> Any:
        """The text with $NAME, ${NAME} and ${NAME:-default} replaced."""

        def replace(found: re.Match[str]) -> str:
            name = found["braced"] or found["plain"]
            return reference.env.get(name, "") or found["default"] or ""

        return _VARIABLE.sub(replace, reference.path)


class Command:
    """`ref+exec://command?args=a,b`: what a command prints, without its last line end."""

    def fetch(self, reference: Reference) -> Any:
        """The command's output. Raises ConfigError `refs.exec` with its error output."""
        args = [arg for arg in reference.parameters.get("args", "").split(",") if arg]
        return output_of([reference.path, *args], reference, "refs.exec")


def output_of(command: list[str], reference: Reference, error_id: str) -> str:
    """The output of a command in the state file's directory."""
    try:
        finished = process.run(command, cwd=reference.base_dir, env=reference.env, timeout_s=120)
    except HelmflowError as error:
        raise ConfigError(error.message, error_id=error_id, hint=error.hint) from error
    if finished.status:
        lines = finished.stderr.strip().splitlines()
        raise ConfigError(
            f"{command[0]} exited with status {finished.status}" + (f": {lines[-1]}" if lines else ""),
            error_id=error_id,
        )
    return finished.stdout.removesuffix("\n")


class Sops:
    """`ref+sops://file#/key`: a sops file; `?key_type=base64` takes the path itself as the encrypted text."""

    def fetch(self, reference: Reference) -> Any:
        """The decrypted text."""
        from helmflow.providers.secrets.sops import SopsProvider

        if reference.parameters.get("key_type") == "base64":
            data = base64.urlsafe_b64decode(reference.path)
            path = reference.base_dir / f"inline.{reference.parameters.get('format', 'yaml')}"
        else:
            data = read_bytes(reference)
            path = reference.base_dir / reference.path
        return SopsProvider().decrypt(data, path, reference.env).decode("utf-8", "surrogateescape")
