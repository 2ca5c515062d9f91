"""The embedded PostgreSQL server, driven by its own programs."""

import asyncio
import os
import shutil
import signal
import subprocess
from pathlib import Path
from types import MappingProxyType

import asyncpg

from infra.local import postgres_home
from infra.local.failures import NotReady, StartFailed
from infra.local.parts import Account, Part
from infra.local.plan import POSTGRES_DATABASE, POSTGRES_USER, Plan
from infra.local.ports import LOOPBACK
from infra.local.processes import last_line

NAME = postgres_home.NAME
_PROBE_SECONDS = 3.0
_INITDB_SECONDS = 60.0
_WIPE = "wipe the data with `just reset`"
_SETTINGS = MappingProxyType(
    {
        "listen_addresses": LOOPBACK,
        "unix_socket_directories": "",  # a socket's path may have 107 bytes, a data folder's more
        "max_connections": "200",
        "shared_buffers": "128MB",
        "fsync": "on",
        "wal_level": "logical",  # as in a cluster, where a change feed may be attached
        "max_wal_size": "1GB",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_min_duration_statement": "1s",
        "jit": "off",  # short statements only: compiling them costs more than it saves
    }
)


async def postgres_part(plan: Plan) -> Part:
    """Create the cluster if there is none, and describe the process."""
    account = postgres_home.unprivileged_account()
    try:
        programs = await asyncio.to_thread(postgres_home.programs, plan.settings, account)
        home = postgres_home.data_home(plan.folder, account)
        data = home / "data"
        for program in ("initdb", "postgres"):
            if not os.access(programs / program, os.X_OK):
                raise StartFailed(NAME, f"{programs / program} does not exist or cannot be run", postgres_home.REMEDY)
        if not data.exists():
            await _initialise(plan, programs, home, account)
        await _check(programs, data, plan)
    except OSError as error:
        raise StartFailed(NAME, f"its data in {plan.folder} cannot be used ({error})", _WIPE) from error
    options = [word for name, value in _SETTINGS.items() for word in ("-c", f"{name}={value}")]
    return Part(
        name=NAME,
        argv=(str(programs / "postgres"), "-D", str(data), "-p", str(plan.ports["postgres"]), *options),
        probe=lambda: _ready(plan),
        remedy=f"look into {plan.folder / 'logs' / 'postgres.log'}, or {_WIPE}",
        environment=plan.server_environment,
        account=account,
        # SIGTERM would wait until every client has gone.
        stop_signal=signal.SIGINT,
    )


async def _initialise(plan: Plan, programs: Path, home: Path, account: Account | None) -> None:
    """Make the cluster beside its place and move it there, so that a broken attempt is never taken for data."""
    fresh = home / "data.new"
    shutil.rmtree(fresh, ignore_errors=True)
    password = home / "password"
    password.unlink(missing_ok=True)
    with os.fdopen(os.open(password, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(plan.secrets.postgres_password)
    if account is not None:
        os.chown(password, account.user_id, account.group_id)
    log = plan.folder / "logs" / "postgres.log"
    try:
        words = ("-D", str(fresh), "-U", POSTGRES_USER, "--auth=scram-sha-256", f"--pwfile={password}")
        argv = [str(programs / "initdb"), *words, "-E", "UTF8", "--locale=C.UTF-8"]
        if await asyncio.to_thread(_run, argv, log, plan, account) != 0:
            raise StartFailed(NAME, f"initdb failed ({last_line(log)})", "mend what it names and start again")
        fresh.rename(home / "data")
    finally:
        password.unlink(missing_ok=True)


def _run(argv: list[str], log: Path, plan: Plan, account: Account | None) -> int:
    with log.open("ab") as output:
        try:
            return subprocess.run(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=plan.server_environment,
                cwd="/",
                check=False,
                timeout=_INITDB_SECONDS,
                user=account.user_id if account else None,
                group=account.group_id if account else None,
                extra_groups=[] if account else None,
            ).returncode
        except subprocess.TimeoutExpired:
            return -1


async def _check(programs: Path, data: Path, plan: Plan) -> None:
    """Tell a broken cluster, or one of another version, before the server does so in its own words."""
    try:
        written_by = (data / "PG_VERSION").read_text().strip()
    except FileNotFoundError as error:
        raise StartFailed(NAME, f"{data} has no PG_VERSION and so is not a database", _WIPE) from error
    shown = await asyncio.to_thread(
        subprocess.run,
        [str(programs / "postgres"), "--version"],
        capture_output=True,
        text=True,
        check=False,
        env=plan.server_environment,
        timeout=10,
    )
    major = shown.stdout.split()[-1].partition(".")[0] if shown.stdout else ""
    if major != written_by:
        remedy = f"set MESH_POSTGRES_BIN to a PostgreSQL {written_by}, or {_WIPE}"
        cause = f"{data} was written by PostgreSQL {written_by} and this is {major or 'unknown'}"
        raise StartFailed(NAME, cause, remedy)


async def _ready(plan: Plan) -> None:
    try:
        await answers(plan.postgres_url)
    except _NoDatabase:
        # The first start of a new cluster.
        connection = await asyncpg.connect(plan.postgres_url_of("postgres"), timeout=_PROBE_SECONDS)
        try:
            await connection.execute(f"CREATE DATABASE {POSTGRES_DATABASE}")
        finally:
            await connection.close()


class _NoDatabase(NotReady):
    """The server answers, and has not got the database."""


async def answers(url: str) -> None:
    """Log in with the password and run a statement."""
    try:
        connection = await asyncpg.connect(url, timeout=_PROBE_SECONDS)
        try:
            await connection.fetchval("SELECT 1", timeout=_PROBE_SECONDS)
        finally:
            await connection.close(timeout=_PROBE_SECONDS)
    except asyncpg.InvalidPasswordError as error:
        raise StartFailed(NAME, "it refuses the password in secrets.json", f"restore that file, or {_WIPE}") from error
    except asyncpg.InvalidCatalogNameError as error:
        raise _NoDatabase(str(error)) from error
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise NotReady(str(error) or "no answer") from error
