"""What the people of a simulated day wish for: drawn from a seed, so that a day can be had again."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from types import MappingProxyType
from typing import NamedTuple

from cli.accounts import Newcomer

CUSTOMERS = 6
NAMES = ("Ada Byron", "Grace Hopper", "Mary Jackson", "Radia Perlman", "Karen Jones", "Annie Easley")
TOKENS = MappingProxyType(
    {
        "card-approved": 60,
        "card-declined": 10,
        "card-insufficient-funds": 8,
        "card-timeout-then-success": 8,
        "card-error-then-success": 8,
        "card-error-before": 6,
    }
)
HOT_SKUS = 2
HOT_SHARE = 0.35
LINES_MAX = 3
QUANTITY_MAX = 3
CANCELLED_SHARE = 0.2
CANCEL_AFTER_SECONDS_MAX = 3.0
"""Long enough that some orders are paid by then, and have to be refunded."""
REPEATED_SHARE = 0.15
RECEIPT_SHARE = 0.2
RECEIPT_MAX = 40
LOG_IN_SHARE = 0.1


class Wish(NamedTuple):
    """One order and all that somebody does about it; `who` is the number of a customer."""

    key: str
    who: int
    lines: tuple[tuple[str, int], ...]
    token: str
    repeated: bool
    cancel_after_seconds: float | None
    receipt: tuple[str, int] | None
    logs_in: bool


def newcomers(seed: int) -> list[Newcomer]:
    """Return the customers of a day; the same seed has the same ones."""
    return [
        Newcomer(
            key=f"sim-{seed}-customer-{number}",
            name=NAMES[number % len(NAMES)],
            email=f"sim-{seed}-{number}@example.org",
            password=f"a phrase of day {seed} and customer {number}",
        )
        for number in range(CUSTOMERS)
    ]


def wishes(seed: int, count: int, skus: Sequence[str]) -> Iterator[Wish]:
    """Draw a day's wishes; the first items are the ones that everybody wants, so that they run out."""
    dice = random.Random(seed)  # noqa: S311  chance that can be had again, not secrecy
    for number in range(count):
        wanted = dice.sample(skus, dice.randint(1, LINES_MAX))
        if dice.random() < HOT_SHARE:
            wanted = list(dict.fromkeys([dice.choice(skus[:HOT_SKUS]), *wanted]))
        yield Wish(
            key=f"sim-{seed}-{number}",
            who=dice.randrange(CUSTOMERS),
            lines=tuple((sku, dice.randint(1, QUANTITY_MAX)) for sku in wanted),
            token=dice.choices(tuple(TOKENS), tuple(TOKENS.values()))[0],
            repeated=dice.random() < REPEATED_SHARE,
            cancel_after_seconds=dice.random() * CANCEL_AFTER_SECONDS_MAX if dice.random() < CANCELLED_SHARE else None,
            receipt=(dice.choice(skus), dice.randint(1, RECEIPT_MAX)) if dice.random() < RECEIPT_SHARE else None,
            logs_in=dice.random() < LOG_IN_SHARE,
        )
