"""ChangePassword."""

import pytest
from msgspec.structs import replace

from actors.mesh import Refused
from actors.mesh.testing.given import given
from actors.users.model.rules import change_password
from actors.users.model.state import evolve
from schemas.users import ChangePassword, PasswordSet
from tests.unit.users.people import ACTIVE, DEACTIVATED, FRESH, PASSWORD, add, log_in, raised, users_mesh

CHANGE = ChangePassword(user_id="ada", current_password=PASSWORD, new_password="other horses")
ANOTHER = replace(FRESH, password_hash="b-hash")


def test_another_password_ends_all_sessions() -> None:
    outcome = given(evolve, *ACTIVE).when(change_password, CHANGE, ANOTHER)
    outcome.then(PasswordSet(user_id="ada", password_hash="b-hash"), raised(3, ends_sessions=True))


def test_a_closed_account_gets_none() -> None:
    given(evolve, *DEACTIVATED).when(change_password, CHANGE, ANOTHER).refused("user_deactivated")


async def test_from_then_on_only_the_new_one_fits() -> None:
    async with users_mesh() as mesh:
        await add(mesh)
        await mesh.client.ask(CHANGE)
        with pytest.raises(Refused, match="credentials_invalid"):
            await mesh.client.ask(log_in("s1"))
        assert (await mesh.client.ask(log_in("s2", password="other horses"))).user_id == "ada"


async def test_without_the_present_one_nothing_changes() -> None:
    async with users_mesh() as mesh:
        await add(mesh)
        with pytest.raises(Refused) as refused:
            await mesh.client.ask(replace(CHANGE, current_password="wrong horse"))
        assert (refused.value.code, refused.value.pointer) == ("password_mismatch", "/current_password")
        assert (await mesh.client.ask(log_in())).user_id == "ada"


async def test_a_hash_stays_in_the_journal_and_of_what_is_published_only_its_version_is_told() -> None:
    async with users_mesh() as mesh:
        await add(mesh)
        await mesh.client.ask(CHANGE)
        events = mesh.truth.domain("users").events["user/ada"]
        assert [event.private for event in events if event.name == "password_set"] == [True, True]
        assert not any(event.private for event in events if event.name != "password_set")
