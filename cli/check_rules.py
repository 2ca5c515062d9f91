"""Orders, journals, views and queues: each rule reads facts and yields a sentence for every row that breaks it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from cli.check_facts import Domain, Fact, Facts, names
from cli.check_value import lines_of

ENDS = {
    "order_paid": ["order_paid"],
    "order_cancelled": ["order_cancelled"],
    "order_refunded": ["order_paid", "order_refund_requested", "order_refunded"],
}
"""By the last event of an order: what must have happened, in this order and once, of all that leads to an end."""
ENDING = frozenset(name for names_of_end in ENDS.values() for name in names_of_end)
ONCE_EACH = {
    "refund_submitted": "refund_id",
    "refund_declined": "refund_id",
    "payment_refunded": "refund_id",
    "stock_released": "reason",
    "delivery_": "channel",
    "inbox_item_": "notification_id",
}
"""Events that may come once for each of something: what their names begin with, and the field that says of what."""
MANY = frozenset({
    "price_changed", "stock_received", "stock_held", "stock_freed", "stock_taken", "stock_returned",
    "low_stock_reached", "preference_set", "device_registered", "device_removed",
})  # fmt: skip
"""Events that may come to one entity more than once; all others are the outcome of a command that is done once."""
MANY |= {
    "address_added", "address_removed", "email_verification_requested", "epoch_raised", "password_set",
    "profile_changed", "roles_set", "session_refreshed",
}  # fmt: skip
AGAIN = {f"{kind}_declined": f"{kind}_submitted" for kind in ("capture", "void", "refund")}
AGAIN |= {submitted: declined for declined, submitted in AGAIN.items()}
"""What may happen again once the other has: what the card processor declined may be asked for, and declined, again."""
SHOWN_CHARACTERS_MAX = 300


def ends(facts: Facts) -> Iterator[str]:
    """I3: every order is paid, cancelled or refunded, once; what it took is away where it is paid, and there if not."""
    for order_id, events in facts.orders.items():
        what = names(events)
        if [name for name in what if name in ENDING] != ENDS.get(what[-1]):
            yield f"order {order_id} has no single end: {', '.join(what)}"
            continue
        kept = facts.reservations.get(order_id, ())
        committed, returned = (names(kept).count(name) for name in ("stock_committed", "reservation_returned"))
        if what[-1] != "order_cancelled" and (committed != 1 or lines_of(kept) != ordered(events)):
            yield f"order {order_id} was paid, and its stock was taken {committed} times: {lines_of(kept)}"
        if what[-1] != "order_paid" and (committed != returned or names(kept)[-1:] == ["stock_reserved"]):
            yield f"order {order_id} ended with {what[-1]}, and its reservation with {names(kept)[-1:]}"
        if what[-1] == "order_paid" and returned:
            yield f"order {order_id} is paid, and its stock was put back {returned} times"
    for reservation_id in facts.reservations.keys() - facts.orders.keys():
        yield f"reservation {reservation_id} belongs to no order"


def ordered(events: Sequence[Fact]) -> dict[str, int]:
    """Return what an order is for."""
    placed = next((fact for fact in events if fact.name == "order_placed"), None)
    return {line["sku"]: line["quantity"] for line in placed.body["lines"]} if placed else {}


def published(facts: Facts) -> Iterator[str]:
    """I4: versions of a key are 1, 2, 3 ...; each published event is in its stream once, and nothing else is."""
    yield from gapless(facts)
    for domain in facts.domains.values():
        yield from streamed(domain)


def gapless(facts: Facts) -> Iterator[str]:
    for domain in facts.domains.values():
        for key, events in domain.events.items():
            versions = [fact.version for fact in events]
            if versions != list(range(1, len(versions) + 1)):
                yield f"{domain.name}: the versions of {key} are not 1 to {len(versions)}: {versions}"


def streamed(domain: Domain) -> Iterator[str]:
    written = {f"{fact.key}@{fact.version}": fact for events in domain.events.values() for fact in events}
    # A commit is published whole: what waits names its first event, and its command tells the others of the key.
    waiting = {(written[first].key, written[first].command_id) for first in domain.unpublished if first in written}
    stored = Counter(domain.stream_ids)
    for event_id, fact in written.items():
        if event_id not in stored and (fact.key, fact.command_id) not in waiting:
            yield f"{domain.name}: {event_id} ({fact.name}) is in the journal and not in the stream"
    for event_id, times in stored.items():
        if event_id not in written:
            yield f"{domain.name}: {event_id} is in the stream and not in the journal"
        if times > 1:
            yield f"{domain.name}: {event_id} is in the stream {times} times"


def once(facts: Facts) -> Iterator[str]:
    """I5: no command was executed twice, and no work outside was done twice."""
    for domain in facts.domains.values():
        moments: dict[str, set[int]] = {}
        for key, events in domain.events.items():
            for fact in events:
                moments.setdefault(fact.command_id, set()).add(fact.at_ms)
                if fact.command_id not in domain.commands:
                    yield f"{domain.name}: {key}@{fact.version} comes from no command ({fact.command_id})"
            for effect in repeated(events):
                yield f"{domain.name}: {' '.join(effect)} happened to {key} a second time"
        for command_id, when in moments.items():
            if len(when) > 1:
                yield f"{domain.name}: command {command_id} wrote at {len(when)} moments"
    done = Counter((each.kind, each.payment_id, each.refund_id) for each in facts.cards if each.outcome == "approved")
    for (kind, payment_id, refund_id), times in done.items():
        if times > 1:
            yield f"the card processor did the {kind} {refund_id} of payment {payment_id} {times} times"


def repeated(events: Sequence[Fact]) -> Iterator[tuple[str, ...]]:
    """Return what may happen once and happened again."""
    done = set[tuple[str, ...]]()
    for fact in events:
        if fact.name in MANY:
            continue
        name, *which = effect = effect_of(fact)
        if effect in done:
            yield effect
        done.add(effect)
        done.discard((AGAIN.get(name, ""), *which))


def effect_of(fact: Fact) -> tuple[str, ...]:
    """Return what may happen once: an order is paid once, a payment refunded once a refund, a mail sent once."""
    for prefix, field in ONCE_EACH.items():
        if fact.name.startswith(prefix):
            return fact.name, str(fact.body[field])
    return (fact.name,)


def kept_word(facts: Facts) -> Iterator[str]:
    """I6: an order that a client was told of exists."""
    for order_id in facts.acknowledged:
        if order_id not in facts.orders:
            yield f"order {order_id} was acknowledged to its client, and there is no such order"


def views(facts: Facts) -> Iterator[str]:
    """I7: every row of every view is the fold of its key's events."""
    for domain in facts.domains.values():
        for name, view in domain.views.items():
            for key in sorted(view.held.keys() | view.folded.keys()):
                held, folded = view.held.get(key), view.folded.get(key)
                if held != folded:
                    yield f"{domain.name}: {name} {key} is {held}, and its events say {folded}"[:SHOWN_CHARACTERS_MAX]


def letters(facts: Facts) -> Iterator[str]:
    """I11: no dead letters but those that are expected."""
    found = [(domain.name, *letter) for domain in facts.domains.values() for letter in domain.dead_letters]
    if len(found) > facts.dead_letters_expected:
        for name, letter_id, subject, reader, reason in found:
            yield f"{name}: dead letter {letter_id} of {reader}, {subject}: {reason}"


def quiet(facts: Facts) -> Iterator[str]:
    """I12: nothing is under way: outboxes empty, sagas and effects finished, consumers at the end of their streams."""
    for domain in facts.domains.values():
        yield from (f"{domain.name}: {event_id} waits to be published" for event_id in domain.unpublished)
        for saga, key, status in domain.sagas:
            if status in ("running", "undoing"):
                yield f"{domain.name}: saga {saga} of {key} is {status}"
        yield from (f"{domain.name}: effect {effect} is not finished" for effect in domain.open_effects)
        yield from (f"{domain.name}: timer {timer} is overdue" for timer in domain.overdue_timers)
        for consumer, count in domain.pending.items():
            if count:
                yield f"{domain.name}: consumer {consumer} has {count} messages before it"
    told = set(facts.domains["orders"].sagas)
    for order_id in facts.orders:
        end = "done" if facts.is_(order_id, "order_paid") else "undone"
        if ("order_fulfilment", order_id, end) not in told:
            yield f"orders: the saga of order {order_id} is not {end}"
        if facts.is_(order_id, "order_refund_requested") and ("order_refund", order_id, "done") not in told:
            yield f"orders: the refund of order {order_id} is not done"
