"""What a real broker lets through, and what not: the processes live, and the next good message is done."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Mapping

import msgspec
import nats
import pytest
import pytest_asyncio
from nats.aio.client import Client as StockClient
from nats.aio.msg import Msg

from actors.mesh.connect import request_token, tell_headers, tool_settings
from actors.mesh.testing.waiting import until
from schemas.envelope import COMMAND_ID, ERROR, PRINCIPAL, derived_id
from schemas.inventory import GetItem, ReceiveStock
from schemas.principal import Principal
from tests.integration.raw_nats import frame, send_raw
from tests.integration.shop_platform import ShopPlatform

pytestmark = pytest.mark.asyncio(loop_scope="session")

SKU = "battered"
TELL = f"inventory.tell.receive_stock.{SKU}"
BODY = b'{"sku":"%s","quantity":1}' % SKU.encode()
WENDY = Principal(subject="wendy", roles=("warehouse",))
MESSAGE_BYTES = 256 * 1024


class Hostile:
    """Somebody who may publish, and what they can see of it."""

    def __init__(self, shop: ShopPlatform, client: StockClient) -> None:
        self.shop, self.client, self.states = shop, client, len(shop.states)
        self.url = shop.platform.endpoints.nats
        self.settings = tool_settings(shop.platform.environment)

    def token(self) -> str:
        return request_token(self.settings, WENDY)

    def signed(self, subject: str = TELL, body: bytes = BODY, command_id: str = "") -> dict[str, str]:
        return tell_headers(self.settings, WENDY, subject, body, command_id)

    async def letters(self) -> list[str]:
        """Return why which messages were set aside."""
        rows = await self.shop.database.fetch("SELECT reason FROM inventory.dead_letters ORDER BY at_ms")
        return [row["reason"] for row in rows]

    async def held(self) -> int:
        """Return how much of the item was ever received."""
        events = await self.shop.events("inventory", f"item/{SKU}")
        return sum(msgspec.json.decode(row["body"]).get("quantity", 0) for row in events)

    async def is_accepted(self, command_id: str) -> bool:
        return (await self.shop.client.outcome_of_tell(ReceiveStock, command_id)).ending == "accepted"

    async def good_one_is_done(self) -> None:
        """Ask and tell as one should; both are done at once, by the process that has just met the bad one."""
        before = await self.held()
        mesh = self.shop.client
        async with asyncio.timeout(5):
            await mesh.ask(GetItem(sku=SKU))
            command_id = await mesh.tell(ReceiveStock(sku=SKU, quantity=1))
            await until(lambda: self.is_accepted(command_id))
        assert await self.held() == before + 1
        assert len(self.shop.states) == self.states, "a process had to be started again"


@pytest_asyncio.fixture(loop_scope="session")
async def hostile(shop: ShopPlatform) -> AsyncIterator[Hostile]:
    await shop.stock(SKU, 1)
    client = await nats.connect(shop.platform.endpoints.nats)
    try:
        yield Hostile(shop, client)
    finally:
        await client.close()
        for domain in ("users", "orders", "inventory", "payments"):
            await shop.database.execute(f"DELETE FROM {domain}.dead_letters")


FOREIGN = {
    "roll up": {"Nats-Rollup": "all"},
    "roll up the subject": {"Nats-Rollup": "sub"},
    "expect another stream": {"Nats-Expected-Stream": "ORDERS"},
    "expect a sequence": {"Nats-Expected-Last-Sequence": "4711"},
    "expect a sequence of the subject": {"Nats-Expected-Last-Subject-Sequence": "4711"},
    "expect an id": {"Nats-Expected-Last-Msg-Id": "4711"},
    "expire": {"Nats-TTL": "1s"},
    "repeat for ever": {"Nats-Schedule": "@every 1s", "Nats-Schedule-Target": TELL},
    "be one of a batch": {"Nats-Batch-Id": "a", "Nats-Batch-Sequence": "1"},
    "count": {"Nats-Incr": "5"},
}


@pytest.mark.parametrize("wish", FOREIGN)
async def test_a_header_that_would_direct_the_broker_is_refused_by_it(hostile: Hostile, wish: str) -> None:
    answer = await hostile.client.request(TELL, BODY, headers=hostile.signed() | FOREIGN[wish], timeout=5)
    assert json.loads(answer.data)["error"]["code"] >= 400
    assert await hostile.letters() == []
    await hostile.good_one_is_done()


@pytest.mark.parametrize("wish", FOREIGN)
async def test_such_a_header_on_a_request_means_nothing(hostile: Hostile, wish: str) -> None:
    headers = {PRINCIPAL: hostile.token()} | FOREIGN[wish]
    answer = await hostile.client.request(
        f"inventory.query.get_item.{SKU}", b'{"sku":"%s"}' % SKU.encode(), headers=headers, timeout=5
    )
    assert json.loads(answer.data)["sku"] == SKU
    assert not {name for name in answer.headers or {} if name.startswith("Nats-")}, "and none comes back"
    await hostile.good_one_is_done()


@pytest.mark.parametrize(
    "subject", [b"inventory.tell.\xff\xfe.a", b"inventory.tell.receive_stock.\xc3", b"inventory.tell.\0.\0"]
)
async def test_a_subject_that_is_no_text_is_set_aside(hostile: Hostile, subject: bytes) -> None:
    assert b"-ERR" not in await send_raw(hostile.url, frame(subject, BODY))
    await until(lambda: some_letter(hostile), timeout_seconds=20)
    await hostile.good_one_is_done()


@pytest.mark.parametrize("kind", [b"command", b"query"])
async def test_a_request_to_a_subject_that_is_no_text_leaves_the_process_listening(
    hostile: Hostile, kind: bytes
) -> None:
    await send_raw(hostile.url, frame(b"inventory." + kind + b".\xff\xfe.a", BODY, reply=b"_INBOX.nobody"))
    await hostile.good_one_is_done()


@pytest.mark.parametrize(
    "headers",
    [
        b"Mesh-Principal: \xff\xfe\r\n",
        b"garbage without a colon\r\n",
        b": no name\r\n",
        b"Mesh-Command-Id: a\r\n\tfolded\r\n",
        b"Mesh-Command-Id: \0\r\n",
        b"X: 1\r\n" * 2000,
        b"Mesh-Principal: " + b"a" * 50_000 + b"\r\n",
    ],
)
async def test_headers_that_are_none_are_set_aside(hostile: Hostile, headers: bytes) -> None:
    assert b"-ERR" not in await send_raw(hostile.url, frame(TELL.encode(), BODY, headers))
    await until(lambda: some_letter(hostile), timeout_seconds=20)
    await send_raw(hostile.url, frame(b"inventory.command.receive_stock." + SKU.encode(), BODY, headers))
    await hostile.good_one_is_done()


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"", "message_malformed"),
        (b'{"sku":"battered","quantity":"1"}', "message_invalid"),
        (b'{"sku":"battered","quantity":1,"price":0}', "message_invalid"),
        (b'{"sku":"\xff","quantity":1}', "message_malformed"),
        (b"[" * 60_000, "message_malformed"),
    ],
)
async def test_a_body_that_is_not_the_command_is_answered_or_set_aside(
    hostile: Hostile, body: bytes, reason: str
) -> None:
    headers = {PRINCIPAL: hostile.token()}
    answer = await hostile.client.request(f"inventory.command.receive_stock.{SKU}", body, headers=headers, timeout=5)
    assert (answer.headers or {})[ERROR] == "refused"
    assert json.loads(answer.data)["code"] in (reason, "message_invalid", "message_malformed")
    await hostile.client.request(TELL, body, headers=hostile.signed(body=body), timeout=5)
    await until(lambda: some_letter(hostile), timeout_seconds=20)
    assert (await hostile.letters())[0].startswith("message_")
    await hostile.good_one_is_done()


async def some_letter(hostile: Hostile) -> bool:
    return len(await hostile.letters()) > 0


async def test_what_is_larger_than_a_message_may_be_costs_its_sender_the_connection(hostile: Hostile) -> None:
    said = await send_raw(hostile.url, frame(TELL.encode(), bytes(MESSAGE_BYTES + 1)))
    assert b"Maximum Payload Violation" in said
    answer = await hostile.client.request(TELL, bytes(MESSAGE_BYTES - 1000), timeout=5)
    assert "size" in json.loads(answer.data)["error"]["description"], "a stream takes less than the server"
    assert await hostile.letters() == []
    await hostile.good_one_is_done()


REPLIES = [
    "$JS.API.STREAM.PURGE.INVENTORY",
    "$JS.API.STREAM.DELETE.INVENTORY",
    "orders.command.cancel_order.o1",
    "$SYS.REQ.X",
]


@pytest.mark.parametrize("reply", REPLIES)
async def test_no_answer_is_sent_where_its_asker_may_not_publish(hostile: Hostile, reply: str) -> None:
    heard: list[Msg] = []

    async def hear(message: Msg) -> None:
        heard.append(message)

    listening = await hostile.client.subscribe(reply, cb=hear)
    headers = {PRINCIPAL: hostile.token()}
    question = b'{"sku":"%s"}' % SKU.encode()
    for subject, body in (
        (f"inventory.query.get_item.{SKU}", question),
        (f"inventory.command.receive_stock.{SKU}", b""),
    ):
        await hostile.client.publish(subject, body, reply, headers)
    await hostile.client.flush()
    await hostile.good_one_is_done()
    await listening.unsubscribe()
    assert heard == []
    await until(lambda: is_whole(hostile))


@pytest.mark.parametrize("reply", REPLIES[:3])
async def test_the_brokers_own_acknowledgement_sent_elsewhere_does_no_harm(hostile: Hostile, reply: str) -> None:
    headers = hostile.signed()
    await hostile.client.publish(TELL, BODY, reply, headers)
    await until(lambda: hostile.is_accepted(headers[COMMAND_ID]))
    await hostile.good_one_is_done()
    await until(lambda: is_whole(hostile))


async def is_whole(hostile: Hostile) -> bool:
    """Return whether the stream holds what the journal does, and nothing else."""
    events = await hostile.shop.database.fetchval("SELECT count(*) FROM inventory.events")
    return await stream_messages(hostile.client, "INVENTORY") == events


async def stream_messages(client: StockClient, stream: str) -> int:
    return int((await client.jetstream().stream_info(stream)).state.messages)


async def test_a_flood_of_garbage_slows_nobody_down(hostile: Hostile) -> None:
    count = 2000
    await send_raw(hostile.url, *(frame(f"inventory.tell.x{n}.y{n}".encode(), b"garbage") for n in range(count)))
    began = asyncio.get_running_loop().time()
    await hostile.shop.client.ask(GetItem(sku=SKU))
    assert asyncio.get_running_loop().time() - began < 2
    await hostile.good_one_is_done()

    async def is_over() -> bool:
        return await stream_messages(hostile.client, "INVENTORY_TELLS") == 0

    await until(is_over, timeout_seconds=60)
    assert 0 < len(await hostile.letters()) <= 1000
    await hostile.good_one_is_done()


async def test_poison_comes_to_rest_and_its_neighbours_are_done_meanwhile(hostile: Hostile) -> None:
    headers: list[Mapping[str, str]] = []
    for n in range(20):
        poison = f"inventory.tell.receive_stock.poison{n}"
        body = b'{"sku":"poison%d","quantity":0}' % n
        await hostile.client.request(poison, body, headers=hostile.signed(poison, body), timeout=5)
        headers.append(hostile.signed(command_id=derived_id("test", "neighbour", str(n))))
        await hostile.client.request(TELL, BODY, headers=dict(headers[-1]), timeout=5)
    for each in headers:
        await until(lambda each=each: hostile.is_accepted(each[COMMAND_ID]), timeout_seconds=10)  # type: ignore[misc]
    assert await hostile.letters() == ["message_invalid"] * 20
