"""An archive's files as a folder, nowhere but below it and never over something that is there."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path

from helmflow.core.errors import ChartError
from helmflow.helm.chart import archive


def unpack(content: bytes, name: str, parent: Path) -> Path:
    """Write the files of a chart's archive to `parent`/`name`; all of them or none. Raises ChartError."""
    if name in ("", ".", "..") or "/" in name or "\\" in name:
        raise ChartError(f"{name!r} is no chart name", error_id="chart.bad-name")
    folder = parent / name
    if folder.exists() or folder.is_symlink():
        raise ChartError(
            f"failed to untar: a file or directory with the name {folder} already exists",
            error_id="chart.exists",
            hint="delete it, or choose another --untardir",
        )
    files = archive.read(content)
    try:
        parent.mkdir(parents=True, exist_ok=True)
        made = Path(tempfile.mkdtemp(prefix=".tmp-", dir=parent))
        try:
            for file in files:
                target = made / file.name
                target.parent.mkdir(parents=True, exist_ok=True)
                with target.open("xb") as out:  # a file that comes twice would overwrite the first
                    out.write(file.data)
            made.chmod(0o755)
            made.rename(folder)
        except BaseException:
            shutil.rmtree(made, ignore_errors=True)
            raise
    except FileExistsError as cause:
        raise ChartError(
            f"cannot write {folder}: a file of the archive comes twice, or is a folder too",
            error_id="chart.write",
        ) from cause
    except (OSError, ValueError) as cause:
        reason = cause.strerror if isinstance(cause, OSError) else "a file name holds a NUL"
        raise ChartError(f"cannot write {folder}: {reason}", error_id="chart.write") from cause
    return folder
