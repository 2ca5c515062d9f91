"""Processes in one event loop: all that runs in one can be ended at once, as `kill -9` would end it."""

from __future__ import annotations

import asyncio
import weakref
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from contextvars import Context, ContextVar
from typing import Any

from actors.mesh.testing.clock import DRIVER


class Died(asyncio.CancelledError):
    """The process is gone. No `except Exception` may catch it, and a task that ends by it has ended quietly."""


class Process:
    """What one process runs. Tasks that a task of it starts are its own."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.alive = True
        self.at_end: list[Callable[[], None]] = []
        # Not a set: they end in the order they began in, so that one seed is one schedule.
        self._tasks: weakref.WeakKeyDictionary[asyncio.Task[Any], None] = weakref.WeakKeyDictionary()

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Start tasks in this process."""
        token = INSIDE.set(self)
        try:
            yield
        finally:
            INSIDE.reset(token)

    def adopt(self, task: asyncio.Task[Any]) -> None:
        self._tasks[task] = None

    def end(self) -> None:
        """End it now: nothing of it goes on, and what it held on to in the world is let go."""
        if not self.alive:
            return
        self.alive = False
        for task in tuple(self._tasks):
            if not task.done() and task.get_name() != DRIVER:  # the clock goes on without whoever woke it
                task.cancel()
        for let_go in self.at_end:
            let_go()


INSIDE: ContextVar[Process | None] = ContextVar("inside", default=None)


def die() -> None:
    """End the process this is called in: what a chaos point strikes with."""
    process = INSIDE.get()
    assert process is not None, "a chaos point was passed outside of every process"
    process.end()
    raise Died


def count_tasks(loop: asyncio.AbstractEventLoop) -> None:
    """Let every task be known to the process it runs in."""

    def make(
        loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, Any], *, context: Context | None = None
    ) -> asyncio.Task[Any]:
        task: asyncio.Task[Any] = asyncio.Task(work, loop=loop, context=context)
        process = INSIDE.get() if context is None else context.get(INSIDE)
        if process is not None:
            process.adopt(task)
            if not process.alive:
                task.cancel()
        return task

    loop.set_task_factory(make)  # type: ignore[arg-type]  # typeshed's factory takes no context before 3.13
