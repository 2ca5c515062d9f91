"""Stores for tests: several over one truth, in memory or on a database of their own, each like a process."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from actors.mesh._ports import Commit, Journal, NewEvent, Part, Store
from actors.mesh.adapters.memory.store import memory_store
from actors.mesh.adapters.memory.truth import InlineTable, MemoryTruth
from actors.mesh.adapters.postgres.connect import domain_dsn
from actors.mesh.adapters.postgres.provision import provision
from actors.mesh.adapters.postgres.store import open_postgres
from actors.mesh.adapters.world import SystemClock
from infra.local.endpoints import Endpoints
from infra.local.testing import fresh_database

DOMAIN = "payments"
PASSWORD = 'it\'s a "test": 100 %'  # what a careless quoting would stumble over

LEDGER = """
CREATE TABLE ledger (tx text NOT NULL, account text NOT NULL, currency text NOT NULL, amount bigint NOT NULL);
CREATE INDEX ledger_tx ON ledger (tx);
CREATE FUNCTION ledger_balanced() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF EXISTS (SELECT FROM added GROUP BY tx, currency HAVING sum(amount) <> 0) THEN
        RAISE check_violation USING MESSAGE = 'postings do not sum to zero';
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER ledger_balanced AFTER INSERT ON ledger REFERENCING NEW TABLE AS added
    FOR EACH STATEMENT EXECUTE FUNCTION ledger_balanced();
CREATE FUNCTION inline_ledger(rows jsonb) RETURNS void LANGUAGE sql SET search_path FROM CURRENT AS $$
    INSERT INTO ledger (tx, account, currency, amount)
    SELECT tx, account, currency, amount
    FROM jsonb_to_recordset(rows) AS r (tx text, account text, currency text, amount bigint) $$;
"""


def balanced_ledger(table: InlineTable, added: Sequence[Mapping[str, object]]) -> None:
    """The same rule in memory."""
    sums: dict[tuple[object, object], int] = {}
    for row in added:
        amount = row["amount"]
        if not isinstance(amount, int):
            raise TypeError("an amount is a whole number")
        at = (row["tx"], row["currency"])
        sums[at] = sums.get(at, 0) + amount
    if any(sums.values()):
        raise ValueError("postings do not sum to zero")
    table.extend(added)


def nobody_listens(commits: Sequence[Commit]) -> None:
    """For stores without a relay."""


class Stores:
    """Opens stores over one truth: in memory, or in a fresh database where there are endpoints."""

    def __init__(self, endpoints: Endpoints | None) -> None:
        self._endpoints = endpoints
        self._truth = MemoryTruth({"ledger": balanced_ledger})
        self._opened = AsyncExitStack()
        self.admin_dsn = ""

    async def __aenter__(self) -> Self:
        if self._endpoints is not None:
            self.admin_dsn = await fresh_database(self._endpoints)
            await provision(self.admin_dsn, DOMAIN, [("ledger", LEDGER)], PASSWORD)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._opened.aclose()

    @property
    def dsn(self) -> str:
        """Where the domain's own role logs in."""
        return domain_dsn(self.admin_dsn, DOMAIN, PASSWORD)

    async def open(self, appended: Callable[[Sequence[Commit]], None] = nobody_listens) -> Store:
        """Another process, as it were."""
        if self._endpoints is None:
            return memory_store(self._truth, DOMAIN, SystemClock(), appended)
        return await self._opened.enter_async_context(open_postgres(self.dsn, DOMAIN, appended=appended))


def commit(
    *parts: Part,
    command_id: str = "",
    reply: bytes = b"{}",
    inlines: Mapping[str, Sequence[Mapping[str, object]]] | None = None,
) -> Commit:
    """A commit with the least that one must have."""
    return Commit(
        command_id=command_id or str(uuid.uuid4()),
        message="payments.command.authorise",
        principal="person-1",
        fingerprint=b"fingerprint",
        request=b"request",
        reply=reply,
        parts=parts,
        inlines=inlines or {},
    )


def part(key: str, expected: int, *bodies: bytes) -> Part:
    """What a commit adds to one key: an event a body."""
    return Part(key, expected, [NewEvent("payment_moved", body) for body in bodies])


async def bodies(journal: Journal, key: str) -> list[bytes]:
    """What the events of a key say."""
    return [event.body for event in (await journal.load([key]))[key].events]
