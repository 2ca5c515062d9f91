"""`mesh token`: a principal signed for the stock `nats` command line, for a request or for one told message."""

from __future__ import annotations

import sys
from typing import Annotated, get_args

import typer

from actors.mesh import Refused
from actors.mesh.connect import request_token, tell_headers, tool_settings
from infra.local.attach import attached_tool_environment
from infra.local.settings import read_settings
from schemas.principal import Principal, Role

ROLES: tuple[Role, ...] = get_args(Role)
EXIT_USAGE = 2


def run(
    subject: Annotated[str, typer.Argument(help="To tell: where the message is published.")] = "",
    body: Annotated[str, typer.Argument(help="To tell: the message itself, exactly as it will be published.")] = "",
    *,
    role: Annotated[str, typer.Option(help=f"What it may do: {', '.join(ROLES)}.")] = "service",
    name: Annotated[str, typer.Option(help="Whose wish it is; it is kept with what it leads to.")] = "operator",
    command_id: Annotated[str, typer.Option("--id", help="To tell: the command's id, a UUID; else a fresh one.")] = "",
) -> int:
    """Print a token that is good for requests, for a minute; with SUBJECT and BODY, the options to tell just that.

    Either is a secret while it is good.

        nats req orders.query.get_order.o1 '{"order_id":"o1"}' -H Mesh-Principal:$(./just mesh token)

        nats pub -J $SUBJECT "$BODY" $(./just mesh token $SUBJECT "$BODY" --role warehouse)
    """
    settings = read_settings()
    tool = tool_settings(attached_tool_environment(settings.data_folder, settings))
    principal = Principal(subject=name, roles=(known(role),))
    if not subject:
        print(request_token(tool, principal))
        return 0
    try:
        headers = tell_headers(tool, principal, subject, body.encode(), command_id)
    except Refused as refusal:
        print(f"{refusal.code}: {refusal.detail}", file=sys.stderr)
        return EXIT_USAGE
    # No blanks in it: a shell takes it apart into options again, without quotes.
    print(" ".join(f"-H {header}:{value}" for header, value in headers.items()))
    return 0


def known(text: str) -> Role:
    """Return a role by name."""
    for role in ROLES:
        if role == text:
            return role
    raise typer.BadParameter(f"{text!r} is none of {', '.join(ROLES)}", param_hint="--role")
