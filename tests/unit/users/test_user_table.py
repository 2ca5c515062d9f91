"""The table of a user's life, cell by cell: which command is due in which status."""

from typing import Any

import pytest

from actors.mesh import Refused
from actors.mesh.testing.given import given
from actors.users.model.state import evolve
from actors.users.model.table import STATUSES, TABLE, due
from schemas.message import Command
from schemas.users import (
    ChangePassword,
    DeactivateUser,
    RemoveAddress,
    ResendVerification,
    RevokeSessions,
    SetRoles,
    UpdateProfile,
    VerifyEmail,
)
from tests.unit.users.people import ACTIVE, DEACTIVATED, UNVERIFIED
from tests.unit.users.test_add_address import add

PASTS = dict(zip(STATUSES, ((), UNVERIFIED, ACTIVE, DEACTIVATED), strict=True))
COMMANDS: tuple[Command[Any], ...] = (
    VerifyEmail(user_id="ada", token="a-token"), ResendVerification(user_id="ada"), UpdateProfile(user_id="ada"),
    add("a1"), RemoveAddress(user_id="ada", address_id="a1"),
    ChangePassword(user_id="ada", current_password="x", new_password="other horses"), RevokeSessions(user_id="ada"),
    SetRoles(user_id="ada", roles=("admin",)), DeactivateUser(user_id="ada", reason="asked for"),
)  # fmt: skip
WANTED = """
VerifyEmail         verification_invalid  due  verification_invalid  verification_invalid
ResendVerification  same                  due  same                  same
UpdateProfile       user_unknown          due  due                   user_deactivated
AddAddress          user_unknown          due  due                   user_deactivated
RemoveAddress       user_unknown          due  due                   user_deactivated
ChangePassword      user_unknown          due  due                   user_deactivated
RevokeSessions      user_unknown          due  due                   same
SetRoles            user_unknown          due  due                   user_deactivated
DeactivateUser      user_unknown          due  due                   same
"""
CELLS = [
    (command, status, cell)
    for command, line in zip(COMMANDS, WANTED.split("\n")[1:-1], strict=True)
    for status, cell in zip(STATUSES, line.split()[1:], strict=True)
]


@pytest.mark.parametrize(("command", "status", "wanted"), CELLS)
def test_a_cell(command: Command[Any], status: Any, wanted: str) -> None:
    state = given(evolve, *PASTS[status]).state  # type: ignore[arg-type]
    try:
        found = "due" if due(state, command) is state and state is not None else "same"
    except Refused as refusal:
        found = refusal.code
    assert found == wanted


def test_every_command_of_the_table_is_spelt_out() -> None:
    assert {type(command) for command in COMMANDS} == set(TABLE)
    assert [line.split()[0] for line in WANTED.split("\n")[1:-1]] == [type(command).__name__ for command in COMMANDS]
