"""A process of the contention test: decides, loses, waits its turn, and prints how often it had to try."""

from __future__ import annotations

import asyncio
import json
import random
import sys
import uuid

from actors.mesh._ports import Appended, Conflict, Contended, Journal, NewEvent, Part
from actors.mesh.adapters.postgres.store import open_postgres
from tests.ports.stores import DOMAIN, commit

LOSSES_BEFORE_TURN = 2
TURN_SECONDS = 30.0
PAUSE_SECONDS = 0.002


def say(line: str) -> None:
    """Tell the test."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


async def attempt(journal: Journal, keys: list[str], command_id: str, *, in_turn: bool) -> object:
    """Load, decide on what was loaded, append."""
    histories = await journal.load(keys)
    parts = [
        Part(key, history.version, [NewEvent("counted", json.dumps({"seen": history.version}).encode())])
        for key, history in histories.items()
    ]
    return await journal.append(commit(*parts, command_id=command_id), in_turn=in_turn)


async def decide(journal: Journal, keys: list[str], chance: random.Random) -> int:
    """Bring one command through and return how many attempts it took."""
    command_id = str(uuid.UUID(int=chance.getrandbits(128)))
    attempts = losses = 0
    while losses < LOSSES_BEFORE_TURN:
        attempts += 1
        answer = await attempt(journal, keys, command_id, in_turn=False)
        if isinstance(answer, Appended):
            return attempts
        assert isinstance(answer, Conflict | Contended), answer
        losses = LOSSES_BEFORE_TURN if isinstance(answer, Contended) else losses + 1
        await asyncio.sleep(chance.random() * PAUSE_SECONDS)
    async with journal.turn(keys, timeout_seconds=TURN_SECONDS):
        answer = await attempt(journal, keys, command_id, in_turn=True)
        assert isinstance(answer, Appended), answer
    return attempts + 1


async def write(dsn: str, seed: int, count: int, keys: list[str]) -> None:
    """Bring that many commands through, each over some of the keys."""
    chance = random.Random(seed)
    most = 0
    async with open_postgres(dsn, DOMAIN) as store:
        say("ready")
        await asyncio.to_thread(sys.stdin.readline)
        for _ in range(count):
            wanted = chance.sample(keys, chance.randint(1, len(keys)))
            most = max(most, await decide(store.journal, wanted, chance))
    say(json.dumps({"attempts_max": most}))


if __name__ == "__main__":
    asyncio.run(write(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4].split(",")))
