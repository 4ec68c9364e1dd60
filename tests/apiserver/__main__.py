"""`python -m tests.apiserver setup` builds the control plane; `run` starts one until Ctrl-C and prints its kubeconfig."""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path

from tests.apiserver import binaries
from tests.apiserver.cluster import RealCluster


def main(arguments: list[str]) -> int:
    """The exit code of one command."""
    match arguments:
        case ["setup"]:
            return binaries.setup()
        case ["run"]:
            return _run()
    print(__doc__, file=sys.stderr)
    return 3


def _run() -> int:
    found = binaries.find()
    if isinstance(found, str):
        print(found, file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory() as folder, RealCluster.start(found, Path(folder)) as cluster:
        print(f"export KUBECONFIG={cluster.kubeconfig}", flush=True)
        signal.sigwait({signal.SIGINT, signal.SIGTERM})
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
