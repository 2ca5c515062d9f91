"""What `mesh call` makes of words: a message of the contract, or a sentence that says what was meant."""

from __future__ import annotations

import io
import sys
from typing import Any

import msgspec
import pytest

from actors.mesh import Broken, Expired, Overloaded, TimedOut, Unavailable
from cli.call import body_of, with_key
from cli.contract import complete_domain, complete_message, domain_named, domains, message_named
from cli.publish import SUBJECT
from cli.reaching import EXIT_AGAIN, EXIT_DEFECT, EXIT_UNAVAILABLE, Misused, exit_of
from schemas.inventory import AddItem, GetItem, ReceiveStock
from schemas.orders import GetOrder, ListOrders, PlaceOrder
from schemas.values import Line


@pytest.mark.parametrize("name", ["GetOrder", "getorder", "get_order", "orders.get_order", "orders.query.get_order"])
def test_a_message_is_found_by_every_name_it_has(name: str) -> None:
    assert message_named(name) is GetOrder


@pytest.mark.parametrize(
    ("name", "near"), [("GetOrdr", "GetOrder"), ("orders.query.get_odrer", "GetOrder"), ("placeorder!", "PlaceOrder")]
)
def test_a_message_that_is_not_there_is_answered_with_those_that_look_like_it(name: str, near: str) -> None:
    with pytest.raises(Misused, match=near):
        message_named(name)


def test_a_name_like_no_other_is_sent_to_the_list() -> None:
    with pytest.raises(Misused, match="mesh call --list"):
        message_named("xyzzy")


def test_an_event_cannot_be_called() -> None:
    with pytest.raises(Misused):
        message_named("orders.event.order_paid")


def test_the_domains_are_those_that_take_messages() -> None:
    assert {"inventory", "orders", "payments", "users"} <= set(domains())
    assert domain_named("orders") == "orders"
    with pytest.raises(Misused, match="did you mean orders"):
        domain_named("order")
    with pytest.raises(Misused, match=r"there are .*orders"):
        domain_named("xyzzy")


def test_a_shell_completes_messages_with_what_they_do_and_domains() -> None:
    assert ("GetOrder", "Show one order.") in complete_message("GetO")
    assert ("orders.query.get_order", "Show one order.") in complete_message("orders.query.")
    assert complete_message("xyzzy") == []
    assert complete_domain("or") == ["orders"]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["sku=cup-blue", "quantity=5"], ReceiveStock(sku="cup-blue", quantity=5)),
        (["sku=123", "quantity=5"], ReceiveStock(sku="123", quantity=5)),
        (['{"sku": "cup-blue", "quantity": 5}'], ReceiveStock(sku="cup-blue", quantity=5)),
        (["sku=s", "at_least_version=7"], GetItem(sku="s", at_least_version=7)),
        (["customer_id=123", "status=paid", "limit=3"], ListOrders(customer_id="123", status="paid", limit=3)),
        ([], ListOrders()),
    ],
)
def test_words_become_the_message(words: list[str], message: msgspec.Struct) -> None:
    assert msgspec.convert(body_of(type(message), words), type(message)) == message  # type: ignore[arg-type]


def test_a_structure_is_given_as_json_in_its_field() -> None:
    words = [
        "order_id=o", "customer_id=c", 'lines=[{"sku": "s", "quantity": 2}]', "deliver_to=12 Harbour Street=Bergen",
        "payment_token=t",
    ]  # fmt: skip
    placed = msgspec.convert(body_of(PlaceOrder, words), PlaceOrder)
    assert placed.lines == (Line(sku="s", quantity=2),)
    assert placed.deliver_to == "12 Harbour Street=Bergen"
    price = msgspec.convert(
        body_of(AddItem, ["sku=s", "title=t", 'price={"amount_minor":1,"currency":"EUR"}']), AddItem
    )
    assert price.price.amount_minor == 1


def test_a_body_can_come_from_standard_input(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"sku": "s"}')))
    assert body_of(GetItem, ["-"]) == {"sku": "s"}


@pytest.mark.parametrize("words", [["{"], ["{}", "a=b"], ["quantity"], ['["a"]'], ["{ \xff"]])
def test_words_that_are_no_body_are_told(words: list[str]) -> None:
    with pytest.raises(Misused):
        body_of(ReceiveStock, words)


def test_the_key_is_put_where_the_message_has_it() -> None:
    assert with_key(ReceiveStock, {"quantity": 1}, "s") == {"sku": "s", "quantity": 1}
    assert with_key(ReceiveStock, {"sku": "s"}, "s") == {"sku": "s"}
    with pytest.raises(Misused, match="give one of them"):
        with_key(ReceiveStock, {"sku": "other"}, "s")
    with pytest.raises(Misused, match="no --key"):
        with_key(ListOrders, {}, "s")


@pytest.mark.parametrize(
    ("fault", "code"),
    [(Unavailable(), EXIT_UNAVAILABLE), (TimedOut(), EXIT_AGAIN), (Overloaded(), EXIT_AGAIN), (Expired(), EXIT_AGAIN),
     (Broken(), EXIT_DEFECT)],
)  # fmt: skip
def test_a_script_can_tell_faults_apart(fault: Any, code: int) -> None:
    assert exit_of(fault) == code


@pytest.mark.parametrize("subject", ["orders.tell.x.1", "a", "tools.hello-world", "$SRV.PING"])
def test_a_subject_is_words_with_dots_between(subject: str) -> None:
    assert SUBJECT.fullmatch(subject)


@pytest.mark.parametrize("subject", ["", ".", "a.", ".a", "a..b", "a b", "a.*", "a.>", "a\n", "a\r\nPUB x 1", "a\x00"])
def test_what_is_no_subject_is_not_sent(subject: str) -> None:
    assert not SUBJECT.fullmatch(subject)
