"""The embedded platform, with real processes: it starts, survives, says what is wrong, and leaves nothing behind."""

from infra.local.platform import LocalPlatform
from infra.local.testing import fresh_database


async def test_the_servers_of_the_session_are_ready(servers: LocalPlatform) -> None:
    assert set(servers.pids()) == {"nats", "postgres", "redis"}


async def test_a_fresh_database_is_a_new_one_each_time(servers: LocalPlatform) -> None:
    assert await fresh_database(servers.endpoints) != await fresh_database(servers.endpoints)
