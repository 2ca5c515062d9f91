"""The house stays tidy: small modules, small functions, plain names, one way to the clock and to the environment.

Each rule is a function from a module to sentences that name the remedy; the end of this file breaks each rule once.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import PurePosixPath

import pytest

from tests.house.source import PACKAGES, Module, dotted, functions, modules, parsed, uses

MODULE_LINES_MAX = 300
FUNCTION_LINES_MAX = 40
VAGUE = frozenset({"utils", "util", "helpers", "helper", "common", "misc", "base", "core", "manager", "managers"})
TYPING_BASES = frozenset({"Protocol", "Generic", "NamedTuple", "TypedDict"})
EXCUSES = frozenset({
    "pytest.mark.skip", "pytest.mark.skipif", "pytest.mark.xfail", "pytest.skip", "pytest.xfail",
    "pytest.importorskip",
})  # fmt: skip

CLOCK = "take the Clock port (actors.mesh._ports.world): tests move it"
IDS = "take the Ids port (actors.mesh._ports.world), or derive it: schemas.envelope.derived_id"
SETTINGS = "add a field to the settings struct that read_settings() decodes, and hand it down"
BANNED: dict[str, str] = {
    "time.time": CLOCK,
    "time.time_ns": CLOCK,
    "datetime.datetime.now": CLOCK,
    "datetime.datetime.utcnow": CLOCK,
    "datetime.datetime.today": CLOCK,
    "datetime.date.today": CLOCK,
    "uuid.uuid1": IDS,
    "uuid.uuid4": IDS,
    "os.environ": SETTINGS,
    "os.getenv": SETTINGS,
}
ALLOWED: dict[str, tuple[str, ...]] = {
    "actors/mesh/adapters/world.py": ("time.time_ns",),         # the clock port itself
    "actors/mesh/_telemetry.py": ("time.time_ns",),             # the default of `now_ns`, which tests replace
    "infra/local/traces.py": ("time.time_ns", "os.environ"),    # likewise; and a process' one look at its settings
    "infra/local/trace_store.py": ("time.time_ns",),
    "actors/__main__.py": ("os.environ",),                      # composition roots hand it to read_settings
    "gateway/__main__.py": ("os.environ",),
    "infra/local/settings.py": ("os.environ",),                 # the settings of the local platform and of its parts
    "infra/local/card_settings.py": ("os.environ",),
    "infra/local/mailbox_settings.py": ("os.environ",),
    "infra/local/mailbox.py": ("time.time_ns",),                # when a mail came, for people; no test depends on it
    "infra/local/package_source.py": ("os.environ",),           # translates pip's own settings into uv's
}  # fmt: skip
"""Where a banned name may stand, each with its reason; an entry that is no longer needed fails too."""

Rule = Callable[[Module], Iterator[str]]


def short_modules(module: Module) -> Iterator[str]:
    if module.lines > MODULE_LINES_MAX:
        yield f"{module.path} has {module.lines} lines, {MODULE_LINES_MAX} at most: split it into a folder of its name"


def short_functions(module: Module) -> Iterator[str]:
    for function in functions(module.tree):
        lines = (function.end_lineno or function.lineno) - function.lineno + 1
        if lines > FUNCTION_LINES_MAX:
            yield (
                f"{module.path}:{function.lineno} {function.name} has {lines} lines, {FUNCTION_LINES_MAX} at most: "
                "give its parts names of their own"
            )


def opening_sentences(module: Module) -> Iterator[str]:
    if not ast.get_docstring(module.tree):
        yield f"{module.path} has no docstring: open it with one sentence that says what it holds"


def telling_names(module: Module) -> Iterator[str]:
    path = PurePosixPath(module.path)
    for name in (*path.parts[:-1], path.stem):
        if name.strip("_") in VAGUE:
            yield f"{module.path}: {name!r} says nothing: name it by what it holds, or move its parts"


def one_base(module: Module) -> Iterator[str]:
    for node in ast.walk(module.tree):
        if isinstance(node, ast.ClassDef):
            bases = [dotted(base) for base in node.bases]
            real = [base for base in bases if base.rpartition(".")[2] not in TYPING_BASES]
            if len(real) > 1:
                yield f"{module.path}:{node.lineno} {node.name} has the bases {', '.join(real)}: keep one"


def the_world_through_ports(module: Module) -> Iterator[str]:
    allowed = ALLOWED.get(module.path, ())
    for name, line in uses(module.tree):
        if name in BANNED and name not in allowed:
            yield f"{module.path}:{line} {name}: {BANNED[name]}"


def excuses_with_a_number(module: Module) -> Iterator[str]:
    calls = {id(node.func): node for node in ast.walk(module.tree) if isinstance(node, ast.Call)}
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Attribute) and dotted(node) in EXCUSES:
            whole = calls.get(id(node), node)
            if not re.search(r"#\d+", ast.unparse(whole)):
                yield f"{module.path}:{node.lineno} {dotted(node)}: open an issue and name it in the reason, like #12"


@pytest.mark.parametrize(
    "rule", [short_modules, short_functions, opening_sentences, telling_names, one_base, the_world_through_ports]
)
def test_what_runs_is_tidy(rule: Rule) -> None:
    found = [sentence for module in modules(*PACKAGES) for sentence in rule(module)]
    assert not found, "\n" + "\n".join(found)


@pytest.mark.parametrize("rule", [short_functions, telling_names, one_base, excuses_with_a_number])
def test_what_tests_is_tidy(rule: Rule) -> None:
    found = [sentence for module in modules("tests", "bench", "examples") for sentence in rule(module)]
    assert not found, "\n" + "\n".join(found)


def test_no_allowance_outlives_its_use() -> None:
    used = {(module.path, name) for module in modules(*PACKAGES) for name, _ in uses(module.tree)}
    stale = [f"{path}: {name}" for path, names in ALLOWED.items() for name in names if (path, name) not in used]
    assert not stale, f"take these out of ALLOWED: {stale}"


BROKEN: tuple[tuple[Rule, str, str], ...] = (
    (short_modules, "a.py", "pass\n" * (MODULE_LINES_MAX + 1)),
    (short_functions, "a.py", "def long():\n" + "    pass\n" * FUNCTION_LINES_MAX),
    (opening_sentences, "a.py", "import ast\n"),
    (telling_names, "actors/orders/_utils.py", ""),
    (telling_names, "gateway/common/errors.py", ""),
    (one_base, "a.py", "class Both(Actor, Thing): ...\n"),
    (the_world_through_ports, "a.py", "import time\nnow = time.time()\n"),
    (the_world_through_ports, "a.py", "from time import time_ns as now\nnow()\n"),
    (the_world_through_ports, "a.py", "import datetime as dt\ndt.datetime.now()\n"),
    (the_world_through_ports, "a.py", "from uuid import uuid4\nuuid4()\n"),
    (the_world_through_ports, "a.py", "import os\nos.environ.get('HOME')\n"),
    (excuses_with_a_number, "a.py", "@pytest.mark.skip\ndef test(): ...\n"),
    (excuses_with_a_number, "a.py", "@pytest.mark.xfail(reason='later')\ndef test(): ...\n"),
)


@pytest.mark.parametrize(("rule", "path", "text"), BROKEN)
def test_each_rule_sees_what_breaks_it(rule: Rule, path: str, text: str) -> None:
    assert len(list(rule(parsed(path, text)))) == 1


KEPT: tuple[tuple[Rule, str, str], ...] = (
    (short_modules, "a.py", "pass\n" * MODULE_LINES_MAX),
    (short_functions, "a.py", "def short():\n" + "    pass\n" * (FUNCTION_LINES_MAX - 1)),
    (
        one_base,
        "a.py",
        "class Page(NamedTuple, Generic[V]): ...\nclass Get(Query[View], Generic[V], frozen=True): ...\n",
    ),
    (the_world_through_ports, "a.py", "import asyncio\nasyncio.get_running_loop().time()\n"),
    (excuses_with_a_number, "a.py", "@pytest.mark.skip(reason='#12: no such broker yet')\ndef test(): ...\n"),
)


@pytest.mark.parametrize(("rule", "path", "text"), KEPT)
def test_no_rule_sees_more_than_it_should(rule: Rule, path: str, text: str) -> None:
    assert not list(rule(parsed(path, text)))
