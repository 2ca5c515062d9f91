"""Print the events of a domain as they come, and go on next time where it stopped.

eval "$(./just mesh env)"
.venv/bin/python examples/follow_events.py inventory
"""

from __future__ import annotations

import argparse
import asyncio
import importlib
import os
import sys
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from pathlib import Path
from types import ModuleType
from typing import Literal

import msgspec

from actors.mesh import Fault
from actors.mesh.connect import Followed, SettingsError, connect, tool_settings
from schemas.message import Event


class Position:
    """How far it has read, kept in a file. Written after an event was printed: a crash prints one again, skips none."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def read(self) -> int | None:
        """Return the position, None at the first time; raise ValueError for a file that holds something else."""
        try:
            return int(self._file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None

    def write(self, position: int) -> None:
        """Keep a position, whole or not at all."""
        fresh = self._file.with_name(self._file.name + ".new")
        fresh.write_text(f"{position}\n", encoding="utf-8")
        fresh.replace(self._file)


def as_line(followed: Followed[Event], *, as_json: bool) -> str:
    """Return one event as a line; of one that this code does not know, only what it is called."""
    what = None if followed.event is None else msgspec.to_builtins(followed.event)
    if as_json:
        known = {"position": followed.position, "at_ms": followed.at_ms, "name": followed.name}
        return msgspec.json.encode({**known, "key": followed.key, "version": followed.version, "event": what}).decode()
    at = datetime.fromtimestamp(followed.at_ms / 1000, UTC).strftime("%H:%M:%S")
    told = "(not readable here)" if what is None else msgspec.json.encode(what).decode()
    return f"{followed.position:>6}  {at}  {followed.name}  {followed.key}@{followed.version}  {told}"


async def follow(
    contract: ModuleType, position: Position, first: Literal["start", "now"], count: int, *, as_json: bool
) -> None:
    """Print events until there have been so many, 0 for no end."""
    left, known = count, position.read()
    async with (
        connect(tool_settings(os.environ), "follow-events") as mesh,
        aclosing(mesh.follow(contract, after=first if known is None else known)) as following,
    ):
        async for followed in following:
            print(as_line(followed, as_json=as_json), flush=True)
            position.write(followed.position)
            left -= 1
            if left == 0:
                return


def main() -> int:
    """Read the command line; return the exit code."""
    parser = argparse.ArgumentParser(description="Print the events of a domain, and go on where it stopped last time.")
    parser.add_argument("domain", help="orders, inventory, payments, users ...")
    parser.add_argument("--position", type=Path, metavar="FILE", help="where it is kept; else .<domain>.position")
    parser.add_argument("--first", choices=("start", "now"), default="start", help="where to begin the first time")
    parser.add_argument("--count", type=int, default=0, help="stop after so many")
    parser.add_argument("--json", action="store_true", help="one object a line, for machines")
    given = parser.parse_args()
    try:
        contract = importlib.import_module(f"schemas.{given.domain}")
    except ImportError:
        parser.error(f"there is no domain {given.domain!r}")
    position = Position(given.position or Path(f".{given.domain}.position"))
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(follow(contract, position, given.first, given.count, as_json=given.json))
    except SettingsError as error:
        print(f'{error}\nOn this machine: eval "$(./just mesh env)"', file=sys.stderr)
        return 2
    except (Fault, OSError, ValueError) as error:
        print(f"{error}\nIf the stream was made anew, remove the position file and begin again.", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
