"""What the suites over the stores share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from actors.mesh._ports import Journal
from infra.local.endpoints import Endpoints
from tests.ports.stores import Stores


@pytest.fixture(params=["memory", "postgres"])
def endpoints(request: pytest.FixtureRequest) -> Endpoints | None:
    """Where the servers are, None for memory. Not asynchronous: the servers are started by their own loop."""
    if request.param == "memory":
        return None
    found = request.getfixturevalue("servers").endpoints
    assert isinstance(found, Endpoints)
    return found


@pytest.fixture
async def stores(endpoints: Endpoints | None) -> AsyncIterator[Stores]:
    async with Stores(endpoints) as opened:
        yield opened


@pytest.fixture
async def journal(stores: Stores) -> Journal:
    return (await stores.open()).journal


@pytest.fixture
async def other(stores: Stores) -> Journal:
    """Another process's journal over the same truth."""
    return (await stores.open()).journal
