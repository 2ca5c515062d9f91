"""A simulated day is its seed's alone, and there is something of everything in it."""

from cli.seed import CATALOGUE
from cli.simulate_wishes import CUSTOMERS, TOKENS, newcomers, wishes

SKUS = [sku for sku, _, _ in CATALOGUE]


def test_the_same_seed_wishes_for_the_same_day() -> None:
    assert list(wishes(7, 50, SKUS)) == list(wishes(7, 50, SKUS))
    assert list(wishes(7, 50, SKUS)) != list(wishes(8, 50, SKUS))


def test_a_longer_day_begins_like_a_shorter_one() -> None:
    assert list(wishes(7, 50, SKUS))[:20] == list(wishes(7, 20, SKUS))


def test_a_day_holds_every_card_repeats_cancels_and_receipts() -> None:
    day = list(wishes(1, 300, SKUS))
    assert {wish.token for wish in day} == set(TOKENS)
    assert any(wish.repeated for wish in day)
    assert any(wish.cancel_after_seconds is not None for wish in day)
    assert any(wish.receipt for wish in day)
    assert any(wish.logs_in for wish in day)
    assert {wish.who for wish in day} == set(range(CUSTOMERS))


def test_no_order_wants_one_item_in_two_lines() -> None:
    for wish in wishes(2, 300, SKUS):
        assert len({sku for sku, _ in wish.lines}) == len(wish.lines)


def test_the_customers_of_a_day_are_its_seeds_alone() -> None:
    assert newcomers(7) == newcomers(7)
    assert not {each.email for each in newcomers(7)} & {each.email for each in newcomers(8)}
    assert len({each.user_id for each in newcomers(7)}) == CUSTOMERS
