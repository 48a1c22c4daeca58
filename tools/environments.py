"""Virtual environments of which every file from an index is known by its SHA-256.

    python3 tools/environments.py ENV [-c FILE] [-r FILE | REQUIREMENT | WHEEL | -e FOLDER] ...
                                     install into ENV what pip would
    python3 tools/environments.py --check LOCKFILE ...
                                     see that a lockfile names only files that we know

pip finds out which versions are needed; then it installs those, and only from wheels whose hashes
stand in 3rdparty/python/hashes.txt. Our own packages, given as wheels or folders, have none.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

HASHES = Path(__file__).resolve().parent.parent / "3rdparty/python/hashes.txt"
WHEELS = ("--only-binary", ":all:")


def pip(env: Path, *words: str, check: bool = True) -> int:
    """Run pip for the environment: its own if it has one, else that of the Python that runs us."""
    python = str(env / "bin/python")
    own = (env / "bin/pip").exists()
    command = [python, "-m", "pip"] if own else [sys.executable, "-m", "pip", "--python", python]
    given = [*command, "-qq", "--disable-pip-version-check", *words]
    return subprocess.run(given, check=check, capture_output=not check).returncode


def make_venv(env: Path) -> None:
    """Make an empty environment, with a pip of its own only if ours cannot do its work."""
    venv = [sys.executable, "-m", "venv", "--clear", str(env)]
    subprocess.run([*venv, "--without-pip"], check=True)
    if pip(env, "list", check=False):
        subprocess.run(venv, check=True)


def normal(name: str) -> str:
    """Return a project's name as the index compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def read_hashes(text: str) -> dict[tuple[str, str], list[str]]:
    """Return the hashes of every version in a file of pip's requirements."""
    found: dict[tuple[str, str], list[str]] = {}
    for line in text.replace("\\\n", " ").splitlines():
        pin, *words = line.partition("#")[0].split() or [""]
        name, _, version = pin.partition("==")
        hashes = [word for word in words if word.startswith("--hash=sha256:")]
        if version and hashes:
            found[normal(name), version] = hashes
    return found


def hashed(pins: Sequence[tuple[str, str]]) -> str:
    """Return requirements that pip installs only from files that we know.

    Args:
        pins: names of projects and their versions.

    Raises:
        SystemExit: no hash of one of them is known.
    """
    known = read_hashes(HASHES.read_text())
    missing = [f"{name}=={version}" for name, version in pins if (name, version) not in known]
    if missing:
        sys.exit(f"no hashes of {', '.join(missing)}: pin them, and run `python3 dev.py hashes`")
    return "".join(f"{name}=={v} {' '.join(known[name, v])}\n" for name, v in pins)


def fetch(env: Path, command: str, pins: Sequence[tuple[str, str]], *words: str) -> None:
    """Let pip install or download versions, and nothing that they require."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "requirements.txt"
        file.write_text(hashed(pins))
        pip(env, command, "--no-deps", "--require-hashes", *words, "-r", str(file))


def install(env: Path, *words: str) -> None:
    """Install into an environment what pip would install for these words.

    Packages that are given as folders are built with what the environment has.
    """
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        asked = ("--dry-run", "--ignore-installed", "--report", str(report))
        pip(env, "install", *asked, *WHEELS, "--no-build-isolation", *words)
        chosen = json.loads(report.read_text())["install"]
    ours: list[str] = []
    pins: list[tuple[str, str]] = []
    for one in chosen:
        if one["is_direct"]:
            where = one["download_info"]
            editable = where.get("dir_info", {}).get("editable", False)
            ours += [*(["-e"] if editable else []), unquote(urlsplit(where["url"]).path)]
        else:
            pins.append((normal(one["metadata"]["name"]), one["metadata"]["version"]))
    # Whatever is used is compiled when it is.
    if pins:
        fetch(env, "install", sorted(pins), "--no-compile", *WHEELS)
    if ours:
        pip(env, "install", "--no-deps", "--no-compile", "--no-build-isolation", *ours)


def check_lockfile(path: Path) -> None:
    """Exit with a message if a lockfile of Pants names a file whose hash is not known."""
    known = {word.removeprefix("--hash=sha256:") for word in HASHES.read_text().split()}
    text = "\n".join(line for line in path.read_text().splitlines() if not line.startswith("//"))
    strange = [
        f"{one['project_name']}=={one['version']}"
        for resolve in json.loads(text)["locked_resolves"]
        for one in resolve["locked_requirements"]
        if not {artifact["hash"] for artifact in one["artifacts"]} <= known
    ]
    if strange:
        sys.exit(f"{path.name}: no hashes of {', '.join(strange)} in {HASHES.name}")


def main() -> None:
    first, *rest = sys.argv[1:] or ["--help"]
    if first == "--check":
        for word in rest:
            check_lockfile(Path(word))
    elif first.startswith("-") or not rest:
        sys.exit(__doc__)
    else:
        install(Path(first), *rest)


if __name__ == "__main__":
    main()
