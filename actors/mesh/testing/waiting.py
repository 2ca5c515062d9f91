"""Waiting for something to become true, in tests that meet the real world."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable

PAUSE_SECONDS = 0.005
"""Short against anything a server does, long against a turn of the event loop."""


async def until(condition: Callable[[], bool | Awaitable[bool]], *, timeout_seconds: float = 5.0) -> None:
    """Return as soon as the condition holds; fail, naming it, where it does not hold in time."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_seconds
    while not await _holds(condition):
        if loop.time() >= deadline:
            raise AssertionError(f"not within {timeout_seconds} s: {_named(condition)}")
        await asyncio.sleep(PAUSE_SECONDS)


async def _holds(condition: Callable[[], bool | Awaitable[bool]]) -> bool:
    answer = condition()
    return await answer if inspect.isawaitable(answer) else bool(answer)


def _named(condition: Callable[[], bool | Awaitable[bool]]) -> str:
    try:
        return inspect.getsource(condition).strip()
    except (OSError, TypeError):
        return repr(condition)
