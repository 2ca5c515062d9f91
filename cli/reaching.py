"""Where a command finds the mesh: by the environment in a cluster, else the platform of this folder. And exit codes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from actors.mesh import Broken, Fault, Unavailable
from actors.mesh.connect import Operator, ToolSettings, operate, tool_settings
from infra.local.attach import attached_tool_environment
from infra.local.endpoints import read_endpoints
from infra.local.settings import LocalSettings, read_settings

NAME = "mesh-cli"
"""Who asks, as pools and the history have it."""
CONNECT_SECONDS = 5.0

# Those of sysexits.h where it has one; scripts go by them.
EXIT_OK = 0
EXIT_WRONG = 1  # something is not as it should be, or a rule said no
EXIT_USAGE = 64
EXIT_UNAVAILABLE = 69
EXIT_DEFECT = 70
EXIT_AGAIN = 75  # try again: it was not done, or nobody knows whether it was
EXIT_SETTINGS = 78


def exit_of(fault: Fault) -> int:
    """Return the exit code of a fault: nobody there, a defect on the other side, or to be tried again."""
    if isinstance(fault, Unavailable):
        return EXIT_UNAVAILABLE
    return EXIT_DEFECT if isinstance(fault, Broken) else EXIT_AGAIN


class NotReached(Exception):
    """There is no mesh to talk to; the message says where it was looked for and what to do."""


class Misused(Exception):
    """The command was not understood; the message says what was meant to stand there."""


def mesh_settings(settings: LocalSettings | None = None) -> ToolSettings:
    """Return how the mesh is reached; raise `NotReached` where nothing says so, `SettingsError` where it is wrong."""
    settings = settings or read_settings()
    if settings.inherited.get("MESH_SIGNING_KEY"):
        return tool_settings(settings.inherited)
    if read_endpoints(settings.data_folder) is None:
        raise NotReached(
            f"No platform runs on {settings.data_folder}: start one with `just up`, or name a cluster in"
            " MESH_NATS_URL, MESH_SIGNING_KEY and MESH_SIGNING_ISSUER."
        )
    return tool_settings(attached_tool_environment(settings.data_folder, settings))


@asynccontextmanager
async def operator(settings: ToolSettings) -> AsyncIterator[Operator]:
    """Open what a command asks through; raise `NotReached` where NATS does not answer."""
    context = operate(settings, NAME)
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            opened = await context.__aenter__()
    except (Unavailable, TimeoutError, OSError) as error:
        reason = str(error) or f"no answer within {CONNECT_SECONDS:.0f} s"
        raise NotReached(f"NATS is not reached ({reason}): `just mesh doctor` says what is wrong.") from error
    try:
        yield opened
    finally:
        await context.__aexit__(None, None, None)
