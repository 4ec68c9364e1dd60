"""What one load carries through all of its steps: the request, the ports, warnings, secrets, and caches."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING

from helmflow.core.errors import ConfigError, HelmflowError, Mistake
from helmflow.core.events import Emit, Warned
from helmflow.core.records import dataclass, field
from helmflow.core.sensitive import SecretTexts
from helmflow.core.source import Span
from helmflow.state.ports import Ports

if TYPE_CHECKING:
    from helmflow.state.template import Renderer


class Trust(StrEnum):
    """UNTRUSTED switches off exec, hooks, remote fetches and decryption: for pull requests from forks."""

    FULL = "full"
    UNTRUSTED = "untrusted"


@dataclass(frozen=True, slots=True)
class HelmFlags:
    """Flags for helm from the command line: of its upgrade, diff and template."""

    sync: tuple[str, ...] = ()
    diff: tuple[str, ...] = ()
    template: tuple[str, ...] = ()


@dataclass(slots=True)
class Context:
    """Shared by everything that reads files during one load and, later, a release's values.

    `insecure_off` is HELMFILE_DISABLE_INSECURE_FEATURES: exec, readFile and friends and remote sources fail;
    `args` are flags for helm from the command line; `command` is what is run. `functions_skipped` is HELMFILE_SKIP_INSECURE_TEMPLATE_FUNCTIONS: such functions give nothing.
    """

    env: Mapping[str, str]
    cwd: Path
    ports: Ports
    emit: Emit
    trust: Trust = Trust.FULL
    args: HelmFlags = field(default_factory=HelmFlags)
    command: str = ""
    secrets: SecretTexts = field(default_factory=SecretTexts)
    secret_paths: set[tuple[str, ...]] = field(default_factory=set)  # of state values
    warnings: list[Mistake] = field(default_factory=list)
    texts: dict[Path, str] = field(default_factory=dict)
    decrypted: dict[Path, bytes] = field(default_factory=dict)
    lock: threading.RLock = field(default_factory=threading.RLock)
    insecure_off: bool = False
    functions_skipped: bool = False
    _renderer: Renderer | None = None

    @property
    def renderer(self) -> Renderer:
        """The template renderer, loaded when the first template appears."""
        with self.lock:
            if self._renderer is None:
                from helmflow.state.template import Renderer

                self._renderer = Renderer(self)
            return self._renderer

    def variable(self, name: str) -> str:
        """An environment variable by Helmfile's name, its HELMFLOW_ twin first; "" where unset."""
        if name.startswith("HELMFILE_"):
            own = self.env.get("HELMFLOW_" + name.removeprefix("HELMFILE_"))
            if own:
                return own
        return self.env.get(name, "")

    def warn(self, message: str, error_id: str, span: Span | None = None, hint: str = "") -> None:
        """Something people should know that does not stop the load; said once."""
        warning = Mistake(message, error_id, span, hint)
        with self.lock:
            if warning in self.warnings:
                return
            self.warnings.append(warning)
        self.emit(Warned(warning=warning))

    def trusted(self, what: str) -> None:
        """Refuse `what` in an untrusted run."""
        if self.trust is Trust.UNTRUSTED:
            raise ConfigError(
                f"{what} is switched off by --untrusted",
                error_id="state.untrusted",
                hint="run without --untrusted where the files come from people you trust",
            )

    def read_text(self, path: Path) -> str:
        """A file's text, read once. Raises ConfigError `file.unreadable`."""
        with self.lock:
            if path not in self.texts:
                self.texts[path] = read_text(path)
            return self.texts[path]

    def locate(self, url: str, base_dir: Path) -> Path:
        """A remote source as a local path."""
        self.trusted("fetching remote files")
        if self.insecure_off:
            raise ConfigError(
                "remote sources are disabled due to HELMFILE_DISABLE_INSECURE_FEATURES",
                error_id="state.insecure-disabled",
            )
        if self.ports.remote is None:
            raise ConfigError(f"{url}: this run cannot fetch remote files", error_id="remote.unavailable")
        return self.ports.remote.locate(url, base_dir)


def read_text(path: Path) -> str:
    """A file's text; invalid UTF-8 is kept as surrogates."""
    from helmflow.core.limits import MAX_STATE_FILE_BYTES

    try:
        if path.stat().st_size > MAX_STATE_FILE_BYTES:
            raise ConfigError(
                f"{path} is larger than {MAX_STATE_FILE_BYTES} bytes", error_id="file.too-large"
            )
        # Editors on Windows begin files with a mark that is no part of the text.
        return path.read_bytes().removeprefix(b"\xef\xbb\xbf").decode("utf-8", "surrogateescape")
    except OSError as cause:
        hint = "name a file in it" if isinstance(cause, IsADirectoryError) else ""
        raise ConfigError(
            f"cannot read {path}: {cause.strerror}", error_id="file.unreadable", hint=hint
        ) from cause


def located(error: HelmflowError, span: Span | None) -> HelmflowError:
    """The error with a place where it has none of its own."""
    if error.span is None and span is not None:
        error.span = span
    return error
