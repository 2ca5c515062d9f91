"""Events: `client` sends counts at a steady rate whatever comes back, `consumer` notes when it sees each event."""

from __future__ import annotations

import asyncio
import os
import sys
import time
import uuid
from collections import Counter
from collections.abc import Sequence

import msgspec

from actors.mesh._ports import Acknowledge, ConsumerSpec, Delivered
from bench.load import orders, ready, run, say
from bench.peers.mesh import BLUEPRINT, open_client, telemetry
from bench.tallies import Count, Counted
from schemas.message import subject_of

CONSUMER = ConsumerSpec(BLUEPRINT.stream.name, "bench_sees", (f"{subject_of(Counted)}.*",))


async def client() -> None:
    """Send as many as are due, each on time; say for each when it was due and when it was accepted."""
    async with open_client("bench", telemetry("bench")) as (_, asking):

        async def call() -> None:
            await asking.ask(Count(tally_id=str(uuid.uuid4()), amount=1))

        async def one(due: float, found: dict[str, tuple[float, float]]) -> None:
            tally_id = str(uuid.uuid4())
            await asking.ask(Count(tally_id=tally_id, amount=1))
            found[tally_id] = (due, time.monotonic())

        if not await ready(call):
            return
        while (order := await orders()) is not None:
            rate, seconds = float(order["rate"]), float(order["s"])
            found, tasks = dict[str, tuple[float, float]](), []
            used, began = time.process_time(), time.monotonic()
            for number in range(int(rate * seconds)):
                due = began + number / rate
                if (early := due - time.monotonic()) > 0:
                    await asyncio.sleep(early)
                tasks.append(asyncio.create_task(one(due, found)))
            results = await asyncio.gather(*tasks, return_exceptions=True)
            failed = Counter(type(result).__name__ for result in results if result is not None)
            took = time.monotonic() - began
            say({"found": found, "failed": failed, "el": took, "cpu": time.process_time() - used})


async def consumer() -> None:
    """Follow the events through a durable consumer, as a reaction does; say on every line of input what was seen."""
    seen: dict[str, float] = {}
    decode = msgspec.json.Decoder(Counted).decode

    async def handle(batch: Sequence[Delivered]) -> Sequence[Acknowledge]:
        now = time.monotonic()
        for message in batch:
            seen.setdefault(decode(message.body).tally_id, now)
        return [Acknowledge()] * len(batch)

    async with open_client("watcher", telemetry("watcher")) as (bus, _):
        await bus.provision([BLUEPRINT.stream], [CONSUMER])
        await bus.follow(CONSUMER, handle)
        say({"ready": True})
        while await orders() is not None:
            say({"seen": seen})
            seen.clear()


if __name__ == "__main__":
    os.environ.setdefault("BENCH_RATIO", "0")
    run({"client": client, "consumer": consumer}[sys.argv[1]])
