"""DeactivateUser."""

import pytest

from actors.mesh import Refused
from actors.mesh.testing.given import given
from actors.users.model.rules import deactivate
from actors.users.model.state import evolve
from schemas.principal import Principal
from schemas.users import AddUser, DeactivateUser, RolesSet
from tests.unit.users.people import ACTIVE, CLOSED, DEACTIVATED, PASSWORD, THIRD_EPOCH, add, users_mesh

DEACTIVATE = DeactivateUser(user_id="ada", reason="asked for")


def test_support_closes_the_account_of_a_customer() -> None:
    given(evolve, *ACTIVE).when(deactivate, DEACTIVATE, False).then(CLOSED, THIRD_EPOCH)


def test_twice_changes_nothing() -> None:
    given(evolve, *DEACTIVATED).when(deactivate, DEACTIVATE, False).nothing()


def test_that_of_a_colleague_is_the_admins_to_close() -> None:
    colleague = (*ACTIVE, RolesSet(user_id="ada", roles=("customer", "warehouse")))
    given(evolve, *colleague).when(deactivate, DEACTIVATE, False).refused("user_protected", kind="forbidden")
    assert given(evolve, *colleague).when(deactivate, DEACTIVATE, True).events[0] == CLOSED


def test_an_unknown_user_is_refused() -> None:
    given(evolve).when(deactivate, DEACTIVATE, True).refused("user_unknown", kind="not_found")


async def test_who_asks_is_read_off_the_signed_principal() -> None:
    async with users_mesh() as mesh:
        await add(mesh)
        await mesh.client.ask(
            AddUser(user_id="wendy", name="W", email="w@example.org", password=PASSWORD, roles=("warehouse",))
        )
        sam = mesh.client_of(Principal(subject="sam", roles=("support",)))
        alma = mesh.client_of(Principal(subject="alma", roles=("admin",)))
        await sam.ask(DEACTIVATE)
        with pytest.raises(Refused, match="user_protected"):
            await sam.ask(DeactivateUser(user_id="wendy", reason="left"))
        await alma.ask(DeactivateUser(user_id="wendy", reason="left"))
