"""`mesh call`: one command or query asked, as a tool asks it, and its reply."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Annotated, Any, get_type_hints

import msgspec
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from actors.mesh import Fault, Refused
from actors.mesh.connect import Operator
from cli.contract import asked, complete_message, first_sentence, message_named
from cli.reaching import (
    EXIT_OK,
    EXIT_WRONG,
    Misused,
    exit_of,
    mesh_settings,
    operator,
)
from cli.terminal import complain, print_json, show_json
from schemas.envelope import Envelope
from schemas.located import located
from schemas.message import Command, Message, key_field, subject_of

BODY_BYTES_MAX = 262_144
STDIN = "-"


def run(
    message: Annotated[
        str, typer.Argument(help="GetOrder, get_order or orders.query.get_order.", autocompletion=complete_message)
    ] = "",
    body: Annotated[
        list[str] | None, typer.Argument(help="JSON, or field=value pairs, or - to read JSON from standard input.")
    ] = None,
    key: Annotated[str, typer.Option(help="The id of the entity, in place of its field.")] = "",
    command_id: Annotated[str, typer.Option("--id", help="The command's id (UUID): the same again does no more.")] = "",
    on_behalf_of: Annotated[str, typer.Option(help="The person it is asked for.")] = "",
    timeout: Annotated[float, typer.Option(help="Seconds to wait.", min=0.1, max=300)] = 5.0,
    list_messages: Annotated[bool, typer.Option("--list", help="List what can be asked, and ask nothing.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="The reply on one line, for machines.")] = False,
) -> int:
    """Exit codes: 0 answered, 1 refused, 64 not understood, 69 nobody is there, 70 a defect there, 75 try again."""
    if list_messages:
        show_messages(Console(), as_json=as_json)
        return EXIT_OK
    if not message:
        raise Misused("Say what is to be asked: `mesh call GetOrder order_id=...`, or `mesh call --list`.")
    kind = message_named(message)
    data = with_key(kind, body_of(kind, body or ()), key)
    try:
        asked_for = msgspec.convert(data, kind)
    except msgspec.ValidationError as error:
        detail, pointer = located(str(error))
        return refused(Refused("message_invalid", detail, kind="invalid", pointer=pointer))
    if command_id and not issubclass(kind, Command):
        raise Misused(f"{kind.__name__} is a query: it changes nothing, and takes no --id.")

    async def ask() -> int:
        async with operator(mesh_settings()) as mesh:
            return await answered(mesh, asked_for, Envelope(command_id=command_id), on_behalf_of, timeout, as_json)

    return asyncio.run(ask())


async def answered(
    mesh: Operator, message: Message, envelope: Envelope, on_behalf_of: str, timeout: float, as_json: bool
) -> int:
    """Ask, and print what came of it; return the exit code."""
    filled = mesh.client.envelope(mesh.within(envelope, timeout), on_behalf_of)
    with mesh.trace(f"mesh call {type(message).__name__}") as trace_id:
        try:
            reply = await mesh.client.ask_raw(message, filled)
        except Refused as refusal:
            return refused(refusal, trace_id)
        except Fault as fault:
            return failed(fault, message, filled.command_id)
    document = msgspec.json.decode(reply.body)
    if as_json:
        print_json(document)
        return EXIT_OK
    show_json(Console(), document)
    if reply.repeated:
        complain("This command had been done before: the reply is the one remembered.")
    if isinstance(message, Command):
        complain(f"trace {trace_id}")
    return EXIT_OK


def refused(refusal: Refused, trace_id: str = "") -> int:
    where = f" at {refusal.pointer}" if refusal.pointer else ""
    complain(f"refused: {refusal.code}{where}: {refusal.detail}" + (f"\ntrace {trace_id}" if trace_id else ""))
    return EXIT_WRONG


def failed(fault: Fault, message: Message, command_id: str) -> int:
    """Say what went wrong, and whether it may have happened all the same."""
    advice = ""
    if isinstance(message, Command):
        again = f"repeat it with --id {command_id}"
        advice = f"; it may have happened: {again} to learn what became of it" if fault.executed else f"; {again}"
    complain(f"failed: {fault}{advice}")
    return exit_of(fault)


def body_of(kind: type[Message], words: Sequence[str]) -> dict[str, Any]:
    """Return the fields that were given: JSON, pairs, or standard input; raise `Misused` for anything else."""
    if list(words) == [STDIN]:
        return read_document(sys.stdin.buffer.read(BODY_BYTES_MAX + 1))
    if len(words) == 1 and words[0].lstrip().startswith("{"):
        return read_document(words[0].encode())
    hints, data = get_type_hints(kind, include_extras=True), dict[str, Any]()
    for word in words:
        name, equals, text = word.partition("=")
        if not equals:
            raise Misused(f"{word!r} is no field=value, nor JSON that begins with {{.")
        data[name] = value_of(text, hints.get(name, Any))
    return data


def value_of(text: str, hint: Any) -> Any:
    """Return a text as the field wants it: as it stands for a text, else what it says as JSON."""
    try:
        return msgspec.to_builtins(msgspec.convert(text, hint, strict=False))
    except msgspec.ValidationError:
        pass
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def read_document(text: bytes) -> dict[str, Any]:
    if len(text) > BODY_BYTES_MAX:
        raise Misused(f"The body has more than {BODY_BYTES_MAX} bytes.")
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Misused(f"The body is no JSON object: {error}") from None


def with_key(kind: type[Message], data: dict[str, Any], key: str) -> dict[str, Any]:
    """Put the entity's id where the message has it."""
    if not key:
        return data
    field = key_field(kind)
    if field is None:
        raise Misused(f"{kind.__name__} is about no one entity: it takes no --key.")
    if data.get(field, key) != key:
        raise Misused(f"--key says {key!r} and {field} says {data[field]!r}: give one of them.")
    return {field: key, **data}


def show_messages(console: Console, *, as_json: bool) -> None:
    if as_json:
        print_json(
            [{"name": kind.__name__, "subject": subject_of(kind), "fields": kind.__struct_fields__} for kind in asked()]
        )
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("message", "subject", "what it does"):
        table.add_column(heading, no_wrap=heading != "what it does")
    for kind in sorted(asked(), key=subject_of):
        table.add_row(kind.__name__, f"{subject_of(kind)}.<{key_field(kind) or '_'}>", escape(first_sentence(kind)))
    console.print(table)
