"""What a person may is asked of users, seldom and once for all who wait; what is of now counts, not what was signed."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from msgspec.structs import replace

from actors.mesh import Refused, Unavailable
from gateway import standings
from gateway.standings import Standings
from schemas.principal import Principal, Standing
from schemas.users import GetStanding
from tests.unit.gateway.test_bad_tokens import ACTIVE, GOOD, claims

LISTED = ("GET", "/v1/orders")


@pytest.fixture
def mesh(gateway: Any) -> Any:
    gateway.mesh.answers["GetStanding"] = ACTIVE
    return gateway.mesh


def questions(mesh: Any) -> int:
    return sum(isinstance(message, GetStanding) for message, _ in mesh.asked)


async def test_it_is_asked_once_in_two_seconds(gateway: Any, mesh: Any) -> None:
    for _ in range(5):
        assert (await gateway.call(*LISTED, token=GOOD)).status == 200
    assert questions(mesh) == 1
    await gateway.clock.advance(2)
    await gateway.call(*LISTED, token=GOOD)
    assert questions(mesh) == 2


async def test_a_deactivation_is_heard_of_within_two_seconds(gateway: Any, mesh: Any) -> None:
    assert (await gateway.call(*LISTED, token=GOOD)).status == 200
    mesh.answers["GetStanding"] = replace(ACTIVE, status="deactivated", epoch=4)
    await gateway.clock.advance(2)
    assert (await gateway.call(*LISTED, token=GOOD)).problem["code"] == "principal_revoked"


async def test_the_roles_are_those_of_now(gateway: Any, mesh: Any) -> None:
    mesh.answers["GetStanding"] = replace(ACTIVE, roles=("support",))
    assert (await gateway.call("GET", "/v1/users", token=claims(roles=["customer"]))).status == 200
    _, envelope = mesh.asked[-1]
    assert gateway.verifier.verify(envelope.principal) == Principal(subject="user-ada", roles=("support",))


async def test_a_role_that_is_written_into_a_token_gives_nothing(gateway: Any, mesh: Any) -> None:
    assert (await gateway.call("GET", "/v1/users", token=claims(roles=["admin"]))).status == 403


async def test_the_question_is_put_in_the_gateways_own_name_and_soon_over(gateway: Any, mesh: Any) -> None:
    await gateway.call(*LISTED, token=GOOD)
    _, envelope = mesh.asked[0]
    assert envelope.principal == "", "the client fills in its own"
    assert envelope.deadline_ms == gateway.clock.now_ms() + 2000


async def test_a_token_newer_than_what_is_remembered_is_asked_about(gateway: Any, mesh: Any) -> None:
    assert (await gateway.call(*LISTED, token=GOOD)).status == 200
    mesh.answers["GetStanding"] = replace(ACTIVE, epoch=4)
    assert (await gateway.call(*LISTED, token=claims(epoch=4))).status == 200, "logged in again a moment ago"
    assert (await gateway.call(*LISTED, token=GOOD)).status == 401


async def test_a_token_newer_than_what_users_shows_waits_for_its_view(gateway: Any, mesh: Any) -> None:
    mesh.answers["GetStanding"] = replace(ACTIVE, status="unverified", epoch=3)
    asking = asyncio.create_task(gateway.call(*LISTED, token=claims(epoch=4)))
    await gateway.clock.advance(0.1)
    assert not asking.done()
    mesh.answers["GetStanding"] = replace(ACTIVE, epoch=4)
    await gateway.clock.advance(0.2)
    assert (await asking).status == 200, "one who verified their address and logged in at once"


async def test_a_new_user_is_waited_for_too(gateway: Any, mesh: Any) -> None:
    mesh.answers["GetStanding"] = Refused("user_unknown", kind="not_found")
    asking = asyncio.create_task(gateway.call(*LISTED, token=GOOD))
    await gateway.clock.advance(0.1)
    mesh.answers["GetStanding"] = ACTIVE
    await gateway.clock.advance(0.2)
    assert (await asking).status == 200


async def test_a_view_that_does_not_come_after_is_no_reason_to_log_out(gateway: Any, mesh: Any) -> None:
    asking = asyncio.create_task(gateway.call(*LISTED, token=claims(epoch=4)))
    await gateway.clock.advance(1)
    answer = await asking
    assert (answer.status, answer.headers["retry-after"]) == (503, "1")


class SlowMesh:
    """Answers when it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer: asyncio.Future[Standing] = asyncio.get_running_loop().create_future()

    async def ask(self, message: Any, envelope: Any) -> Standing:
        self.asked += 1
        return await self.answer


async def test_many_at_once_are_one_question_and_a_hang_up_harms_no_other(gateway: Any) -> None:
    mesh: Any = SlowMesh()
    known = Standings(mesh, gateway.clock)
    first, *others = [asyncio.create_task(known.current("user-ada", 3)) for _ in range(10)]
    await gateway.clock.settle()
    first.cancel()
    await gateway.clock.settle()
    mesh.answer.set_result(ACTIVE)
    assert await asyncio.gather(*others) == [ACTIVE] * 9
    assert mesh.asked == 1
    assert first.cancelled()


async def test_an_answer_that_does_not_come_is_not_waited_for(gateway: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr(standings, "ASK_SECONDS", 0.01)
    mesh: Any = SlowMesh()
    with pytest.raises(Unavailable):
        await Standings(mesh, gateway.clock).current("user-ada", 3)
