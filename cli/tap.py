"""`mesh tap`: commands, queries and events as they pass by, decoded, what is personal hidden."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text

from actors.mesh.connect import Heard, Operator, Tap
from cli.contract import complete_domain, messages
from cli.reaching import EXIT_OK, Misused, mesh_settings, operator
from cli.terminal import clock_time, compact, complain, print_json, safe


def complete_pattern(incomplete: str) -> list[str]:
    """Return what a shell may complete to a pattern."""
    return [f"{domain}.>" for domain in complete_domain(incomplete.partition(".")[0])]


STYLES = {"command": "bold cyan", "tell": "bold magenta", "query": "dim cyan", "event": "bold green"}


def run(
    pattern: Annotated[
        str, typer.Argument(help="Subjects to hear: 'orders.>', '*.event.>'.", autocompletion=complete_pattern)
    ],
    count: Annotated[int, typer.Option(help="End after so many messages; 0 is never.", min=0)] = 0,
    seconds: Annotated[float, typer.Option(help="End after so long; 0 is never.", min=0)] = 0.0,
    as_json: Annotated[bool, typer.Option("--json", help="One object a message, for machines.")] = False,
) -> int:
    """Commands, queries and events, until Ctrl-C; replies are left out. Who asked is what the message claims."""
    if not pattern or any(character.isspace() for character in pattern) or "" in pattern.split("."):
        raise Misused(f"{pattern!r} is no pattern of subjects: try 'orders.>'.")
    settings = mesh_settings()

    async def listen() -> None:
        async with operator(settings) as mesh:
            await shown(mesh, pattern, count, seconds, as_json=as_json)

    try:
        asyncio.run(listen())
    except KeyboardInterrupt:
        return EXIT_OK
    return EXIT_OK


async def shown(mesh: Operator, pattern: str, count: int, seconds: float, *, as_json: bool) -> None:
    """Print each message until there were enough."""
    console, tap = Console(), await mesh.tap(pattern, messages())
    if not as_json:
        complain(f"listening to {pattern}; Ctrl-C ends it")
    try:
        async for heard in heard_within(tap, count, seconds):
            if as_json:
                print_json(heard)
            else:
                console.print(line(heard), soft_wrap=True)
    finally:
        await tap.stop()
        if tap.dropped:
            complain(f"{tap.dropped} messages came faster than they could be shown, and are not")


async def heard_within(tap: Tap, count: int, seconds: float) -> AsyncIterator[Heard]:
    """Yield messages until so many have come or the time is over; 0 bounds nothing."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds if seconds else None
    seen = 0
    while not count or seen < count:
        try:
            async with asyncio.timeout_at(end):
                heard = await tap.next()
        except TimeoutError:
            return
        yield heard
        seen += 1


def line(heard: Heard) -> Text:
    """Draw one message."""
    domain, kind, *rest = heard.subject.split(".")
    named = ".".join([domain, kind, *rest[:-1]]) if rest else heard.subject
    who = f"{heard.who} for {heard.on_behalf_of}" if heard.on_behalf_of else heard.who
    text = Text.assemble(
        (clock_time(heard.at_ms), "dim"), " ", (safe(named), STYLES.get(kind, "")), " ", (safe(heard.key), "yellow"),
    )  # fmt: skip
    if heard.trace_id:
        text.append(f" {heard.trace_id}", "blue")
    if who:
        text.append(f" {safe(who)}", "magenta")
    text.append(" ")
    if heard.private:
        text.append("private", "dim italic")
    elif heard.body is None:
        text.append(f"{heard.size} bytes that are no such message", "red")
    else:
        text.append(compact(heard.body))
    return text
