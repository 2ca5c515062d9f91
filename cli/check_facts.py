"""What a checker has read out of the stores: plain values, so that the rules over them are pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import msgspec

Body = Mapping[str, Any]


class Fact(NamedTuple):
    """An event of a journal; its body is decoded, personal texts in it are sealed still."""

    key: str
    version: int
    name: str
    command_id: str
    at_ms: int
    body: Body


class Row(NamedTuple):
    """A row of a view: its version, and what it says as canonical JSON, personal texts opened."""

    version: int
    document: bytes


class View(NamedTuple):
    """A view as its store holds it, and as the fold of the journal's events says that it must be."""

    held: Mapping[str, Row]
    folded: Mapping[str, Row]


class Posting(NamedTuple):
    """A line of the ledger."""

    transaction_id: str
    order_id: str
    account: str
    currency: str
    amount_minor: int


class CardOperation(msgspec.Struct, frozen=True, kw_only=True):
    """A row of the card processor's own log."""

    key: str
    kind: str
    payment_id: str
    refund_id: str
    amount_minor: int | None
    currency: str | None
    outcome: str
    decline_code: str


class Domain(NamedTuple):
    """What one domain keeps, in PostgreSQL and in JetStream."""

    name: str
    events: Mapping[str, Sequence[Fact]]  # by key, in order
    commands: Mapping[str, str]  # id -> subject
    unpublished: Sequence[str]  # the first event of each commit, as 'key@version'
    sagas: Sequence[tuple[str, str, str]]  # saga, key, status
    open_effects: Sequence[str]
    overdue_timers: Sequence[str]
    dead_letters: Sequence[tuple[str, str, str, str]]  # id, subject, reader, reason
    stream_ids: Sequence[str]
    pending: Mapping[str, int]  # by consumer
    views: Mapping[str, View]

    def of(self, aggregate: str) -> dict[str, Sequence[Fact]]:
        """Return the events of one kind of aggregate by the entity's id."""
        prefix = f"{aggregate}/"
        return {key.removeprefix(prefix): facts for key, facts in self.events.items() if key.startswith(prefix)}


@dataclass(frozen=True)
class Facts:
    """All of it, as it was at one moment."""

    domains: Mapping[str, Domain]
    ledger: Sequence[Posting]
    cards: Sequence[CardOperation]
    acknowledged: Sequence[str] = ()
    """Orders that a client was told were accepted."""
    dead_letters_expected: int = 0

    @cached_property
    def orders(self) -> dict[str, Sequence[Fact]]:
        return self.domains["orders"].of("order")

    @cached_property
    def reservations(self) -> dict[str, Sequence[Fact]]:
        return self.domains["inventory"].of("reservation")

    @cached_property
    def items(self) -> dict[str, Sequence[Fact]]:
        return self.domains["inventory"].of("item")

    @cached_property
    def payments(self) -> dict[str, Sequence[Fact]]:
        return self.domains["payments"].of("payment")

    def is_(self, order_id: str, name: str) -> bool:
        """Return whether an event of this name happened to an order."""
        return any(fact.name == name for fact in self.orders.get(order_id, ()))

    def approved(self, kind: str) -> dict[str, list[CardOperation]]:
        """Return what the card processor did of one kind, by payment."""
        found: dict[str, list[CardOperation]] = {}
        for operation in self.cards:
            if (operation.kind, operation.outcome) == (kind, "approved"):
                found.setdefault(operation.payment_id, []).append(operation)
        return found


def names(facts: Sequence[Fact]) -> list[str]:
    return [fact.name for fact in facts]
