"""One domain's store in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from actors.mesh._ports import Clock, Commit, Store
from actors.mesh.adapters.memory.journal import MemoryJournal
from actors.mesh.adapters.memory.outbox import MemoryOutbox
from actors.mesh.adapters.memory.rows import (
    MemoryDeadLetters,
    MemoryEffects,
    MemorySagas,
    MemoryTells,
    MemoryTimers,
)
from actors.mesh.adapters.memory.truth import MemoryTruth


def nobody_listens(commits: Sequence[Commit]) -> None:
    """Where no relay is told of new commits, the sweeper finds them in the outbox."""


def memory_store(
    truth: MemoryTruth, domain: str, clock: Clock, appended: Callable[[Sequence[Commit]], None] = nobody_listens
) -> Store:
    """Return a domain's store. Several over one truth are like several processes."""
    return Store(
        journal=MemoryJournal(truth, domain, clock, appended),
        outbox=MemoryOutbox(truth, domain, clock),
        sagas=MemorySagas(truth, domain),
        effects=MemoryEffects(truth, domain),
        timers=MemoryTimers(truth, domain),
        dead_letters=MemoryDeadLetters(truth, domain),
        tells=MemoryTells(truth, domain),
    )
