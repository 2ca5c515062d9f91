"""The Journal port in memory, with the answers of the real one."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager

import msgspec

from actors.mesh._errors import Overloaded
from actors.mesh._ports import (
    AlreadyDone,
    Answer,
    Appended,
    Clock,
    Commit,
    Confirmation,
    Conflict,
    Contended,
    History,
    Part,
    Rejected,
    Remembered,
    Snapshot,
    StoredEvent,
    Taken,
    TimerRow,
)
from actors.mesh.adapters.commit_rules import CLAIMS, TIMERS, fault_of, freed_claims, wanted_claims
from actors.mesh.adapters.memory.truth import DomainTables, InlineTable, MemoryTruth, WaitingRow


class MemoryJournal:
    """One domain's journal over a truth that others may share."""

    def __init__(
        self, truth: MemoryTruth, domain: str, clock: Clock, appended: Callable[[Sequence[Commit]], None]
    ) -> None:
        self._truth = truth
        self._tables: DomainTables = truth.domain(domain)
        self._clock = clock
        self._appended = appended

    async def append(self, commit: Commit, *, in_turn: bool = False) -> Answer:
        """Write one commit, or say why not."""
        if reason := fault_of(commit):
            return Rejected(reason)
        await asyncio.sleep(0)  # as behind a group commit: whoever is ready in this tick comes along
        if (refusal := self._refusal(commit, in_turn)) is not None:
            return refusal
        try:
            inlines = self._inlines_after(commit)
        except (ValueError, TypeError, KeyError) as error:
            return Rejected(str(error))
        self._write(commit, inlines)
        self._appended([commit])
        return Appended({part.key: part.expected + len(part.events) for part in commit.parts})

    def _refusal(self, commit: Commit, in_turn: bool) -> Answer | None:
        tables = self._tables
        if (remembered := tables.commands.get(commit.command_id)) is not None:
            return AlreadyDone(remembered)
        held = sorted(part.key for part in commit.parts if part.key in tables.turns and tables.turns[part.key].locked())
        if held and not in_turn:
            return Contended(held)
        versions = {part.key: tables.version(part.key) for part in commit.parts}
        if any(versions[part.key] != part.expected for part in commit.parts):
            return Conflict(versions)
        freed = freed_claims(commit)
        for claim in wanted_claims(commit):
            holder = tables.claims.get(claim)
            if holder is not None and freed.get(claim) != holder:
                return Taken(*claim)
        return None

    def _inlines_after(self, commit: Commit) -> dict[str, InlineTable]:
        """Return the inline tables as they will be; a rule that says no raises before anything is written."""
        after: dict[str, InlineTable] = {}
        for table, rows in sorted(commit.inlines.items()):
            plain = msgspec.json.decode(msgspec.json.encode(rows), type=list[dict[str, object]])
            if table == TIMERS:
                timers_of(plain, self._tables.timers)
            if table in (CLAIMS, TIMERS):
                continue
            rule = self._truth.inline_rule(table)
            if rule is None:
                raise ValueError(f"there is no inline table {table}")
            after[table] = list(self._tables.inlines.get(table, ()))
            rule(after[table], plain)
        return after

    def _write(self, commit: Commit, inlines: dict[str, InlineTable]) -> None:
        tables, now_ms = self._tables, self._clock.now_ms()
        tables.commands[commit.command_id] = Remembered(
            commit.command_id, commit.message, commit.principal, commit.fingerprint, commit.reply
        )
        for part in commit.parts:
            if part.events:
                tables.events.setdefault(part.key, []).extend(stored_events(part, commit.command_id, now_ms))
                tables.unpublished[part.key, part.expected + 1] = WaitingRow(
                    now_ms, len(tables.commands), len(part.events)
                )
        for claim, key in freed_claims(commit).items():
            if tables.claims.get(claim) == key:
                del tables.claims[claim]
        tables.claims.update(wanted_claims(commit))
        tables.inlines.update(inlines)
        plain = msgspec.json.decode(msgspec.json.encode(commit.inlines.get(TIMERS, ())), type=list[dict[str, object]])
        for timer in timers_of(plain, tables.timers):
            tables.timers[timer.timer_id] = timer
            tables.timers_next_at_ms[timer.timer_id] = timer.due_at_ms

    @asynccontextmanager
    async def turn(self, keys: Sequence[str], *, timeout_seconds: float) -> AsyncIterator[None]:
        """Hold the keys alone among all stores of this truth."""
        async with AsyncExitStack() as held:
            for key in sorted(set(keys)):
                lock = self._tables.turns.setdefault(key, asyncio.Lock())
                await self._acquire(lock, timeout_seconds)
                held.callback(lock.release)
            yield

    async def _acquire(self, lock: asyncio.Lock, timeout_seconds: float) -> None:
        if not lock.locked():
            await lock.acquire()
            return
        taking = asyncio.ensure_future(lock.acquire())
        timer = asyncio.ensure_future(self._clock.sleep(timeout_seconds))
        try:
            await asyncio.wait((taking, timer), return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            if not taking.cancel() and not taking.cancelled():
                lock.release()  # it was ours in the very tick we were cancelled
            raise
        finally:
            timer.cancel()
        if not taking.done():
            taking.cancel()
            raise Overloaded("another process holds the turn on a key for too long")

    async def load(self, keys: Sequence[str], *, code: str = "") -> Mapping[str, History]:
        """Read whole keys."""
        await asyncio.sleep(0)
        return {key: self._history(key, code) for key in keys}

    def _history(self, key: str, code: str) -> History:
        events = self._tables.events.get(key, [])
        snapshot = self._tables.snapshots.get((key, code)) if code else None
        if snapshot is not None and snapshot.version > len(events):
            snapshot = None  # it remembers a future that the journal has lost
        return History(len(events), snapshot, tuple(events[snapshot.version if snapshot else 0 :]))

    async def keep_snapshot(self, key: str, code: str, snapshot: Snapshot) -> None:
        """Remember a folded state unless a later one is there."""
        known = self._tables.snapshots.get((key, code))
        if known is None or known.version < snapshot.version:
            self._tables.snapshots[key, code] = snapshot

    async def confirm(self, command_id: str, keys: Sequence[str]) -> Confirmation:
        """Read whether a command was accepted and where its keys are now."""
        await asyncio.sleep(0)
        return Confirmation(self._tables.commands.get(command_id), {key: self._tables.version(key) for key in keys})

    async def events(self, key: str, after_version: int, limit: int) -> Sequence[StoredEvent]:
        """Read some events of one key, in order."""
        return tuple(self._tables.events.get(key, [])[after_version : after_version + limit])

    async def inline_rows(self, table: str, where: Mapping[str, object], limit: int) -> Sequence[Mapping[str, object]]:
        """Read rows of an inline table, equal in all given columns."""
        if self._truth.inline_rule(table) is None and table not in (CLAIMS, TIMERS):
            raise ValueError(f"there is no inline table {table}")
        matching = [row for row in self._rows(table) if all(row.get(column) == where[column] for column in where)]
        return matching[:limit]

    def _rows(self, table: str) -> InlineTable:
        if table == CLAIMS:
            return [{"scope": scope, "value": value, "key": key} for (scope, value), key in self._tables.claims.items()]
        if table == TIMERS:
            return [msgspec.to_builtins(timer._asdict()) for timer in self._tables.timers.values()]
        return self._tables.inlines.get(table, [])


def stored_events(part: Part, command_id: str, at_ms: int) -> list[StoredEvent]:
    """Return a part's events as the journal holds them."""
    return [
        StoredEvent(part.key, version, event.name, event.body, event.headers, command_id, at_ms, event.private)
        for version, event in enumerate(part.events, part.expected + 1)
    ]


def timers_of(rows: Sequence[Mapping[str, object]], known: Mapping[str, TimerRow]) -> list[TimerRow]:
    """Return inline rows (as JSON brings them, the body in base64) as timers; ValueError where one is not new."""
    timers: dict[str, TimerRow] = {}
    for row in rows:
        timer = TimerRow(
            timer_id=str(row["timer_id"]),
            due_at_ms=int(str(row["due_at_ms"])),
            attempts=0,
            message=str(row["message"]),
            body=base64.b64decode(str(row["body"])),
            headers=str(row.get("headers", "{}")),
        )
        if timer.timer_id in known or timer.timer_id in timers:
            raise ValueError("a timer of that id is there already")
        timers[timer.timer_id] = timer
    return list(timers.values())
