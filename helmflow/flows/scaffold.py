"""helmflow create: the files of a new project, in the form that Helmfile reads too."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from helmflow.core.errors import ConfigError, Refusal

_NAME: Final = re.compile(r"[a-zA-Z0-9]([a-zA-Z0-9._-]*[a-zA-Z0-9])?")
_STATE: Final = """\
# The releases of NAME. `helmflow list` shows them, `helmflow diff` what would change, `helmflow apply` changes it.
environments:
  default:
    values:
      - environments/default.yaml

---
helmDefaults:
  wait: true
  timeout: 300

# Where charts come from that are no folders here:
repositories: []
#  - name: example
#    url: https://charts.example.org

releases: []
#  - name: NAME
#    namespace: {{ .Values.namespace }}
#    chart: example/NAME
#    version: 1.0.0
#    values:
#      - values/NAME.yaml
"""
_ENVIRONMENT: Final = """\
# What templates see as .Values in the environment `default`.
namespace: NAME
"""


def create(name: str, folder: Path, *, force: bool = False) -> tuple[Path, ...]:
    """Write the files of a new project below `folder`; the paths that were written.

    Raises ConfigError for a bad name, Refusal where a file exists and `force` does not say to replace it.
    """
    if not _NAME.fullmatch(name):
        raise ConfigError(
            f"{name!r} is no name for a project",
            error_id="create.bad-name",
            hint="letters, digits, `-`, `_` and `.`",
        )
    files = {
        folder / "helmfile.yaml.gotmpl": _STATE,
        folder / "environments" / "default.yaml": _ENVIRONMENT,
        folder / "values" / ".gitkeep": "",
    }
    there = [path for path in (*files, folder / "helmfile.yaml") if path.exists()]
    if there and not force:
        raise Refusal(
            f"{there[0]} exists already", error_id="create.exists", hint="--force replaces what exists"
        )
    for path, text in files.items():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.replace("NAME", name), encoding="utf-8")
        except OSError as cause:
            raise ConfigError(f"cannot write {path}: {cause.strerror}", error_id="create.write") from cause
    return tuple(files)
