"""The page of the HTTP API names every code that the gateway itself can answer with, and no other."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from gateway.errors import CODE_OF_STATUS, FAULTS, STATUS_OF_CODE, STATUS_OF_KIND
from tests.house.source import ROOT, Module, dotted, modules

PAGE = ROOT / "docs" / "http.md"
ROW = re.compile(r"^\| `(?P<code>[a-z_]+)` \| (?P<status>[0-9]{3}) \|", re.MULTILINE)


def told(module: Module) -> Iterator[tuple[str, int]]:
    """Return the codes a module refuses with, by the three ways there are to say them."""
    for node in ast.walk(module.tree):
        match node:
            case ast.Call(func=function, args=[ast.Constant(value=int(status)), ast.Constant(value=str(code)), *_]) if (
                dotted(function) == "HttpProblem"
            ):
                yield code, status
            case ast.Call(func=function, args=[ast.Constant(value=str(code)), *_], keywords=keywords):
                if dotted(function) == "unauthenticated":
                    yield code, 401
                elif dotted(function) == "Refused":
                    kinds = [word.value.value for word in keywords if word.arg == "kind"]  # type: ignore[attr-defined]
                    yield code, STATUS_OF_KIND[kinds[0] if kinds else "conflict"]


def codes() -> set[tuple[str, int]]:
    """Return every code of the gateway with its status."""
    found = {each for module in modules("gateway") for each in told(module)}
    found |= {(code, status) for status, code in CODE_OF_STATUS.items()}
    found |= {(fault.code, status) for fault, (status, _) in FAULTS.items()}
    return found | set(STATUS_OF_CODE.items())


def test_the_page_names_every_code_and_no_other() -> None:
    written = [(row["code"], int(row["status"])) for row in ROW.finditer(PAGE.read_text(encoding="utf-8"))]
    assert len(written) == len(set(written)), "a row is there twice"
    missing, gone = codes() - set(written), set(written) - codes()
    assert not missing, f"add to the table at the end of docs/http.md: {sorted(missing)}"
    assert not gone, f"nothing answers with these any more, take them out of docs/http.md: {sorted(gone)}"


def test_the_codes_were_found() -> None:
    assert {("body_invalid", 400), ("principal_revoked", 401), ("permission_missing", 403)} <= codes()
