"""What the types must let pass and what they must catch: mypy over all snippets here, its lines compared with ours."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]
SNIPPETS = sorted([*HERE.glob("pass_*.py"), *HERE.glob("fail_*.py")])
WANTED = "# want error"
ERROR = re.compile(r"^(?P<file>[^:]+\.py):(?P<line>\d+): error: (?P<text>.*)$")


@pytest.fixture(scope="module")
def found() -> dict[Path, dict[int, str]]:
    """The errors mypy finds, by file and line; its own cache, so that another run cannot get in the way."""
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(PROJECT / ".mypy_cache" / "snippets")]
    command += ["--no-error-summary", "--hide-error-context", *map(str, SNIPPETS)]
    run = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    assert run.returncode in (0, 1), run.stdout + run.stderr
    errors: dict[Path, dict[int, str]] = {}
    for line in run.stdout.splitlines():
        if match := ERROR.match(line):
            errors.setdefault((PROJECT / match["file"]).resolve(), {})[int(match["line"])] = match["text"]
    return errors


@pytest.mark.timeout(300)  # the first run on a cold cache reads every stub
@pytest.mark.parametrize("snippet", SNIPPETS, ids=lambda snippet: snippet.stem)
def test_mypy_names_exactly_the_marked_lines(snippet: Path, found: dict[Path, dict[int, str]]) -> None:
    lines = snippet.read_text().splitlines()
    wanted = {number for number, line in enumerate(lines, start=1) if line.endswith(WANTED)}
    errors = found.get(snippet.resolve(), {})
    missed = {number: lines[number - 1] for number in sorted(wanted - set(errors))}
    surprising = {number: errors[number] for number in sorted(set(errors) - wanted)}
    assert not missed, "mypy let these pass"
    assert not surprising, "mypy found more than was marked"
    assert bool(wanted) == snippet.stem.startswith("fail_")


def test_no_other_file_has_an_error(found: dict[Path, dict[int, str]]) -> None:
    assert set(found) <= set(SNIPPETS)
