"""`mesh env`: what a tool has to know of the platform that runs here, as lines for a shell."""

from __future__ import annotations

import shlex
from typing import Annotated

import msgspec
import typer

from infra.local.attach import attached_tool_environment
from infra.local.settings import read_settings


def run(*, as_json: Annotated[bool, typer.Option("--json", help="Print one object for machines.")] = False) -> int:
    """Print `export` lines for a tool: where NATS is, with its password, and the tools' signing key.

    These are secrets: who has the key may sign as anybody. Do not paste the output anywhere.

        eval "$(./just mesh env)"
    """
    settings = read_settings()
    told = attached_tool_environment(settings.data_folder, settings)
    told["NATS_URL"] = told["MESH_NATS_URL"]  # what the stock `nats` command line reads
    if as_json:
        print(msgspec.json.encode(told).decode())
    else:
        print("\n".join(f"export {name}={shlex.quote(value)}" for name, value in told.items()))
    return 0
