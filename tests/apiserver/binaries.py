"""Where kube-apiserver and its companions come from: KUBEBUILDER_ASSETS, or built once by Go into the user's cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
VERSION = "v1.36.2"
COMMANDS = ("kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubectl")
SETUP = "python -m tests.apiserver setup"
GO_PLACES = ("/usr/local/go/bin", "/usr/lib/go/bin", "/snap/bin")


@dataclass(frozen=True, slots=True)
class Binaries:
    """The folder of the Kubernetes commands, and etcd."""

    folder: Path
    etcd: Path

    def command(self, name: str) -> Path:
        """The path of a command."""
        return self.folder / name


def find() -> Binaries | str:
    """The binaries, or why there are none and what to do about it."""
    etcd = _etcd()
    for folder in (_assets(), cache_folder()):
        if folder is not None and all((folder / name).is_file() for name in COMMANDS):
            if etcd is None:
                return f"no etcd: install your distribution's package (Debian: apt-get install etcd-server), then `{SETUP}`"
            return Binaries(folder, etcd)
    return f"no kube-apiserver: `{SETUP}` builds it with Go (about 10 minutes, once)"


def cache_folder() -> Path:
    """Where this version's commands are built to: named after what they are built from."""
    pins = hashlib.sha256((HERE / "go.mod").read_bytes() + (HERE / "go.sum").read_bytes()).hexdigest()[:12]
    base = os.environ.get("XDG_CACHE_HOME")
    return (
        (Path(base) if base else Path.home() / ".cache") / "helmflow-tests" / f"kubernetes-{VERSION}-{pins}"
    )


def setup() -> int:
    """Fetch etcd where apt can, build what is missing; an exit code."""
    if _etcd() is None and not _fetch_etcd():
        print(
            "etcd is missing: install your distribution's etcd-server, or put etcd on PATH", file=sys.stderr
        )
        return 1
    found = find()
    if isinstance(found, Binaries):
        print(f"ready: {found.folder}, {found.etcd}")
        return 0
    go = _go()
    if go is None:
        print(
            "Go 1.26 or newer is needed to build kube-apiserver (https://go.dev/dl/), or set KUBEBUILDER_ASSETS",
            file=sys.stderr,
        )
        return 1
    return _build(go)


def _build(go: str) -> int:
    """Download and build what is missing; each step says how long it took."""
    folder = cache_folder()
    missing = [name for name in COMMANDS if not (folder / name).is_file()]
    # A toolchain that is too old fetches the one that go.mod asks for through the module proxy.
    env = {**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly", "GOTOOLCHAIN": "auto"}
    for question in (["version"], ["env", "GOPROXY", "GOMODCACHE", "GOCACHE"]):
        _step([go, *question], env)
    print(f"free disk: {shutil.disk_usage(Path.home()).free / 1e9:.0f} GB", flush=True)
    if _step([go, "mod", "download"], env):
        print("the modules could not be downloaded: is the Go module proxy reachable?", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="building-", dir=_made(folder)) as made:
        stamp = "k8s.io/component-base/version"
        flags = f"-s -w -X {stamp}.gitVersion={VERSION} -X {stamp}.gitMajor=1 -X {stamp}.gitMinor=36"
        # No DWARF: it would be compiled, cached and then dropped by the linker.
        options = ["-trimpath", "-gcflags=all=-dwarf=false", "-ldflags", flags]
        if jobs := os.environ.get("HELMFLOW_BUILD_JOBS"):
            options += ["-p", jobs]
        packages = [f"k8s.io/kubernetes/cmd/{name}" for name in missing]
        if _step([go, "build", *options, "-o", f"{made}/", *packages], env):
            print(
                f"go build failed (above); what is built so far stays in Go's cache: `{SETUP}` goes on",
                file=sys.stderr,
            )
            return 1
        for name in missing:
            Path(made, name).rename(folder / name)
    print(f"ready: {folder}", flush=True)
    return 0


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def _step(command: list[str], env: dict[str, str], folder: Path = HERE) -> int:
    """Run one command of the set-up and say once a minute that it still runs."""
    print("$", " ".join(command), flush=True)
    began = time.monotonic()
    process = subprocess.Popen(command, cwd=folder, env=env, stdin=subprocess.DEVNULL)
    while True:
        try:
            status = process.wait(60)
        except subprocess.TimeoutExpired:
            print(f"  ... {time.monotonic() - began:.0f} s", flush=True)
            continue
        print(f"  ended with {status} after {time.monotonic() - began:.0f} s", flush=True)
        return status


def _assets() -> Path | None:
    named = os.environ.get("KUBEBUILDER_ASSETS")
    return Path(named) if named else None


def _etcd() -> Path | None:
    assets = _assets()
    for folder in (assets, cache_folder()):
        if folder is not None and (folder / "etcd").is_file():
            return folder / "etcd"
    found = shutil.which("etcd")
    return Path(found) if found else None


def _fetch_etcd() -> bool:
    """Take etcd out of the distribution's package: nothing is installed, so no service starts, and no root is needed."""
    if not (apt := shutil.which("apt-get")) or not (dpkg := shutil.which("dpkg-deb")):
        return False
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    folder = _made(cache_folder())
    with tempfile.TemporaryDirectory(prefix="etcd-", dir=folder) as made:
        download = [apt, "-q", "download", "etcd-server"]
        root = hasattr(os, "geteuid") and os.geteuid() == 0
        if root:
            _step([apt, "-q", "update"], env)
        _step(download, env, Path(made))
        for package in Path(made).glob("etcd-server*.deb"):
            _step([dpkg, "-x", str(package), made], env)
        found = Path(made, "usr", "bin", "etcd")
        if found.is_file():
            found.rename(folder / "etcd")
    return _etcd() is not None


def _go() -> str | None:
    return shutil.which("go") or next(
        (f"{place}/go" for place in GO_PLACES if Path(place, "go").is_file()), None
    )
