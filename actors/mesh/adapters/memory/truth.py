"""What outlives a process: the tables of every domain, as plain containers that several stores may share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from weakref import WeakValueDictionary

from actors.mesh._ports import (
    BrokerMark,
    DeadLetter,
    EffectRow,
    Remembered,
    SagaRow,
    Snapshot,
    StoredEvent,
    TellRow,
    TimerRow,
)
from actors.mesh.adapters.commit_rules import Claim

InlineTable = list[Mapping[str, object]]
InlineRule = Callable[[InlineTable, Sequence[Mapping[str, object]]], None]


def simply_add(table: InlineTable, added: Sequence[Mapping[str, object]]) -> None:
    """Add the rows: the rule of an inline table that has none. A rule that says no raises ValueError."""
    table.extend(added)


class WaitingRow(NamedTuple):
    """One commit's events on one key in the outbox; `turn` orders commits of one millisecond."""

    at_ms: int
    turn: int
    events: int


@dataclass(slots=True)
class DomainTables:
    """One domain's tables. The names are those of the PostgreSQL schema."""

    commands: dict[str, Remembered] = field(default_factory=dict)
    events: dict[str, list[StoredEvent]] = field(default_factory=dict)
    unpublished: dict[tuple[str, int], WaitingRow] = field(default_factory=dict)
    claims: dict[Claim, str] = field(default_factory=dict)
    snapshots: dict[tuple[str, str], Snapshot] = field(default_factory=dict)
    broker: BrokerMark | None = None
    sagas: dict[tuple[str, str], SagaRow] = field(default_factory=dict)
    effects: dict[tuple[str, str], EffectRow] = field(default_factory=dict)
    effects_finished: set[tuple[str, str]] = field(default_factory=set)
    timers: dict[str, TimerRow] = field(default_factory=dict)
    timers_next_at_ms: dict[str, int] = field(default_factory=dict)
    dead_letters: dict[str, DeadLetter] = field(default_factory=dict)
    tells: dict[tuple[str, str], TellRow] = field(default_factory=dict)
    inlines: dict[str, InlineTable] = field(default_factory=dict)
    turns: WeakValueDictionary[str, asyncio.Lock] = field(default_factory=WeakValueDictionary)
    sweeper: object | None = None

    def version(self, key: str) -> int:
        """Return the version a key is at, 0 where it is unknown."""
        return len(self.events.get(key, ()))


class MemoryTruth:
    """The databases of all domains. Stores that share one are like processes that share one PostgreSQL.

    `inlines` names the inline tables there are, with their rules; without it every table is there and has none.
    """

    def __init__(self, inlines: Mapping[str, InlineRule] | None = None) -> None:
        self._domains: dict[str, DomainTables] = {}
        self._inlines = inlines

    def domain(self, name: str) -> DomainTables:
        """Return the tables of a domain, made on first use."""
        return self._domains.setdefault(name, DomainTables())

    def inline_rule(self, table: str) -> InlineRule | None:
        """Return the rule of an inline table, None where there is no such table."""
        return simply_add if self._inlines is None else self._inlines.get(table)
