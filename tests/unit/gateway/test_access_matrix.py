"""Nobody gets at another's by any operation: each as each role, about one's own, another's and what is not said.

What is expected follows from the rows of the roles (`schemas/principal.py`, agreed in `tests/contract/permissions.txt`)
and from the owner's mark in the contract; every cell is asked. A new row of the route table is covered by being there.
"""

from __future__ import annotations

from typing import Any

import pytest

from gateway.app import awaited
from gateway.routes import ROUTES, Route
from schemas.message import Command, owner_field
from schemas.principal import confined
from schemas.values import UserId
from tests.unit.gateway import access_matrix
from tests.unit.gateway.access_matrix import Cell, cells, expected, request_of
from tests.unit.gateway.conftest import PEOPLE, Gateway

TOKENS = {principal.roles[0]: token for token, principal in reversed(PEOPLE.items())}
STRANGER = "somebody-else"
ASYNC = [(b"prefer", b"respond-async")]


@pytest.fixture(scope="module")
def gateway() -> Gateway:
    gateway = Gateway()
    gateway.mesh.watched.extend(awaited(ROUTES))
    return gateway


@pytest.mark.parametrize("cell", [*cells()], ids=str)
async def test_an_operation_lets_in_whom_it_should_and_about_what_it_should(gateway: Any, cell: Cell) -> None:
    gateway.mesh.asked.clear()
    token = TOKENS[cell.role] if cell.role else ""
    person = PEOPLE[token].subject if cell.role else "anonymous"
    whose = {"own": person, "another's": STRANGER, "unsaid": ""}[cell.whose]
    sent = request_of(cell.route, whose)
    answer = await gateway.call(
        sent.method, sent.path, sent.body, query=sent.query.encode(), token=token, headers=ASYNC
    )
    assert (200 if answer.status < 300 else answer.status) == expected(cell), answer
    if answer.status >= 300:
        assert gateway.mesh.asked == [], "what is refused at the door costs the mesh nothing"
        return
    message, envelope = gateway.mesh.asked[0]
    asker = gateway.verifier.verify(envelope.principal)
    assert asker.subject in (person, "anonymous")
    if owner := owner_field(cell.route.message):
        only_own = cell.route.own or confined(asker, cell.route.message)
        assert getattr(message, owner) == (person if only_own else whose or None)


class DiscardDraft(Command, frozen=True, kw_only=True):
    draft_id: UserId
    wording: str


def test_a_route_that_the_matrix_has_nothing_to_send_to_is_told() -> None:
    with pytest.raises(AssertionError, match=r"DiscardDraft: give SAMPLES something for \['draft_id', 'wording'\]"):
        request_of(Route("POST", "/v1/drafts/{draft_id}/discard", DiscardDraft))


def test_everybody_and_every_operation_is_in_the_matrix() -> None:
    found = [*cells()]
    assert {cell.route.name for cell in found} == {route.name for route in ROUTES}
    assert {cell.role for cell in found} == {None, *TOKENS}
    assert {(cell.whose, expected(cell)) for cell in found} >= {
        ("own", 200), ("own", 401), ("own", 403), ("another's", 200), ("another's", 404), ("unsaid", 200),
    }  # fmt: skip
    assert access_matrix.SAMPLES.keys() <= {name for route in ROUTES for name in route.message.__struct_fields__}, (
        "nothing is kept that no operation has"
    )
