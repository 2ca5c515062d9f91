"""Bad weather for a platform: parts of it are killed, one every few seconds, and its keepers bring them back."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from infra.local.platform import LocalPlatform


@asynccontextmanager
async def kills(
    platform: LocalPlatform, seed: int, *, victims: Sequence[str], every_seconds: float, kills_max: int = 1_000
) -> AsyncIterator[list[str]]:
    """Kill -9 one live part after another, all before any comes again; the list tells which, in order."""
    struck: list[str] = []
    weather = asyncio.create_task(_strike(platform, seed, victims, every_seconds, kills_max, struck))
    try:
        yield struck
    finally:
        weather.cancel()
        await asyncio.gather(weather, return_exceptions=True)


async def _strike(
    platform: LocalPlatform,
    seed: int,
    victims: Sequence[str],
    every_seconds: float,
    kills_max: int,
    struck: list[str],
) -> None:
    dice = random.Random(seed)  # noqa: S311  chance that can be had again, not secrecy
    coming: list[str] = []
    while len(struck) < kills_max:
        await asyncio.sleep(every_seconds * (0.5 + dice.random()))
        coming = coming or dice.sample(victims, len(victims))
        victim = coming.pop()
        if victim in platform.pids():
            platform.kill(victim)
            struck.append(victim)
