"""The journal: a domain's truth, and the outbox in front of the broker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import NamedTuple, Protocol


class NewEvent(NamedTuple):
    """An event about to be written. `body` is exact JSON with personal fields encrypted.

    `headers` is a JSON object of strings: envelope names to values (command, cause, correlation, traceparent ...).
    A private event is journaled in full; what is published of it is an empty marker at its version.
    """

    name: str
    body: bytes
    headers: str = "{}"
    private: bool = False


class Part(NamedTuple):
    """What one commit adds to one aggregate, if that is still at the version the decision saw. May add nothing."""

    key: str  # '<aggregate>/<id>', for example 'order/0192...'
    expected: int
    events: Sequence[NewEvent]


class Commit(NamedTuple):
    """One command, written all or nothing."""

    command_id: str  # canonical lower-case UUID
    message: str  # the subject without key: 'orders.command.place_order'
    principal: str  # who asked: the person in the end
    fingerprint: bytes  # keyed HMAC over message, principal and canonical body
    request: bytes  # body and recorded needs, encrypted whole
    reply: bytes  # the reply to repeat
    parts: Sequence[Part]
    inlines: Mapping[str, Sequence[Mapping[str, object]]] = {}  # rows for the same transaction, by inline table


class Remembered(NamedTuple):
    """What the journal knows of a command that was accepted."""

    command_id: str
    message: str
    principal: str
    fingerprint: bytes
    reply: bytes


class Appended(NamedTuple):
    """Written. The version each key is at now."""

    versions: Mapping[str, int]


class AlreadyDone(NamedTuple):
    """The command id was there already."""

    remembered: Remembered


class Conflict(NamedTuple):
    """Somebody else wrote one of the keys first. The version each key is at now."""

    versions: Mapping[str, int]


class Taken(NamedTuple):
    """A unique value is held by somebody else."""

    scope: str
    value: str


class Contended(NamedTuple):
    """Somebody holds the turn on one of the keys; nothing was written. Wait for your own turn."""

    keys: Sequence[str]


class Rejected(NamedTuple):
    """The database said no to this one commit (a check of an inline table, bad bytes): a bug or an inline rule."""

    reason: str


Answer = Appended | AlreadyDone | Conflict | Taken | Contended | Rejected


class StoredEvent(NamedTuple):
    """An event as the journal holds it; `at_ms` is when it was committed."""

    key: str
    version: int
    name: str
    body: bytes
    headers: str
    command_id: str
    at_ms: int
    private: bool = False


class Snapshot(NamedTuple):
    """A folded state, valid only for the code that folded it."""

    version: int
    state: bytes


class History(NamedTuple):
    """What a key holds: its version, a snapshot where one fits, and the events after that."""

    version: int
    snapshot: Snapshot | None
    events: Sequence[StoredEvent]


class Confirmation(NamedTuple):
    """What one read found: the command, if it was accepted before, and the current version of each key."""

    remembered: Remembered | None
    versions: Mapping[str, int]


class Unpublished(NamedTuple):
    """One commit's events on one key that wait for the broker's acknowledgement."""

    key: str
    first_version: int
    events: Sequence[StoredEvent]


class BrokerMark(NamedTuple):
    """What the broker had acknowledged: lets a boot see at once that it lost something."""

    born: str
    last_sequence: int


class Journal(Protocol):
    """The domain's truth. All methods raise `Unavailable` when the database is away for longer than their bound."""

    async def append(self, commit: Commit, *, in_turn: bool = False) -> Answer:
        """Write one commit; calls that arrive together share a statement.

        `in_turn`: the caller holds `turn` on all its keys.
        """
        ...

    def turn(self, keys: Sequence[str], *, timeout_seconds: float) -> AbstractAsyncContextManager[None]:
        """Hold the keys alone among all processes, from load to append; `Overloaded` where the wait is too long."""
        ...

    async def load(self, keys: Sequence[str], *, code: str = "") -> Mapping[str, History]:
        """Read whole keys; `code` names the fold whose snapshots may be used, empty for none."""
        ...

    async def keep_snapshot(self, key: str, code: str, snapshot: Snapshot) -> None:
        """Remember a folded state."""
        ...

    async def confirm(self, command_id: str, keys: Sequence[str]) -> Confirmation:
        """Read, in one trip, whether a command was accepted and where its keys are now."""
        ...

    async def events(self, key: str, after_version: int, limit: int) -> Sequence[StoredEvent]:
        """Read some events of one key, in order."""
        ...

    async def inline_rows(self, table: str, where: Mapping[str, object], limit: int) -> Sequence[Mapping[str, object]]:
        """Read rows of an inline table, equal in all given columns."""
        ...


class Outbox(Protocol):
    """The journal's rows that JetStream has not acknowledged yet."""

    async def take(self, *, older_than_seconds: float, limit: int) -> Sequence[Unpublished]:
        """Return the oldest rows, by time, key and version. One process at a time gets any: an elected sweeper."""
        ...

    async def clear(self, published: Sequence[tuple[str, int]], mark: BrokerMark | None) -> None:
        """Forget rows (key, first version) that are acknowledged, and remember how far the broker is."""
        ...

    async def waiting(self, keys: Sequence[str]) -> frozenset[str]:
        """Return which of the keys still have rows."""
        ...

    async def count(self) -> int:
        """Return how many rows wait."""
        ...

    async def mark(self) -> BrokerMark | None:
        """Return what the broker had acknowledged."""
        ...

    async def put_back(self, stored: AsyncIterator[tuple[str, int]], mark: BrokerMark) -> int:
        """Put back every commit whose events (key, version) are not among the stored ones; count them."""
        ...
