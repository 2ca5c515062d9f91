"""The people of a simulated day at work, and what they are told: every question is asked until it is answered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, TypeVar

import httpx
import msgspec

from cli.accounts import Account, Newcomer, log_in
from cli.latencies import Latencies, Latency
from cli.shop import Problem, Shop
from cli.simulate_wishes import Wish
from schemas.envelope import derived_id

Answer = TypeVar("Answer")

ANSWER_WITHIN_SECONDS = 90.0
"""How long a client keeps asking under the same key while parts of the platform are away."""
AGAIN_AFTER_SECONDS = (0.1, 0.3, 0.6, 1.0)
FAULT_STATUSES = frozenset({429, 500, 502, 503, 504})


class Outcome(msgspec.Struct, kw_only=True):
    """What the clients saw."""

    seed: int
    orders: int
    seconds: float = 0.0
    answers: dict[str, int] = {}
    cancels: dict[str, int] = {}
    repeats: int = 0
    receipts: int = 0
    log_ins: int = 0
    tries_again: int = 0
    latencies: dict[str, Latency] = {}
    """Of answers at the first try, by what was asked: log in, place, query."""
    acknowledged: list[str] = []
    """Orders that somebody was told were accepted."""
    wrong: list[str] = []
    """Answers that no client may ever get."""


class Day:
    """The people of the shop, and what they are told."""

    def __init__(
        self,
        http: httpx.AsyncClient,
        people: Sequence[tuple[Newcomer, Account]],
        staff: Mapping[str, str],
        outcome: Outcome,
    ) -> None:
        self._http, self._outcome, self.latencies = http, outcome, Latencies()
        self._people = list(people)
        self._shops = [Shop(http, account) for _, account in people]
        self._warehouse = Shop(http, staff["wendy"])

    async def play(self, wish: Wish) -> None:
        """Everything that one wish is about, partly at the same time."""
        if wish.logs_in:
            await self._log_in(wish)
        order_id = derived_id(self._people[wish.who][1].user_id, "PlaceOrder", wish.key)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._place(wish, order_id))
            if wish.repeated:
                self._outcome.repeats += 1
                group.create_task(self._place(wish, order_id))
            if wish.cancel_after_seconds is not None:
                group.create_task(self._cancel(wish, order_id, wish.cancel_after_seconds))
            if wish.receipt is not None:
                group.create_task(self._receive(wish, *wish.receipt))

    async def _log_in(self, wish: Wish) -> None:
        """Begin another session; the former one goes on for whoever uses it."""
        async with self._telling("log in", wish):
            newcomer, _ = self._people[wish.who]
            account = await self._answered("log in", lambda: log_in(self._http, newcomer))
            self._people[wish.who] = (newcomer, account)
            self._shops[wish.who] = Shop(self._http, account)
            self._outcome.log_ins += 1

    async def _place(self, wish: Wish, order_id: str) -> None:
        answer, told, shop = "", "", self._shops[wish.who]
        async with self._telling("place", wish):
            try:
                response = await self._answered(
                    "place", lambda: shop.post("/v1/orders", order_of(wish), idempotency_key=wish.key)
                )
                shown = response.json()
                answer = f"{response.status_code} {shown.get('status', '')}".rstrip()
                told = shown["order_id"] if response.status_code == 201 else shown["entity_id"]
            except Problem as problem:
                answer = f"{problem.status} {problem.code}"
        count(self._outcome.answers, answer)
        if told:
            self._outcome.acknowledged.append(told)
            if told != order_id:
                self._outcome.wrong.append(f"{wish.key} is order {order_id}, and the client was told {told}")
            async with self._telling("look at", wish):
                await self._answered("query", lambda: shop.order(told))

    async def _cancel(self, wish: Wish, order_id: str, after_seconds: float) -> None:
        await asyncio.sleep(after_seconds)
        path, body = f"/v1/orders/{order_id}/cancel", {"reason": "changed my mind"}
        async with self._telling("cancel", wish):
            try:
                shop, key = self._shops[wish.who], f"{wish.key}-cancel"
                response = await self._answered("cancel", lambda: shop.post(path, body, idempotency_key=key))
                count(self._outcome.cancels, str(response.status_code))
            except Problem as problem:
                count(self._outcome.cancels, f"{problem.status} {problem.code}")

    async def _receive(self, wish: Wish, sku: str, quantity: int) -> None:
        path, key = f"/v1/items/{sku}/receipts", f"{wish.key}-receipt"
        async with self._telling("receive", wish):
            await self._answered(
                "receive", lambda: self._warehouse.post(path, {"quantity": quantity}, idempotency_key=key)
            )
            self._outcome.receipts += 1

    @asynccontextmanager
    async def _telling(self, what: str, wish: Wish) -> AsyncIterator[None]:
        """One that goes wrong is told, and the day goes on."""
        try:
            yield
        except Exception as error:  # noqa: BLE001  whatever it is, it is what this day is to find out
            self._outcome.wrong.append(f"{what} {wish.key}: {error!r}")

    async def _answered(self, kind: str, ask: Callable[[], Awaitable[Answer]]) -> Answer:
        """Ask until there is an answer: a gateway that is away, or says that something is, is asked again."""
        return await answered(kind, ask, self._outcome, self.latencies)


async def answered(kind: str, ask: Callable[[], Awaitable[Answer]], outcome: Outcome, latencies: Latencies) -> Answer:
    """Ask until there is an answer, and note how long the first try took where it was one."""
    loop = asyncio.get_running_loop()
    end, tried = loop.time() + ANSWER_WITHIN_SECONDS, 0
    while True:
        try:
            if tried:
                return await ask()
            with latencies.timed(kind):
                return await ask()
        except (httpx.TransportError, Problem) as error:
            fault = not isinstance(error, Problem) or error.status in FAULT_STATUSES
            if not fault or loop.time() > end:
                raise
        await asyncio.sleep(AGAIN_AFTER_SECONDS[min(tried, len(AGAIN_AFTER_SECONDS) - 1)])
        tried += 1
        outcome.tries_again += 1


def count(among: dict[str, int], what: str) -> None:
    among[what] = among.get(what, 0) + 1


def order_of(wish: Wish) -> dict[str, Any]:
    """Return the body that places the order."""
    return {
        "lines": [{"sku": sku, "quantity": quantity} for sku, quantity in wish.lines],
        "deliver_to": "12 Harbour Street, Bergen",
        "payment_token": wish.token,
    }
