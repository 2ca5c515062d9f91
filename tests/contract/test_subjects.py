"""The subjects are a snapshot: a renamed message, another key or another permission is a decision."""

from __future__ import annotations

import sys
from pathlib import Path

from schemas.history import EVENTS
from schemas.message import Command, Event, Message, Query, key_field, owner_field, subject_of
from schemas.principal import PERMISSIONS, permission
from tests.house.contract import messages, of_kind

SNAPSHOT = Path(__file__).with_name("subjects.txt")
REGENERATE = "python -m tests.contract.test_subjects"
COLUMNS = ("subject", "key", "owner", "permission")
HEADING = """\
# What travels where. The second word of a subject is the kind of message, the last one a key or a shard of it.
# `owner` is the field that the gateway fills from the principal, and that a pool compares with it.
"""


def row(message: type[Message]) -> tuple[str, str, str, str]:
    """Return what others rely on about a message."""
    key = key_field(message) or "_"
    last = "shard" if issubclass(message, Event) else key
    allowed = "-" if issubclass(message, Event) else permission(message)
    return f"{subject_of(message)}.<{last}>", key, owner_field(message) or "-", allowed


def current() -> str:
    """Return all subjects as they are kept: one line a message, sorted, so that a rename is two lines."""
    rows = [COLUMNS, *sorted(row(message) for message in messages())]
    widths = [max(len(cells[column]) for cells in rows) for column in range(len(COLUMNS))]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip() for cells in rows)
    return HEADING + "\n".join(lines) + "\n"


def test_the_subjects_are_what_was_agreed() -> None:
    agreed = SNAPSHOT.read_text(encoding="utf-8")
    assert current() == agreed, f"a subject has changed; if it was meant to, run: {REGENERATE}"


def test_every_command_and_every_event_names_its_entity_first() -> None:
    nameless = [message.__name__ for message in (*of_kind(Command), *of_kind(Event)) if key_field(message) is None]
    assert not nameless, f"{nameless}: the first field is the id of the entity (schemas.message.Id)"


def test_every_permission_that_a_role_holds_is_that_of_a_message() -> None:
    known = {permission(message) for message in (*of_kind(Command), *of_kind(Query))} | {"*", f"*:{EVENTS}"}
    unknown = {name for held in PERMISSIONS.values() for name in held} - known
    assert not unknown, f"no message needs {sorted(unknown)}: mend PERMISSIONS in schemas/principal.py"


if __name__ == "__main__":
    SNAPSHOT.write_text(current(), encoding="utf-8")
    sys.stdout.write(f"written: {SNAPSHOT.name}\n")
