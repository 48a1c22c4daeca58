"""The two receivers: made in .cache/ at the first use, from npm and from Debian."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from demo.expecting import StageFailed

HERE = Path(__file__).resolve().parent
CACHE = HERE.parents[1] / ".cache"
PACKAGE = HERE / "receiver/package.json"
LOCK = HERE / "receiver/package-lock.json"
"""Versions and hashes of all that npm installs, and no addresses."""


class Missing(StageFailed):
    """Something that the traced demo needs is not there; the text says what and what to do."""


def receiver() -> Path:
    """Return the folder in which the OTLP receiver is installed, and `node` finds it."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            raise Missing(f"{program} is missing: the OTLP receiver needs Node.js 20 and npm")
    wanted = PACKAGE.read_text()
    ((name, version),) = json.loads(wanted)["dependencies"].items()
    folder = CACHE / f"{name.rpartition('/')[2]}-{version}"
    with _locked(folder):
        if _installed(folder, name) == version:
            return folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        for file in (PACKAGE, LOCK):
            shutil.copy(file, folder)
        print(f"Installing {name} {version} into {_shown(folder)} (once)", flush=True)
        options = ("--no-audit", "--no-fund", "--ignore-scripts", "--silent")
        _run(["npm", "ci", *options], folder, f"npm cannot install {name} {version}")
    return folder


def prometheus() -> tuple[Path, Path]:
    """Return the paths of `prometheus` and `promtool`, of Debian's package."""
    folder = CACHE / "prometheus"
    found = _prometheus_in(folder / "usr/bin")
    if found is not None:
        return found
    if (path := shutil.which("prometheus")) and (found := _prometheus_in(Path(path).parent)):
        return found
    for program in ("apt-get", "dpkg-deb"):
        if shutil.which(program) is None:
            raise Missing(
                f"prometheus is missing, and so is {program}, which would fetch it: install"
                " prometheus and promtool where PATH finds them"
            )
    with _locked(folder):
        if (found := _prometheus_in(folder / "usr/bin")) is not None:
            return found
        print(f"Unpacking Debian's prometheus into {_shown(folder)} (once)", flush=True)
        half_done = folder.with_name(folder.name + ".new")
        shutil.rmtree(half_done, ignore_errors=True)
        half_done.mkdir()
        _unpack("prometheus", half_done)
        shutil.rmtree(folder, ignore_errors=True)
        half_done.rename(folder)
    if (found := _prometheus_in(folder / "usr/bin")) is None:
        raise Missing(f"prometheus does not run here; it is in {_shown(folder)}")
    return found


def _unpack(wanted: str, folder: Path) -> None:
    """Unpack a package of Debian's, and those with the scripts and fonts of its pages."""
    names, known = [wanted], {wanted}
    while names:
        name = names.pop()
        downloads = folder / "download"
        downloads.mkdir()
        download = ["apt-get", "download", "-qq", name]
        if subprocess.run(download, cwd=downloads, capture_output=True).returncode:
            why = f"apt-get cannot fetch {name}, which is missing"
            _run(["apt-get", "update", "-qq"], downloads, why)  # its lists may be missing, or old
            _run(download, downloads, why)
        (package,) = downloads.glob(f"{name}_*.deb")
        _extract(package, folder)
        needs = _run(["dpkg-deb", "-f", str(package), "Depends"], folder, f"cannot read {name}")
        more = set(re.findall(r"(?:^|, )((?:libjs|fonts)-[\w.+-]+)", needs)) - known
        names += sorted(more)
        known |= more
        shutil.rmtree(downloads)


def _extract(package: Path, folder: Path) -> None:
    """Unpack a package, but for what nobody needs here: a file for every time zone, documents."""
    command = ["dpkg-deb", "--fsys-tarfile", str(package)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as unpacking:
        try:
            with tarfile.open(fileobj=unpacking.stdout, mode="r|") as tar:
                for member in tar:
                    if not _USELESS.search(member.name):
                        tar.extract(member, folder, filter="tar")
        except tarfile.TarError as error:
            raise Missing(f"cannot unpack {package.name}: {error}") from None


_USELESS = re.compile(r"/moment-timezone/data/|/share/(?:doc|man|lintian|nodejs|sass)/")


def _prometheus_in(folder: Path) -> tuple[Path, Path] | None:
    server, tool = folder / "prometheus", folder / "promtool"
    for program in (server, tool):
        if not os.access(program, os.X_OK):
            return None
        if subprocess.run([program, "--version"], capture_output=True).returncode:
            return None
    return server, tool


def _installed(folder: Path, name: str) -> str:
    """Return the version that is installed, "" if none is."""
    try:
        return str(
            json.loads((folder / "node_modules" / name / "package.json").read_text())["version"]
        )
    except (OSError, ValueError):
        return ""


def _run(command: Sequence[str], folder: Path, why: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True)
    if done.returncode:
        raise Missing(f"{why}:\n{done.stdout}{done.stderr}")
    return done.stdout


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Let one process at a time install something."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with folder.with_name(folder.name + ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _shown(folder: Path) -> str:
    return str(folder.relative_to(CACHE.parent))
