"""What stands beside the journals: a schema a domain for its views, and the data keys of people."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from actors.mesh.adapters.postgres.connect import role_of, schema_of
from actors.mesh.adapters.postgres.data_keys import open_postgres_data_keys

CONNECT_SECONDS = 10.0
PROVISION_SECONDS = 60.0


def views_schema(domain: str) -> str:
    """Return where a domain's views are: apart from the journal, because they can be wiped whole."""
    return f"{domain}_views"


async def provision_beside(admin_dsn: str, domains: Sequence[str]) -> None:
    """Make the schemas where they are not there; the domains' roles must be. A role makes and drops its own views."""
    async with open_postgres_data_keys(admin_dsn) as keys:
        await keys.prepare(domains)
    connection = await asyncpg.connect(admin_dsn, timeout=CONNECT_SECONDS, command_timeout=PROVISION_SECONDS)
    try:
        async with connection.transaction():
            await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('mesh:provision', 0))")
            for domain in domains:
                role, views = f'"{role_of(domain)}"', schema_of(views_schema(domain))
                await connection.execute(f"CREATE SCHEMA IF NOT EXISTS {views}")
                await connection.execute(f"GRANT USAGE, CREATE ON SCHEMA {views} TO {role}")
    finally:
        await connection.close()
