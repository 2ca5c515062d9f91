"""`mesh publish`: any bytes on any subject, signed; into a stream it waits until they are kept."""

from __future__ import annotations

import asyncio
import re
import sys
from typing import Annotated

import typer
from rich.console import Console

from actors.mesh import Fault, Refused
from actors.mesh.connect import Operator
from cli.call import BODY_BYTES_MAX, STDIN
from cli.reaching import (
    EXIT_OK,
    EXIT_WRONG,
    Misused,
    exit_of,
    mesh_settings,
    operator,
)
from cli.terminal import complain, print_json, safe

SUBJECT = re.compile(r"[^\s.*>\x00-\x20\x7f]+(\.[^\s.*>\x00-\x20\x7f]+)*")


def run(
    subject: Annotated[str, typer.Argument(help="inventory.tell.receive_stock.<sku>, or any other.")],
    body: Annotated[str, typer.Argument(help="The bytes to send, or - to read them from standard input.")] = "",
    command_id: Annotated[str, typer.Option("--id", help="The message's id (UUID): a stream keeps it once.")] = "",
    force: Annotated[bool, typer.Option("--force", help="Even an event, which only its owner may publish.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One object, for machines.")] = False,
) -> int:
    """Nobody answers: what becomes of it is seen with `mesh tap` and `mesh events`."""
    if not SUBJECT.fullmatch(subject):
        raise Misused(f"{subject!r} is no subject: words with dots between them, without * and >.")
    if subject.split(".")[1:2] == ["event"] and not force:
        raise Misused("Events are told by their owner alone: readers would take this one for a fact. (--force does it)")
    content = sys.stdin.buffer.read(BODY_BYTES_MAX + 1) if body == STDIN else body.encode()

    async def send() -> int:
        async with operator(mesh_settings()) as mesh:
            known = command_id or mesh.client.envelope().command_id
            return await sent(mesh, subject, content, known, as_json=as_json)

    return asyncio.run(send())


async def sent(mesh: Operator, subject: str, content: bytes, command_id: str, *, as_json: bool) -> int:
    """Publish, and say where it went; return the exit code."""
    try:
        published = await mesh.publish(subject, content, command_id)
    except Refused as refusal:
        complain(f"refused: {refusal.code}: {refusal.detail}")
        return EXIT_WRONG
    except Fault as fault:
        doubt = f"; it may have been kept: repeat it with --id {command_id}" if fault.executed else ""
        complain(f"failed: {fault}{doubt}")
        return exit_of(fault)
    if as_json:
        print_json({"id": command_id, "stream": published.stream, "sequence": published.sequence})
    elif published.stream:
        place = f" as {published.sequence}" if published.sequence else ""
        Console().print(f"kept by {published.stream}{place}, id {command_id}", highlight=False)
    else:
        told = f"published on {safe(subject)}, id {command_id}: no stream keeps it, whoever listened has it"
        Console().print(told, highlight=False, markup=False, soft_wrap=True)
    return EXIT_OK
