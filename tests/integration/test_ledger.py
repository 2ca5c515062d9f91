"""The ledger of payments in PostgreSQL: zero sum and no change, whoever asks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NamedTuple

import asyncpg
import pytest

from actors.__main__ import ACTORS, inline_sql
from actors.mesh._blueprint import draw
from actors.mesh._ports import Appended, Commit, Rejected, Store
from actors.mesh.adapters.postgres.connect import domain_dsn
from actors.mesh.adapters.postgres.provision import provision
from actors.mesh.adapters.postgres.store import open_postgres
from infra.local.endpoints import Endpoints
from infra.local.platform import LocalPlatform
from infra.local.testing import fresh_database
from tests.ports.stores import commit, part

PASSWORD = "of-the-test"


@pytest.fixture
def endpoints(servers: LocalPlatform) -> Endpoints:
    return servers.endpoints


class Payments(NamedTuple):
    store: Store
    role_dsn: str
    admin_dsn: str


@pytest.fixture
async def payments(endpoints: Endpoints) -> AsyncIterator[Payments]:
    admin = await fresh_database(endpoints)
    await provision(admin, "payments", inline_sql(draw(ACTORS["payments"])), PASSWORD)
    role = domain_dsn(admin, "payments", PASSWORD)
    async with open_postgres(role, "payments") as store:
        yield Payments(store, role, admin)


def posting(account: str, amount_minor: int, *, of: str = "p1/capture", currency: str = "EUR") -> dict[str, object]:
    return {
        "transaction_id": of,
        "order_id": "o1",
        "account": account,
        "currency": currency,
        "amount_minor": amount_minor,
    }


def posted(key: str, *rows: dict[str, object]) -> Commit:
    return commit(part(key, 0, b"{}"), inlines={"ledger": list(rows)})


async def test_postings_that_sum_to_zero_are_kept(payments: Payments) -> None:
    pair = (posting("provider_clearing", 900), posting("revenue", -900))
    assert isinstance(await payments.store.journal.append(posted("payment/p1", *pair)), Appended)
    rows = await payments.store.journal.inline_rows("ledger", {"order_id": "o1"}, 10)
    assert sorted(int(str(row["amount_minor"])) for row in rows) == [-900, 900]


@pytest.mark.parametrize(
    "rows",
    [
        (posting("provider_clearing", 900),),
        (posting("provider_clearing", 900), posting("revenue", -899)),
        (posting("provider_clearing", 900), posting("revenue", -900, currency="USD")),
        (posting("provider_clearing", 900), posting("revenue", -900, of="p2/capture")),
    ],
    ids=["one side", "one cent", "two currencies", "two transactions"],
)
async def test_postings_that_do_not_are_refused_with_their_event(
    payments: Payments, rows: tuple[dict[str, object], ...]
) -> None:
    assert isinstance(await payments.store.journal.append(posted("payment/p1", *rows)), Rejected)
    assert not await payments.store.journal.events("payment/p1", 0, 10)
    assert not await payments.store.journal.inline_rows("ledger", {}, 10)


@pytest.mark.parametrize("wish", ["UPDATE {} SET amount_minor = 1", "DELETE FROM {}", "TRUNCATE {}"])
async def test_nobody_changes_what_is_posted(payments: Payments, wish: str) -> None:
    pair = (posting("provider_clearing", 900), posting("revenue", -900))
    await payments.store.journal.append(posted("payment/p1", *pair))
    for dsn, error in (
        (payments.role_dsn, asyncpg.InsufficientPrivilegeError),
        (payments.admin_dsn, asyncpg.CheckViolationError),
    ):
        connection = await asyncpg.connect(dsn)
        try:
            with pytest.raises(error):
                await connection.execute(wish.format("payments.ledger"))
        finally:
            await connection.close()
