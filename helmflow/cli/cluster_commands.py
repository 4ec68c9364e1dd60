"""cluster: start, stop, reset, kubeconfig and status of the embedded cluster."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Final, NoReturn

from helmflow.cli.exit_codes import ExitCode
from helmflow.cli.flags import add_command, flag
from helmflow.core import process
from helmflow.core.errors import ClusterError
from helmflow.core.paths import embedded_storage

if TYPE_CHECKING:
    import typer

START_TIMEOUT_S: Final = 15.0


def register(app: typer.Typer) -> None:
    """Add the group to the app."""
    import typer

    group = typer.Typer(
        help="The embedded cluster: a simulated Kubernetes API for trying things out.", no_args_is_help=True
    )
    port = flag("port", "--port", kind=int, default=0, help="Port on 127.0.0.1; any free one by default")
    add_command(
        group,
        "start",
        start,
        (
            port,
            flag("foreground", "--foreground", kind=bool, help="Serve until interrupted, in this process"),
        ),
    )
    add_command(group, "stop", stop, ())
    add_command(group, "reset", reset, ())
    add_command(group, "status", status, ())
    add_command(group, "kubeconfig", kubeconfig, ())
    app.add_typer(group, name="cluster")


def start(given: SimpleNamespace) -> int:
    """Serve the embedded cluster on 127.0.0.1 so that kubectl and helm can look at it."""
    running = _running()
    if running is not None:
        print(f"already serving at {running['server']}")  # noqa: T201
        return ExitCode.OK
    if given.foreground:
        _serve(given.port)
    command = [
        sys.executable,
        "-m",
        "helmflow",
        "cluster",
        "start",
        "--foreground",
        "--port",
        str(given.port),
    ]
    log = _folder() / "server.log"
    process.detached(command, log)  # helmflow itself, which serves after this command ended
    deadline = time.monotonic() + START_TIMEOUT_S
    while time.monotonic() < deadline:
        running = _running()
        if running is not None:
            print(f"serving at {running['server']}")  # noqa: T201
            print(f"export KUBECONFIG={_kubeconfig_path()}")  # noqa: T201
            return ExitCode.OK
        time.sleep(0.05)
    raise ClusterError(
        "the embedded cluster did not start", error_id="embedded.start-failed", hint=f"its log is {log}"
    )


def stop(given: SimpleNamespace) -> int:
    """Stop serving. The cluster's content stays."""
    running = _running()
    if running is None:
        print("not serving")  # noqa: T201
        return ExitCode.OK
    with contextlib.suppress(ProcessLookupError):
        os.kill(int(running["pid"]), signal.SIGTERM)
    deadline = time.monotonic() + START_TIMEOUT_S
    while _running() is not None and time.monotonic() < deadline:
        time.sleep(0.05)
    _record_path().unlink(missing_ok=True)
    print("stopped")  # noqa: T201
    return ExitCode.OK


def reset(given: SimpleNamespace) -> int:
    """Delete everything in the embedded cluster."""
    stop(given)
    storage = embedded_storage()
    for path in storage.parent.glob(f"{storage.name}*"):  # SQLite keeps its log beside the file
        path.unlink(missing_ok=True)
    print("the embedded cluster is empty")  # noqa: T201
    return ExitCode.OK


def status(given: SimpleNamespace) -> int:
    """Say whether it is being served and where its content is."""
    running = _running()
    print(  # noqa: T201
        f"serving at {running['server']}"
        if running
        else "not serving; every command still reaches it in process"
    )
    print(f"content in {_folder()}")  # noqa: T201
    return ExitCode.OK


def kubeconfig(given: SimpleNamespace) -> int:
    """Print the kubeconfig of the served cluster."""
    if _running() is None:
        raise ClusterError(
            "the embedded cluster is not being served",
            error_id="embedded.not-serving",
            hint="run `helmflow cluster start` first",
        )
    print(_kubeconfig_path().read_text(encoding="utf-8"), end="")  # noqa: T201
    return ExitCode.OK


def _serve(port: int) -> NoReturn:
    from helmflow.embedded import loopback
    from helmflow.embedded.server import ApiServer

    server = loopback.serve(ApiServer(embedded_storage()), port=port).start()
    loopback.write_kubeconfig(_kubeconfig_path(), server)
    _private(_record_path(), json.dumps({"pid": os.getpid(), "server": server.url}))
    print(f"serving at {server.url}", flush=True)  # noqa: T201
    try:
        while True:
            signal.pause()  # SIGTERM and Ctrl-C raise
    finally:
        _record_path().unlink(missing_ok=True)
        server.stop()


def _running() -> dict[str, Any] | None:
    """The record of the serving process, None where there is none or it is dead."""
    try:
        record: dict[str, Any] = json.loads(_record_path().read_text(encoding="utf-8"))
        os.kill(int(record["pid"]), 0)
    except (OSError, ValueError, KeyError):
        return None
    return record


def _private(path: Path, text: str) -> None:
    """Write a file only its user can read: it holds a token."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)


def _folder() -> Path:
    return embedded_storage().parent


def _record_path() -> Path:
    return _folder() / "serving.json"


def _kubeconfig_path() -> Path:
    return _folder() / "kubeconfig"
