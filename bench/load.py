"""The load inside a client's process, steered by JSON lines: the protocol of the yardsticks, so that theirs fit too.

In: `{"c": 64, "s": 1.5}`. Out: `{"n", "el", "cpu", "p50", "p99", "err"}`, latencies in microseconds. The first line
that is written is `{"ready": true}`, once a call has worked.
"""

from __future__ import annotations

import asyncio
import gc
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any

import msgspec
import uvloop

TRIES_UNTIL_READY = 400
PAUSE_SECONDS = 0.05
ERRORS_MAX = 1000

Call = Callable[[], Awaitable[object]]


def run(work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """Run a peer's process on the loop that the services run on."""
    uvloop.run(work())


def say(answer: object) -> None:
    """Write one line for whoever steers."""
    print(msgspec.json.encode(answer).decode(), flush=True)


def percentile(ordered: Sequence[float], share: float) -> float:
    """Return the value below which a share of the ordered values lies."""
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0.0


async def ready(call: Call) -> bool:
    """Call until it works; the server may not be up yet. Say which it is."""
    why = "never called"
    for _ in range(TRIES_UNTIL_READY):
        try:
            await call()
        except Exception as error:  # noqa: BLE001 - told, if it stays that way
            why = repr(error)
            await asyncio.sleep(PAUSE_SECONDS)
        else:
            say({"ready": True})
            gc.collect()
            gc.freeze()
            return True
    say({"ready": False, "why": why})
    return False


async def orders() -> dict[str, Any] | None:
    """Return the next line of whoever steers, None when there is none any more."""
    line = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    return msgspec.json.decode(line) if line else None


async def steer(call: Call) -> None:
    """Answer every order with one closed-loop measurement of a call."""
    if not await ready(call):
        return
    while (order := await orders()) is not None:
        say(await closed_loop(call, int(order["c"]), float(order["s"])))


async def closed_loop(call: Call, callers: int, seconds: float) -> dict[str, float]:
    """Keep so many calls under way for so long."""
    clock, latencies, errors = time.perf_counter, list[float](), 0
    end = clock() + seconds

    async def caller() -> None:
        nonlocal errors
        while (began := clock()) < end:
            try:
                await call()
            except Exception:
                errors += 1
                if errors > ERRORS_MAX:
                    raise
            else:
                latencies.append(clock() - began)

    began, used = clock(), time.process_time()
    await asyncio.gather(*(caller() for _ in range(callers)))
    took, used = clock() - began, time.process_time() - used
    latencies.sort()
    return {
        "n": len(latencies),
        "el": took,
        "cpu": used,
        "err": errors,
        "p50": percentile(latencies, 0.5) * 1e6,
        "p99": percentile(latencies, 0.99) * 1e6,
    }
