"""Tasks that work beside the one that started them: so many at a time, heard of when they stumble, ended together."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from actors.mesh._log import get_logger

log = get_logger()


class Crew:
    """A bounded set of tasks by name. Whoever starts one waits for a place, and with it whatever feeds it."""

    def __init__(self, at_once_max: int) -> None:
        self._room = asyncio.Semaphore(at_once_max)
        self._tasks: set[asyncio.Task[None]] = set()

    async def start(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        """Run the work when there is a place."""
        try:
            await self._room.acquire()
        except asyncio.CancelledError:
            work.close()
            raise
        self._run(name, work)

    async def start_what(self, begin: Callable[[], Awaitable[tuple[str, Coroutine[Any, Any, None]] | None]]) -> bool:
        """Begin work only when there is a place, so that nothing begun waits for one; return whether there was any."""
        await self._room.acquire()
        try:
            begun = await begin()
        except BaseException:
            self._room.release()
            raise
        if begun is None:
            self._room.release()
            return False
        self._run(*begun)
        return True

    def _run(self, name: str, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def runs(self, name: str) -> bool:
        """Return whether work of that name is under way."""
        return any(task.get_name() == name for task in self._tasks)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        self._room.release()
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("work stumbled; the scan takes it up again", work=task.get_name(), error=repr(error))

    async def stop(self) -> None:
        """End what is under way; it is written down, and the next process takes it up."""
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
