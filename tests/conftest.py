"""What every test may ask for."""

from collections.abc import Iterator

import pytest

from infra.local.platform import LocalPlatform
from infra.local.testing import servers_in


@pytest.fixture(scope="session")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalPlatform]:
    """NATS, PostgreSQL and Valkey for the whole session: `servers.endpoints.nats`, `.postgres`, `.redis`."""
    with servers_in(tmp_path_factory.mktemp("platform") / "data") as platform:
        yield platform
