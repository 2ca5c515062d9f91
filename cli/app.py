"""The commands of `mesh` as one table; a command's module is imported when it is called, and only then."""

import functools
import importlib
import sys
from collections.abc import Callable, Mapping
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
        "status": ("cli.status:run", "Show pools, readers and what waits, once or live."),
        "doctor": ("cli.doctor:run", "Look for what is wrong with this machine and the mesh, and say what to do."),
        "call": ("cli.call:run", "Ask one command or query and print the reply."),
        "publish": ("cli.publish:run", "Publish a signed message; into a stream, wait until it is kept."),
        "tap": ("cli.tap:run", "Show messages as they pass by, personal fields hidden."),
        "events": ("cli.events:run", "Show what happened to one entity, and what each event changed."),
        "env": (
            "cli.env:run",
            "Print what a tool needs as lines for a shell: secrets, a signing key among them.",
        ),
        "token": ("cli.token:run", "Print a signed principal for the stock nats command line: a secret for a minute."),
        "trace": ("cli.trace:run", "Draw what happened to an order, or in a trace."),
        "contract": ("cli.contract.command:run", "Write, check or compare what is promised to whoever joins."),
    }
)
EXAMPLES: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "up": ("mesh up", "mesh up --servers"),
        "reset": ("mesh reset --yes",),
        "demo": ("mesh demo", "mesh demo --json"),
        "provision": ("mesh provision",),
        "rebuild": ("mesh rebuild orders order_view",),
        "simulate": ("mesh simulate --seed 7 --orders 200", "mesh simulate --orders 1000 --rate 20 --json"),
        "check": ("mesh check", "mesh check --json"),
        "status": ("mesh status", "mesh status --watch", "mesh status --json || echo something is wrong"),
        "doctor": ("mesh doctor", "mesh doctor --json"),
        "call": (
            "mesh call --list",
            "mesh call GetOrder --key 0192f0c1",
            "mesh call orders.command.request_cancel order_id=0192f0c1 customer_id=cust-ada reason='too late'",
            """echo '{"sku": "cup-blue", "quantity": 5}' | mesh call ReceiveStock - --json""",
        ),
        "publish": (
            """mesh publish orders.tell.cancel_order.0192f0c1 '{"order_id": "0192f0c1", ...}'""",
            "mesh publish tools.hello -  < message.json",
        ),
        "tap": ("mesh tap 'orders.>'", "mesh tap '*.event.>' --count 10 --json", "mesh tap '>' --seconds 5"),
        "events": (
            "mesh events orders 0192f0c1",
            "mesh events inventory item/cup-blue --after 12",
            "mesh events orders 0192f0c1 --json",
        ),
        "env": ("mesh env", "mesh env --json"),
        "token": ("mesh token --role warehouse", "mesh token inventory.tell.receive_stock.cup '{...}'"),
        "contract": (
            "mesh contract",
            "mesh contract --check",
            "mesh contract diff --against main",
            "mesh contract release",
        ),
        "trace": ("mesh trace 0192f0c1", "mesh trace 4bf92f3577b34da6a3ce929d0e0e4736 --json"),
    }
)
EXIT_USAGE, EXIT_UNAVAILABLE, EXIT_SETTINGS = 64, 69, 78


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
    run = getattr(importlib.import_module(module), function)
    only = typer.Typer(add_completion=False)
    only.command(name, help=_help(line, run), epilog=_epilog(name))(_with_exit_code(run))
    command = typer.main.get_command(only)
    assert isinstance(command, TyperCommand)
    return command


def _help(line: str, run: Callable[..., int | None]) -> str:
    """The line of the table, and under it what the function says of itself."""
    more = (run.__doc__ or "").strip()
    return f"{line}\n\n{more}" if more and more != line else line


def _epilog(name: str) -> str:
    # A blank line between two examples: without it they would be drawn as one.
    return "\n\n".join(("Examples:", *EXAMPLES.get(name, ())))


def _with_exit_code(run: Callable[..., int | None]) -> Callable[..., None]:
    @functools.wraps(run)
    def wrapped(*args: object, **named: object) -> None:
        if code := run(*args, **named):
            raise typer.Exit(code)

    return wrapped


app = typer.Typer(
    cls=_Commands,
    add_completion=True,
    no_args_is_help=True,
    help="Run and operate Actor Mesh.",
    epilog="`mesh COMMAND --help` shows options and examples. Exit codes: docs/operating/command-line.md",
)


@app.callback()
def _mesh() -> None:
    pass


def main() -> None:
    """Run the command that the arguments name; what cannot start is told in its one sentence."""
    try:
        app(prog_name="mesh")
    except StartFailed as failure:
        _end(failure, 1)
    except Exception as error:
        code = _code_of(error)
        if code is None:
            raise
        _end(error, code)


def _code_of(error: Exception) -> int | None:
    """The exit code of what a command says in one sentence; None for a mistake of ours, which keeps its traceback."""
    # Imported late: most commands end well, and completion must not wait for the mesh.
    from actors.mesh.connect import SettingsError
    from cli.reaching import Misused, NotReached

    codes = {Misused: EXIT_USAGE, NotReached: EXIT_UNAVAILABLE, SettingsError: EXIT_SETTINGS}
    return next((code for kind, code in codes.items() if isinstance(error, kind)), None)


def _end(error: Exception, code: int) -> None:
    print(error, file=sys.stderr)
    sys.exit(code)
