"""RefreshSession."""

import asyncio
from typing import cast

import pytest

from actors import users
from actors.mesh import Refused
from actors.mesh.testing.clock import FakeClock
from actors.mesh.testing.given import given_actor
from actors.mesh.testing.memory_mesh import MemoryMesh
from actors.users.model.sessions import GRACE_MS, IDLE_MS, Shown
from schemas.principal import SessionTokens
from schemas.users import (
    ChangePassword,
    DeactivateUser,
    GetStanding,
    RefreshSession,
    RevokeSession,
    RevokeSessions,
    SessionRefreshed,
    SessionRevoked,
)
from tests.unit.users.people import (
    ACTIVE,
    DEACTIVATED,
    NOW_MS,
    PASSWORD,
    STARTED,
    add,
    log_in,
    raised,
    tokens,
    users_mesh,
)

REFRESH = RefreshSession(session_id="s1", refresh_token="s1.0.mac")
REFRESHED = SessionRefreshed(session_id="s1", user_id="ada", generation=1, refreshed_at_ms=NOW_MS)
TOKENS = tokens().session(
    session_id="s1", user_id="ada", roles=("customer",), epoch=2, generation=1, issued_at_ms=NOW_MS
)
PAST = (*ACTIVE, STARTED)


def shown(generation: int, after_ms: int = 0) -> Shown:
    return Shown(generation=generation, now_ms=NOW_MS + after_ms, tokens=TOKENS)


def test_the_present_token_makes_the_next_one() -> None:
    given_actor(users.actor, *PAST).when(REFRESH, shown(0)).then(REFRESHED)


def test_the_one_before_is_tolerated_for_a_while_and_changes_nothing() -> None:
    given_actor(users.actor, *PAST, REFRESHED).when(REFRESH, shown(0, GRACE_MS)).nothing()


@pytest.mark.parametrize(("generation", "after_ms"), [(0, GRACE_MS + 1), (0, IDLE_MS - 1)])
def test_after_that_it_ends_the_session_and_the_access_tokens_that_are_out(generation: int, after_ms: int) -> None:
    outcome = given_actor(users.actor, *PAST, REFRESHED).when(REFRESH, shown(generation, after_ms))
    outcome.then(SessionRevoked(session_id="s1", user_id="ada", reason="reused"), raised(3, ends_sessions=False))


def test_one_that_is_older_still_ends_it_at_once() -> None:
    twice = SessionRefreshed(session_id="s1", user_id="ada", generation=2, refreshed_at_ms=NOW_MS)
    outcome = given_actor(users.actor, *PAST, REFRESHED, twice).when(REFRESH, shown(0))
    outcome.then(SessionRevoked(session_id="s1", user_id="ada", reason="reused"), raised(3, ends_sessions=False))


ENDED = SessionRevoked(session_id="s1", user_id="ada", reason="logged_out")


@pytest.mark.parametrize(
    ("past", "given_token"),
    [
        (ACTIVE, shown(0)),
        ((*PAST, ENDED), shown(0)),
        ((*PAST, raised(3, ends_sessions=True)), shown(0)),
        ((*DEACTIVATED, STARTED), shown(0)),
        (PAST, shown(0, IDLE_MS)),
        (PAST, shown(1)),
    ],
    ids=["unknown", "revoked", "ended with all others", "user deactivated", "not used for a month", "not given out"],
)
def test_whatever_is_wrong_the_refusal_is_the_same(past: tuple[object, ...], given_token: Shown) -> None:
    outcome = given_actor(users.actor, *past).when(REFRESH, given_token)  # type: ignore[arg-type]
    outcome.refused("refresh_token_invalid", kind="unauthenticated")


def refresh(token: str) -> RefreshSession:
    return RefreshSession(session_id="s1", refresh_token=token)


async def advance(mesh: MemoryMesh, seconds: float) -> None:
    await cast("FakeClock", mesh.clock).advance(seconds)


async def session_of(mesh: MemoryMesh) -> SessionTokens:
    await add(mesh)
    return await mesh.client.ask(log_in())


async def test_each_use_gives_another_token_and_the_session_goes_on() -> None:
    async with users_mesh() as mesh:
        first = await session_of(mesh)
        second = await mesh.client.ask(refresh(first.refresh_token))
        await advance(mesh, 60)
        third = await mesh.client.ask(refresh(second.refresh_token))
        assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3


async def test_an_answer_that_was_lost_is_given_again_exactly() -> None:
    async with users_mesh() as mesh:
        first = await session_of(mesh)
        second = await mesh.client.ask(refresh(first.refresh_token))
        await advance(mesh, 9)
        assert await mesh.client.ask(refresh(first.refresh_token)) == second
        assert mesh.truth.domain("users").version("session/s1") == 2


async def test_two_at_once_get_the_same_next_token() -> None:
    async with users_mesh(pools=2) as mesh:
        first = await session_of(mesh)
        one, other = await asyncio.gather(*(mesh.client.ask(refresh(first.refresh_token)) for _ in range(2)))
        assert one.refresh_token == other.refresh_token
        assert mesh.truth.domain("users").version("session/s1") == 2


async def test_a_token_used_twice_ends_the_session_for_both_who_have_it() -> None:
    async with users_mesh() as mesh:
        first = await session_of(mesh)
        second = await mesh.client.ask(refresh(first.refresh_token))
        before = await mesh.client.ask(GetStanding(user_id="ada"))
        await advance(mesh, 11)
        for token in (first.refresh_token, second.refresh_token, first.refresh_token):
            with pytest.raises(Refused) as refused:
                await mesh.client.ask(refresh(token))
            assert (refused.value.code, refused.value.kind) == ("refresh_token_invalid", "unauthenticated")
        events = [event.name for event in mesh.truth.domain("users").events["session/s1"]]
        assert events == ["session_started", "session_refreshed", "session_revoked"]
        await advance(mesh, 1)
        assert (await mesh.client.ask(GetStanding(user_id="ada"))).epoch == before.epoch + 1


@pytest.mark.parametrize(
    "ending",
    [
        RevokeSession(session_id="s1", user_id="ada"),
        RevokeSessions(user_id="ada"),
        ChangePassword(user_id="ada", current_password=PASSWORD, new_password="other horses"),
        DeactivateUser(user_id="ada", reason="asked for"),
    ],
    ids=lambda command: type(command).__name__,
)
async def test_a_session_that_was_ended_is_not_gone_on_with(ending: object) -> None:
    async with users_mesh() as mesh:
        first = await session_of(mesh)
        await mesh.client.ask(ending)  # type: ignore[call-overload]
        with pytest.raises(Refused, match="refresh_token_invalid"):
            await mesh.client.ask(refresh(first.refresh_token))


@pytest.mark.parametrize(
    "made_up", ["", "s1", "s1.0", "s1.0.", "s1..x", "s1.-1.x", "s1.9999999999999.x", "s2.0.x", "....", "\u0661"]
)
async def test_a_token_that_is_none_of_ours_changes_nothing(made_up: str) -> None:
    assert tokens().generation_of("s1", made_up) is None
    async with users_mesh() as mesh:
        first = await session_of(mesh)
        with pytest.raises(Refused):
            await mesh.client.ask(refresh(made_up))
        with pytest.raises(Refused, match="refresh_token_invalid"):
            await mesh.client.ask(refresh(first.refresh_token[:-1] + ("A" if first.refresh_token[-1] != "A" else "B")))
        assert mesh.truth.domain("users").version("session/s1") == 1
