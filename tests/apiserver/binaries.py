"""Where kube-apiserver and its companions come from: KUBEBUILDER_ASSETS, or built once by Go into the user's cache."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
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
    """Install etcd where apt can, build what is missing; an exit code."""
    if _etcd() is None and not _install_etcd():
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
    folder = cache_folder()
    folder.mkdir(parents=True, exist_ok=True)
    stamp = "k8s.io/component-base/version"
    flags = f"-s -w -X {stamp}.gitVersion={VERSION} -X {stamp}.gitMajor=1 -X {stamp}.gitMinor=36"
    parallel = os.environ.get("HELMFLOW_BUILD_JOBS")
    for name in COMMANDS:
        if (folder / name).is_file():
            continue
        print(f"building {name} {VERSION} ...", flush=True)
        command = [
            go,
            "build",
            "-trimpath",
            "-ldflags",
            flags,
            "-o",
            str(folder / f"{name}.new"),
            f"k8s.io/kubernetes/cmd/{name}",
        ]
        if parallel:
            command[2:2] = ["-p", parallel]
        ended = subprocess.run(
            command, cwd=HERE, env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": "-mod=readonly"}, check=False
        )
        if ended.returncode:
            return ended.returncode
        (folder / f"{name}.new").rename(folder / name)
    print(f"ready: {folder}")
    return 0


def _assets() -> Path | None:
    named = os.environ.get("KUBEBUILDER_ASSETS")
    return Path(named) if named else None


def _etcd() -> Path | None:
    assets = _assets()
    if assets is not None and (assets / "etcd").is_file():
        return assets / "etcd"
    found = shutil.which("etcd")
    return Path(found) if found else None


def _install_etcd() -> bool:
    apt = shutil.which("apt-get")
    if apt is None or not hasattr(os, "geteuid"):
        return False
    prefix = [] if os.geteuid() == 0 else ["sudo", "-n"]
    install = [*prefix, apt, "install", "-y", "--no-install-recommends", "etcd-server"]
    quiet = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (install, [*prefix, apt, "update"], install):
        print(" ".join(command), flush=True)
        subprocess.run(command, check=False, env=quiet, stdout=subprocess.DEVNULL)
        if _etcd() is not None:
            return True
    return False


def _go() -> str | None:
    return shutil.which("go") or next(
        (f"{place}/go" for place in GO_PLACES if Path(place, "go").is_file()), None
    )
