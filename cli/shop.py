"""The shop as a client over HTTP sees it: typed calls, and waiting for an order to come to rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx
import msgspec

from schemas.inventory import Availability, ItemPage, ItemView
from schemas.orders import OrderTimelineView, OrderView
from schemas.payments import Balances, OrderLedger

TIMEOUT_SECONDS = 15.0
CONNECTIONS_MAX = 16
RESTING = frozenset({"paid", "cancelled", "refunded"})
"""What an order's story ends with, as far as this platform tells it."""
LOOK_EVERY_SECONDS = 0.05

View = TypeVar("View")


class Problem(Exception):
    """What the gateway refused: its status and its problem+json."""

    def __init__(self, status: int, problem: dict[str, Any]) -> None:
        super().__init__(f"{status} {problem.get('code', '')}: {problem.get('detail', '')}")
        self.status = status
        self.code: str = problem.get("code", "")
        self.detail: str = problem.get("detail", "")


class Shop:
    """Asks the gateway in the name of whoever a token speaks for."""

    def __init__(self, http: httpx.AsyncClient, token: str) -> None:
        self._http = http
        self._headers = {"Authorization": f"Bearer {token}"}

    async def get(self, path: str, view: type[View], **query: str | int) -> View:
        """Read a view."""
        return msgspec.json.decode((await self._send("GET", path, params=query)).content, type=view)

    async def post(
        self, path: str, body: object = None, *, idempotency_key: str = "", prefer: str = ""
    ) -> httpx.Response:
        """Send a command; raise `Problem` where it was refused."""
        headers = {"Content-Type": "application/json"}
        headers |= {"Idempotency-Key": idempotency_key} if idempotency_key else {}
        headers |= {"Prefer": prefer} if prefer else {}
        return await self._send("POST", path, content=msgspec.json.encode(body or {}), headers=headers)

    async def _send(self, method: str, path: str, **given: Any) -> httpx.Response:
        headers = self._headers | given.pop("headers", {})
        response = await self._http.request(method, path, headers=headers, **given)
        if response.is_error:
            try:
                problem = response.json()
            except ValueError:
                problem = {"detail": response.text[:200]}
            raise Problem(response.status_code, problem)
        return response

    async def place(
        self, lines: Sequence[tuple[str, int]], payment_token: str, *, idempotency_key: str = ""
    ) -> tuple[int, OrderView]:
        """Place an order; return the HTTP status and the order as it was shown."""
        body = {
            "lines": [{"sku": sku, "quantity": quantity} for sku, quantity in lines],
            "deliver_to": "Ada Byron, 12 Harbour Street, Bergen",
            "payment_token": payment_token,
        }
        response = await self.post("/v1/orders", body, idempotency_key=idempotency_key)
        return response.status_code, msgspec.json.decode(response.content, type=OrderView)

    async def order(self, order_id: str) -> OrderView:
        return await self.get(f"/v1/orders/{order_id}", OrderView)

    async def timeline(self, order_id: str) -> OrderTimelineView:
        return await self.get(f"/v1/orders/{order_id}/timeline", OrderTimelineView)

    async def ledger(self, order_id: str) -> OrderLedger:
        return await self.get(f"/v1/orders/{order_id}/ledger", OrderLedger)

    async def balances(self) -> Balances:
        return await self.get("/v1/ledger/balances", Balances)

    async def item(self, sku: str) -> ItemView:
        return await self.get(f"/v1/items/{sku}", ItemView)

    async def items(self) -> list[ItemView]:
        """Return the whole catalogue, page after page."""
        found: list[ItemView] = []
        cursor = ""
        while True:
            page = await self.get("/v1/items", ItemPage, limit=100, **({"cursor": cursor} if cursor else {}))
            found += page.items
            if not (cursor := page.next_cursor):
                return found

    async def availability(self, sku: str) -> int:
        return (await self.get(f"/v1/items/{sku}/availability", Availability)).available

    async def at_rest(self, order_id: str, timeout_seconds: float = 30.0) -> OrderView:
        """Wait until the order has come to rest; return it as it is, at rest or not, when the time is over."""
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_seconds
        while True:
            order = await self.order(order_id)
            if order.status in RESTING or loop.time() > end:
                return order
            await asyncio.sleep(LOOK_EVERY_SECONDS)


@asynccontextmanager
async def shop_at(url: str) -> AsyncIterator[httpx.AsyncClient]:
    """Open the connections that several shops share."""
    limits = httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX)
    async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT_SECONDS, limits=limits, trust_env=False) as http:
        yield http
