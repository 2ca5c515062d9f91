"""Told commands while messages are lost and doubled and pools die at any point: each is done exactly once."""

from __future__ import annotations

import pytest

from actors.mesh._errors import Fault
from actors.mesh.testing.memory_mesh import MemoryMesh
from actors.mesh.testing.quiet import at_rest
from actors.mesh.testing.toys import LoudBell, counters, limits
from actors.mesh.testing.toys.counters import Count, CountWithin
from actors.mesh.testing.toys.limits import SetLimit
from actors.mesh.testing.weather import StrayChaos, Weather
from schemas.envelope import Envelope, derived_id
from schemas.message import Accepted, Command

KEYS = 4
ROUNDS = 10


async def insist(mesh: MemoryMesh, command: Command[Accepted], name: str) -> str:
    """Tell it until a stream has it, always under the same id."""
    while True:
        try:
            return await mesh.client.tell(command, Envelope(command_id=derived_id("test", name)))
        except Fault:
            await mesh.clock.sleep(0.5)


@pytest.mark.parametrize("seed", range(6))
async def test_each_told_command_is_done_once_whatever_dies(seed: int) -> None:
    weather = Weather(seed, rough=0.1, deadly=0.02)
    mesh = MemoryMesh(
        (counters.actor, limits.actor), outside={counters.BELL: LoudBell()}, pools_per_domain=2, weather=weather,
        chaos=StrayChaos(weather),
    )  # fmt: skip
    async with mesh:
        mesh.revive()
        for key in range(KEYS):
            await insist(mesh, SetLimit(limit_id=f"c{key}", most=100), f"limit {key}")
        await mesh.clock.sleep(90)  # what a pool took and died on comes again after 30
        ids = []
        for turn in range(ROUNDS):
            for key in range(KEYS):
                kind = Count if turn % 2 else CountWithin
                ids.append(await insist(mesh, kind(counter_id=f"c{key}", amount=1), f"{key} {turn}"))
        await mesh.clock.sleep(60)
        weather.cleared = True
        await mesh.revived()
        await at_rest(mesh, within_seconds=1200)
        tables = mesh.truth.domain("counters")
        assert [tables.version(f"counter/c{key}") for key in range(KEYS)] == [ROUNDS] * KEYS
        endings = {(await mesh.client.outcome_of_tell("counters", command_id)).ending for command_id in ids}
        assert endings == {"accepted"}
        assert list(tables.dead_letters) == []
        assert any(what.startswith("killed") for what in weather.happened), weather.happened
