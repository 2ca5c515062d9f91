"""The last units of an item, wanted by many at once over two pools of each domain: nobody gets what is not there."""

import asyncio
from collections import Counter

import httpx
import pytest

from actors.mesh.testing.waiting import until
from cli.shop import Problem, Shop
from tests.e2e.running import Running

pytestmark = pytest.mark.asyncio(loop_scope="session")

BUYERS = 64
UNITS = 10
WAIT_SECONDS = 60.0
ORDER = {"deliver_to": "12 Harbour Street, Bergen", "payment_token": "card-approved"}


async def buys(http: httpx.AsyncClient, token: str, sku: str, number: int) -> str:
    """One buyer's answer: its status, and the code of a refusal; who is told to wait asks again under the same key."""
    body, buyer, answers = ORDER | {"lines": [{"sku": sku, "quantity": 1}]}, Shop(http, token), list[str]()

    async def answered() -> bool:
        try:
            response = await buyer.post("/v1/orders", body, idempotency_key=f"{sku}-{number}")
            answers.extend([str(response.status_code)] if response.status_code != 202 else [])
        except Problem as problem:
            answers.extend([f"{problem.status} {problem.code}"] if problem.status < 500 else [])
        return bool(answers)

    await until(answered, timeout_seconds=WAIT_SECONDS)
    return answers[0]


async def taken_up(running: Running, domain: str) -> dict[int, int]:
    """How many messages NATS has handed to each process that takes a domain's requests."""
    async with httpx.AsyncClient(trust_env=False) as http:
        found = (await http.get(f"{running.platform.endpoints.nats_monitor}/connz")).json()["connections"]
    return {each["cid"]: each["out_msgs"] for each in found if each["name"] == f"{domain} inbound"}


async def test_of_64_buyers_of_the_last_10_units_10_succeed_and_54_are_told_there_is_no_more(running: Running) -> None:
    warehouse, sku = running.shop("wendy"), "last-units"
    item = {"sku": sku, "title": "The last of its kind", "price": {"amount_minor": 990, "currency": "EUR"}}
    await warehouse.post("/v1/items", item)
    await warehouse.post(f"/v1/items/{sku}/receipts", {"quantity": UNITS})
    endpoints, limits = running.platform.endpoints, httpx.Limits(max_connections=BUYERS)
    before = {domain: await taken_up(running, domain) for domain in ("orders", "inventory")}
    tokens = [endpoints.tokens[name] for name in ("ada", "grace")]
    async with httpx.AsyncClient(base_url=endpoints.gateway, timeout=30.0, limits=limits, trust_env=False) as http:
        buyers = [buys(http, tokens[number % 2], sku, number) for number in range(BUYERS)]
        answers = Counter(await asyncio.gather(*buyers))
    for domain, counts in before.items():
        shares = [count - counts[process] for process, count in (await taken_up(running, domain)).items()]
        assert len(shares) == 2, f"{domain} has {len(shares)} pools"
        assert min(shares) >= BUYERS // 4, f"the pools of {domain} took {shares} messages: one did it all"
    assert answers == {"201": UNITS, "409 stock_insufficient": BUYERS - UNITS}
    assert not (await running.checked()).problems
    view = await warehouse.item(sku)
    assert (view.on_hand, view.reserved) == (0, 0)
