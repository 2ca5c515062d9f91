"""What waits to be written: bounded in number and in time."""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from actors.mesh._errors import Fault, Overloaded, TimedOut, Unavailable
from actors.mesh.adapters.postgres.columns import guards
from actors.mesh.adapters.postgres.connect import AWAY_SECONDS
from actors.mesh.adapters.postgres.judge import Waiting

WAITING_MAX = 10_000  # about a second's work: who comes after that is better told at once
BATCH_MAX = 256  # commits a statement: measured, more gains nothing
BATCH_KEYS_MAX = 512  # advisory locks a statement: they live in a table that all connections share
UNKNOWN_SECONDS = 30.0  # a commit that was sent is asked about for longer: its caller must not guess


class Queue:
    """Commits in the order they came, and those that must be sent again before them."""

    def __init__(self) -> None:
        self._waiting: deque[Waiting] = deque()

    def __len__(self) -> int:
        return len(self._waiting)

    def put(self, waiting: Waiting) -> None:
        """Let a commit wait; raises Overloaded where too many do."""
        if len(self._waiting) >= WAITING_MAX:
            raise Overloaded(f"{WAITING_MAX} commits wait to be written")
        self._waiting.append(waiting)

    def put_back(self, batch: Sequence[Waiting], *, unknown: bool) -> None:
        """Let what has no answer yet wait in front; `unknown`: it may have been written."""
        again = [waiting for waiting in batch if not waiting.future.done()]
        for waiting in again:
            waiting.unknown = waiting.unknown or unknown
        self._waiting.extendleft(reversed(again))

    def take(self) -> list[Waiting]:
        """Return the next batch: commits that may share a statement, in order."""
        batch: list[Waiting] = []
        ids: set[str] = set()
        written: set[str] = set()
        guarded: set[str] = set()
        while self._waiting and len(batch) < BATCH_MAX:
            commit = self._waiting[0].commit
            more = guards(commit)
            keys = [part.key for part in commit.parts if part.events]
            if batch and (
                commit.command_id in ids  # sent twice at once: the second waits for what becomes of the first
                or not guarded.isdisjoint(keys)  # a key is read as it was before, or after, but not amid a statement
                or not written.isdisjoint(more)
                or len(written) + len(guarded) + len(commit.parts) > BATCH_KEYS_MAX
            ):
                break
            ids.add(commit.command_id)
            written.update(keys)
            guarded.update(more)
            batch.append(self._waiting.popleft())
        return batch

    def expire(self, now: float) -> None:
        """Tell those who have waited too long; they come in order of age, but for the few that are sent again."""
        while self._waiting:
            first = self._waiting[0]
            if now - first.since < (UNKNOWN_SECONDS if first.unknown else AWAY_SECONDS):
                return
            self._fail(self._waiting.popleft())

    def fail_all(self) -> None:
        """Tell all who wait that nobody will write."""
        while self._waiting:
            self._fail(self._waiting.popleft())

    def _fail(self, waiting: Waiting) -> None:
        fault: Fault = (
            TimedOut("the database went away under the commit")
            if waiting.unknown
            else Unavailable("the database is away")
        )
        if not waiting.future.done():
            waiting.future.set_exception(fault)
