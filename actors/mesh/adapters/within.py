"""Waiting for a store, never longer than a bound."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

Result = TypeVar("Result")


async def within(seconds: float, work: Coroutine[Any, Any, Result]) -> Result:
    """Return the work's result, or raise TimeoutError when the time is over.

    Unlike asyncio.timeout it does not wait for the work to notice: a driver that tidies up behind a cancelled call may
    itself wait for the server that does not answer.
    """
    task = asyncio.ensure_future(work)
    try:
        done, _ = await asyncio.wait((task,), timeout=seconds)
    finally:
        if not task.done():
            task.add_done_callback(_look_away)
            task.cancel()
    if not done:
        raise TimeoutError
    return task.result()


def _look_away(task: asyncio.Task[Any]) -> None:
    """Take the result of work nobody waits for any more, so that asyncio does not complain that nobody did."""
    if not task.cancelled():
        task.exception()
