"""Tools over real processes: the examples as somebody runs them, and a stock client with nothing but headers."""

from __future__ import annotations

import asyncio
import json
import os
import shlex
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import nats
import pytest
import pytest_asyncio
from nats.aio.client import Client as StockClient

from actors.mesh.testing.waiting import until
from infra.local.settings import PROJECT
from schemas.inventory import ReceiveStock
from schemas.message import Accepted
from tests.integration.shop_platform import ShopPlatform

pytestmark = pytest.mark.asyncio(loop_scope="session")

RUN_SECONDS = 60.0
FILE = """sku,quantity,reference
tool-cup,12,DN-1
tool-cup,12,DN-1
tool-plate,40,DN-2
tool-nowhere,5,DN-3
tool-cup,many,DN-4
tool.cup,1,DN-5
"""


class Ran(NamedTuple):
    """What a process said."""

    code: int
    out: str
    err: str

    @property
    def told(self) -> Any:
        return json.loads(self.out)


async def ran(*words: str | Path, **environment: str) -> Ran:
    """Run a Python of this environment in a folder that is not the project's."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("MESH_")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, *words, env=kept | environment, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    async with asyncio.timeout(RUN_SECONDS):
        out, err = await process.communicate()
    return Ran(process.returncode or 0, out.decode(), err.decode())


async def mesh_command(shop: ShopPlatform, *words: str) -> Ran:
    return await ran("-m", "cli", *words, MESH_DATA_FOLDER=str(shop.folder))


@pytest_asyncio.fixture(loop_scope="session")
async def stock_client(shop: ShopPlatform) -> AsyncIterator[StockClient]:
    client = await nats.connect(shop.platform.endpoints.nats)
    yield client
    await client.close()


async def tool_environment(shop: ShopPlatform) -> dict[str, str]:
    """Return what `mesh env` says, read as a shell reads it."""
    said = await mesh_command(shop, "env")
    assert said.code == 0, said.err
    words = [shlex.split(line) for line in said.out.splitlines()]
    assert all(export == "export" for export, _ in words)
    return dict(assignment.split("=", 1) for _, assignment in words)


async def test_a_tool_is_told_what_it_needs_and_nothing_else(shop: ShopPlatform) -> None:
    told = await tool_environment(shop)
    assert set(told) == {"MESH_NATS_URL", "MESH_SIGNING_KEY", "MESH_SIGNING_ISSUER", "NATS_URL"}
    assert (await mesh_command(shop, "env", "--json")).told == told


async def test_without_a_platform_the_command_says_what_to_do(tmp_path: Path) -> None:
    for command in ("env", "token"):
        said = await ran("-m", "cli", command, MESH_DATA_FOLDER=str(tmp_path))
        assert (said.code, said.out) == (1, "")
        assert "start one with `just up`" in said.err


async def test_the_stock_import_books_each_row_once_and_collects_refusals(shop: ShopPlatform, tmp_path: Path) -> None:
    for sku in ("tool-cup", "tool-plate"):
        await shop.stock(sku, 1)
    file = tmp_path / "deliveries.csv"
    file.write_text(FILE, encoding="utf-8")
    environment, script = await tool_environment(shop), PROJECT / "examples" / "stock_import.py"
    for _ in range(2):
        run = await ran(script, file, "--json", **environment)
        assert run.code == 1, run.err
        assert run.told["endings"] == {"accepted": 3, "refused": 3}
        refused = {row["line"]: row["code"] for row in run.told["not_accepted"]}
        assert refused == {5: "item_unknown", 6: "row_invalid", 7: "row_invalid"}
        assert (await shop.item("tool-cup")).available == 25
        assert (await shop.item("tool-plate")).available == 41
    # The item comes into the catalogue, a row is added in between: only what was not booked before is booked now.
    await shop.stock("tool-nowhere", 1)
    file.write_text(FILE.replace("tool-plate", "tool-plate,1,DN-9\ntool-plate", 1), encoding="utf-8")
    run = await ran(script, file, "--json", **environment)
    assert run.told["endings"] == {"accepted": 5, "refused": 2}
    assert (await shop.item("tool-cup")).available == 25
    assert (await shop.item("tool-plate")).available == 42
    assert (await shop.item("tool-nowhere")).available == 6


async def test_the_stock_import_shows_people_what_was_not_booked(shop: ShopPlatform, tmp_path: Path) -> None:
    await shop.stock("tool-jug", 1)
    environment, script = await tool_environment(shop), PROJECT / "examples" / "stock_import.py"
    file = tmp_path / "good.csv"
    file.write_text("sku,quantity\ntool-jug,3\n", encoding="utf-8")
    good = await ran(script, file, **environment)
    assert good.code == 0
    assert "1 rows: 1 accepted" in " ".join(good.out.split())
    file.write_text("sku,quantity\nno-such-jug,3\n", encoding="utf-8")
    bad = await ran(script, file, COLUMNS="120", **environment)
    assert bad.code == 1
    assert "Not booked" in bad.out
    assert "item_unknown" in bad.out


@pytest.mark.parametrize("text", ["", "name,count\na,1\n"])
async def test_a_file_of_another_kind_is_not_imported(shop: ShopPlatform, tmp_path: Path, text: str) -> None:
    file = tmp_path / "other.csv"
    file.write_text(text, encoding="utf-8")
    run = await ran(PROJECT / "examples" / "stock_import.py", file, **await tool_environment(shop))
    assert run.code == 2
    assert "the first line must name the columns sku, quantity" in run.err


@pytest.mark.parametrize("example", ["stock_import.py", "follow_events.py"])
async def test_a_tool_without_an_environment_says_how_to_get_one(example: str) -> None:
    run = await ran(PROJECT / "examples" / example, "examples/stock.csv" if "stock" in example else "orders")
    assert (run.code, run.out) == (2, "")
    assert "MESH_NATS_URL is missing" in run.err
    assert 'eval "$(./just mesh env)"' in run.err


async def test_the_follower_goes_on_where_it_stopped(
    shop: ShopPlatform, stock_client: StockClient, tmp_path: Path
) -> None:
    environment, script = await tool_environment(shop), PROJECT / "examples" / "follow_events.py"
    await until(lambda: nothing_unpublished(shop))
    before = (await stock_client.jetstream().stream_info("INVENTORY")).state.last_seq
    kept = tmp_path / "position"
    kept.write_text(f"{before}\n", encoding="utf-8")
    await shop.stock("tool-lamp", 7)
    seen: list[dict[str, Any]] = []
    for _ in range(2):
        run = await ran(script, "inventory", "--json", "--count", "1", "--position", str(kept), **environment)
        assert run.code == 0, run.err
        seen += [json.loads(line) for line in run.out.splitlines()]
    assert [event["position"] for event in seen] == [before + 1, before + 2], "nothing twice, nothing missed"
    assert [(event["name"], event["key"], event["version"]) for event in seen] == [
        ("item_added", "item/tool-lamp", 1),
        ("stock_received", "item/tool-lamp", 2),
    ]
    assert seen[1]["event"] == {"sku": "tool-lamp", "quantity": 7}
    assert kept.read_text(encoding="utf-8") == f"{before + 2}\n"


async def nothing_unpublished(shop: ShopPlatform) -> bool:
    return await shop.database.fetchval("SELECT count(*) FROM inventory.unpublished") == 0


async def test_personal_texts_are_masked_for_a_follower(shop: ShopPlatform, tmp_path: Path) -> None:
    environment, script = await tool_environment(shop), PROJECT / "examples" / "follow_events.py"
    run = await ran(script, "users", "--count", "1", "--position", str(tmp_path / "p"), **environment)
    assert run.code == 0, run.err
    assert "•••" in run.out
    assert "example.org" not in run.out


async def test_a_follower_whose_position_means_nothing_any_more_says_so(shop: ShopPlatform, tmp_path: Path) -> None:
    kept = tmp_path / "position"
    kept.write_text("999999999\n", encoding="utf-8")
    script = PROJECT / "examples" / "follow_events.py"
    run = await ran(script, "inventory", "--position", str(kept), **await tool_environment(shop))
    assert run.code == 1
    assert "remove the position file" in run.err


async def test_nothing_but_a_stock_client_and_plain_headers(shop: ShopPlatform, stock_client: StockClient) -> None:
    """What `nats req`, `nats pub -J` and `nats sub` do, with what `mesh token` prints for them."""
    await shop.stock("stock-cup", 1)
    token = (await mesh_command(shop, "token", "--role", "warehouse", "--name", "wendy")).out.strip()
    asked = await stock_client.request(
        "inventory.query.get_item.stock-cup", b'{"sku":"stock-cup"}', headers={"Mesh-Principal": token}, timeout=5
    )
    assert json.loads(asked.data)["title"] == "stock-cup"

    heard = await stock_client.subscribe("inventory.event.stock_received.*")
    body = '{"sku":"stock-cup","quantity":4}'
    subject = "inventory.tell.receive_stock.stock-cup"
    options = (await mesh_command(shop, "token", subject, body, "--role", "warehouse", "--name", "wendy")).out.split()
    assert options[::2] == ["-H"] * (len(options) // 2)
    headers = dict(option.split(":", 1) for option in options[1::2])
    stored = await stock_client.request(subject, body.encode(), headers=headers, timeout=5)
    assert json.loads(stored.data)["stream"] == "INVENTORY_TELLS"
    event = await heard.next_msg(timeout=10)
    assert json.loads(event.data) == {"sku": "stock-cup", "quantity": 4}
    assert (event.headers or {})["Mesh-Person"] == "wendy"

    command_id = headers["Mesh-Command-Id"]
    outcome = await stock_client.request(
        f"inventory.query.tell_outcome.{command_id}",
        json.dumps({"command_id": command_id}).encode(),
        headers={"Mesh-Principal": token},
        timeout=5,
    )
    assert json.loads(outcome.data) == {"ending": "accepted", "accepted": {"entity_id": "stock-cup", "version": 3}}
    wrong = await stock_client.request(
        "inventory.command.receive_stock.stock-cup", b"{", headers={"Mesh-Principal": token}, timeout=5
    )
    assert (wrong.headers or {})["Mesh-Error"] == "refused"
    assert json.loads(wrong.data)["code"] == "message_malformed"


async def test_a_token_for_a_role_allows_no_more_than_the_role(shop: ShopPlatform, stock_client: StockClient) -> None:
    token = (await mesh_command(shop, "token", "--role", "finance")).out.strip()
    refused = await stock_client.request(
        "inventory.command.receive_stock.x", b'{"sku":"x","quantity":1}', headers={"Mesh-Principal": token}, timeout=5
    )
    assert json.loads(refused.data)["code"] == "permission_missing"
    assert (await mesh_command(shop, "token", "--role", "emperor")).code == 2
    assert (await mesh_command(shop, "token", "a.tell.b.c", "{}", "--id", "1")).code == 2


async def test_what_was_told_while_a_domain_was_away_is_done_when_it_is_back(shop: ShopPlatform) -> None:
    await shop.stock("tool-vase", 1)
    await shop.platform.remove("inventory")
    try:
        ids = [await shop.client.tell(ReceiveStock(sku="tool-vase", quantity=1)) for _ in range(50)]
    finally:
        await shop.platform.add(shop.platform.part("inventory", "inventory"))

    async def all_done() -> bool:
        found = [await shop.client.outcome_of_tell(ReceiveStock, command_id) for command_id in ids]
        return all(outcome.ending == "accepted" for outcome in found)

    await until(all_done, timeout_seconds=30)
    assert (await shop.item("tool-vase")).available == 51
    last = await shop.client.outcome_of_tell(ReceiveStock, ids[-1])
    assert last.accepted == Accepted(entity_id="tool-vase", version=52)
