"""Rows that must not be lost: sagas, effects, timers, dead letters, what became of tells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple, Protocol

SagaStatus = Literal["heard", "running", "undoing", "done", "undone"]
"""`heard`: events have come that it follows, and the one that starts it has not, or never will."""


class SagaRow(NamedTuple):
    """One running saga. `document` is its whole state; `next_at_ms` is when to look at it again, 0 for never."""

    saga: str
    key: str
    revision: int  # 0: not there yet
    status: SagaStatus
    next_at_ms: int
    document: bytes


class SagaRows(Protocol):
    """Where sagas live."""

    async def load(self, saga: str, key: str) -> SagaRow | None: ...

    async def save(self, row: SagaRow) -> bool:
        """Write the row as revision + 1 if it still is at its revision; return whether it was."""
        ...

    async def due(self, saga: str, now_ms: int, limit: int) -> Sequence[SagaRow]:
        """Return unfinished rows whose time has come, oldest first."""
        ...

    async def unfinished(self, saga: str) -> Mapping[SagaStatus, int]:
        """Return how many that have started are running and undoing."""
        ...


class EffectRow(NamedTuple):
    """Work in the outside world, begun because of an event. `event` is the whole delivered event, to do it again."""

    event_id: str  # 'payment/p1@3'
    performer: str
    attempts: int
    next_at_ms: int
    event: bytes


class EffectRows(Protocol):
    """What was begun outside, so that it is asked about and never done twice."""

    async def begin(self, row: EffectRow) -> bool:
        """Write the row; return whether it was new."""
        ...

    async def lease(self, performer: str, now_ms: int, until_ms: int, limit: int) -> Sequence[EffectRow]:
        """Return unfinished rows whose time has come, counted up one attempt and put off until then."""
        ...

    async def put_off(self, row: EffectRow, next_at_ms: int) -> None:
        """Let it be leased again at that time, unless it is finished or another attempt has begun since."""
        ...

    async def finish(self, event_id: str, performer: str) -> None: ...

    async def count(self, performer: str) -> int:
        """Return how many are unfinished."""
        ...


class TimerRow(NamedTuple):
    """A command to send when its time comes. Written inline with the event that set it."""

    timer_id: str
    due_at_ms: int
    attempts: int
    message: str  # subject without key
    body: bytes
    headers: str


class TimerRows(Protocol):
    """Timers are set by inline rows of the table `timers` (columns: timer_id, due_at_ms, message, body, headers)."""

    async def lease(self, now_ms: int, until_ms: int, limit: int) -> Sequence[TimerRow]:
        """Return timers whose time has come, counted up one attempt and put off until then."""
        ...

    async def finish(self, timer_id: str) -> None: ...


class DeadLetter(NamedTuple):
    """A message that could not be dealt with. `body` is encrypted whole; `headers` is a JSON object of strings."""

    letter_id: str
    subject: str
    reader: str
    reason: str
    detail: str
    headers: str
    body: bytes
    at_ms: int
    attempts: int


class DeadLetterRows(Protocol):
    """Where messages wait for a person."""

    async def park(self, letter: DeadLetter) -> None:
        """Keep it; the same letter id again changes nothing."""
        ...

    async def list(self, after_id: str, limit: int) -> Sequence[DeadLetter]: ...

    async def count(self) -> int: ...

    async def get(self, letter_id: str) -> DeadLetter | None: ...

    async def remove(self, letter_id: str) -> bool: ...


TellEnding = Literal["refused", "dead"]


class TellRow(NamedTuple):
    """What became of a told command that was not accepted, for who told it. `refusal` is encrypted whole.

    The accepted ones are in the journal.
    """

    command_id: str
    principal: str  # who told it: the person in the end
    subject: str  # 'inventory.tell.receive_stock.cup-blue'
    ending: TellEnding
    refusal: bytes
    issued_at_ms: int  # as its sender said: tells one telling of a command from the next
    at_ms: int


class TellRows(Protocol):
    """How tells ended, kept for a while."""

    async def keep(self, row: TellRow) -> None:
        """Keep it in the place of an earlier one of the same command and principal."""
        ...

    async def get(self, command_id: str, principal: str) -> TellRow | None: ...

    async def latest(self, command_id: str) -> TellRow | None:
        """Return the latest of anybody's, for those who may see all."""
        ...

    async def forget(self, before_ms: int, limit: int) -> int:
        """Delete rows older than that, so many at most; return how many those were."""
        ...
