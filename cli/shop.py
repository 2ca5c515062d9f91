"""The shop as a client over HTTP sees it: typed calls, and waiting for an order to come to rest."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, NamedTuple, Protocol, TypeVar

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


def problem_in(response: httpx.Response) -> Problem:
    """Return what a response that is an error says."""
    try:
        return Problem(response.status_code, response.json())
    except ValueError:
        return Problem(response.status_code, {"detail": response.text[:200]})


class Bearer(Protocol):
    """Whose token a request carries, and how another is had when it is over."""

    @property
    def token(self) -> str: ...

    async def renew(self, spent: str, code: str) -> bool:
        """Get another token in the place of one that was refused with this code; return whether there is one now."""
        ...


class Fixed(NamedTuple):
    """Implements `Bearer` for a token that is good for ever."""

    token: str

    async def renew(self, spent: str, code: str) -> bool:
        return False


class Shop:
    """Asks the gateway in somebody's name: a development token's, or an account's."""

    def __init__(self, http: httpx.AsyncClient, bearer: str | Bearer) -> None:
        self._http = http
        self._bearer = Fixed(bearer) if isinstance(bearer, str) else bearer

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
        token = self._bearer.token
        response = await self._sent(method, path, token, given)
        if response.status_code == 401 and await self._bearer.renew(token, problem_in(response).code):
            response = await self._sent(method, path, self._bearer.token, given)
        if response.is_error:
            raise problem_in(response)
        return response

    async def _sent(self, method: str, path: str, token: str, given: dict[str, Any]) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} | given.get("headers", {})
        return await self._http.request(method, path, **(given | {"headers": headers}))

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
        """Wait until the order's story is over; return it as it is, at rest or not, when the time is."""
        return await self._until(order_id, RESTING, timeout_seconds)

    async def comes_to(self, order_id: str, status: str, timeout_seconds: float = 30.0) -> OrderView:
        """Wait until the order is in a status; return it as it is, there or not, when the time is over."""
        return await self._until(order_id, frozenset({status}), timeout_seconds)

    async def _until(self, order_id: str, statuses: frozenset[str], timeout_seconds: float) -> OrderView:
        loop = asyncio.get_running_loop()
        end = loop.time() + timeout_seconds
        while True:
            order = await self.order(order_id)
            if order.status in statuses or loop.time() > end:
                return order
            await asyncio.sleep(LOOK_EVERY_SECONDS)


@asynccontextmanager
async def shop_at(url: str) -> AsyncIterator[httpx.AsyncClient]:
    """Open the connections that several shops share."""
    limits = httpx.Limits(max_connections=CONNECTIONS_MAX, max_keepalive_connections=CONNECTIONS_MAX)
    async with httpx.AsyncClient(base_url=url, timeout=TIMEOUT_SECONDS, limits=limits, trust_env=False) as http:
        yield http
