"""The ASGI app: routes, health and the documents about them, wrapped in the limits."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from types import MappingProxyType
from typing import Any

import msgspec
from litestar import Litestar, Request, Response
from litestar.handlers import HTTPRouteHandler

from actors.mesh._ports.world import Clock, Ids
from actors.mesh._principals import Signer
from actors.mesh._telemetry import Telemetry
from gateway.answer import JSON_TYPE
from gateway.auth import Authenticate
from gateway.endpoint import Doors, endpoint
from gateway.errors import answer_of, problem_of
from gateway.health import Readiness, health_handlers
from gateway.jwks import jwks_handler
from gateway.limits import Bounds, Limits, asked_of
from gateway.live.broadcast import Broadcast
from gateway.live.serving import LiveEndpoint
from gateway.mesh import MeshClient
from gateway.openapi import document
from gateway.routes import ROUTES, Route
from schemas.message import Event, domain_of

DISTRIBUTION = "actor-mesh"
BOUNDS = Bounds()


def create_app(
    mesh: MeshClient,
    *,
    authenticate: Authenticate,
    signer: Signer,
    clock: Clock,
    ids: Ids,
    telemetry: Telemetry,
    live: Broadcast,
    access_keys: Mapping[str, bytes] = MappingProxyType({}),
    bounds: Bounds = BOUNDS,
    routes: Sequence[Route] = ROUTES,
) -> Litestar:
    """Return the app; it follows the events it waits for from its start on."""
    doors = Doors(mesh, authenticate, signer, clock, ids, telemetry)
    domains = sorted({domain_of(route.message) for route in routes})

    @asynccontextmanager
    async def watching(_: Litestar) -> AsyncIterator[None]:
        await mesh.watch(awaited(routes))
        yield

    app = Litestar(
        route_handlers=[
            endpoint(routes, doors, [LiveEndpoint(live, doors)]),
            *health_handlers(Readiness(mesh, domains, clock)),
            *schema_handlers(routes),
            jwks_handler(access_keys),
        ],
        exception_handlers={Exception: as_problem},
        lifespan=[watching],
        openapi_config=None,
        logging_config=None,
    )
    # Not as Litestar middleware: that runs only where a route was found, and limits hold before.
    app.asgi_handler = Limits(app.asgi_handler, clock=clock, ids=ids, bounds=bounds)
    return app


def awaited(routes: Sequence[Route]) -> tuple[type[Event], ...]:
    """Return the events that settle commands, each once."""
    found = (event for route in routes if route.settles for event in (*route.settles.success, *route.settles.failure))
    return tuple(dict.fromkeys(found))


def as_problem(request: Request[Any, Any, Any], error: Exception) -> Response[bytes]:
    """Say in our own shape what Litestar refused: no such path, no such method."""
    answer = answer_of(problem_of(error), asked_of(request.scope).request_id)
    return Response(answer.body, status_code=answer.status, headers=dict(answer.headers), media_type=answer.media_type)


def schema_handlers(routes: Sequence[Route]) -> list[HTTPRouteHandler]:
    """Return the OpenAPI document and a page to try it with; the page loads nothing from anywhere else."""
    openapi = msgspec.json.encode(document(routes, own_version()))
    page = files("gateway").joinpath("schema_page.html").read_bytes()
    script = base64.b64encode(sha256(page.partition(b"<script>")[2].partition(b"</script>")[0]).digest()).decode()
    policy = f"default-src 'none'; connect-src 'self'; style-src 'unsafe-inline'; script-src 'sha256-{script}'"

    async def show_openapi() -> Response[bytes]:
        return Response(openapi, media_type=JSON_TYPE)

    async def show_page() -> Response[bytes]:
        return Response(page, media_type="text/html; charset=utf-8", headers={"content-security-policy": policy})

    return [
        HTTPRouteHandler("/schema/openapi.json", http_method="GET")(show_openapi),
        HTTPRouteHandler("/schema", http_method="GET")(show_page),
    ]


def own_version() -> str:
    """Return the version that is installed."""
    try:
        return version(DISTRIBUTION)
    except PackageNotFoundError:  # a checkout that nobody installed
        return "0"
