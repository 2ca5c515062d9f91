"""What may be listened to, as one table: one row a topic."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from types import ModuleType
from typing import Any

from schemas import inventory, orders, payments
from schemas.message import Event, Query, domain_of, key_field, subject_of
from schemas.principal import Principal, allows


def about(domain: ModuleType, key: str) -> tuple[type[Event], ...]:
    """Return the events of a domain whose entity is named by that field, those still to be written included."""
    found = (one for one in vars(domain).values() if isinstance(one, type) and issubclass(one, Event))
    return tuple(event for event in found if event is not Event and key_field(event) == key)


@dataclass(frozen=True, slots=True)
class Topic:
    """Some events of one domain, and what of them leaves the house."""

    name: str
    events: tuple[type[Event], ...]
    query: type[Query[Any]]
    """Who may ask this may listen."""
    shows: tuple[str, ...]
    """The fields that are shown where an event has them; none may be personal."""
    is_public: bool = False
    """Everybody who may listen hears all of it; else customers hear what is their own. It carries no trace ids: they
    would tell which events of strangers belong together."""

    @property
    def domain(self) -> str:
        """Return whose stream its events are in."""
        return domain_of(self.events[0])

    def event_on(self, subject: str) -> type[Event]:
        """Return the event of a subject without its shard; raise KeyError where the topic has none."""
        return events_on(self)[subject]


TOPICS: tuple[Topic, ...] = (
    Topic(
        "orders",
        about(orders, "order_id"),
        orders.GetOrder,
        shows=("order_id", "customer_id", "total", "reason_code"),
    ),
    Topic("items", about(inventory, "sku"), inventory.GetItem, shows=("sku", "quantity"), is_public=True),
    Topic(
        "payments",
        about(payments, "payment_id"),
        payments.GetPayment,
        shows=("payment_id", "order_id", "amount", "decline_code"),
    ),
)


@cache
def events_on(topic: Topic) -> dict[str, type[Event]]:
    """Return the events of a topic by their subjects without a shard."""
    return {subject_of(event): event for event in topic.events}


def permitted(topics: Iterable[Topic], principal: Principal) -> tuple[Topic, ...]:
    """Return the topics that the principal may listen to."""
    return tuple(topic for topic in topics if allows(principal, topic.query))


def by_subject(topics: Sequence[Topic]) -> dict[str, Topic]:
    """Return each topic under the subjects of its events, without their shard; raise ValueError where two claim one."""
    found: dict[str, Topic] = {}
    for topic in topics:
        for event in topic.events:
            if domain_of(event) != topic.domain:
                raise ValueError(f"topic {topic.name} has events of {topic.domain} and of {domain_of(event)}")
            if found.setdefault(subject_of(event), topic) is not topic:
                raise ValueError(f"{event.__name__} is in two topics: {found[subject_of(event)].name} and {topic.name}")
    return found
