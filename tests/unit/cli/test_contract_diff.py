"""Every break of the contract is found, and names whom it hits; the committed contract is what the code says."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from cli.contract.diff import Change, diff
from cli.contract.facts import Contract
from cli.contract.files import FACTS, RELEASED, differing, files
from cli.contract.reading import ROOT, read_contract

Plant = Callable[[dict[str, Any]], Any]

PAID = "orders.event.order_paid"
PLACE = "orders.command.place_order"
RECEIVE = "inventory.command.receive_stock"
REQUIRED = {"type": "string", "required": True}
HELD = "inventory.event.stock_held"


def changed(plant: Plant) -> list[Change]:
    """Return what differs between the contract as it is and as it would be."""
    now = read_contract()
    would_be = copy.deepcopy(msgspec.to_builtins(now))
    plant(would_be["messages"])
    return diff(now, msgspec.convert(would_be, Contract))


def subject_of(start: str) -> str:
    return next(subject for subject in read_contract().messages if subject.startswith(start))


def test_what_is_committed_is_what_the_code_says() -> None:
    assert differing(ROOT, files(read_contract())) == []


def test_nothing_that_was_released_is_broken() -> None:
    released = msgspec.json.decode((ROOT / RELEASED).read_bytes(), type=Contract)
    assert [change for change in diff(released, read_contract()) if change.verdict == "breaks"] == []
    assert (ROOT / FACTS).exists()


@pytest.mark.parametrize(
    ("start", "plant", "hit"),
    [
        (HELD, lambda facts: facts["fields"].pop("quantity"), "inventory view item_view"),
        (HELD, lambda facts: facts["fields"]["quantity"].update(type="string"), "inventory view item_view"),
        (HELD, lambda facts: facts["fields"].update(lot=REQUIRED), "inventory state item"),
        (PLACE, lambda facts: facts["fields"].pop("lines"), "route POST /v1/orders"),
        (PLACE, lambda facts: facts["fields"].update(note=REQUIRED), "route POST /v1/orders"),
        (PLACE, lambda facts: facts.update(permission="orders:order"), "role customer"),
        (PLACE, lambda facts: facts["roles"].pop("customer"), "role customer"),
        (PLACE, lambda facts: facts.update(owner=""), "role customer"),
        (RECEIVE, lambda facts: facts.update(told=False), "role warehouse"),
        (RECEIVE, lambda facts: facts.update(key="quantity"), "route POST /v1/items/{sku}/receipts"),
    ],
    ids=[
        "field of an event removed", "type of an event changed", "field of an event required",
        "field of a command removed", "field of a command required", "permission renamed",
        "role loses it", "owner no longer compared",
        "can be told no more", "key changed",
    ],
)  # fmt: skip
def test_a_break_is_found_and_names_who_is_hit(start: str, plant: Plant, hit: str) -> None:
    subject = subject_of(start)
    breaks = [change for change in changed(lambda messages: plant(messages[subject])) if change.verdict == "breaks"]
    assert {change.subject for change in breaks} == {subject}
    assert any(hit in who for change in breaks for who in change.hit), breaks


def test_a_subject_that_is_gone_names_all_who_follow_it() -> None:
    subject = subject_of(PAID)
    (change,) = changed(lambda messages: messages.pop(subject))
    assert (change.verdict, change.what) == ("breaks", "event removed")
    assert any("topic orders" in who for who in change.hit)


def test_a_field_with_a_default_breaks_nobody() -> None:
    subject = subject_of(PLACE)
    found = changed(lambda messages: messages[subject]["fields"].update(note={"type": "string"}))
    assert [change.verdict for change in found] == ["in order"]
