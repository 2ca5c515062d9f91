"""The repository as the house tests read it: its modules, parsed once."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[2]
PACKAGES = ("actors", "gateway", "schemas", "cli", "infra")
"""Our top-level packages: what runs in production and on a laptop."""


class Module(NamedTuple):
    """One file of Python; `path` is as git shows it."""

    path: str
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        return self.text.count("\n") + (not self.text.endswith("\n") and bool(self.text))


def parsed(path: str, text: str) -> Module:
    """Return a module from its text."""
    return Module(path, text, ast.parse(text, filename=path))


@cache
def modules(*folders: str) -> tuple[Module, ...]:
    """Return every module below some folders of the repository, in order."""
    files = sorted(file for folder in folders for file in (ROOT / folder).rglob("*.py"))
    return tuple(parsed(file.relative_to(ROOT).as_posix(), file.read_text(encoding="utf-8")) for file in files)


def functions(tree: ast.Module) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    """Return every function, wherever it is defined."""
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node


def dotted(node: ast.expr) -> str:
    """Return `a.b.c` for a name or an attribute, looking through a call and a subscript; empty for anything else."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=value, attr=attr):
            return f"{dotted(value)}.{attr}"
        case ast.Call(func=inner) | ast.Subscript(value=inner):
            return dotted(inner)
    return ""


def aliases(tree: ast.Module) -> dict[str, str]:
    """Return what imported names stand for: `from time import time as t` gives t -> time.time."""
    found: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {name.asname: name.name for name in node.names if name.asname}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {name.asname or name.name: f"{node.module}.{name.name}" for name in node.names}
    return found


def uses(tree: ast.Module) -> Iterator[tuple[str, int]]:
    """Return every dotted name that is used, as it is called where it comes from, with its line."""
    known = aliases(tree)
    for node in ast.walk(tree):
        if isinstance(node, (ast.Name, ast.Attribute)):
            head, dot, rest = dotted(node).partition(".")
            yield known.get(head, head) + dot + rest, node.lineno
