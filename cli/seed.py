"""What a fresh platform is stocked with: demo accounts and twenty items. Done again, it changes nothing."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from actors.mesh.connect import connect, tool_settings
from cli.shop import Shop
from infra.local.endpoints import Account
from schemas.envelope import Envelope, derived_id
from schemas.users import AddUser

KINDS = ("cup", "plate", "bowl", "jug", "lamp")
COLOURS = ("blue", "green", "red", "white")
CATALOGUE = tuple(
    (f"{kind}-{colour}", f"{kind.capitalize()}, {colour}", 450 + 350 * place + 25 * shade)
    for place, kind in enumerate(KINDS)
    for shade, colour in enumerate(COLOURS)
)
"""Sku, title, price in cents."""
STOCK = 25


async def add_accounts(environment: Mapping[str, str], accounts: Iterable[Account]) -> None:
    """Add the demo accounts, as a tool over NATS: over HTTP only an admin could, and there is none yet."""
    async with connect(tool_settings(environment), "seed") as mesh:
        for account in accounts:
            command = AddUser(
                user_id=account.user_id,
                name=account.name,
                email=account.email,
                password=account.password,
                roles=account.roles,
            )
            await mesh.ask(command, Envelope(command_id=derived_id("seed", "user", account.user_id)))


async def stock_catalogue(warehouse: Shop) -> None:
    """Add the items and book their first stock, as the warehouse does over HTTP."""
    for sku, title, cents in CATALOGUE:
        body = {"sku": sku, "title": title, "price": {"amount_minor": cents, "currency": "EUR"}}
        await warehouse.post("/v1/items", body, idempotency_key=f"seed-item-{sku}")
        await warehouse.post(f"/v1/items/{sku}/receipts", {"quantity": STOCK}, idempotency_key=f"seed-stock-{sku}")
