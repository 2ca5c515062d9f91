"""Every operation as everybody, about one's own, another's or nobody's: generated from the route table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, NamedTuple

import msgspec

from gateway.auth import needs_nobody
from gateway.reading import IN_PATH, Reader
from gateway.routes import ROUTES, Route
from schemas.message import owner_field
from schemas.principal import Principal, Role, UserRole, allows, confined

Whose = Literal["own", "another's", "unsaid"]

SAMPLES: dict[str, Any] = {
    "address_id": "a-1", "category": "orders", "channel": "email", "city": "Bergen", "country": "NO",
    "current_password": "correct horse", "deliver_to": "Bergen", "device_token": "phone-1",
    "email": "ada@example.org", "enabled": False, "label": "home", "lines": [{"sku": "lamp-blue", "quantity": 1}],
    "name": "Ada", "new_password": "battery staple", "notification_id": "n-1", "order_id": "o-1",
    "password": "correct horse", "payment_id": "p-1", "payment_token": "card-approved", "postal_code": "5003",
    "price": {"amount_minor": 1, "currency": "EUR"}, "quantity": 1, "reason": "changed my mind", "recipient": "Ada",
    "refresh_token": "s-1.0.mac", "roles": ["support"], "session_id": "s-1", "sku": "lamp-blue",
    "street": "1 Example Street", "title": "Lamp", "token": "from-a-mail", "user_id": "u-1",
}  # fmt: skip
"""Something for each field that a request must have: what it is about, whose it is being said beside it."""

ROLES: tuple[Role | None, ...] = (None, *UserRole.__args__)  # type: ignore[attr-defined]


class Request(NamedTuple):
    """What is sent, ready for any client."""

    method: str
    path: str
    query: str
    body: bytes


class Cell(NamedTuple):
    """One place in the matrix; no role is nobody who is logged in."""

    role: Role | None
    route: Route
    whose: Whose

    def __str__(self) -> str:
        return f"{self.route.name} as {self.role or 'nobody'}: {self.whose}"


def cells(routes: Sequence[Route] = ROUTES) -> Iterator[Cell]:
    """Return every cell there is; where a path does not name the owner they need not be said."""
    for route in routes:
        for role in ROLES:
            yield from (Cell(role, route, whose) for whose in ways(route))


def ways(route: Route) -> tuple[Whose, ...]:
    """Return whose things a request of an operation can be about, as far as it says."""
    owner = owner_field(route.message)
    if owner is None or route.own:
        return ("unsaid",)
    return ("own", "another's") if owner in IN_PATH.findall(route.path) else ("own", "another's", "unsaid")


def request_of(route: Route, whose: str = "", **known: Any) -> Request:
    """Return a request that is well-formed; `whose` names an owner, `known` fields that are not to be samples."""
    samples = SAMPLES | known
    reader = Reader(route)
    if whose:
        assert reader.owner is not None
        samples[reader.owner] = whose
    needed = [*reader.path_fields, *required(reader)]
    missing = [name for name in needed if name not in samples]
    assert not missing, f"{route.name}: give SAMPLES something for {missing}, so that the matrix covers it"
    said = {name: samples[name] for name in required(reader)}
    path = IN_PATH.sub(lambda field: str(samples[field[1]]), route.path)
    query = f"{reader.owner}={whose}" if whose and reader.owner not in reader.path_fields else ""
    return Request(route.method, path, query, msgspec.json.encode(said) if reader.body is not None else b"")


def required(reader: Reader) -> list[str]:
    """Return what a body must have."""
    return [field.name for field in msgspec.structs.fields(reader.body) if field.required] if reader.body else []


def expected(cell: Cell) -> int:
    """Return the status by the roles' rows and the owner's mark, or 200 for whatever is good."""
    if needs_nobody(cell.route.message):
        return 200
    if cell.role is None:
        return 401
    somebody = Principal(subject="somebody", roles=(cell.role,))
    if not allows(somebody, cell.route.message):
        return 403
    if confined(somebody, cell.route.message):
        return 404 if cell.whose == "another's" else 200
    return 400 if cell.whose == "unsaid" and Reader(cell.route).owner_required and not cell.route.own else 200
