"""The table of commands: each can be loaded, explains itself with examples, and ends as scripts expect."""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping

import pytest
from typer.testing import CliRunner

from actors.mesh.connect import SettingsError
from cli import app as app_module
from cli.app import COMMANDS, EXAMPLES, app, main
from cli.reaching import EXIT_SETTINGS, EXIT_UNAVAILABLE, EXIT_USAGE, Misused, NotReached
from infra.local.failures import StartFailed

WIDE = {"COLUMNS": "120", "TERM": "dumb"}


def printed(*words: str, environment: Mapping[str, str] = WIDE) -> str:
    result = CliRunner().invoke(app, words, prog_name="mesh", env=environment)
    assert result.exit_code == 0, result.output
    return result.output


def test_help_lists_every_command_in_the_order_of_the_table() -> None:
    shown = printed("--help")
    assert re.findall(r"^│ ([a-z]+) ", shown, re.MULTILINE) == list(COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_explains_itself_with_examples(name: str) -> None:
    shown = printed(name, "--help")
    assert COMMANDS[name][1] in shown
    assert EXAMPLES[name], f"give {name} an example in cli/app.py"
    assert "Examples:" in shown
    assert all(f"mesh {name}" in example for example in EXAMPLES[name])
    assert EXAMPLES[name][0] in " ".join(shown.split())


def test_help_imports_no_command() -> None:
    before = {name for name in sys.modules if name.startswith("cli.")}
    printed("--help")
    assert {name for name in sys.modules if name.startswith("cli.")} == before


def completed(line: str, word: int) -> list[str]:
    """Return what bash is told when this is typed and the tabulator pressed."""
    asked = {"_MESH_COMPLETE": "complete_bash", "COMP_WORDS": line, "COMP_CWORD": str(word)}
    return printed(environment=WIDE | asked).split()


def test_a_shell_completes_commands_and_what_they_take() -> None:
    assert completed("mesh st", 1) == ["status"]
    assert completed("mesh call GetOrderT", 2) == ["GetOrderTimeline"]
    assert completed("mesh events inv", 2) == ["inventory"]
    assert completed("mesh tap pay", 2) == ["payments.>"]
    assert "--watch" in completed("mesh status --", 2)


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (Misused("what is that?"), EXIT_USAGE),
        (NotReached("nobody is there"), EXIT_UNAVAILABLE),
        (SettingsError(("MESH_X is unknown",)), EXIT_SETTINGS),
        (StartFailed("nats", "port 1 is taken", "stop what listens there"), 1),
    ],
)
def test_what_a_command_says_in_a_sentence_is_told_without_a_traceback(
    error: Exception, code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: object) -> None:
        raise error

    monkeypatch.setattr(app_module, "app", fail)
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == code
    assert capsys.readouterr().err == f"{error}\n"


def test_a_mistake_of_ours_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(**_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(app_module, "app", fail)
    with pytest.raises(ZeroDivisionError):
        main()
