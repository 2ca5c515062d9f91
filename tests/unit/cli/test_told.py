"""How messages and histories are drawn, and that nothing from the wire speaks to a terminal."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from rich.console import Console
from rich.text import Text

from actors.mesh.connect import Heard
from cli.events import drawn
from cli.tap import complete_pattern, line
from cli.terminal import compact, safe, show_json
from schemas.history import Change, HistoryEntry

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
HOSTILE = "\x1b]0;owned\x07\x9b31m\r\n"


def plain(text: Text) -> list[str]:
    return text.plain.split("\n")


def heard(**given: Any) -> Heard:
    usual = {"at_ms": 0, "subject": "orders.command.confirm_order.o1", "key": "o1", "trace_id": TRACE, "who": "gateway",
             "on_behalf_of": "cust-ada", "size": 18, "body": {"order_id": "o1"}}  # fmt: skip
    return Heard(**usual | given)


def test_a_message_is_one_line_with_all_that_identifies_it() -> None:
    [shown] = plain(line(heard()))
    assert shown.endswith(f' orders.command.confirm_order o1 {TRACE} gateway for cust-ada {{"order_id":"o1"}}')


@pytest.mark.parametrize(
    ("given", "end"),
    [
        ({"body": None}, "18 bytes that are no such message"),
        ({"body": None, "private": True}, "private"),
        ({"who": "", "on_behalf_of": "", "trace_id": ""}, 'confirm_order o1 {"order_id":"o1"}'),
    ],
)
def test_what_is_not_there_is_not_drawn(given: dict[str, Any], end: str) -> None:
    assert plain(line(heard(**given)))[0].endswith(end)


def test_a_message_cannot_speak_to_the_terminal() -> None:
    hostile = heard(subject=f"orders.command.{HOSTILE}.x", key=HOSTILE, who=HOSTILE, body={HOSTILE: HOSTILE})
    [shown] = plain(line(hostile))
    assert shown.isprintable()


ENTRY = HistoryEntry(
    version=12, name="order_reserved", at_ms=0, command_id="c", person="cust-ada", trace_id=TRACE,
    body={"order_id": "o1"},
    changes=(
        Change(field="status", before="placed", after="reserved"),
        Change(field="held/cup", after=2),
        Change(field="note", before="•••"),
    ),
)  # fmt: skip


def test_an_event_is_drawn_with_its_body_and_a_line_for_each_change() -> None:
    first, body, changed, added, removed = plain(drawn(ENTRY))
    assert first.startswith("  12 order_reserved  ")
    assert first.endswith(f"  by cust-ada  trace {TRACE}")
    assert body == '       {"order_id":"o1"}'
    assert changed.split() == ["~", "status", '"placed"', "→", '"reserved"']
    assert added.split() == ["+", "held/cup", "2"]
    assert removed.split() == ["-", "note", '"•••"']


def test_a_private_event_and_one_too_large_have_no_body() -> None:
    private = HistoryEntry(version=1, name="secret_noted", at_ms=0, command_id="c", private=True)
    cut = HistoryEntry(version=1, name="order_placed", at_ms=0, command_id="c", cut=True)
    assert "private" in plain(drawn(private))[1]
    assert "too large" in plain(drawn(cut))[1]


def test_a_history_cannot_speak_to_the_terminal() -> None:
    hostile = HistoryEntry(
        version=1, name=HOSTILE, at_ms=0, command_id="c", person=HOSTILE, trace_id=HOSTILE, body={HOSTILE: [HOSTILE]},
        changes=(Change(field=HOSTILE, before=HOSTILE, after=HOSTILE),),
    )  # fmt: skip
    assert all(shown.isprintable() for shown in plain(drawn(hostile)))


def test_what_is_written_out_is_still_json() -> None:

    assert json.loads(compact({"a": HOSTILE})) == {"a": HOSTILE}
    out = io.StringIO()
    show_json(Console(file=out, width=120, force_terminal=True), {"name": HOSTILE})
    assert "\x07" not in out.getvalue()
    assert "\x9b" not in out.getvalue()


def test_letters_of_all_languages_stay_as_they_are() -> None:
    assert safe("Ærøskøbing 東京 •••") == "Ærøskøbing 東京 •••"


def test_a_shell_completes_patterns() -> None:
    assert complete_pattern("or") == ["orders.>"]
