"""A request is read as strictly as the contract has it, and a refusal names the field."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from gateway.errors import located
from gateway.reading import IN_PATH, Reader
from gateway.routes import ROUTES
from schemas.inventory import ChangePrice
from schemas.orders import GetOrder, ListOrders
from schemas.users import GetUser, RevokeSession
from schemas.values import Money
from tests.unit.gateway.conftest import Reply

LINES = b'"lines":[{"sku":"tea","quantity":%s}],"deliver_to":"x","payment_token":"p"'


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
def test_every_route_has_a_reader(route: Any) -> None:
    reader = Reader(route)
    msgspec.json.Decoder(route.message)
    assert set(reader.path_fields) <= set(reader.hints)


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: route.name)
async def test_every_route_is_found_by_its_own_path(gateway: Any, route: Any) -> None:
    """Whatever else fits: a word in a path comes before a parameter in its place."""
    await gateway.call(route.method, IN_PATH.sub("an-id", route.path), b"{", token="alma-token")
    assert gateway.spans[0].name == f"{route.method} {route.path}"


def test_operations_are_named_once() -> None:
    names = [route.name for route in ROUTES]
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("body", "code", "pointer"),
    [
        (b"", "body_malformed", ""),
        (b"{", "body_malformed", ""),
        (b"{" + LINES % b"1" + b"} x", "body_malformed", ""),
        (b"\xef\xbb\xbf{}", "body_malformed", ""),
        (b'{"deliver_to":"\xff"}', "body_malformed", ""),
        (b'{"deliver_to":"\\ud800"}', "body_malformed", ""),
        (b'{"deliver_to":NaN}', "body_malformed", ""),
        (b"[" * 100_000, "body_too_large", ""),
        (b"[" * 60_000, "body_invalid", ""),
        (b'{"lines":' + b"[" * 60_000, "body_invalid", "/lines/0"),
        (b"[]", "body_invalid", ""),
        (b"{}", "body_invalid", "/lines"),
        (b'{"role":"admin"}', "body_invalid", "/role"),
        (b'{"customer_id":"cust-grace"}', "body_invalid", "/customer_id"),
        (b'{"order_id":"mine"}', "body_invalid", "/order_id"),
        (b'{"a/b~c":1}', "body_invalid", "/a~1b~0c"),
        (b'{"lines":[]}', "body_invalid", "/lines"),
        (b'{"lines":[{"sku":"tea"}]}', "body_invalid", "/lines/0/quantity"),
        (b'{"lines":[{"sku":"t.*","quantity":1}]}', "body_invalid", "/lines/0/sku"),
        (b'{"lines":[{"sku":"tea\\n","quantity":1}]}', "body_invalid", "/lines/0/sku"),
        (b"{" + LINES % b"0" + b"}", "body_invalid", "/lines/0/quantity"),
        (b"{" + LINES % b"-5" + b"}", "body_invalid", "/lines/0/quantity"),
        (b"{" + LINES % b"true" + b"}", "body_invalid", "/lines/0/quantity"),
        (b"{" + LINES % b'"1"' + b"}", "body_invalid", "/lines/0/quantity"),
        (b"{" + LINES % b"1.0" + b"}", "body_invalid", "/lines/0/quantity"),
        (b"{" + LINES % b"1e30" + b"}", "body_invalid", "/lines/0/quantity"),
        (b"{" + LINES % (b"1" + b"0" * 30) + b"}", "body_invalid", "/lines/0/quantity"),
        (b"{" + LINES % b"1" + b',"deliver_to":"a\\u0000b"}', "body_invalid", "/deliver_to"),
    ],
    ids=lambda value: repr(value[:40]),
)
async def test_a_body_that_does_not_fit_is_refused(gateway: Any, body: bytes, code: str, pointer: str) -> None:
    answer = await gateway.call("POST", "/v1/orders", body)
    assert answer.status == (413 if code == "body_too_large" else 400)
    assert answer.problem["code"] == code
    assert answer.problem.get("pointer", "") == pointer
    assert gateway.mesh.asked == []


@pytest.mark.parametrize(
    ("path", "query", "code", "pointer"),
    [
        ("/v1/orders", b"limit=0", "parameter_invalid", "/limit"),
        ("/v1/orders", b"limit=101", "parameter_invalid", "/limit"),
        ("/v1/orders", b"limit=1.0", "parameter_invalid", "/limit"),
        ("/v1/orders", b"limit=1e1", "parameter_invalid", "/limit"),
        ("/v1/orders", b"limit=+1", "parameter_invalid", "/limit"),
        ("/v1/orders", b"limit=", "parameter_invalid", "/limit"),
        ("/v1/orders", b"limit=" + b"9" * 5000, "parameter_invalid", "/limit"),
        ("/v1/orders", b"limit=%D9%A3", "parameter_invalid", "/limit"),
        ("/v1/orders", b"limit=1&limit=2", "parameter_repeated", "/limit"),
        ("/v1/orders", b"status=null", "parameter_invalid", "/status"),
        ("/v1/orders", b"cursor=%00", "parameter_invalid", "/cursor"),
        ("/v1/orders", b"where=1", "parameter_unknown", "/where"),
        ("/v1/orders", b"limit", "parameter_invalid", "/limit"),
        ("/v1/orders", b"cursor=%ff", "query_malformed", ""),
        ("/v1/orders", b"cursor=\xff", "query_malformed", ""),
        ("/v1/orders", b"&".join(b"a=1" for _ in range(100)), "query_malformed", ""),
        ("/v1/orders/a.b", b"", "parameter_invalid", "/order_id"),
        ("/v1/orders/a\x00b", b"", "parameter_invalid", "/order_id"),
        ("/v1/orders/" + "a" * 65, b"", "parameter_invalid", "/order_id"),
        ("/v1/orders/a", b"order_id=b", "parameter_unknown", "/order_id"),
    ],
    ids=lambda value: repr(value[:30]),
)
async def test_a_parameter_that_does_not_fit_is_refused(
    gateway: Any, path: str, query: bytes, code: str, pointer: str
) -> None:
    answer = await gateway.call("GET", path, query=query)
    assert answer.status == 400
    assert (answer.problem["code"], answer.problem.get("pointer", "")) == (code, pointer)
    assert gateway.mesh.asked == []


async def test_a_query_is_read_from_the_query_string(gateway: Any, client: Any) -> None:
    await client.get("/v1/orders", params={"limit": 5, "status": "paid", "cursor": "abc="})
    assert gateway.mesh.asked[0][0] == ListOrders(customer_id="cust-ada", limit=5, status="paid", cursor="abc=")


async def test_a_reply_passes_through_undecoded(gateway: Any, client: Any) -> None:
    gateway.mesh.answers["ListItems"] = Reply(b'{ "not": "an item page" }')
    answer = await client.get("/v1/items")
    assert answer.content == b'{ "not": "an item page" }'
    assert answer.headers["content-type"] == "application/json"


async def test_path_and_body_make_one_command(gateway: Any, client: Any) -> None:
    answer = await client.post(
        "/v1/items/tea/price",
        json={"price": {"amount_minor": 250, "currency": "EUR"}},
        headers={"authorization": "Bearer wendy-token"},
    )
    assert answer.status_code == 200
    assert gateway.mesh.asked[0][0] == ChangePrice(sku="tea", price=Money(amount_minor=250, currency="EUR"))


async def test_a_new_item_says_where_it_is(gateway: Any, client: Any) -> None:
    answer = await client.post(
        "/v1/items",
        json={"sku": "tea", "title": "Tea", "price": {"amount_minor": 1, "currency": "EUR"}},
        headers={"authorization": "Bearer wendy-token"},
    )
    assert (answer.status_code, answer.headers["location"]) == (201, "/v1/items/tea")


async def test_a_customer_is_always_asking_for_themselves(gateway: Any, client: Any) -> None:
    await client.get("/v1/orders/o-1")
    assert gateway.mesh.asked[0][0] == GetOrder(order_id="o-1", customer_id="cust-ada")


@pytest.mark.parametrize(
    ("path", "query", "code"),
    [("/v1/orders", b"customer_id=cust-grace", "customer_unknown"), ("/v1/users/cust-grace", b"", "user_unknown")],
)
async def test_another_customer_does_not_exist_for_a_customer(gateway: Any, path: str, query: bytes, code: str) -> None:
    answer = await gateway.call("GET", path, query=query)
    assert (answer.status, answer.problem["code"]) == (404, code)
    assert gateway.mesh.asked == []


async def test_staff_see_everybody_or_one(gateway: Any) -> None:
    await gateway.call("GET", "/v1/orders", token="sam-token")
    await gateway.call("GET", "/v1/orders", query=b"customer_id=cust-ada", token="sam-token")
    await gateway.call("GET", "/v1/users/cust-ada", token="sam-token")
    assert [message for message, _ in gateway.mesh.asked] == [
        ListOrders(),
        ListOrders(customer_id="cust-ada"),
        GetUser(user_id="cust-ada"),
    ]


async def test_what_is_about_oneself_is_so_for_staff_too(gateway: Any) -> None:
    await gateway.call("GET", "/v1/me", token="sam-token")
    await gateway.call("DELETE", "/v1/sessions/s-1", token="sam-token")
    assert [message for message, _ in gateway.mesh.asked] == [
        GetUser(user_id="staff-sam"),
        RevokeSession(session_id="s-1", user_id="staff-sam"),
    ]
    answer = await gateway.call("GET", "/v1/me", query=b"user_id=cust-ada", token="sam-token")
    assert (answer.status, answer.problem["code"]) == (400, "parameter_unknown")


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("Expected `int` >= 1 - at `$.lines[12].quantity`", ("Expected `int` >= 1", "/lines/12/quantity")),
        ("Object contains unknown field `x`", ("Object contains unknown field `x`", "/x")),
        ("Expected `object`, got `array`", ("Expected `object`, got `array`", "")),
    ],
)
def test_a_path_of_msgspec_becomes_a_pointer(message: str, expected: tuple[str, str]) -> None:
    assert located(message) == expected
