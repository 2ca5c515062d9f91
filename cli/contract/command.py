"""`mesh contract`: write what follows from the declarations, check it, and say what a change would break, for whom."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.contract.diff import VERDICTS, Change, Verdict, diff
from cli.contract.facts import Contract
from cli.contract.files import FACTS, RELEASED, differing, files, read_facts, write
from cli.contract.json_schemas import pretty
from cli.contract.reading import ROOT, read_contract
from cli.reaching import EXIT_OK, EXIT_WRONG, Misused
from cli.terminal import complain, print_json, safe

WRITE = "mesh contract"
STYLES: dict[Verdict, str] = {"breaks": "bold red", "in order": "yellow", "compatible": "green"}
GIT_SECONDS = 20.0
Action = Literal["write", "diff", "release"]
ACTIONS: tuple[Action, ...] = ("write", "diff", "release")


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """What `mesh contract diff --json` prints."""

    against: str
    breaks: int
    changes: list[Change]


def run(
    action: Annotated[
        str, typer.Argument(help="`write`, `diff`, or `release`: from now on this is what nobody may break.")
    ] = "write",
    check: Annotated[bool, typer.Option("--check", help="Write nothing; say what is not committed as it is.")] = False,
    against: Annotated[
        str, typer.Option(help="What to compare with: a file, or a commit of git. Else the contract released last.")
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="One object, for machines.")] = False,
) -> int:
    """Exit codes: 0 nothing breaks and all is as it should be, 1 something is not, 64 not understood."""
    if action not in ACTIONS:
        raise Misused(f"There is no `mesh contract {action}`: say {', '.join(ACTIONS)}")
    if not (ROOT / FACTS).parent.exists():
        raise Misused(f"{ROOT} holds no docs/contract: run it in a checkout of the repository")
    contract = read_contract()
    if action == "diff":
        return compared(contract, against, as_json=as_json)
    if check:
        return checked(contract, as_json=as_json)
    wanted = files(contract)
    if action == "release":
        wanted[RELEASED] = pretty(contract)
    touched = write(ROOT, wanted)
    if as_json:
        print_json({"written": touched})
    else:
        Console().print("\n".join(f"written: {path}" for path in touched) or "nothing has changed", highlight=False)
    return EXIT_OK


def checked(contract: Contract, *, as_json: bool) -> int:
    """Say which committed files are not what the declarations say."""
    wrong = differing(ROOT, files(contract))
    if as_json:
        print_json({"wrong": wrong})
    elif wrong:
        complain("\n".join([*wrong, f"If that was meant: `{WRITE}` writes them anew; look at the difference."]))
    else:
        Console().print(f"{len(contract.messages)} messages: all that is committed is what the code says.")
    return EXIT_WRONG if wrong else EXIT_OK


def compared(contract: Contract, against: str, *, as_json: bool) -> int:
    """Show what differs from an earlier contract; exit 1 where somebody breaks."""
    earlier = contract_at(against)
    changes = diff(earlier, contract)
    broken = sum(change.verdict == "breaks" for change in changes)
    title = f"{against or RELEASED} (release {earlier.release})"
    if as_json:
        print_json(Found(against=title, breaks=broken, changes=changes))
    else:
        show(Console(), title, changes)
    return EXIT_WRONG if broken else EXIT_OK


def contract_at(against: str) -> Contract:
    """Return the contract of a file or a commit; raise `Misused` where there is none."""
    file = Path(against) if against else ROOT / RELEASED
    try:
        return read_facts(file.read_bytes() if file.is_file() else of_commit(against))
    except msgspec.MsgspecError as error:
        raise Misused(f"{against or RELEASED} is no contract: {error}") from None


def of_commit(against: str) -> bytes:
    """Return the contract as a commit has it."""
    if not against or against.startswith("-"):
        raise Misused(f"There is no {RELEASED} yet: `mesh contract release` writes it")
    asked = ["git", "-C", str(ROOT), "show", f"{against}:{FACTS}"]
    try:
        shown = subprocess.run(asked, capture_output=True, timeout=GIT_SECONDS, check=False)  # noqa: S603 - an argument list, no shell
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Misused(f"{against} is no file, and git cannot be asked: {error}") from None
    if shown.returncode != 0:
        said = shown.stderr.decode(errors="replace").strip()
        raise Misused(f"{against} is no file, and no commit that has {FACTS}: {safe(said)}")
    return shown.stdout


def show(console: Console, title: str, changes: Sequence[Change]) -> None:
    """Draw the changes, the worst first, each with whom it hits."""
    if not changes:
        console.print(f"Nothing differs from {title}.", highlight=False)
        return
    table = Table(box=None, pad_edge=False, title=f"Against {title}", title_justify="left", title_style="bold")
    for column in ("", "message", "what", "who is hit"):
        table.add_column(column, overflow="fold")
    for change in changes:
        where = Text(safe(change.subject)) + (Text(f"\n{safe(change.path)}", style="bold") if change.path else Text(""))
        what = Text(safe(change.what)) + (Text(f"\n{safe(change.why)}", style="dim") if change.why else Text(""))
        table.add_row(Text(change.verdict, style=STYLES[change.verdict]), where, what, Text("\n".join(change.hit)))
    console.print(table)
    counts = {verdict: sum(change.verdict == verdict for change in changes) for verdict in VERDICTS}
    console.print(Text(", ".join(f"{count} {verdict}" for verdict, count in counts.items()), style="bold"))
