"""GetStanding."""

from collections.abc import Collection, Mapping

import pytest

from actors import users
from actors.mesh import Refused, Unavailable
from actors.mesh.testing.given import given_actor
from actors.mesh.testing.memory_mesh import MemoryMesh
from schemas.principal import Principal, Standing
from schemas.users import DeactivateUser, GetStanding, SetRoles
from tests.unit.users.people import ACTIVE, DEACTIVATED, UNVERIFIED, add, users_mesh


@pytest.mark.parametrize(
    ("past", "standing"),
    [
        (UNVERIFIED, Standing(user_id="ada", status="unverified", epoch=1, sessions_epoch=1, roles=("customer",))),
        (ACTIVE, Standing(user_id="ada", status="active", epoch=2, sessions_epoch=1, roles=("customer",))),
        (DEACTIVATED, Standing(user_id="ada", status="deactivated", epoch=3, sessions_epoch=3, roles=("customer",))),
    ],
)
def test_it_is_what_the_last_epoch_says(past: tuple[object, ...], standing: Standing) -> None:
    given_actor(users.actor, *past).asked(GetStanding(user_id="ada")).answered(standing)  # type: ignore[arg-type]


def test_an_unknown_user_is_refused() -> None:
    given_actor(users.actor).asked(GetStanding(user_id="ada")).refused("user_unknown", kind="not_found")


async def settled(mesh: MemoryMesh) -> Standing:
    """Give ada a past of three epochs; return how she stands."""
    await add(mesh)
    await mesh.client.ask(SetRoles(user_id="ada", roles=("support",)))
    await mesh.client.ask(DeactivateUser(user_id="ada", reason="asked for"))
    await mesh.clock.sleep(1)
    return await mesh.client.ask(GetStanding(user_id="ada"))


async def test_a_flushed_cache_is_filled_from_the_journal() -> None:
    async with users_mesh() as mesh:
        before = await settled(mesh)
        await mesh.hot["users"].wipe("standing")
        assert await mesh.client.ask(GetStanding(user_id="ada")) == before
        assert before == Standing(user_id="ada", status="deactivated", epoch=3, sessions_epoch=3, roles=("support",))


async def test_where_the_cache_is_away_the_row_that_was_written_with_the_event_says_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def away(view: str, keys: Collection[str]) -> Mapping[str, object]:
        raise Unavailable("redis is away")

    async with users_mesh() as mesh:
        before = await settled(mesh)
        monkeypatch.setattr(mesh.hot["users"], "get", away)
        assert await mesh.client.ask(GetStanding(user_id="ada")) == before
        with pytest.raises(Refused, match="user_unknown"):
            await mesh.client.ask(GetStanding(user_id="eve"))


@pytest.mark.parametrize("role", ["anonymous", "customer", "support", "operator"])
async def test_only_the_gateway_asks(role: str) -> None:
    async with users_mesh() as mesh:
        await add(mesh)
        with pytest.raises(Refused, match="permission_missing"):
            await mesh.client_of(Principal(subject="ada", roles=(role,))).ask(GetStanding(user_id="ada"))  # type: ignore[arg-type]
