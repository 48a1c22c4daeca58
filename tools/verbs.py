#!/usr/bin/env python3
"""Write the verbs of caches and pipelines from the methods in `cachex_client/structures/`.

    tools/verbs.py            write what is out of step
    tools/verbs.py --check    write nothing; exit 1 if anything is out of step

tools/unasync.py does this first. Each public method there returns a `Command`, and becomes

- a verb of `AsyncCache`, in `cachex_client/_async/structures/`,
- a method of pipelines that queues the command, in `cachex_client/queued/`,
- a verb of Django's cache, in `django_cachex/_async/structures/`,
- a row of a table in `docs/structures.md`,

with the same signature and docstring. The code is as ruff formats it.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from methods import CLIENT, NEVER_QUEUED, ROOT, WRITTEN_BY_HAND, Family, Method, Parameter, families

DJANGO = "packages/cachex-django/src/django_cachex"
PAGE = "docs/structures.md"
BEGIN, END = "<!-- tools/verbs.py writes from here -->", "<!-- to here -->"

ASYNC_FIRST_LINE = "# tools/unasync.py writes the sync twin of this file."
WRITTEN = "Written by tools/verbs.py from cachex_client/structures: edit that instead."

WIDTH = 100


# What is made of it


def client_verbs(family: Family) -> str:
    """Return the module with a family's verbs of `AsyncCache`."""
    parts = []
    for method in family.methods:
        call = Call(f"self.commands.{method.name}(", arguments(method))
        body = Call("return await self._run(", [f'"{method.name}"', call])
        head = definition("async def ", method.name, method.parameters, method.result)
        parts.append([*head, f"        {method.docstring}", *body.lines(8)])
    taken = {"AsyncVerbs": "cachex_client._async.verbs"}
    title = f'"""{family.title}, on the cache object.\n\n{WRITTEN}\n"""'
    head = [ASYNC_FIRST_LINE, title, "", *imports(family, family.methods, taken), "", ""]
    name = f"class Async{family.one}Verbs(AsyncVerbs):"
    return module([*head, name], f"The verbs of a cache for {lowered(family.title)}.", parts)


def queued_verbs(family: Family) -> str:
    """Return the module with a family's methods of pipelines."""
    parts = []
    methods = [one for one in family.methods if one.name not in NEVER_QUEUED]
    for method in methods:
        call = Call(f"self.commands.{method.name}(", arguments(method))
        given = [
            word
            for word, one in zip(arguments(method), method.parameters, strict=True)
            if one.kind != "keyword" and one.name != "version"
        ]
        body = Call("return self._queue(", [f'"{method.name}"', call, *given])
        head = definition("def ", method.name, method.parameters, "Self")
        about = f'        """Queue what `Cache.{method.name}` does."""'
        parts.append([*head, about, *body.lines(8)])
    taken = {"Queue": "cachex_client.queued.queue", "Self": "typing"}
    title = f'"""{family.title}, in pipelines.\n\n{WRITTEN}\n"""'
    head = [title, "", *imports(family, methods, taken, results=False), "", ""]
    name = f"class Queued{family.one}Verbs(Queue):"
    return module([*head, name], f"The methods of a pipeline for {lowered(family.title)}.", parts)


def django_verbs(family: Family) -> str:
    """Return the module with a family's verbs of Django's cache."""
    parts = []
    for method in family.methods:
        given = tuple(
            one._replace(annotation="Timeout", default="DEFAULT_TIMEOUT")
            if one.default == "DEFAULT"
            else one
            for one in method.parameters
        )
        words = [
            word.replace("timeout", "self.get_backend_timeout(timeout)")
            if f"{one.default}" == "DEFAULT_TIMEOUT"
            else word
            for word, one in zip(arguments(method), given, strict=True)
        ]
        body = Call(f"return await self._acache.{method.name}(", words)
        head = definition("async def ", f"a{method.name}", given, method.result)
        parts.append([*head, f"        {method.docstring}", *body.lines(8)])
    taken = {"CacheCore": "django_cachex.core"}
    methods = family.methods
    if any(one.default == "DEFAULT" for method in methods for one in method.parameters):
        taken |= {
            "DEFAULT_TIMEOUT": "django.core.cache.backends.base",
            "Timeout": "django_cachex.core",
        }
    title = f'"""{family.title}, on Django\'s cache object.\n\n{WRITTEN}\n"""'
    head = [ASYNC_FIRST_LINE, title, "", *imports(family, methods, taken), "", ""]
    name = f"class Async{family.one}Methods(CacheCore):"
    return module([*head, name], f"Methods for {lowered(family.title)}.", parts)


def together(
    found: Sequence[Family], prefix: str, suffix: str, package: str, name: str, about: str
) -> str:
    """Return the `__init__` of a package, with a class of all families' classes."""
    first = ASYNC_FIRST_LINE + "\n" if prefix == "Async" else ""
    parts = [f"{prefix}{one.one}{suffix}" for one in found]
    lines = [
        f"from {package}.{one.name} import {part}" for one, part in zip(found, parts, strict=True)
    ]
    bases = Call(f"class {name}(", parts, "):").lines(0)
    head = [f'{first}"""{about}\n\n{WRITTEN}\n"""', "", *lines, "", "", *bases]
    return "\n".join([*head, f'    """{about}"""', ""])


def lowered(title: str) -> str:
    """Return a title as it is within a sentence, if it is not a name with capitals of its own."""
    return title if title[1:].lower() != title[1:] else title.lower()


def module(head: Sequence[str], about: str, parts: Sequence[Sequence[str]]) -> str:
    methods = "\n\n".join("\n".join(part) for part in parts)
    return "\n".join(head) + f'\n    """{about}"""\n\n{methods}\n'


def arguments(method: Method) -> list[str]:
    """Return what hands a method's parameters on: by position as far as that goes."""
    words = {"positional": "{0}", "variadic": "*{0}", "keyword": "{0}={0}"}
    return [words[one.kind].format(one.name) for one in method.parameters]


def definition(start: str, name: str, parameters: Sequence[Parameter], result: str) -> list[str]:
    items = ["self"]
    bare = all(one.kind != "variadic" for one in parameters)
    for one in parameters:
        if one.kind == "keyword" and bare:
            items.append("*")
            bare = False
        star = "*" if one.kind == "variadic" else ""
        default = "" if one.default is None else f" = {one.default}"
        items.append(f"{star}{one.name}: {one.annotation}{default}")
    return Call(f"{start}{name}(", items, f") -> {result}:").lines(4)


def imports(
    family: Family, methods: Sequence[Method], taken: dict[str, str], *, results: bool = True
) -> list[str]:
    """Return the imports of the names in signatures, and of those `taken`, in order."""
    said = " ".join(
        f"{one.annotation} {one.default}"
        for method in methods
        for one in method.parameters
        if one.default != "DEFAULT" or "DEFAULT_TIMEOUT" not in taken
    )
    if results:
        said += " ".join(method.result for method in methods)
    words = set(re.findall(r"[A-Za-z_]\w*", said)) - taken.keys()
    places: dict[str, set[str]] = {}
    for word in words & family.imports.keys():
        places.setdefault(family.imports[word], set()).add(word)
    for word, place in taken.items():
        places.setdefault(place, set()).add(word)
    groups: list[list[str]] = [[], [], []]
    for place in sorted(places, key=str.lower):
        names = sorted(places[place], key=_as_isort)
        top = place.partition(".")[0]
        group = 0 if top in sys.stdlib_module_names else 2
        if top in ("django", "redis", "attrs"):
            group = 1
        groups[group] += Call(f"from {place} import ", names, "", brackets=True).lines(0)
    lines: list[str] = []
    for found in filter(None, groups):
        lines += ["", *found] if lines else found
    return lines


def _as_isort(name: str) -> tuple[int, str]:
    """Constants first, then classes, then the rest."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


class Call:
    """Something with items between brackets, laid out as ruff does it."""

    def __init__(
        self,
        head: str,
        items: Sequence[str | Call],
        tail: str = ")",
        *,
        brackets: bool = False,
    ) -> None:
        self.head, self.items, self.tail, self.brackets = head, items, tail, brackets

    def __str__(self) -> str:
        return f"{self.head}{', '.join(map(str, self.items))}{self.tail}"

    def lines(self, indent: int, end: str = "") -> list[str]:
        """Return it on one line if that is not too long, else on as few as may be."""
        space = " " * indent
        if len(one := f"{space}{self}{end}") <= WIDTH:
            return [one]
        head, tail = (self.head + "(", ")") if self.brackets else (self.head, self.tail)
        inner = f"{space}    {', '.join(map(str, self.items))}"
        if len(inner) <= WIDTH and not self.brackets:
            return [f"{space}{head}", inner, f"{space}{tail}{end}"]
        lines = [f"{space}{head}"]
        for item in self.items:
            if isinstance(item, Call):
                lines += item.lines(indent + 4, ",")
            else:
                lines.append(f"{space}    {item},")
        return [*lines, f"{space}{tail}{end}"]


# The table in the documents


def tables(found: Sequence[Family]) -> str:
    parts = []
    for family in found:
        if family.name in WRITTEN_BY_HAND:
            continue
        rows = [f"### {family.title}", "", "| method | returns | |", "| --- | --- | --- |"]
        for method in family.methods:
            *about, command = re.split(r"\s*Redis: ", " ".join(method.docstring.split()))
            says = re.split(r"(?<=\.)\s", about[0].strip('" '))[0].rstrip(".")
            name = re.match(r"[A-Z ]+", command)
            link = ""
            if name is not None:
                word = name[0].strip()
                link = f" ([{word}](https://valkey.io/commands/{word.lower().replace(' ', '-')}/))"
            cells = (f"`{signature(method)}`", f"`{method.result}`", f"{says}{link}")
            rows.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        parts.append("\n".join(rows))
    return "\n\n".join(parts)


def signature(method: Method) -> str:
    items = []
    bare = all(one.kind != "variadic" for one in method.parameters)
    for one in method.parameters:
        if one.kind == "keyword" and bare:
            items.append("*")
            bare = False
        star = "*" if one.kind == "variadic" else ""
        items.append(star + one.name + ("" if one.default is None else f"={one.default}"))
    return f"{method.name}({', '.join(items)})"


# Writing


def contents(root: Path) -> dict[str, str]:
    """Return what has to be in which file, by its path in the repository."""
    found = families(root)
    if not found:
        return {}
    written = [one for one in found if one.name not in WRITTEN_BY_HAND]
    client, queued = f"{CLIENT}/_async/structures", f"{CLIENT}/queued"
    django = f"{DJANGO}/_async/structures"
    files = {
        f"{client}/__init__.py": together(
            written,
            "Async",
            "Verbs",
            "cachex_client._async.structures",
            "AsyncStructureVerbs",
            "All verbs of a cache for data structures.",
        ),
        f"{queued}/__init__.py": together(
            found,
            "Queued",
            "Verbs",
            "cachex_client.queued",
            "QueuedVerbs",
            "All methods of a pipeline that queue a command.",
        ),
        f"{django}/__init__.py": together(
            written,
            "Async",
            "Methods",
            "django_cachex._async.structures",
            "AsyncStructures",
            "All methods of Django's cache object for data structures.",
        ),
    }
    for family in found:
        files[f"{queued}/{family.name}.py"] = queued_verbs(family)
    for family in written:
        files[f"{client}/{family.name}.py"] = client_verbs(family)
        files[f"{django}/{family.name}.py"] = django_verbs(family)
    if (page := root / PAGE).is_file():
        head, _, rest = page.read_text("utf-8").partition(BEGIN)
        _, _, tail = rest.partition(END)
        files[PAGE] = f"{head}{BEGIN}\n\n{tables(found)}\n\n{END}{tail}"
    return files


def run(root: Path, *, check: bool) -> list[str]:
    """Bring the files under `root` up to date, or with `check` only compare.

    Returns one line of text for each thing that somebody has to put right.
    """
    problems = []
    files = contents(root)
    for name, text in files.items():
        path = root / name
        if path.is_file() and path.read_text("utf-8") == text:
            continue
        if check:
            problems.append(f"out of step: {name}")
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        print(f"written: {name}")
    for folder in {str(Path(name).parent) for name in files if name.endswith(".py")}:
        for path in sorted((root / folder).glob("*.py")):
            name = path.relative_to(root).as_posix()
            if name not in files and path.name != "queue.py":
                problems.append(f"orphan: {name}")
    return problems


def main(arguments: list[str]) -> int:
    if set(arguments) - {"--check"}:
        print(__doc__, file=sys.stderr)
        return 2
    problems = run(ROOT, check="--check" in arguments)
    for problem in problems:
        print(problem, file=sys.stderr)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
