"""Who may do what: every permission is that of a message, and the rows of the roles say what we mean."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from schemas.history import EVENTS
from schemas.message import Command, Query, owner_field
from schemas.orders import GetOrder, PlaceOrder
from schemas.principal import (
    NO_ACCOUNT,
    OPEN,
    OWN_ACCOUNT,
    OWN_ONLY,
    PERMISSIONS,
    Principal,
    Role,
    allows,
    catalogue,
    confined,
    held,
    permission,
    permissions_of,
)
from schemas.users import ChangePassword, GetUser
from tests.house.contract import of_kind

SNAPSHOT = Path(__file__).with_name("permissions.txt")
REGENERATE = "python -m tests.contract.test_permissions"
HEADING = """\
# Who may do what: `own` to one's own only, `all` to everybody's.
"""
MESSAGES = {permission(message): message for message in (*of_kind(Command), *of_kind(Query))}
ROLES: tuple[Role, ...] = tuple(PERMISSIONS)
PEOPLE = tuple(role for role in ROLES if role not in NO_ACCOUNT)


def as_(*roles: Role) -> Principal:
    return Principal(subject="somebody", roles=roles)


def cell(role: Role, name: str) -> str:
    if not allows(as_(role), MESSAGES[name]):
        return "-"
    return "own" if confined(as_(role), MESSAGES[name]) and owner_field(MESSAGES[name]) else "all"


def current() -> str:
    """Return the table as it is kept: a line a permission, a column a role."""
    lines = [("permission", *ROLES), *((name, *(cell(role, name) for role in ROLES)) for name in sorted(MESSAGES))]
    return HEADING + "".join(
        f"{name:36}" + "".join(f"{each:10}" for each in row).rstrip() + "\n" for name, *row in lines
    )


def test_the_table_of_permissions_is_what_was_agreed() -> None:
    agreed = SNAPSHOT.read_text(encoding="utf-8")
    assert current() == agreed, f"somebody may do more or less; if it was meant to, run: {REGENERATE}"


def test_the_catalogue_is_one_permission_a_command_or_query() -> None:
    assert catalogue() == set(MESSAGES)


@pytest.mark.parametrize("role", ROLES)
def test_every_permission_of_a_row_is_that_of_a_message(role: Role) -> None:
    domains = {name.partition(":")[0] for name in catalogue()}
    named = {name for name in PERMISSIONS[role] | OPEN | OWN_ACCOUNT if "*" not in name}
    assert named <= catalogue(), f"no message needs {sorted(named - catalogue())}: mend schemas/principal.py"
    over_all = {"*", f"*:{EVENTS}"}  # what the mesh itself answers for every domain
    assert {name for name in PERMISSIONS[role] if "*" in name} <= over_all | {f"{each}:*" for each in domains}
    assert permissions_of((role,)) <= catalogue()


def test_the_history_of_an_entity_is_for_those_who_operate_the_mesh() -> None:
    may = {role for role in ROLES if held((role,), f"orders:{EVENTS}")}
    assert may == {"operator", "admin", "service"}


def test_what_is_ones_own_names_its_owner() -> None:
    assert [name for name in sorted(OWN_ACCOUNT) if owner_field(MESSAGES[name]) is None] == []
    own = permissions_of(tuple(OWN_ONLY)) - OPEN
    unowned = {name for name in own if owner_field(MESSAGES[name]) is None}
    assert {name.partition(":")[0] for name in unowned} == {"inventory"}, "the catalogue is everybody's"


def test_one_who_is_not_logged_in_gets_in_and_no_further() -> None:
    assert permissions_of(("anonymous",)) == OPEN


def test_operators_look_at_everything_but_the_list_of_users_and_change_nothing_of_others() -> None:
    queries = {permission(query) for query in of_kind(Query)}
    assert permissions_of(("operator",)) - OPEN - OWN_ACCOUNT == queries - OWN_ACCOUNT - {
        "users:list_users", "users:get_standing",
    }  # fmt: skip
    changing = permissions_of(("operator",)) - queries - OPEN
    assert all(confined(as_("operator"), MESSAGES[name]) for name in changing)


def test_support_orders_for_nobody() -> None:
    assert not allows(as_("support"), PlaceOrder)
    assert confined(as_("support", "customer"), PlaceOrder), "who is both orders for themselves"
    assert not confined(as_("support", "customer"), GetOrder)


def test_only_admins_and_our_own_processes_say_what_others_may_do() -> None:
    assert {role for role in ROLES if "users:set_roles" in permissions_of((role,))} == {"admin", "service"}
    assert {role for role in ROLES if "users:add_user" in permissions_of((role,))} == {"admin", "service"}


def test_money_is_moved_by_finance() -> None:
    assert {role for role in PEOPLE if "payments:refund_payment" in permissions_of((role,))} == {"finance", "admin"}


@pytest.mark.parametrize("role", [role for role in PEOPLE if role != "admin"])
def test_everybody_with_an_account_has_that_one(role: Role) -> None:
    assert allows(as_(role), ChangePassword)
    assert confined(as_(role), ChangePassword)
    assert confined(as_(role), GetUser) == (role not in ("support", "operator"))


def test_no_role_is_no_permission() -> None:
    assert permissions_of(()) == frozenset()


if __name__ == "__main__":
    SNAPSHOT.write_text(current(), encoding="utf-8")
    sys.stdout.write(f"written: {SNAPSHOT.name}\n")
