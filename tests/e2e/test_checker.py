"""The checker finds a platform in order, and names the invariant that a changed row breaks."""

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from cli.simulate import simulate
from tests.e2e.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="session")

ORDERS = 12
EVENT_OF = "(key, version) = (SELECT key, version FROM {schema}.events WHERE name = '{name}' ORDER BY key LIMIT 1)"

# What is changed, by which statement, and an invariant that must break; more may break with it.
MUTATIONS = {
    "a ledger row is doubled": (
        "payments.ledger",
        """INSERT INTO payments.ledger (transaction_id, order_id, account, currency, amount_minor)
        SELECT transaction_id || '-again', order_id, account, currency, amount_minor FROM payments.ledger LIMIT 1""",
        "I2",
    ),
    "a ledger row is dropped": (
        "payments.ledger",
        "DELETE FROM payments.ledger WHERE id = (SELECT min(id) FROM payments.ledger)",
        "I2",
    ),
    "a whole transaction of the ledger is dropped": (
        "payments.ledger",
        "DELETE FROM payments.ledger WHERE transaction_id = (SELECT min(transaction_id) FROM payments.ledger)",
        "I2",
    ),
    "the last event of an order is deleted": (
        "orders.events",
        "DELETE FROM orders.events WHERE " + EVENT_OF.format(schema="orders", name="order_paid"),
        "I3",
    ),
    "an event in the middle is deleted": (
        "orders.events",
        "DELETE FROM orders.events WHERE " + EVENT_OF.format(schema="orders", name="order_reserved"),
        "I4",
    ),
    "an event nobody published is added": (
        "users.events",
        """INSERT INTO users.events SELECT version + 1, command_id, at, key, name, headers, private, body
        FROM users.events ORDER BY version DESC LIMIT 1""",
        "I4",
    ),
    "a command's event is written again": (
        "orders.events",
        """INSERT INTO orders.events SELECT version + 1, gen_random_uuid(), at, key, name, headers, private, body
        FROM orders.events WHERE name = 'order_refunded' LIMIT 1""",
        "I5",
    ),
    "a refund is written again": (
        "payments.events",
        """INSERT INTO payments.events SELECT version + 1, gen_random_uuid(), at, key, name, headers, private, body
        FROM payments.events WHERE name = 'payment_refunded' LIMIT 1""",
        "I5",
    ),
    "a refund is dropped from the ledger": (
        "payments.ledger",
        "DELETE FROM payments.ledger WHERE transaction_id LIKE '%/refund/%'",
        "I2",
    ),
    "a refunded order never was": (
        "orders.events",
        "DELETE FROM orders.events WHERE " + EVENT_OF.format(schema="orders", name="order_refunded"),
        "I3",
    ),
    "what was put back is lost": (
        "inventory.events",
        "DELETE FROM inventory.events WHERE " + EVENT_OF.format(schema="inventory", name="stock_returned"),
        "I1",
    ),
    "a reservation was never put back": (
        "inventory.events",
        "DELETE FROM inventory.events WHERE " + EVENT_OF.format(schema="inventory", name="reservation_returned"),
        "I3",
    ),
    "a held event of a reservation is dropped": (
        "inventory.events",
        "DELETE FROM inventory.events WHERE " + EVENT_OF.format(schema="inventory", name="stock_held"),
        "I1",
    ),
    "a reservation is dropped": (
        "inventory.events",
        "DELETE FROM inventory.events WHERE " + EVENT_OF.format(schema="inventory", name="stock_reserved"),
        "I1",
    ),
    "a quantity is changed": (
        "inventory.events",
        """UPDATE inventory.events SET body = convert_to(replace(convert_from(body, 'UTF8'),
        '"quantity":25', '"quantity":26'), 'UTF8') WHERE name = 'stock_received' AND key = 'item/cup-blue'""",
        "I1",
    ),
    "a view row is altered": (
        "orders_views.view_order_view",
        """UPDATE orders_views.view_order_view SET document = replace(document::text, '"paid"', '"placed"')::json""",
        "I7",
    ),
    "a view row is dropped": (
        "inventory_views.view_item_view",
        "DELETE FROM inventory_views.view_item_view WHERE key = 'cup-blue'",
        "I7",
    ),
    "a refund's saga is not there": ("orders.sagas", "DELETE FROM orders.sagas WHERE saga = 'order_refund'", "I12"),
    "a saga never ended": ("orders.sagas", "UPDATE orders.sagas SET status = 'running'", "I12"),
    "a dead letter lies there": (
        "orders.dead_letters",
        "INSERT INTO orders.dead_letters VALUES ('l1', 'orders.event.x', 'orders_views', 'bug', '', '{}', '', 0, 1)",
        "I11",
    ),
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def traded(running: Running) -> Running:
    """A platform at rest after some orders, of which one was cancelled when it was paid."""
    outcome = await simulate(running.platform.endpoints, seed=3, orders=ORDERS, concurrency=6)
    assert not outcome.wrong
    ada = running.shop("ada")
    _, order = await ada.place([("lamp-white", 2)], "card-approved")
    assert (await ada.at_rest(order.order_id)).status == "paid"
    await ada.post(f"/v1/orders/{order.order_id}/cancel", {"reason": "changed my mind"})
    await running.rest()
    assert (await ada.order(order.order_id)).status == "refunded"
    return running


@asynccontextmanager
async def changed(running: Running, table: str, statement: str) -> AsyncIterator[None]:
    """Change rows as an administrator who switches the triggers off, and put all back afterwards."""
    async with running.administrator() as connection:
        await connection.execute("SET session_replication_role = replica")
        await connection.execute(f"CREATE TEMP TABLE kept AS SELECT * FROM {table}")
        try:
            done = await connection.execute(statement)
            assert not done.endswith(" 0"), "the statement changed nothing"
            yield
        finally:
            await connection.execute(f"DELETE FROM {table}")
            await connection.execute(f"INSERT INTO {table} OVERRIDING SYSTEM VALUE SELECT * FROM kept")


async def test_a_platform_in_order_is_green(traded: Running) -> None:
    verdict = await traded.checked()
    assert not verdict.problems
    assert verdict.orders >= ORDERS / 2


@pytest.mark.parametrize("what", MUTATIONS)
async def test_the_checker_goes_red_when(traded: Running, what: str) -> None:
    table, statement, invariant = MUTATIONS[what]
    async with changed(traded, table, statement):
        verdict = await traded.read()
    assert invariant in verdict.broken
    assert (await traded.read()).ok, "the mutation was not taken back"


@pytest.mark.parametrize(("kind", "told"), [("capture", "captured payment"), ("refund", "back")])
async def test_what_is_doubled_at_the_card_processor_breaks_the_money(traded: Running, kind: str, told: str) -> None:
    with sqlite3.connect(traded.folder / "cards.sqlite", isolation_level=None) as log:
        columns = "kind, payment_id, refund_id, amount_minor, currency, outcome, decline_code, document"
        done = log.execute(
            f"INSERT INTO operations (key, {columns}) SELECT 'twice', {columns} FROM operations "
            "WHERE kind = ? AND outcome = 'approved' LIMIT 1",
            [kind],
        )
        assert done.rowcount == 1
        try:
            verdict = await traded.read()
        finally:
            log.execute("DELETE FROM operations WHERE key = 'twice'")
    log.close()
    assert {"I2", "I5"} <= set(verdict.broken)
    assert any(told in problem for problem in verdict.problems)


async def test_a_row_altered_in_redis_breaks_the_views(traded: Running) -> None:
    async with Redis.from_url(traded.platform.endpoints.redis) as client:
        row = next(iter([key async for key in client.scan_iter(match="{inventory:}:view:availability:*:cup-blue")]))
        kept = await client.hget(row, "d")
        await client.hset(row, "d", b'{"sku":"cup-blue","available":-3}')
        try:
            verdict = await traded.read()
        finally:
            await client.hset(row, "d", kept)
    assert {"I1", "I7"} <= set(verdict.broken)


async def test_an_order_that_was_acknowledged_and_is_not_there_is_told(traded: Running) -> None:
    verdict = await traded.checked(acknowledged=["an-order-that-got-lost"])
    assert verdict.broken == ("I6",)
