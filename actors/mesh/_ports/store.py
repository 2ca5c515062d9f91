"""One domain's durable rows, all ports of them together."""

from __future__ import annotations

from typing import NamedTuple

from actors.mesh._ports.journal import Journal, Outbox
from actors.mesh._ports.rows import DeadLetterRows, EffectRows, SagaRows, TellRows, TimerRows


class Store(NamedTuple):
    """What a domain's pool is handed: its journal and the rows beside it, all in one database."""

    journal: Journal
    outbox: Outbox
    sagas: SagaRows
    effects: EffectRows
    timers: TimerRows
    dead_letters: DeadLetterRows
    tells: TellRows
