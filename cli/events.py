"""`mesh events`: what happened to one entity, event by event, and what each changed in its state."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.text import Text

from actors.mesh import Fault, Refused
from actors.mesh.connect import Operator
from cli.contract import complete_domain, domain_named
from cli.reaching import (
    EXIT_OK,
    EXIT_WRONG,
    Misused,
    exit_of,
    mesh_settings,
    operator,
)
from cli.terminal import compact, complain, date_time, print_json, safe
from schemas.history import PAGE_MAX, Change, HistoryEntry, HistoryPage, HistoryQuestion

FIELD_WIDTH = 28


def run(
    domain: Annotated[str, typer.Argument(help="Whose entity it is: orders.", autocompletion=complete_domain)],
    entity: Annotated[str, typer.Argument(help="Its id; with its kind where two have that id: item/cup-blue.")],
    after: Annotated[int, typer.Option(help="Show only what came after this version.", min=0)] = 0,
    limit: Annotated[int, typer.Option(help="So many events at most.", min=1, max=10_000)] = 1000,
    as_json: Annotated[bool, typer.Option("--json", help="One object, for machines.")] = False,
) -> int:
    """Personal and secret fields are hidden, and of a private event no more is told than its name."""
    aggregate, _, entity_id = entity.rpartition("/")
    try:
        question = msgspec.convert(
            {"entity_id": entity_id, "aggregate": aggregate, "after_version": after, "limit": min(limit, PAGE_MAX)},
            HistoryQuestion,
        )
    except msgspec.ValidationError:
        raise Misused(f"{entity!r} is no id: 1 to 64 letters, digits, - and _, its kind in front if need be.") from None
    owner = domain_named(domain)

    async def ask() -> int:
        async with operator(mesh_settings()) as mesh:
            return await told(mesh, owner, question, limit, as_json=as_json)

    return asyncio.run(ask())


async def told(mesh: Operator, domain: str, question: HistoryQuestion, limit: int, *, as_json: bool) -> int:
    """Print page after page; return the exit code."""
    console, entries, key, more = Console(), list[HistoryEntry](), "", 0
    try:
        async for page in pages(mesh, domain, question, limit):
            if not as_json and not key:
                console.print(Text(safe(page.key), style="bold"))
            key, more = page.key, page.next_after_version
            entries += page.entries
            for entry in () if as_json else page.entries:
                console.print(drawn(entry), soft_wrap=True)
    except Refused as refusal:
        complain(f"refused: {refusal.code}: {refusal.detail}")
        return EXIT_WRONG
    except Fault as fault:
        complain(f"failed: {fault}")
        return exit_of(fault)
    if as_json:
        print_json(HistoryPage(key=key, entries=tuple(entries), next_after_version=more))
    elif more:
        complain(f"There is more: --after {more}")
    return EXIT_OK


async def pages(mesh: Operator, domain: str, question: HistoryQuestion, limit: int) -> AsyncIterator[HistoryPage]:
    """Yield pages until there are no more, or enough."""
    seen = 0
    while True:
        page = await mesh.history(domain, question)
        yield page
        seen += len(page.entries)
        if not page.next_after_version or seen >= limit:
            return
        left = min(PAGE_MAX, limit - seen)
        question = msgspec.structs.replace(question, after_version=page.next_after_version, limit=left)


def drawn(entry: HistoryEntry) -> Text:
    """Draw one event: a line for it, one for its body, one for each change."""
    text = Text.assemble(
        (f"{entry.version:>4} ", "bold"), (safe(entry.name), "bold green"), "  ", (date_time(entry.at_ms), "dim"),
    )  # fmt: skip
    if entry.person:
        text.append(f"  by {safe(entry.person)}", "magenta")
    if entry.trace_id:
        text.append(f"  trace {safe(entry.trace_id)}", "blue")
    if entry.private:
        text.append("\n       private: what it says stays in the journal", "dim italic")
    elif entry.cut:
        text.append("\n       too large to be shown", "red")
    else:
        text.append(f"\n       {compact(entry.body)}", "dim")
    for change in entry.changes:
        text.append("\n")
        text.append_text(changed(change))
    return text


def changed(change: Change) -> Text:
    """Draw one changed field: `+` it is new, `-` it is gone, `~` it is another."""
    field = safe(change.field).ljust(FIELD_WIDTH)
    if change.before is None:
        return Text.assemble(("     + ", "green"), field, " ", (compact(change.after), "green"))
    if change.after is None:
        return Text.assemble(("     - ", "red"), field, " ", (compact(change.before), "red"))
    return Text.assemble(
        ("     ~ ", "yellow"), field, " ", (compact(change.before), "red"), " → ", (compact(change.after), "green")
    )
