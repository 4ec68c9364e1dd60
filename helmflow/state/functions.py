"""Helmfile's own template functions, which differ from Helm's of the same names."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from helmflow.core.errors import HelmflowError, TemplateError
from helmflow.gotemplate.functions import Function, FunctionError
from helmflow.gotemplate.gotypes import StringSlice

if TYPE_CHECKING:
    from helmflow.gotemplate.templates import TemplateSet
    from helmflow.state.context import Context

_MAX_INCLUDES = 1000  # Helmfile's recursionMaxNums, per template name
_MISSING = object()


class Running:
    """The template set that is executing in this thread: what include and tpl look into."""

    def __init__(self) -> None:
        self._local = threading.local()

    @property
    def sets(self) -> list[TemplateSet]:
        """Innermost last."""
        if not hasattr(self._local, "sets"):
            self._local.sets = []
            self._local.included = {}
        return self._local.sets  # type: ignore[no-any-return]

    @property
    def included(self) -> dict[str, int]:
        """How deep each name is included now."""
        self.sets  # noqa: B018 - creates the thread's own storage
        return self._local.included  # type: ignore[no-any-return]


class DirectoryEntry(dict[str, Any]):
    """Go's fs.DirEntry as templates use it: .Name and .IsDir."""


def functions(context: Context, base_dir: Path, running: Running) -> dict[str, Function]:
    """Sprig's map with Helmfile's functions over it; paths are relative to `base_dir`."""
    from helmflow.sprig import table

    found = dict(table.functions())
    if "get" in found:
        found["sprigGet"] = found["get"]
    own = (
        *_environment_functions(context),
        *_process_functions(context, base_dir),
        *_file_functions(context, base_dir),
        *_data_functions(),
        *_template_functions(running),
        *_secret_functions(context, base_dir),
    )
    return {**found, **{one.name: one for one in own}}


def _environment_functions(context: Context) -> list[Function]:
    env = context.env

    def required_env(name: str) -> str:
        value = env.get(name, "")
        if not value:
            raise FunctionError(f"required env var `{name}` is not set")
        return value

    return [
        Function("env", lambda name: env.get(name, ""), ("string",), returns="string"),
        Function("expandenv", lambda text: _expand(text, env), ("string",), returns="string"),
        Function("requiredEnv", required_env, ("string",), returns="string"),
    ]


def _expand(text: str, env: Mapping[str, str]) -> str:
    """Go's os.ExpandEnv: $name and ${name}; unset is empty."""
    import re

    def replace(found: re.Match[str]) -> str:
        return env.get(found[1] or found[2] or "", "")

    return re.sub(r"\$(?:\{([^}]*)\}|([A-Za-z_][A-Za-z0-9_]*|[0-9*#$@!?-]))", replace, text)


def _process_functions(context: Context, base_dir: Path) -> list[Function]:
    def env_exec(extra: Any, command: str, args: list[Any], *stdin: str) -> str:
        if not _secure(context, "exec"):
            return ""
        return _run(context, base_dir, _environment_of(extra), [command, *_texts(args)], "".join(stdin[:1]))

    def plain_exec(command: str, args: list[Any], *stdin: str) -> str:
        return env_exec(None, command, args, *stdin)

    return [
        Function("exec", plain_exec, ("string", "[]any", "string"), variadic=True, returns="string"),
        Function(
            "envExec",
            env_exec,
            ("map[string]any", "string", "[]any", "string"),
            variadic=True,
            returns="string",
        ),
    ]


def _secure(context: Context, name: str) -> bool:
    """Whether a function that reaches beyond the file may do so; False where it is skipped. Raises where it is off."""
    from helmflow.state.context import Trust

    if context.insecure_off:
        raise FunctionError(f"{name} is disabled due to HELMFILE_DISABLE_INSECURE_FEATURES")
    if context.trust is Trust.UNTRUSTED and name == "exec":
        raise FunctionError("exec is switched off by --untrusted")
    return not context.functions_skipped


def _texts(args: list[Any]) -> list[str]:
    for index, arg in enumerate(args):
        if not isinstance(arg, str):
            raise FunctionError(
                f'unexpected type of arg "{_go_type(arg)}" in args {_shown(args)} at index {index}'
            )
    return list(args)


def _environment_of(extra: Any) -> dict[str, str]:
    if extra is None:
        return {}
    for key, value in extra.items():
        if not isinstance(value, str):
            raise FunctionError(f'unexpected type of value "{_go_type(value)}" of env {key}')
    return dict(extra)


def _run(context: Context, base_dir: Path, extra: dict[str, str], command: list[str], stdin: str) -> str:
    from helmflow.core import process

    try:
        finished = process.run(command, cwd=base_dir, env={**context.env, **extra}, stdin=stdin or None)
    except HelmflowError as error:
        raise FunctionError(str(error)) from error
    if finished.status:
        shown = (finished.stderr or finished.stdout).strip()
        raise FunctionError(
            f"command {command[0]!r} exited with status {finished.status}" + (f": {shown}" if shown else "")
        )
    return finished.stdout


def _file_functions(context: Context, base_dir: Path) -> list[Function]:
    def resolve(path: str) -> Path:
        return confined(context, base_dir / path)

    def read_file(path: str) -> str:
        if not _secure(context, "readFile"):
            return ""
        try:
            return resolve(path).read_bytes().decode("utf-8", "surrogateescape")
        except OSError as cause:
            raise FunctionError(f"open {path}: {_go_error(cause)}") from cause

    def entries(path: str, name: str) -> list[Path]:
        if not _secure(context, name):
            return []
        try:
            return sorted(resolve(path).iterdir(), key=lambda entry: entry.name)
        except OSError as cause:
            raise FunctionError(f"readdir {path}: {_go_error(cause)}") from cause

    def read_dir(path: str) -> StringSlice:
        prefix = _joined(path)
        return StringSlice(
            _joined(prefix, entry.name) for entry in entries(path, "readDir") if not entry.is_dir()
        )

    def read_dir_entries(path: str) -> list[DirectoryEntry]:
        found = entries(path, "readDirEntries")
        return [DirectoryEntry(Name=entry.name, IsDir=entry.is_dir()) for entry in found]

    return [
        Function("isFile", lambda path: resolve(path).is_file(), ("string",), returns="bool"),
        Function("isDir", lambda path: resolve(path).is_dir(), ("string",), returns="bool"),
        Function("readFile", read_file, ("string",), returns="string"),
        Function("readDir", read_dir, ("string",), returns="[]string"),
        Function("readDirEntries", read_dir_entries, ("string",), returns="[]any"),
    ]


def confined(context: Context, path: Path) -> Path:
    """In an untrusted run, a path outside of the working directory is refused: it may hold the runner's secrets."""
    from helmflow.state.context import Trust

    if context.trust is Trust.UNTRUSTED:
        root = context.cwd.resolve()
        if not path.resolve().is_relative_to(root):
            raise FunctionError(f"{path}: --untrusted reads only files below {root}")
    return path


def _joined(*parts: str) -> str:
    import posixpath

    return posixpath.normpath(posixpath.join(*parts))


def _go_error(cause: OSError) -> str:
    return (cause.strerror or str(cause)).lower()


def _data_functions() -> list[Function]:
    def to_yaml(value: Any) -> str:
        from helmflow.core.yaml_dialect import dump_pretty

        return dump_pretty(value)

    def from_yaml(text: str) -> Any:
        from helmflow.core.yaml_nodes import YamlError
        from helmflow.core.yaml_read import load_native

        try:
            return load_native(text)
        except YamlError as error:
            raise FunctionError(f"{error}, offending yaml: {text}") from error

    def required(message: str, value: Any) -> Any:
        if value is None or value == "":
            raise FunctionError(message)
        return value

    return [
        Function("toYaml", to_yaml, ("any",), returns="string"),
        Function("fromYaml", from_yaml, ("string",), returns="any"),
        Function("required", required, ("string", "any"), returns="any"),
        Function("get", get, ("string", "any"), variadic=True, returns="any"),
        Function("getOrNil", lambda path, holder: get(path, None, holder), ("string", "any"), returns="any"),
        Function(
            "setValueAtPath", set_value_at_path, ("string", "any", "map[string]any"), returns="map[string]any"
        ),
    ]


def get(path: str, *arguments: Any) -> Any:
    """Helmfile's get: `get "a.b" [default] holder`."""
    if len(arguments) not in (1, 2):
        raise FunctionError(
            f"get: expected 2 or 3 arguments, got {len(arguments) + 1}"
            if arguments
            else "get: nothing to look into"
        )
    default = arguments[0] if len(arguments) == 2 else _MISSING
    value = arguments[-1]
    if not path:
        return value
    for key in path.split("."):
        if isinstance(value, dict) and key in value:
            value = value[key]
            continue
        if default is not _MISSING:
            return default
        if isinstance(value, dict):
            raise FunctionError(f'no value exist for key "{key}" in {_shown(value)}')
        raise FunctionError(
            f'unexpected type({_go_type(value)}) of value for key "{key}": it must be either map[string]any or any struct'
        )
    return value


def set_value_at_path(path: str, value: Any, values: dict[str, Any]) -> dict[str, Any]:
    """Set a value in a map in place; every map on the way must exist."""
    if not path:
        raise FunctionError('no path specified for "setValueAtPath"')
    *parents, last = path.split(".")
    current: Any = values
    for key in parents:
        if not isinstance(current, dict) or key not in current:
            raise FunctionError(f'failed to set value at path "{path}": value for key "{key}" does not exist')
        current = current[key]
        if not isinstance(current, dict):
            raise FunctionError(f'failed to set value at path "{path}": value for key "{key}" was not a map')
    current[last] = value
    return values


def _template_functions(running: Running) -> list[Function]:
    def include(name: str, data: Any) -> str:
        depth = running.included
        if depth.get(name, 0) >= _MAX_INCLUDES:
            raise FunctionError(
                f"unable to execute template: rendering template has a nested reference name: {name}"
            )
        depth[name] = depth.get(name, 0) + 1
        try:
            return running.sets[-1].execute(name, data)
        finally:
            depth[name] -= 1

    def tpl(text: str, data: Any) -> str:
        inner = running.sets[-1].clone()
        running.sets.append(inner)
        try:
            inner.parse("stringTemplate", text)
            return inner.execute("stringTemplate", data)
        except TemplateError as error:
            raise FunctionError(str(error)) from error
        finally:
            running.sets.pop()

    return [
        Function("include", include, ("string", "any"), returns="string"),
        Function("tpl", tpl, ("string", "any"), returns="string"),
    ]


def _secret_functions(context: Context, base_dir: Path) -> list[Function]:
    def expanded(value: Any) -> Any:
        from helmflow.state.refs import expand

        try:
            return expand(value, context, base_dir).value
        except HelmflowError as error:
            raise FunctionError(str(error)) from error

    def fetch(reference: str) -> str:
        value = expanded(reference)
        if not isinstance(value, str):
            raise FunctionError(f"expected {reference!r} to give a text, not {_go_type(value)}")
        return value

    return [
        Function("fetchSecretValue", fetch, ("string",), returns="string"),
        Function("expandSecretRefs", expanded, ("map[string]any",), returns="map[string]any"),
    ]


def _go_type(value: Any) -> str:
    from helmflow.gotemplate.values import type_of

    return type_of(value) or "<nil>"


def _shown(value: Any) -> str:
    from helmflow.gotemplate.printf import sprint

    return sprint(value)
