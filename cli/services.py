"""`mesh provision` and `mesh rebuild`: the services' own commands, on the platform that runs here."""

from __future__ import annotations

import subprocess
import sys
from typing import Annotated

import typer

from infra.local.attach import attached_environment
from infra.local.services import TABLE, ServiceName
from infra.local.settings import PROJECT, read_settings


def provision() -> int:
    """Make schemas, roles, streams and consumers where they are not there; `mesh up` does it at each start."""
    return _run("provision", "provision")


def rebuild(
    domain: Annotated[str, typer.Argument(help="Whose view it is: orders, inventory, payments, users.")],
    view: Annotated[str, typer.Argument(help="The view: order_view, item_view ...")],
) -> int:
    """Make a view again from the first event on, beside the live one, and put it in its place."""
    service = next((name for name in TABLE if name == domain), None)
    if service is None:
        print(f"There is no domain {domain!r}.", file=sys.stderr)
        return 1
    return _run(service, "rebuild", domain, view)


def _run(service: ServiceName, *words: str) -> int:
    settings = read_settings()
    told = attached_environment(settings.data_folder, settings, service)
    # A process of its own: the service reads its settings once, from an environment that is its alone.
    argv = (sys.executable, "-m", "actors", *words)
    return subprocess.run(argv, env=told, cwd=PROJECT, check=False).returncode  # noqa: S603
