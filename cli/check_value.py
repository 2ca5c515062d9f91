"""Stock and money: what came in is there, is promised, or has gone, and the card processor agrees to the cent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from cli.check_facts import CardOperation, Fact, Facts, Posting, names
from schemas.inventory import Availability, ItemView

MOVES = {"stock_held": "held", "stock_freed": "freed", "stock_taken": "taken", "stock_returned": "returned"}
ON_HAND = {"stock_received": 1, "stock_taken": -1, "stock_returned": 1}
RESERVED = {"stock_held": 1, "stock_freed": -1, "stock_taken": -1}


def stock(facts: Facts) -> Iterator[str]:
    """I1: received = on hand + taken - returned, reserved = what live reservations hold, none negative, views agree."""
    moved: dict[str, Counter[tuple[str, str]]] = {}
    live: Counter[str] = Counter()
    for sku, events in facts.items.items():
        for fact in events:
            if fact.name in MOVES:
                of_reservation = moved.setdefault(fact.body["reservation_id"], Counter())
                of_reservation[MOVES[fact.name], sku] += fact.body["quantity"]
    for reservation_id in sorted(facts.reservations.keys() | moved.keys()):
        events = facts.reservations.get(reservation_id, ())
        yield from reservation(reservation_id, events, moved.get(reservation_id, Counter()))
        if names(events)[-1:] == ["stock_reserved"]:
            for sku, quantity in lines_of(events).items():
                live[sku] += quantity
    for sku, events in facts.items.items():
        yield from item(facts, sku, events, live[sku])


def lines_of(events: Sequence[Fact]) -> dict[str, int]:
    """Return what a reservation was made for; nothing where it was released before it came."""
    made = next((fact for fact in events if fact.name == "stock_reserved"), None)
    return {line["sku"]: line["quantity"] for line in made.body["lines"]} if made else {}


def reservation(reservation_id: str, events: Sequence[Fact], moved: Counter[tuple[str, str]]) -> Iterator[str]:
    """What a reservation says and what its items say are the same."""
    what, lines = names(events), lines_of(events)
    live, taken, returned = what[-1:] == ["stock_reserved"], "stock_committed" in what, "reservation_returned" in what
    if any(what.count(name) > 1 for name in ("stock_reserved", "stock_committed", "reservation_returned")):
        yield f"reservation {reservation_id} was made, taken or returned twice: {', '.join(what)}"
    tombstone = what[:1] == ["stock_released"] and not events[0].body["lines"]
    if what[:1] != ["stock_reserved"] and not tombstone:
        yield f"reservation {reservation_id} was never made: {', '.join(what) or 'it has no events'}"
    for sku in sorted(lines.keys() | {sku for _, sku in moved}):
        quantity = lines.get(sku, 0)
        holds = moved["held", sku] - moved["freed", sku] - moved["taken", sku]
        if holds != (quantity if live else 0):
            yield f"reservation {reservation_id} holds {holds} of {sku}, not {quantity if live else 0}"
        for move, happened in (("taken", taken), ("returned", returned)):
            if moved[move, sku] != (due := quantity if happened else 0):
                yield f"reservation {reservation_id}: {moved[move, sku]} of {sku} were {move}, not {due}"


def counted(events: Sequence[Fact]) -> tuple[int, int, str]:
    """Return what an item's events leave on hand and reserved, and a sentence where they come to what cannot be."""
    on_hand = reserved = 0
    for fact in events:
        quantity = fact.body.get("quantity", 0)
        on_hand += ON_HAND.get(fact.name, 0) * quantity
        reserved += RESERVED.get(fact.name, 0) * quantity
        if min(on_hand, reserved, on_hand - reserved) < 0:
            return on_hand, reserved, f"{fact.key}@{fact.version}: {on_hand} on hand and {reserved} reserved cannot be"
    return on_hand, reserved, ""


def item(facts: Facts, sku: str, events: Sequence[Fact], live: int) -> Iterator[str]:
    on_hand, reserved, impossible = counted(events)
    if impossible:
        yield impossible
    if reserved != live:
        yield f"item {sku}: {reserved} are reserved, but live reservations hold {live}"
    views = facts.domains["inventory"].views
    seen = views["item_view"].held.get(sku)
    shown = msgspec.json.decode(seen.document, type=ItemView | None) if seen else None
    if shown is None or (shown.on_hand, shown.reserved) != (on_hand, reserved):
        yield f"item_view {sku} shows {shown}, not {on_hand} on hand and {reserved} reserved"
    seen = views["availability"].held.get(sku)
    cached = msgspec.json.decode(seen.document, type=Availability | None) if seen else None
    if cached is None or cached.available != on_hand - reserved:
        yield f"availability of {sku} shows {cached}, not {on_hand - reserved}"


def money(facts: Facts) -> Iterator[str]:
    """I2: the ledger sums to zero and says what the card processor's own log says; nobody pays twice or for nothing."""
    yield from ledger_zero(facts.ledger)
    yield from ledger_agrees(facts)
    captures, voids = facts.approved("capture"), facts.approved("void")
    for payment_id, captured in captures.items():
        if len(captured) > 1:
            yield f"the card processor captured payment {payment_id} {len(captured)} times"
    for order_id in facts.orders:
        yield from order_money(facts, order_id, captures.get(order_id, []))
    for payment_id in facts.approved("authorisation"):
        kept = payment_id in captures or payment_id in voids or facts.is_(payment_id, "order_paid")
        if not kept:
            yield f"the card processor still holds money for payment {payment_id}, whose order is not paid"
    for payment_id in sorted((captures.keys() | voids.keys()) - facts.payments.keys()):
        yield f"the card processor knows payment {payment_id}, and the journal does not"


def order_money(facts: Facts, order_id: str, captured: Sequence[CardOperation]) -> Iterator[str]:
    taken = [(operation.amount_minor, operation.currency) for operation in captured]
    given_back = sum(operation.amount_minor or 0 for operation in facts.approved("refund").get(order_id, ()))
    if not facts.is_(order_id, "order_paid"):
        if taken:
            yield f"order {order_id} is not paid, yet the card processor captured {taken}"
        return
    total = next((fact.body["total"] for fact in facts.orders[order_id] if fact.name == "order_placed"), None)
    due = [(total["amount_minor"], total["currency"])] if total else []
    if taken != due:
        yield f"order {order_id} costs {due}, and the card processor captured {taken}"
    kept = sum(amount_minor or 0 for amount_minor, _ in taken) - given_back
    if kept < 0 or (kept and facts.is_(order_id, "order_refunded")):
        yield f"order {order_id} cost {due}, and the card processor gave {given_back} back"


def ledger_zero(ledger: Sequence[Posting]) -> Iterator[str]:
    sums: Counter[tuple[str, str]] = Counter()
    for posting in ledger:
        sums[posting.transaction_id, posting.currency] += posting.amount_minor
    for (transaction_id, currency), amount_minor in sums.items():
        if amount_minor:
            yield f"ledger transaction {transaction_id} sums to {amount_minor} {currency}, not to zero"


def ledger_agrees(facts: Facts) -> Iterator[str]:
    """What was posted to the clearing account, what the journal says, and what the card processor did are equal."""
    posted: Counter[str] = Counter()
    lines: Counter[str] = Counter()
    for posting in facts.ledger:
        lines[posting.transaction_id] += 1
        if posting.account == "provider_clearing":
            posted[posting.transaction_id] += posting.amount_minor
    journal, cards = journal_moves(facts), card_moves(facts)
    for transaction_id in sorted(posted.keys() | lines.keys() | journal.keys() | cards.keys()):
        said = (posted[transaction_id], journal[transaction_id], cards[transaction_id])
        if len(set(said)) > 1:
            yield f"{transaction_id}: the ledger says {said[0]}, the journal {said[1]}, the card processor {said[2]}"
        elif lines[transaction_id] != 2:
            yield f"{transaction_id} has {lines[transaction_id]} lines in the ledger, not two"


def journal_moves(facts: Facts) -> Counter[str]:
    moves: Counter[str] = Counter()
    for payment_id, events in facts.payments.items():
        for fact in events:
            if fact.name == "payment_captured":
                moves[f"{payment_id}/capture"] += amount_of(fact.body["amount"])
            elif fact.name == "payment_refunded":
                moves[f"{payment_id}/refund/{fact.body['refund_id']}"] -= amount_of(fact.body["amount"])
    return moves


def card_moves(facts: Facts) -> Counter[str]:
    moves: Counter[str] = Counter()
    for payment_id, done in facts.approved("capture").items():
        moves[f"{payment_id}/capture"] += sum(operation.amount_minor or 0 for operation in done)
    for payment_id, done in facts.approved("refund").items():
        for operation in done:
            moves[f"{payment_id}/refund/{operation.refund_id}"] -= operation.amount_minor or 0
    return moves


def amount_of(money: Mapping[str, int]) -> int:
    return money["amount_minor"]
