"""PostgreSQL goes away, comes back, and refuses what a domain's role may not do."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path

import asyncpg
import pytest

from actors.mesh._errors import Overloaded, TimedOut, Unavailable
from actors.mesh._ports import AlreadyDone, Appended, Commit, Journal, NewEvent, Part, Snapshot
from actors.mesh.adapters.postgres import flusher, queue
from actors.mesh.adapters.postgres.connect import Connection, connect, domain_dsn
from actors.mesh.adapters.postgres.provision import CACHE_TABLES, TRUTH_TABLES, inline_tables, provision
from actors.mesh.adapters.postgres.store import open_postgres
from actors.mesh.testing.waiting import until
from infra.local.platform import LocalPlatform
from infra.local.testing import servers_in
from tests.integration.journal_checker import faults_of
from tests.ports.stores import DOMAIN, LEDGER, PASSWORD, Stores, commit, part

WRITERS = 8
COMMITS = 300  # between two kills
NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


@pytest.fixture(scope="module")
def own_servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalPlatform]:
    """Servers of this module's own, to be killed."""
    with servers_in(tmp_path_factory.mktemp("killed") / "data") as platform:
        yield platform


@pytest.fixture
async def stores(own_servers: LocalPlatform) -> AsyncIterator[Stores]:
    async with Stores(own_servers.endpoints) as opened:
        yield opened


def kill_postgres(platform: LocalPlatform) -> None:
    """End the postmaster and every backend at once: none of them gets to finish what it was at."""
    postmaster = platform.pids()["postgres"]
    backends = Path(f"/proc/{postmaster}/task/{postmaster}/children").read_text().split()
    platform.kill("postgres")
    for backend in backends:
        try:
            os.kill(int(backend), signal.SIGKILL)
        except ProcessLookupError:
            continue


async def bring_back(platform: LocalPlatform) -> None:
    await until(lambda: "postgres" not in platform.pids(), timeout_seconds=10)
    await platform.restart("postgres")


class Writer:
    """Writes commit after commit to a key of its own and remembers what it was told."""

    def __init__(self, journal: Journal, number: int) -> None:
        self._journal = journal
        self._key = f"payment/{number}"
        self.done: dict[str, int] = {}
        self.repeated = 0

    async def write(self, stop: asyncio.Event) -> None:
        version = 0
        while not stop.is_set():
            body = json.dumps({"seen": version}).encode()
            one = commit(Part(self._key, version, [NewEvent("counted", body)]))
            answer = await self._journal.append(one)
            assert isinstance(answer, Appended | AlreadyDone), answer
            self.repeated += isinstance(answer, AlreadyDone)
            version += 1
            self.done[one.command_id] = version


def more_than(writers: Sequence[Writer], enough: int) -> Callable[[], bool]:
    return lambda: sum(len(writer.done) for writer in writers) > enough


async def test_a_killed_server_loses_nothing_it_has_acknowledged(own_servers: LocalPlatform, stores: Stores) -> None:
    store = await stores.open()
    writers = [Writer(store.journal, number) for number in range(WRITERS)]
    stop = asyncio.Event()
    writing = [asyncio.create_task(writer.write(stop)) for writer in writers]
    for _ in range(3):
        await until(more_than(writers, sum(len(writer.done) for writer in writers) + COMMITS), timeout_seconds=20)
        kill_postgres(own_servers)
        await bring_back(own_servers)
    stop.set()
    await asyncio.gather(*writing)
    assert await faults_of(stores.admin_dsn) == []
    connection = await asyncpg.connect(stores.admin_dsn)
    try:
        rows = await connection.fetch("SELECT command_id::text AS command_id, version FROM payments.events")
    finally:
        await connection.close()
    acknowledged = {command_id: version for writer in writers for command_id, version in writer.done.items()}
    assert {row["command_id"]: row["version"] for row in rows} == acknowledged


async def test_rows_and_reads_come_back_with_the_server(own_servers: LocalPlatform, stores: Stores) -> None:
    store = await stores.open()
    await store.journal.append(commit(part("payment/1", 0, b'{"seen": 0}')))
    rows = await store.outbox.take(older_than_seconds=0, limit=10)
    kill_postgres(own_servers)
    reading = asyncio.create_task(store.journal.load(["payment/1"]))
    clearing = asyncio.create_task(store.outbox.clear([(row.key, row.first_version) for row in rows], None))
    await bring_back(own_servers)
    assert (await reading)["payment/1"].version == 1
    await clearing
    assert list(await store.outbox.take(older_than_seconds=0, limit=10)) == []


async def test_a_turn_is_over_when_its_session_breaks(own_servers: LocalPlatform, stores: Stores) -> None:
    journal = (await stores.open()).journal
    async with journal.turn(["payment/1"], timeout_seconds=5):
        kill_postgres(own_servers)
        await bring_back(own_servers)
        answer = await journal.append(commit(part("payment/1", 0, b"1")))
        assert isinstance(answer, Appended)
    async with journal.turn(["payment/1"], timeout_seconds=5):
        pass


async def test_a_commit_that_was_never_sent_was_not_executed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "AWAY_SECONDS", 0.3)
    async with open_postgres(NOWHERE, DOMAIN) as store:
        with pytest.raises(Unavailable) as caught:
            await store.journal.append(commit())
    assert not caught.value.executed


async def test_a_commit_of_unknown_outcome_is_never_called_unexecuted(
    own_servers: LocalPlatform, stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "AWAY_SECONDS", 0.3)
    monkeypatch.setattr(queue, "UNKNOWN_SECONDS", 1.0)
    store = await stores.open()
    await store.journal.append(commit())
    admin = await asyncpg.connect(stores.admin_dsn)
    transaction = admin.transaction()
    await transaction.start()
    await admin.execute("LOCK TABLE payments.commands IN ACCESS EXCLUSIVE MODE")
    under_way = asyncio.create_task(store.journal.append(commit()))
    waits = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"

    async def it_waits() -> bool:
        return bool(await admin.fetchval(waits))

    await until(it_waits)
    kill_postgres(own_servers)
    with pytest.raises(TimedOut) as caught:
        await under_way
    assert caught.value.executed
    admin.terminate()
    await bring_back(own_servers)


@pytest.mark.slow
async def test_a_table_that_stays_locked_is_an_unavailable_database(
    stores: Stores, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(queue, "AWAY_SECONDS", 0.3)
    monkeypatch.setattr(flusher, "AWAY_SECONDS", 0.3)
    monkeypatch.setattr(flusher, "connect", impatient)
    store = await stores.open()
    admin = await asyncpg.connect(stores.admin_dsn)
    try:
        async with admin.transaction():
            await admin.execute("LOCK TABLE payments.commands IN ACCESS EXCLUSIVE MODE")
            with pytest.raises(Unavailable) as caught:
                await store.journal.append(commit())
    finally:
        await admin.close()
    assert not caught.value.executed
    assert isinstance(await store.journal.append(commit()), Appended)


async def impatient(dsn: str, domain: str) -> Connection:
    return await connect(dsn, domain, lock_timeout="50ms")


async def test_a_relay_that_fails_does_not_stop_the_journal(stores: Stores, caplog: pytest.LogCaptureFixture) -> None:
    def fail(commits: Sequence[Commit]) -> None:
        raise AssertionError("a bug in the relay")

    journal = (await stores.open(fail)).journal
    for version in range(3):
        assert isinstance(await journal.append(commit(part("payment/1", version, b"1"))), Appended)
    assert "the journal's writer failed" in caplog.text


async def test_too_many_who_wait_are_told_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(queue, "WAITING_MAX", 3)
    monkeypatch.setattr(queue, "AWAY_SECONDS", 0.3)
    async with open_postgres(NOWHERE, DOMAIN) as store:
        answers = await asyncio.gather(*(store.journal.append(commit()) for _ in range(5)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [Unavailable] * 3 + [Overloaded] * 2


async def test_a_store_that_closes_tells_those_who_wait() -> None:
    async with open_postgres(NOWHERE, DOMAIN) as store:
        waiting = asyncio.create_task(store.journal.append(commit()))
        await asyncio.sleep(0)
    with pytest.raises(Unavailable):
        await waiting


async def test_a_domain_may_only_add_to_its_truth_and_sees_no_other(stores: Stores) -> None:
    await provision(stores.admin_dsn, "orders", (), "another")
    connection = await asyncpg.connect(stores.dsn)
    try:
        for forbidden in (
            "UPDATE payments.events SET name = 'x'",
            "DELETE FROM payments.events",
            "TRUNCATE payments.commands",
            "UPDATE payments.commands SET reply = ''",
            "DELETE FROM payments.sagas",
            "UPDATE payments.ledger SET amount = 1",
            "DELETE FROM payments.ledger",
            "CREATE TABLE payments.mine (a int)",
            "SELECT * FROM orders.events",
            "SELECT * FROM orders.claims",
            "SELECT * FROM payments.installed",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(forbidden)
        await connection.execute("CREATE TABLE payments_views.mine (a int)")
    finally:
        await connection.close()


async def test_provisioning_again_changes_nothing_and_sets_the_new_password(stores: Stores) -> None:
    journal = (await stores.open()).journal
    await journal.append(commit(part("payment/1", 0, b"1")))
    async with open_postgres(domain_dsn(stores.admin_dsn, DOMAIN, PASSWORD), DOMAIN) as store:
        await store.journal.keep_snapshot("payment/1", "fold", Snapshot(1, b"state"))
    await asyncio.gather(*(provision(stores.admin_dsn, DOMAIN, [("ledger", LEDGER)], "new") for _ in range(3)))
    async with open_postgres(domain_dsn(stores.admin_dsn, DOMAIN, "new"), DOMAIN) as store:
        assert (await store.journal.load(["payment/1"], code="fold"))["payment/1"].snapshot == Snapshot(1, b"state")
    with pytest.raises(ValueError, match="another text"):
        await provision(stores.admin_dsn, DOMAIN, [("ledger", LEDGER + "-- changed")], PASSWORD)
    assert await inline_tables(stores.admin_dsn, DOMAIN) == ("ledger",)


async def test_every_table_is_named_as_truth_or_cache(stores: Stores) -> None:
    connection = await asyncpg.connect(stores.admin_dsn)
    try:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'payments'")
    finally:
        await connection.close()
    assert {row["tablename"] for row in rows} == {*TRUTH_TABLES, *CACHE_TABLES, "ledger", "installed"}


@pytest.mark.parametrize("domain", ["public", "pg_x", 'a"b', "Orders", "", "a" * 41, "orders; DROP"])
def test_a_domain_that_cannot_name_a_schema_is_refused(domain: str) -> None:
    with pytest.raises(ValueError, match="cannot name"):
        domain_dsn("postgresql://a:b@localhost/c", domain, None)
