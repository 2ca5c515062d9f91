"""`python -m tests.sim`: run schedules by seed; show the smallest one that fails, or one of them step by step."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence
from typing import Annotated, Any

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from actors.mesh import Actor
from tests.sim.planted_bugs import BUGS, planted
from tests.sim.schedules import Mode, Ran, Schedule, command_of, ran, smaller

app = typer.Typer(add_completion=False, rich_markup_mode=None)


@app.command()
def schedules(
    seed: Annotated[int, typer.Option(help="The schedule, or the first of many.", min=0)] = 0,
    count: Annotated[int, typer.Option(help="How many schedules to run at most.", min=1)] = 1,
    mode: Annotated[Mode, typer.Option(help="`liveness`: faults stop, and all comes to rest.")] = "liveness",
    fault: Annotated[
        list[str] | None, typer.Option(help="These faults and no others, as a failure names them.")
    ] = None,
    no_faults: Annotated[bool, typer.Option(help="Nothing goes wrong.")] = False,
    in_order: Annotated[
        bool, typer.Option(help="Tasks run in the order they became ready, not in a drawn one.")
    ] = False,
    bug: Annotated[str, typer.Option(help="Plant one of the known bugs.")] = "",
    shrink: Annotated[bool, typer.Option(help="Make the schedule that fails as small as it gets.")] = True,
    trace: Annotated[bool, typer.Option(help="Print every place the schedule passed.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one object for machines and nothing else.")] = False,
) -> None:
    """Run schedules of the shop until one breaks an invariant: exit 1 then, 0 if all hold."""
    if bug and bug not in BUGS:
        raise typer.BadParameter(f"no bug {bug!r}; there are {', '.join(BUGS)}", param_hint="--bug")
    given = () if no_faults else tuple(fault) if fault else None
    focus = BUGS[bug].focus if bug and given is None else ()
    many = [Schedule(number, mode, given, focus, not in_order) for number in range(seed, seed + count)]
    began, lines = time.perf_counter(), list[str]()
    with planted(bug) as actors:
        done, found = until_one_fails(many, actors, lines if trace else None)
        seconds = time.perf_counter() - began
        if found.problems and shrink and given is None:
            found = smaller(found, actors=actors)
    if as_json:
        sys.stdout.write(msgspec.json.encode(as_object(done, seconds, found, bug)).decode() + "\n")
    else:
        show(Console(), done, seconds, found, bug, lines)
    raise typer.Exit(1 if found.problems else 0)


def until_one_fails(many: Sequence[Schedule], actors: Sequence[Actor], trace: list[str] | None) -> tuple[int, Ran]:
    """Run them in turn; return how many were run, and the last."""
    for done, schedule in enumerate(many, 1):
        found = ran(schedule, actors=actors, trace=trace)
        if found.problems or done == len(many):
            return done, found
    raise AssertionError("there is at least one schedule")


def as_object(done: int, seconds: float, found: Ran, bug: str) -> dict[str, Any]:
    return {
        "ok": not found.problems,
        "schedules": done,
        "seconds": round(seconds, 3),
        "seed": found.schedule.seed,
        "digest": found.digest,
        "faults": found.faults,
        "problems": found.problems,
        "again": command_of(found, bug),
    }


def show(console: Console, done: int, seconds: float, found: Ran, bug: str, trace: Sequence[str]) -> None:
    for line in trace:
        console.print(line, markup=False, highlight=False, soft_wrap=True)
    rate = f"{done} schedules in {seconds:.1f} s, {done / seconds * 60:.0f} a minute"
    if not found.problems:
        console.print(f"[green]all invariants hold[/]: {rate}; the last was {found.schedule.seed}, {found.digest[:16]}")
        return
    console.print(f"[red]schedule {found.schedule.seed} breaks {', '.join(sorted(found.broken))}[/]: {rate}")
    table = Table(box=None, pad_edge=False, show_header=False)
    for fault in found.faults or ("no fault at all",):
        table.add_row("fault", Text(fault))
    for problem in found.problems[:10]:
        table.add_row("[red]broken[/]", Text(problem))
    console.print(table)
    console.print(f"again: {command_of(found, bug)}", markup=False, highlight=False, soft_wrap=True)


if __name__ == "__main__":
    app()
