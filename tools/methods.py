"""What the methods in `cachex_client/structures/` are: read from their source, nothing imported."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent
CLIENT = "packages/cachex-client/src/cachex_client"
SOURCES = f"{CLIENT}/structures"

WRITTEN_BY_HAND = frozenset(("values",))
"""Modules whose methods are verbs of `AsyncCache` already: only pipelines need them."""

NEVER_QUEUED = frozenset(("blpop", "brpop", "blmove"))
"""They wait, which would hold up all the rest of a pipeline."""

NOT_A_FAMILY = frozenset(("__init__", "terms"))


class Parameter(NamedTuple):
    name: str
    kind: str  # "positional", "variadic" or "keyword"
    annotation: str
    default: str | None


class Method(NamedTuple):
    name: str
    parameters: tuple[Parameter, ...]
    result: str
    docstring: str


class Family(NamedTuple):
    """One module of `structures/`.

    `one` is "Hash" of `HashCommands`, `title` what its docstring begins with: "Hashes: ...".
    """

    name: str
    one: str
    title: str
    methods: tuple[Method, ...]
    imports: dict[str, str]  # where names come from


def families(root: Path = ROOT) -> list[Family]:
    """Return what the modules of `structures/` have, in the order of their names."""
    return [
        family_of(path)
        for path in sorted((root / SOURCES).glob("*.py"))
        if path.stem not in NOT_A_FAMILY
    ]


def verbs(root: Path = ROOT) -> list[str]:
    """Return the names of the verbs that are written here, without Django's `a`."""
    return [
        method.name
        for family in families(root)
        if family.name not in WRITTEN_BY_HAND
        for method in family.methods
    ]


def family_of(path: Path) -> Family:
    source = path.read_bytes()
    tree = ast.parse(source, str(path))
    lines = source.splitlines(keepends=True)
    imports = {
        alias.asname or alias.name: node.module or ""
        for node in tree.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    methods: list[Method] = []
    one = ""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name.endswith("Commands"):
            one = node.name.removesuffix("Commands")
            methods += methods_of(node, lines)
        elif isinstance(node, (ast.ClassDef, ast.Assign, ast.AnnAssign)):
            for name in _names_made(node):
                imports[name] = f"cachex_client.structures.{path.stem}"
    first_line = (ast.get_docstring(tree) or "").partition("\n")[0]
    about, colon, _ = first_line.partition(":")
    title = about if colon else path.stem.capitalize()
    return Family(path.stem, one, title, tuple(methods), imports)


def methods_of(node: ast.ClassDef, lines: list[bytes]) -> Iterator[Method]:
    for one in node.body:
        if not isinstance(one, ast.FunctionDef) or one.name.startswith("_"):
            continue
        result = one.returns
        if not (
            isinstance(result, ast.Subscript)
            and isinstance(result.value, ast.Name)
            and result.value.id == "Command"
        ):
            raise ValueError(f"{node.name}.{one.name} has to return a Command[...]")
        first = one.body[0]
        if not (isinstance(first, ast.Expr) and ast.get_docstring(one)):
            raise ValueError(f"{node.name}.{one.name} has no docstring")
        parameters = tuple(parameters_of(one, lines))
        yield Method(one.name, parameters, _text(result.slice, lines), _text(first, lines))


def parameters_of(node: ast.FunctionDef, lines: list[bytes]) -> Iterator[Parameter]:
    given = node.args
    positional = [*given.posonlyargs, *given.args][1:]
    missing = [None] * (len(positional) - len(given.defaults))
    for argument, default in zip(positional, [*missing, *given.defaults], strict=True):
        yield _parameter(argument, "positional", default, lines)
    if given.vararg is not None:
        yield _parameter(given.vararg, "variadic", None, lines)
    for argument, default in zip(given.kwonlyargs, given.kw_defaults, strict=True):
        yield _parameter(argument, "keyword", default, lines)


def _parameter(
    argument: ast.arg, kind: str, default: ast.expr | None, lines: list[bytes]
) -> Parameter:
    if argument.annotation is None:
        raise ValueError(f"{argument.arg}, line {argument.lineno}, has no annotation")
    value = None if default is None else _text(default, lines)
    return Parameter(argument.arg, kind, _text(argument.annotation, lines), value)


def _text(node: ast.expr | ast.stmt, lines: list[bytes]) -> str:
    """Return the source of a node: `ast.get_source_segment` splits the whole file each time."""
    assert node.end_lineno is not None
    found = lines[node.lineno - 1 : node.end_lineno]
    found[-1] = found[-1][: node.end_col_offset]
    found[0] = found[0][node.col_offset :]
    text = b"".join(found).decode()
    return text if isinstance(node, ast.Expr) else " ".join(text.split())


def _names_made(node: ast.ClassDef | ast.Assign | ast.AnnAssign) -> list[str]:
    if isinstance(node, ast.ClassDef):
        return [node.name]
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return [one.id for one in targets if isinstance(one, ast.Name)]
