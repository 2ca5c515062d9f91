"""RegisterUser."""

import asyncio

import pytest

from actors.mesh import Refused
from actors.mesh.testing.given import given
from actors.users.model.rules import register
from actors.users.model.state import evolve
from schemas.message import Accepted
from schemas.users import RegisterUser
from tests.unit.users.people import FIRST_EPOCH, FRESH, MAILED, PASSWORD_SET, REGISTERED, UNVERIFIED, users_mesh

REGISTER = RegisterUser(user_id="ada", name="Ada", email="ada@example.org", password="correct horse")


def test_a_new_user_is_a_customer_and_gets_a_mail() -> None:
    given(evolve).when(register, REGISTER, FRESH).then(REGISTERED, PASSWORD_SET, MAILED, FIRST_EPOCH)


def test_an_id_is_taken_once() -> None:
    given(evolve, *UNVERIFIED).when(register, REGISTER, FRESH).refused("user_exists")


def test_the_state_keeps_nothing_that_a_link_could_be_made_of() -> None:
    state = given(evolve, *UNVERIFIED).state
    assert state is not None
    assert state.verification is not None
    assert "a-token" not in repr(state)
    assert len(state.verification.digest) == 64


@pytest.mark.parametrize("spelt", ["ada@example.org", "ADA@example.org", "ada@EXAMPLE.ORG", "\uff41da@example.org"])
async def test_an_address_has_one_user_however_it_is_spelt(spelt: str) -> None:
    async with users_mesh() as mesh:
        await mesh.client.ask(REGISTER)
        other = RegisterUser(user_id="eve", name="Eve", email=spelt, password="other horses")
        with pytest.raises(Refused) as refused:
            await mesh.client.ask(other)
        assert (refused.value.code, refused.value.kind) == ("email_taken", "conflict")
        assert mesh.truth.domain("users").version("user/eve") == 0


async def test_an_address_with_a_tag_is_another_address() -> None:
    async with users_mesh() as mesh:
        await mesh.client.ask(REGISTER)
        other = RegisterUser(user_id="eve", name="Eve", email="ada+shop@example.org", password="other horses")
        assert await mesh.client.ask(other) == Accepted(entity_id="eve", version=4)


async def test_of_many_at_once_for_one_address_exactly_one_is_accepted() -> None:
    async with users_mesh(pools=2) as mesh:
        commands = [
            RegisterUser(user_id=f"u{number}", name="Ada", email="Ada@example.org", password="correct horse")
            for number in range(8)
        ]
        answers = await asyncio.gather(*map(mesh.client.ask, commands), return_exceptions=True)
        assert sorted(getattr(answer, "code", "accepted") for answer in answers) == ["accepted"] + ["email_taken"] * 7
