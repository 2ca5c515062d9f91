"""The operator's commands on a platform of real processes: what they print, and how they end."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import nats
import pytest
from nats.aio.msg import Msg
from nats.micro.service import ServiceInfo, ServicePing, ServiceStats

from actors.mesh._ports import StreamSpec
from actors.mesh.adapters.nats import open_nats
from actors.mesh.adapters.world import SystemClock, SystemIds
from actors.mesh.testing.waiting import until
from infra.local.endpoints import Endpoints, write_endpoints
from infra.local.secrets import load_or_make
from infra.local.settings import PROJECT
from tests.integration.shop_platform import CUSTOMER, ShopPlatform

pytestmark = pytest.mark.asyncio(loop_scope="session")

DOMAINS = ["inventory", "notifications", "orders", "payments", "users"]
ADDRESS = "1 Example Street"
WITHIN_SECONDS = 60.0
ORDER = "operator-order"


async def started(folder: Path, *words: str, said: bytes | None = None) -> asyncio.subprocess.Process:
    """Start `mesh` with these words, on the platform of this folder."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "cli", *words, stdin=pipe, stdout=pipe, stderr=pipe, cwd=PROJECT,
        env={"MESH_DATA_FOLDER": str(folder), "PATH": "/usr/bin:/bin", "COLUMNS": "120"},
    )  # fmt: skip
    assert process.stdin is not None
    if said is not None:
        process.stdin.write(said)
    process.stdin.close()
    return process


async def ended(process: asyncio.subprocess.Process) -> tuple[int, str, str]:
    """Return a command's exit code, and what it printed on both."""
    output, errors = await asyncio.wait_for(process.communicate(), WITHIN_SECONDS)
    assert process.returncode is not None
    return process.returncode, output.decode(), errors.decode()


async def mesh(shop: ShopPlatform, *words: str, said: bytes | None = None) -> tuple[int, str, str]:
    return await ended(await started(shop.folder, *words, said=said))


async def document(shop: ShopPlatform, *words: str, code: int = 0) -> Any:
    """Return the one object a command prints with `--json`."""
    found, output, errors = await mesh(shop, *words, "--json")
    assert found == code, errors or output
    return msgspec.json.decode(output)


@asynccontextmanager
async def without_users(shop: ShopPlatform) -> AsyncIterator[None]:
    await shop.platform.remove("users")
    try:
        yield
    finally:
        await shop.platform.add(shop.platform.part("users", "users"))


async def asked(shop: ShopPlatform, subject: str) -> list[dict[str, Any]]:
    """Ask as a stock tool does: publish with an inbox, and take what comes."""
    client = await nats.connect(shop.platform.endpoints.nats)
    try:
        inbox, replies = client.new_inbox(), list[dict[str, Any]]()

        async def take(message: Msg) -> None:
            replies.append(msgspec.json.decode(message.data))

        await client.subscribe(inbox, cb=take)
        await client.publish(subject, b"", reply=inbox)
        await until(lambda: len(replies) >= len(DOMAINS))
        return sorted(replies, key=lambda reply: reply["name"])
    finally:
        await client.close()


async def test_stock_tools_see_every_pool(shop: ShopPlatform) -> None:
    pings = [ServicePing.from_dict(reply) for reply in await asked(shop, "$SRV.PING")]
    infos = [ServiceInfo.from_dict(reply) for reply in await asked(shop, "$SRV.INFO")]
    stats = [ServiceStats.from_dict(reply) for reply in await asked(shop, "$SRV.STATS")]
    assert [each.name for each in pings] == [each.name for each in infos] == [each.name for each in stats] == DOMAINS
    assert [each.id for each in pings] == [each.id for each in infos] == [each.id for each in stats]
    orders = {endpoint.name: endpoint for endpoint in infos[DOMAINS.index("orders")].endpoints}
    assert orders["place_order"].subject == "orders.command.place_order.*"
    assert orders["place_order"].metadata["permission"] == "orders:place_order"
    assert all(endpoint.processing_time >= 0 for each in stats for endpoint in each.endpoints)
    registered = {endpoint.name: endpoint for endpoint in stats[-1].endpoints}["add_user"]
    assert registered.num_requests > 0
    assert registered.average_processing_time == registered.processing_time // registered.num_requests


async def test_status_says_whether_all_is_well(shop: ShopPlatform) -> None:
    found = await document(shop, "status")
    assert (found["ok"], found["troubles"]) == (True, [])
    assert {pool["domain"]: pool["instances"] for pool in found["pools"]} == dict.fromkeys(DOMAINS, 1)
    assert {"orders_views", "orders_sagas", "payments_effects"} <= {each["name"] for each in found["consumers"]}
    async with without_users(shop):
        found = await document(shop, "status", code=1)
        assert found["troubles"] == ["users has no instance: nobody answers for it"]
    code, shown, _ = await mesh(shop, "status", "--watch", "--looks", "2", "--interval", "0.1")
    assert (code, shown.count("All is well")) == (0, 2)


async def test_doctor_finds_a_healthy_platform_healthy_and_a_missing_pool_missing(shop: ShopPlatform) -> None:
    found = await document(shop, "doctor")
    assert found["ok"], [each for each in found["findings"] if each["state"] != "ok"]
    areas = {each["area"] for each in found["findings"]}
    assert {"python", "nats", "postgres", "redis", "gateway", "traces", "clock", "streams", *DOMAINS} <= areas
    async with without_users(shop):
        code, shown, _ = await mesh(shop, "doctor")
        assert code == 1
        assert "no pool answers" in shown


async def test_a_call_is_answered_refused_or_not_understood(shop: ShopPlatform) -> None:
    await shop.stock("op-cup", 5)
    assert (await document(shop, "call", "GetItem", "--key", "op-cup"))["on_hand"] == 5
    code, output, _ = await mesh(shop, "call", "receive_stock", "-", "--json", said=b'{"sku":"op-cup","quantity":2}')
    assert (code, msgspec.json.decode(output)["entity_id"]) == (0, "op-cup")
    assert (await shop.item("op-cup")).on_hand == 7
    code, output, errors = await mesh(shop, "call", "inventory.receive_stock", "sku=op-none", "quantity=1")
    assert (code, output) == (1, "")
    assert errors.startswith("refused: item_unknown: ")
    code, _, errors = await mesh(shop, "call", "ReceiveStock", "sku=op-cup", "quantity=few")
    assert (code, "at /quantity" in errors) == (1, True)
    code, _, errors = await mesh(shop, "call", "ReciveStock", "sku=op-cup")
    assert code == 64
    assert errors.startswith("There is no command or query 'ReciveStock': did you mean ReceiveStock")
    async with without_users(shop):
        code, _, errors = await mesh(shop, "call", "GetUser", "--key", CUSTOMER)
        assert (code, "unavailable" in errors) == (69, True)


async def test_a_command_called_twice_under_one_id_is_done_once(shop: ShopPlatform) -> None:
    await shop.stock("op-jug", 1)
    words = ("call", "ReceiveStock", "sku=op-jug", "quantity=1", "--id", "01a21d5a-a75f-72e9-82d7-fa21dfa5ae0b")
    first, (code, output, errors) = await document(shop, *words), await mesh(shop, *words)
    assert (code, msgspec.json.decode(output)) == (0, first)
    assert "had been done before" in errors
    assert (await shop.item("op-jug")).on_hand == 2


async def test_a_tap_shows_what_passes_by_and_hides_where_people_live(shop: ShopPlatform) -> None:
    await shop.stock("op-lamp", 5)
    tap = await started(shop.folder, "tap", "orders.event.>", "--count", "3", "--json")
    drawn = await started(shop.folder, "tap", "orders.>", "--count", "3")
    assert drawn.stderr is not None
    await asyncio.wait_for(drawn.stderr.readline(), WITHIN_SECONDS)  # it listens
    order_ids = [f"op-tapped-{number}" for number in range(20)]
    for order_id in order_ids:  # the other may not listen yet: it hears a later one
        await shop.place(order_id, "op-lamp", "card-declined")
        if tap.returncode is not None and drawn.returncode is not None:
            break
    (code, output, _), (drawn_code, shown, _) = await ended(tap), await ended(drawn)
    messages = [msgspec.json.decode(line) for line in output.splitlines()]
    assert (code, drawn_code, len(messages), len(shown.splitlines())) == (0, 0, 3, 3)
    assert all(message["subject"].startswith("orders.event.") and message["trace_id"] for message in messages)
    assert {message["who"] for message in messages} <= {CUSTOMER, "seed"}
    bodies = [message["body"] for message in messages if message["body"] and "deliver_to" in message["body"]]
    assert all(body["deliver_to"] == "•••" for body in bodies)
    assert "orders.command.place_order" in shown
    assert ADDRESS not in output + shown
    await shop.at_rest(order_ids[:1])


async def test_a_history_shows_each_event_with_what_it_changed(shop: ShopPlatform) -> None:
    await shop.stock("op-bowl", 5)
    await shop.place(ORDER, "op-bowl", "card-approved")
    await shop.at_rest([ORDER])
    page = await document(shop, "events", "orders", ORDER)
    assert page["key"] == f"order/{ORDER}"
    assert [entry["name"] for entry in page["entries"]] == [
        "order_placed", "order_reserved", "order_confirmed", "order_paid",
    ]  # fmt: skip
    paid = page["entries"][3]
    assert paid["changes"] == [{"field": "status", "before": "confirmed", "after": "paid"}]
    assert (await document(shop, "events", "orders", ORDER, "--after", "3"))["entries"] == [paid]
    assert (await document(shop, "events", "orders", ORDER, "--limit", "1"))["next_after_version"] == 1
    code, shown, _ = await mesh(shop, "events", "orders", ORDER)
    assert (code, '"confirmed" → "paid"' in shown, ADDRESS in shown) == (0, True, False)
    person = await document(shop, "events", "users", CUSTOMER)
    assert person["entries"][0]["body"]["email"] == "•••"
    assert (await mesh(shop, "events", "orders", "nobody-1"))[0] == 1
    assert (await mesh(shop, "events", "ordres", ORDER))[0] == 64


async def test_what_is_published_into_a_stream_is_kept_once_under_its_id(shop: ShopPlatform) -> None:
    async with open_nats(shop.platform.endpoints.nats, name="test", clock=SystemClock(), ids=SystemIds()) as bus:
        await bus.provision([StreamSpec("OPERATOR_TOOLS", ("optools.told.>",))], [])
        words = ("publish", "optools.told.x", "hello", "--id", "01a21d5a-a75f-72e9-82d7-fa21dfa5ae0b")
        for _ in range(2):
            kept = await document(shop, *words)
            assert (kept["stream"], kept["sequence"]) == ("OPERATOR_TOOLS", 1)
        assert (await bus.stream_state("OPERATOR_TOOLS")).messages == 1
    assert (await document(shop, "publish", "optools.heard", "-"))["stream"] == ""
    assert (await mesh(shop, "publish", "orders.event.order_paid.3", "{}"))[0] == 64


async def test_a_command_that_is_published_as_told_is_done(shop: ShopPlatform) -> None:
    await shop.stock("op-plate", 5)
    kept = await document(
        shop, "publish", "inventory.tell.receive_stock.op-plate", '{"sku": "op-plate", "quantity": 4}'
    )
    assert kept["stream"].startswith("INVENTORY")

    async def received() -> bool:
        return (await shop.item("op-plate")).on_hand == 9

    await until(received)


async def test_nats_away_has_an_exit_code_of_its_own(tmp_path: Path) -> None:
    load_or_make(tmp_path)
    nowhere = "nats://mesh:secret@127.0.0.1:1"
    addresses = {"nats": nowhere, "gateway": "", "nats_monitor": "", "postgres": "", "redis": "", "traces": ""}
    write_endpoints(tmp_path, Endpoints(**addresses, tokens={}))  # type: ignore[arg-type]
    code, output, errors = await ended(await started(tmp_path, "status", "--json"))
    assert (code, output, "NATS is not reached" in errors, "secret" in errors) == (69, "", True, False)
    code, _, errors = await ended(await started(tmp_path / "empty", "call", "ListOrders"))
    assert (code, "start one with `just up`" in errors) == (69, True)
