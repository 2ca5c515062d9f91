"""Reads that share a statement: those that arrive while one is under way form the next, as appends do."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from actors.mesh._errors import Fault, Overloaded

Question = TypeVar("Question")
Reply = TypeVar("Reply")

SHARED_MAX = 256  # questions a statement
QUESTIONS_MAX = 10_000  # that wait: who comes after is better told at once


class Sharing(Generic[Question, Reply]):
    """Calls `ask` with all questions that wait, one call at a time."""

    def __init__(self, ask: Callable[[Sequence[Question]], Awaitable[Sequence[Reply]]]) -> None:
        self._ask = ask
        self._waiting: deque[tuple[Question, asyncio.Future[Reply]]] = deque()
        self._asking: asyncio.Task[None] | None = None

    async def ask(self, question: Question) -> Reply:
        """Return the reply to one question."""
        if len(self._waiting) >= QUESTIONS_MAX:
            raise Overloaded(f"{QUESTIONS_MAX} reads wait")
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, future))
        if self._asking is None or self._asking.done():
            self._asking = asyncio.create_task(self._ask_all())
        return await future

    async def close(self) -> None:
        """Ask nothing more."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.gather(self._asking, return_exceptions=True)
        for _, future in self._waiting:
            future.cancel()

    async def _ask_all(self) -> None:
        await asyncio.sleep(0)  # whoever is ready in this tick comes along
        while self._waiting:
            count = min(len(self._waiting), SHARED_MAX)
            batch = [self._waiting.popleft() for _ in range(count)]
            await self._ask_batch([entry for entry in batch if not entry[1].done()])

    async def _ask_batch(self, batch: Sequence[tuple[Question, asyncio.Future[Reply]]]) -> None:
        if not batch:
            return
        (answer,) = await asyncio.gather(self._ask([question for question, _ in batch]), return_exceptions=True)
        if isinstance(answer, Exception) and len(batch) > 1 and not isinstance(answer, Fault):
            for entry in batch:  # one bad question must not be everybody's error
                await self._ask_batch([entry])
            return
        for position, (_, future) in enumerate(batch):
            if future.done():
                continue
            if isinstance(answer, BaseException):
                future.set_exception(answer)
            else:
                future.set_result(answer[position])
