"""Users on real servers: one address one user whatever arrives at once, sessions that end, a cache that may be lost."""

from __future__ import annotations

import asyncio
import uuid

import pytest
import redis.asyncio

from actors.mesh import Refused
from schemas.principal import SessionTokens, Standing
from schemas.users import (
    AddUser,
    DeactivateUser,
    GetStanding,
    ListSessions,
    LogIn,
    RefreshSession,
    RegisterUser,
    RevokeSessions,
    SetRoles,
)
from tests.integration.shop_platform import ShopPlatform

pytestmark = pytest.mark.asyncio(loop_scope="session")

PASSWORD = "correct horse"


def fresh() -> str:
    return uuid.uuid4().hex


async def added(shop: ShopPlatform) -> tuple[str, str]:
    """Add a customer nobody knows; return their id and address."""
    user_id = fresh()
    email = f"{user_id}@example.org"
    command = AddUser(user_id=user_id, name="Ada", email=email, password=PASSWORD, roles=("customer",))
    await shop.client.ask(command)
    return user_id, email


async def logged_in(shop: ShopPlatform, email: str) -> SessionTokens:
    return await shop.client.ask(LogIn(session_id=fresh(), email=email, password=PASSWORD, device="phone"))


async def refreshed(shop: ShopPlatform, tokens: SessionTokens) -> SessionTokens:
    return await shop.client.ask(RefreshSession(session_id=tokens.session_id, refresh_token=tokens.refresh_token))


async def test_of_many_registrations_at_once_one_gets_the_address_and_the_neighbours_are_not_held_up(
    shop: ShopPlatform,
) -> None:
    contested = f"{fresh()}@example.org"

    def register(email: str) -> RegisterUser:
        return RegisterUser(user_id=fresh(), name="Ada", email=email, password=PASSWORD)

    same = [register(contested.upper() if number % 2 else contested) for number in range(8)]
    neighbours = [register(f"{fresh()}@example.org") for _ in range(8)]
    mixed = [command for pair in zip(same, neighbours, strict=True) for command in pair]
    answers = await asyncio.gather(*map(shop.client.ask, mixed), return_exceptions=True)
    codes = [getattr(answer, "code", "accepted") for answer in answers]
    assert sorted(codes[::2]) == ["accepted"] + ["email_taken"] * 7
    assert codes[1::2] == ["accepted"] * 8
    written = [await shop.version("users", f"user/{command.user_id}") for command in same]
    assert sorted(written) == [0] * 7 + [4], "who was refused has left nothing"


async def test_a_row_says_what_tokens_are_worth_from_the_very_commit_on(shop: ShopPlatform) -> None:
    user_id, _ = await added(shop)
    for command in (SetRoles(user_id=user_id, roles=("support",)), RevokeSessions(user_id=user_id)):
        await shop.client.ask(command)
    row = await shop.database.fetchrow("SELECT * FROM users.epochs WHERE user_id = $1", user_id)
    assert dict(row) == {
        "user_id": user_id, "status": "active", "epoch": 3, "sessions_epoch": 3, "roles": ["support"],
    }  # fmt: skip


async def test_a_refresh_token_used_twice_ends_the_session(shop: ShopPlatform) -> None:
    user_id, email = await added(shop)
    first = await logged_in(shop, email)
    second = await refreshed(shop, first)
    assert await refreshed(shop, first) == second, "an answer that was lost is given again"
    third = await refreshed(shop, second)
    for stolen in (first, third):
        with pytest.raises(Refused, match="refresh_token_invalid"):
            await refreshed(shop, stolen)
    names = await shop.names("users", f"session/{first.session_id}")
    assert names == {"session_started": 1, "session_refreshed": 2, "session_revoked": 1}
    row = await shop.database.fetchrow("SELECT epoch FROM users.epochs WHERE user_id = $1", user_id)
    assert row["epoch"] == 2


async def test_a_closed_account_is_out(shop: ShopPlatform) -> None:
    user_id, email = await added(shop)
    tokens = await logged_in(shop, email)
    await shop.client.ask(DeactivateUser(user_id=user_id, reason="asked for"))
    with pytest.raises(Refused, match="refresh_token_invalid"):
        await refreshed(shop, tokens)
    with pytest.raises(Refused, match="credentials_invalid"):
        await logged_in(shop, email)


async def test_standing_is_the_same_after_the_cache_was_lost(shop: ShopPlatform) -> None:
    user_id, email = await added(shop)
    await logged_in(shop, email)
    await shop.client.ask(RevokeSessions(user_id=user_id))
    await shop.at_rest([])
    before = await shop.client.ask(GetStanding(user_id=user_id))
    async with redis.asyncio.from_url(shop.platform.endpoints.redis) as client:
        lost = [key async for key in client.scan_iter("{users:}:*")]
        assert lost, "the cache was in use"
        await client.delete(*lost)
    assert await shop.client.ask(GetStanding(user_id=user_id)) == before
    assert before == Standing(user_id=user_id, status="active", epoch=2, sessions_epoch=2, roles=("customer",))
    sessions = (await shop.client.ask(ListSessions(user_id=user_id))).sessions
    assert [session.status for session in sessions] == ["revoked"]


async def test_what_is_told_of_a_password_is_that_there_is_one(shop: ShopPlatform) -> None:
    user_id, _ = await added(shop)
    rows = await shop.events("users", f"user/{user_id}")
    (private,) = [row for row in rows if row["private"]]
    assert private["name"] == "password_set"
    assert b"$argon2id$v=19$m=19456,t=2,p=1$" in private["body"]
