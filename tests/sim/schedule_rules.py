"""What a schedule is judged by: the rules of `mesh check`, those of them that hold at all times, and two of order."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from cli.check import judge
from cli.check_facts import Facts, names
from cli.check_rules import gapless, kept_word, letters, once
from cli.check_value import counted, ledger_zero

Rule = Callable[[Facts], Iterator[str]]


def never_negative(facts: Facts) -> Iterator[str]:
    """No item ever has less than nothing, or more reserved than there is."""
    for events in facts.items.values():
        if impossible := counted(events)[2]:
            yield impossible


def charged_once(facts: Facts) -> Iterator[str]:
    """Nobody is charged twice, or given back more than was taken."""
    for payment_id, captured in facts.approved("capture").items():
        taken = sum(operation.amount_minor or 0 for operation in captured)
        given_back = sum(each.amount_minor or 0 for each in facts.approved("refund").get(payment_id, ()))
        if len(captured) > 1 or given_back > taken:
            yield f"payment {payment_id} was captured {len(captured)} times, {given_back} of {taken} were given back"


def posted_zero(facts: Facts) -> Iterator[str]:
    yield from ledger_zero(facts.ledger)


def timers_once(facts: Facts) -> Iterator[str]:
    """A timer is one command, however often it fires."""
    fired = list(facts.domains["inventory"].commands.values()).count("inventory.command.expire_reservation")
    made = sum(names(events).count("stock_reserved") for events in facts.reservations.values())
    if fired > made:
        yield f"{fired} reservations were told to expire, and {made} were made"


def undone_backwards(facts: Facts) -> Iterator[str]:
    """What a saga did last it undoes first: stock that is free again while the money is held may be sold twice."""
    for order_id, events in facts.orders.items():
        if events[-1].name != "order_cancelled":
            continue
        payment, stock = facts.payments.get(order_id, ()), facts.reservations.get(order_id, ())
        money_ms = [fact.at_ms for fact in payment if fact.name in ("void_wanted", "void_submitted", "payment_voided")]
        # Putting back what may have been taken comes first and may release it too: that is another command.
        told = facts.domains["inventory"].commands
        stock_ms = [fact.at_ms for fact in stock if told.get(fact.command_id) == "inventory.command.release_stock"]
        if money_ms and stock_ms and min(stock_ms) < min(money_ms):
            yield f"order {order_id}: its stock was released before its payment was let go"


ALWAYS: tuple[tuple[str, Rule], ...] = (
    ("I1", never_negative),
    ("I2", posted_zero),
    ("I2", charged_once),
    ("I3", undone_backwards),
    ("I4", gapless),
    ("I5", once),
    ("I5", timers_once),
    ("I6", kept_word),
    ("I11", letters),
)
"""What holds in the middle of anything; the rest is for when all is at rest."""


def always_broken(facts: Facts) -> list[str]:
    return [f"{name}: {problem}" for name, rule in ALWAYS for problem in rule(facts)]


def finally_broken(facts: Facts) -> list[str]:
    return [*always_broken(facts), *judge(facts).problems]
