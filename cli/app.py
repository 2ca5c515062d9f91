"""The commands of `mesh` as one table; a command's module is imported when it is called, and only then."""

import functools
import importlib
import sys
from collections.abc import Callable
from types import MappingProxyType

import typer
from typer.core import TyperCommand, TyperGroup

from infra.local.failures import StartFailed

# Each is a function whose parameters are the options; it may return an exit code. One line adds a command.
COMMANDS = MappingProxyType(
    {
        "up": ("cli.up:run", "Start the whole platform on this machine, until Ctrl-C."),
        "reset": ("cli.up:reset", "Wipe the data of this machine, after asking."),
        "demo": ("cli.demo:run", "Place orders on a platform of its own and show what happens."),
        "provision": ("cli.services:provision", "Make schemas, roles, streams and consumers where they are not."),
        "rebuild": ("cli.services:rebuild", "Make a view again from the first event on."),
        "simulate": ("cli.simulate:run", "Send a seeded day of random orders to the running platform."),
        "check": ("cli.check:run", "Decide from the stores whether money, stock, orders and views add up."),
        "env": (
            "cli.env:run",
            "Print what a tool needs as lines for a shell: secrets, a signing key among them.",
        ),
        "token": ("cli.token:run", "Print a signed principal for the stock nats command line: a secret for a minute."),
        "trace": ("cli.trace:run", "Draw what happened to an order, or in a trace."),
    }
)


class _Commands(TyperGroup):
    """Lists the table without importing what it names."""

    def list_commands(self, ctx: typer.Context) -> list[str]:  # type: ignore[override]
        return list(COMMANDS)

    def get_command(self, ctx: typer.Context, cmd_name: str) -> TyperCommand | None:  # type: ignore[override]
        return TyperCommand(cmd_name, help=COMMANDS[cmd_name][1]) if cmd_name in COMMANDS else None

    def resolve_command(self, ctx: typer.Context, args: list[str]):  # type: ignore[no-untyped-def, override]
        if args and args[0] in COMMANDS:
            return args[0], _load(args[0]), args[1:]
        return super().resolve_command(ctx, args)


def _load(name: str) -> TyperCommand:
    where, line = COMMANDS[name]
    module, _, function = where.partition(":")
    only = typer.Typer(add_completion=False)
    only.command(name, help=line)(_with_exit_code(getattr(importlib.import_module(module), function)))
    command = typer.main.get_command(only)
    assert isinstance(command, TyperCommand)
    return command


def _with_exit_code(run: Callable[..., int | None]) -> Callable[..., None]:
    @functools.wraps(run)
    def wrapped(*args: object, **named: object) -> None:
        if code := run(*args, **named):
            raise typer.Exit(code)

    return wrapped


app = typer.Typer(cls=_Commands, add_completion=False, no_args_is_help=True, help="Run and operate Actor Mesh.")


@app.callback()
def _mesh() -> None:
    pass


def main() -> None:
    """Run the command that the arguments name; what cannot start is told in its one sentence."""
    try:
        app(prog_name="mesh")
    except StartFailed as failure:
        print(failure, file=sys.stderr)
        sys.exit(1)
