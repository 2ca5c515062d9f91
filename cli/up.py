"""`mesh up` and `mesh reset`: the whole platform on this machine, and its end."""

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit, urlunsplit

import typer
from rich.console import Console
from rich.table import Table

from cli.panel import Panel
from cli.seed import add_accounts, stock_catalogue
from cli.shop import Shop, shop_at
from infra.local.endpoints import FILE, Endpoints
from infra.local.failures import StartFailed
from infra.local.folder import wipe
from infra.local.platform import LocalPlatform
from infra.local.settings import LocalSettings, read_settings

_INTERRUPTED = 130


def run(
    servers: Annotated[bool, typer.Option("--servers", help="Start NATS, PostgreSQL and Valkey alone.")] = False,
) -> int:
    """Start everything, say where it is, and stop it on Ctrl-C."""
    settings = read_settings()
    console = Console()
    return asyncio.run(_up(console, settings, servers_only=servers))


def reset(yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False) -> int:
    """Wipe the data folder, with all orders, keys and tokens in it."""
    folder = read_settings().data_folder
    if not folder.exists():
        print(f"There is nothing to wipe: {folder} does not exist.")
        return 0
    if not yes and not sys.stdin.isatty():
        print("Nothing was wiped: there is nobody to ask here; say `just reset --yes`.", file=sys.stderr)
        return 1
    if not yes and not typer.confirm(f"Wipe {folder} with all orders, keys and tokens in it?"):
        print("Nothing was wiped.")
        return 1
    try:
        wipe(folder)
    except StartFailed as failure:
        print(f"Nothing was wiped: {failure.cause}; {failure.remedy}.", file=sys.stderr)
        return 1
    print(f"{folder} is gone; `just up` starts afresh.")
    return 0


async def _up(console: Console, settings: LocalSettings, *, servers_only: bool) -> int:
    with Panel(console) as panel:
        platform = LocalPlatform(
            settings.data_folder,
            fixed_ports=True,
            services=() if servers_only else None,
            watch=panel.show,
            settings=settings,
        )
        asked_to_stop = _on_signals(platform)
        if not await _started(platform, asked_to_stop):
            panel.settle()
            console.print("Stopped before it was ready.")
            return _INTERRUPTED
        try:
            panel.settle()
            await _stocked(platform, servers_only=servers_only)
            _welcome(console, platform.endpoints, settings.data_folder)
            await asked_to_stop.wait()
            console.print("\nStopping ... (Ctrl-C again to kill)")
        finally:
            await platform.stop()
        console.print("All parts have stopped; the data is kept.")
    return 0


async def _stocked(platform: LocalPlatform, *, servers_only: bool) -> None:
    """Give a fresh platform accounts and a catalogue, so that the order shown can be placed; later starts skip it."""
    if servers_only:
        return
    await add_accounts(platform.environment, platform.endpoints.accounts.values())
    async with shop_at(platform.endpoints.gateway) as http:
        await stock_catalogue(Shop(http, platform.endpoints.tokens["wendy"]))


def _on_signals(platform: LocalPlatform) -> asyncio.Event:
    """The first signal asks for an orderly stop, the next ends the waiting for it."""
    asked = asyncio.Event()

    def hear() -> None:
        if asked.is_set():
            for name in platform.pids():
                platform.kill(name)
        asked.set()

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, hear)
    return asked


async def _started(platform: LocalPlatform, asked_to_stop: asyncio.Event) -> bool:
    start = asyncio.create_task(platform.start())
    stop = asyncio.create_task(asked_to_stop.wait())
    await asyncio.wait((start, stop), return_when=asyncio.FIRST_COMPLETED)
    stop.cancel()
    if start.done():
        start.result()
        return True
    # A start that is cancelled ends what had come up.
    start.cancel()
    await asyncio.gather(start, return_exceptions=True)
    return False


def _welcome(console: Console, endpoints: Endpoints, folder: Path) -> None:
    addresses = Table(box=None, pad_edge=False, show_header=False)
    for name in ("gateway", "mailbox", "smtp", "traces", "nats", "nats_monitor", "postgres", "redis"):
        if url := getattr(endpoints, name):
            addresses.add_row(name, _without_password(url))
    console.print()
    console.print(addresses)
    print(f"\nAddresses with their passwords: {folder / FILE}", flush=True)
    if not endpoints.gateway:
        return
    console.print("\nDemo accounts: log in with e-mail and password, or send the development token as a bearer token.")
    console.print(_people(endpoints))
    # Not through the console, which would break the line to copy where the window ends.
    print(f"\nPlace an order:\n\n{example_order(endpoints)}\n\nCtrl-C stops all.", flush=True)


def _people(endpoints: Endpoints) -> Table:
    people = Table(box=None, pad_edge=False, header_style="bold")
    for heading in ("role", "e-mail", "password", "token"):
        people.add_column(heading, overflow="fold")
    for name, token in endpoints.tokens.items():
        account = endpoints.accounts[name]
        people.add_row(", ".join(account.roles), account.email, account.password, token)
    return people


def example_order(endpoints: Endpoints) -> str:
    """One line to copy into a shell."""
    body = {
        "lines": [{"sku": "cup-blue", "quantity": 2}],
        "deliver_to": "Ada, 12 Harbour Street, Bergen",
        "payment_token": "card-approved",
    }
    return (
        f"curl -s -X POST {endpoints.gateway}/v1/orders"
        f" -H 'Authorization: Bearer {endpoints.tokens['ada']}' -H 'Idempotency-Key: first-order'"
        f" -H 'Content-Type: application/json' -d '{json.dumps(body)}'"
    )


def _without_password(url: str) -> str:
    parts = urlsplit(url)
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2], query=""))
