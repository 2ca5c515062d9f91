"""What every test may ask for."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.platform import LocalPlatform
from infra.local.testing import servers_in

TESTS = Path(__file__).parent


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalPlatform]:
    """NATS, PostgreSQL and Valkey for the whole session: `servers.endpoints.nats`, `.postgres`, `.redis`."""
    with servers_in(tmp_path_factory.mktemp("platform") / "data") as platform:
        yield platform


ORDER = ("unit", "house", "contract", "typing", "saga", "sim", "ports", "integration", "e2e")
"""The folders from the cheapest to the dearest, so that a slip is told within seconds."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Run what is cheap first, and keep the whole platform of `e2e` from running beside everything else."""
    items.sort(key=lambda item: ORDER.index(item.path.relative_to(TESTS).parts[0]))
