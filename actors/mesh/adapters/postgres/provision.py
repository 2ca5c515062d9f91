"""Making a domain's schema and its two roles: one that owns, one that logs in and may do only what it must."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Sequence
from importlib import resources

import asyncpg

from actors.mesh.adapters.postgres.connect import CONNECT_SECONDS, Connection, role_of, schema_of, views_schema

PROVISION_SECONDS = 60.0
ATTEMPTS_MAX = 10  # roles belong to the whole server: two databases made at once may stumble over each other
PAUSE_SECONDS = 0.05

# Truth: lost, it is lost. A domain's own inline tables are truth as well (`inline_tables`).
TRUTH_TABLES = ("commands", "events", "claims", "sagas", "effects", "timers", "dead_letters", "tells")
# Caches: emptied, they fill again from the truth.
CACHE_TABLES = ("unpublished", "broker", "snapshots")

GRANTS = {
    "commands": "SELECT, INSERT",
    "events": "SELECT, INSERT",
    "unpublished": "SELECT, INSERT, DELETE",
    "broker": "SELECT, INSERT, UPDATE",
    "snapshots": "SELECT, INSERT, UPDATE, DELETE",
    "claims": "SELECT, INSERT, DELETE",
    "sagas": "SELECT, INSERT, UPDATE",
    "effects": "SELECT, INSERT, UPDATE",
    "timers": "SELECT, INSERT, UPDATE, DELETE",
    "dead_letters": "SELECT, INSERT, DELETE",
    "tells": "SELECT, INSERT, UPDATE, DELETE",
}
INLINE_GRANT = "SELECT, INSERT"  # a file that needs more grants it itself, to mesh_<domain>

STUMBLED = (
    asyncpg.UniqueViolationError,
    asyncpg.DuplicateObjectError,
    asyncpg.InternalServerError,
    asyncpg.AdminShutdownError,
)

MAKE_ROLE = """DO $$ BEGIN
    IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = current_setting('mesh.role')) THEN
        EXECUTE format('CREATE ROLE %I', current_setting('mesh.role'));
    END IF;
END $$"""
LET_IN = """DO $$ BEGIN
    IF current_setting('mesh.password') = '' THEN
        EXECUTE format('ALTER ROLE %I LOGIN', current_setting('mesh.role'));
    ELSE
        EXECUTE format('ALTER ROLE %I LOGIN PASSWORD %L',
            current_setting('mesh.role'), current_setting('mesh.password'));
    END IF;
END $$"""
SET = "SELECT set_config($1, $2, true)"
OTHER_TABLES = """SELECT c.relname AS name FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname = $1 AND c.relkind IN ('r', 'p') AND c.relname <> ALL ($2::text[]) ORDER BY 1"""


async def provision(
    admin_dsn: str, domain: str, inline_sql: Sequence[tuple[str, str]] = (), password: str | None = None
) -> None:
    """Make a domain's schema, roles, tables and functions where they are not there yet.

    `inline_sql` are files (name, SQL) that make inline tables with their function `inline_<table>(jsonb)`; each is run
    once, as the schema's owner with search_path set. A file that was run must not change: add another one.
    """
    schema_of(domain)
    for attempt in range(1, ATTEMPTS_MAX + 1):
        connection = await asyncpg.connect(admin_dsn, timeout=CONNECT_SECONDS, command_timeout=PROVISION_SECONDS)
        try:
            async with connection.transaction():
                await _make_roles(connection, domain, password)
            async with connection.transaction():
                await _make_schema(connection, domain)
                await _install(connection, inline_sql)
                await _grant(connection, domain)
            return
        except STUMBLED:
            if attempt == ATTEMPTS_MAX:
                raise
        finally:
            await connection.close()
        await asyncio.sleep(PAUSE_SECONDS * attempt)


async def inline_tables(dsn: str, domain: str) -> tuple[str, ...]:
    """Return the names of the inline tables that the domain's own files have made."""
    connection = await asyncpg.connect(dsn, timeout=CONNECT_SECONDS)
    try:
        return await _other_tables(connection, domain)
    finally:
        await connection.close()


async def _make_roles(connection: Connection, domain: str, password: str | None) -> None:
    for role in (owner_of(domain), role_of(domain)):
        await connection.execute(SET, "mesh.role", role)
        await connection.execute(MAKE_ROLE)
    await connection.execute(SET, "mesh.password", password or "")
    await connection.execute(LET_IN)
    # An administrator who is no superuser must be a member of what is to own something.
    for role in (owner_of(domain), role_of(domain)):
        await connection.execute(f'GRANT "{role}" TO CURRENT_USER')


async def _make_schema(connection: Connection, domain: str) -> None:
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended('mesh:provision', 0))")
    database = await connection.fetchval("SELECT quote_ident(current_database())")
    await connection.execute(f'GRANT CONNECT, TEMPORARY ON DATABASE {database} TO "{role_of(domain)}"')
    await connection.execute(f'CREATE SCHEMA IF NOT EXISTS {schema_of(domain)} AUTHORIZATION "{owner_of(domain)}"')
    # Views are made by the processes themselves, and may be dropped: in a schema that is the role's own.
    views = schema_of(views_schema(domain))
    await connection.execute(f'CREATE SCHEMA IF NOT EXISTS {views} AUTHORIZATION "{role_of(domain)}"')
    await connection.execute(f'SET LOCAL ROLE "{owner_of(domain)}"')
    await connection.execute(SET, "search_path", f"{schema_of(domain)}, pg_temp")
    await connection.execute("SET LOCAL client_min_messages = warning")  # what is there already is no news
    await connection.execute(resources.files(__package__).joinpath("schema.sql").read_text(encoding="utf-8"))


async def _install(connection: Connection, inline_sql: Sequence[tuple[str, str]]) -> None:
    for name, text in inline_sql:
        digest = hashlib.sha256(text.encode()).hexdigest()
        known = await connection.fetchval("SELECT digest FROM installed WHERE name = $1", name)
        if known is None:
            await connection.execute(text)
            await connection.execute("INSERT INTO installed (name, digest) VALUES ($1, $2)", name, digest)
        elif known != digest:
            raise ValueError(f"{name} was installed with another text: what was run cannot change, add another file")


async def _grant(connection: Connection, domain: str) -> None:
    schema, role = schema_of(domain), f'"{role_of(domain)}"'
    statements = [f"GRANT USAGE ON SCHEMA {schema} TO {role}"]
    statements += [f"GRANT {what} ON {schema}.{table} TO {role}" for table, what in GRANTS.items()]
    for table in await _other_tables(connection, domain):
        statements.append(f'GRANT {INLINE_GRANT} ON {schema}."{table}" TO {role}')
    statements += [
        f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {role}",
        f"REVOKE ALL ON ALL FUNCTIONS IN SCHEMA {schema} FROM PUBLIC",
        f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema} TO {role}",
    ]
    for statement in statements:
        await connection.execute(statement)


async def _other_tables(connection: Connection, domain: str) -> tuple[str, ...]:
    rows = await connection.fetch(OTHER_TABLES, domain, [*TRUTH_TABLES, *CACHE_TABLES, "installed"])
    return tuple(row["name"] for row in rows)


def owner_of(domain: str) -> str:
    """Return the name of the role that owns the domain's schema; nobody logs in as it."""
    return f"{role_of(domain)}_owner"
