"""`mesh doctor`: what a person would look at when something does not work, each with what to do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Annotated

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from actors.mesh import MeshError
from actors.mesh.connect import Operator, SettingsError
from cli.contract import domains
from cli.doctor_machine import machine
from cli.doctor_mesh import broker, declared, pools, skew, stuck, waiting
from cli.finding import Finding, broken, well
from cli.reaching import EXIT_OK, EXIT_WRONG, NotReached, mesh_settings, operator
from cli.status import one_look
from cli.status_facts import compare
from cli.terminal import print_json, safe
from infra.local import nats_server, postgres_server, valkey_server
from infra.local.clocks import postgres_ahead_ms
from infra.local.endpoints import Endpoints, read_endpoints
from infra.local.failures import NotReady, StartFailed
from infra.local.services import answers_200
from infra.local.settings import LocalSettings, read_settings

BETWEEN_LOOKS_SECONDS = 1.0
STYLES = {"ok": "green", "warn": "yellow", "fail": "bold red"}

Probe = Callable[[str], Awaitable[None]]
PARTS: tuple[tuple[str, Probe, str], ...] = (
    ("nats", nats_server.answers, ""),
    ("postgres", postgres_server.answers, ""),
    ("redis", valkey_server.answers, ""),
    ("gateway", answers_200, "/readyz"),
    ("traces", answers_200, "/healthz"),
    ("cards", answers_200, "/healthz"),
    ("mailbox", answers_200, "/healthz"),
)


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """All that was looked at; `ok` unless something failed."""

    ok: bool
    findings: tuple[Finding, ...]


def run(
    as_json: Annotated[bool, typer.Option("--json", help="One object, for machines.")] = False,
) -> int:
    """Exit codes: 0 nothing failed, 1 something did; what is only to be looked at is no failure."""
    findings = tuple(asyncio.run(examined(read_settings())))
    diagnosis = Diagnosis(ok=all(each.state != "fail" for each in findings), findings=findings)
    if as_json:
        print_json(diagnosis)
    else:
        show(Console(), diagnosis)
    return EXIT_OK if diagnosis.ok else EXIT_WRONG


async def examined(settings: LocalSettings) -> list[Finding]:
    """Return everything that was found, the machine first."""
    found = list(machine(settings, dict(settings.inherited)))
    endpoints = read_endpoints(settings.data_folder)
    if endpoints is not None:
        found += await asyncio.gather(
            *(answering(name, probe, url + path) for name, probe, path in PARTS if (url := getattr(endpoints, name)))
        )
    elif not settings.inherited.get("MESH_SIGNING_KEY"):
        return found  # there is no mesh to look at, which is said above
    return found + [each async for each in mesh(settings, endpoints)]


async def answering(name: str, probe: Probe, url: str) -> Finding:
    """Ask one part in its own protocol."""
    try:
        await probe(url)
    except (NotReady, StartFailed) as error:
        return broken(name, f"does not answer ({error})", f"look into the log of {name}, or start again with `just up`")
    return well(name, "answers")


async def mesh(settings: LocalSettings, endpoints: Endpoints | None) -> AsyncIterator[Finding]:
    """Look at the mesh itself, and at the clocks."""
    try:
        async with operator(mesh_settings(settings)) as opened:
            for finding in await looked_at(opened):
                yield finding
            if endpoints is not None:
                yield await database_clock(endpoints.postgres, opened)
    except NotReached as error:
        yield broken("mesh", str(error), "see that NATS runs, and at that address")
    except SettingsError as error:
        for problem in error.problems:
            yield broken("settings", problem, "mend or unset it")
    except MeshError as error:
        yield broken("mesh", f"could not be looked at: {error}", "look again; then into the log of NATS")


async def looked_at(opened: Operator) -> list[Finding]:
    before = await one_look(opened)
    await asyncio.sleep(BETWEEN_LOOKS_SECONDS)
    now, infos = await one_look(opened), await opened.infos()
    status = compare(before, now, domains())
    return [
        *broker(now.survey),
        *pools(status, infos),
        *declared(infos, now.survey),
        *stuck(before, now),
        *waiting(status),
    ]


async def database_clock(url: str, opened: Operator) -> Finding:
    try:
        return skew("postgres", await postgres_ahead_ms(url, opened.now_ms))
    except NotReady as error:
        return broken("clock", f"postgres does not tell the time ({error})", "look into the log of postgres")


def show(console: Console, diagnosis: Diagnosis) -> None:
    """Draw a line for each finding, and what to do under those that are not well."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for each in diagnosis.findings:
        table.add_row(Text(each.state, style=STYLES[each.state]), safe(each.area), Text(safe(each.what)))
        if each.remedy:
            table.add_row("", "", Text(f"→ {safe(each.remedy)}", style=STYLES[each.state]))
    console.print(table)
    counted = {state: sum(each.state == state for each in diagnosis.findings) for state in STYLES}
    console.print()
    summary = f"{counted['ok']} well, {counted['warn']} to look at, {counted['fail']} failed"
    console.print(Text(summary, style="green" if diagnosis.ok else "bold red"))
