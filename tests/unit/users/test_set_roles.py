"""SetRoles."""

import msgspec
import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from actors.mesh.testing.given import given
from actors.users.model.rules import set_roles
from actors.users.model.state import evolve
from schemas.principal import NO_ACCOUNT, PERMISSIONS, UserRole, catalogue, permissions_of
from schemas.users import EpochRaised, RolesSet, SetRoles
from tests.unit.users.people import ACTIVE, DEACTIVATED

SUPPORT = RolesSet(user_id="ada", roles=("customer", "support"))
ROLES: list[UserRole] = ["customer", "support", "warehouse", "finance", "operator", "admin"]


def test_other_roles_count_at_once_and_sessions_go_on() -> None:
    epoch = EpochRaised(user_id="ada", epoch=3, sessions_epoch=1, status="active", roles=("customer", "support"))
    command = SetRoles(user_id="ada", roles=("support", "customer", "support"))
    given(evolve, *ACTIVE).when(set_roles, command).then(SUPPORT, epoch)


def test_the_same_roles_change_nothing() -> None:
    given(evolve, *ACTIVE).when(set_roles, SetRoles(user_id="ada", roles=("customer",))).nothing()


def test_a_closed_account_gets_none() -> None:
    command = SetRoles(user_id="ada", roles=("admin",))
    given(evolve, *DEACTIVATED).when(set_roles, command).refused("user_deactivated")


@pytest.mark.parametrize("roles", [[], ["service"], ["anonymous"], ["root"], ["customer"] * 7])
def test_nobody_is_given_what_people_cannot_be(roles: list[str]) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"user_id": "ada", "roles": roles}, SetRoles)


@drawn(st.lists(st.lists(st.sampled_from(ROLES), min_size=1, max_size=6), max_size=8))
def test_no_sequence_of_role_edits_yields_a_permission_outside_the_catalogue(edits: list[list[UserRole]]) -> None:
    past = given(evolve, *ACTIVE)
    for edit in edits:
        past.when(set_roles, SetRoles(user_id="ada", roles=tuple(edit)))
    assert past.state is not None
    held = permissions_of(past.state.roles)
    assert held <= catalogue()
    assert held == frozenset[str]().union(*(permissions_of((role,)) for role in past.state.roles))
    assert not set(past.state.roles) & NO_ACCOUNT
    assert set(PERMISSIONS) == {*ROLES, *NO_ACCOUNT}
