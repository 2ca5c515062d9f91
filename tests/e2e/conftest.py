"""One whole platform for all end-to-end tests: real servers, every service, two pools of orders and of inventory."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from cli.seed import add_accounts, stock_catalogue
from cli.shop import Shop, shop_at
from infra.local.folder import wipe
from infra.local.platform import LocalPlatform
from tests.e2e.running import Running


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def running(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Running]:
    """Start it once; every test leaves it at rest and in order."""
    folder = tmp_path_factory.mktemp("e2e") / "data"
    async with LocalPlatform(folder) as platform:
        await asyncio.gather(*(platform.add(platform.part(kind, f"{kind}-2")) for kind in ("orders", "inventory")))
        await add_accounts(platform.environment, platform.endpoints.accounts.values())
        async with shop_at(platform.endpoints.gateway) as http:
            await stock_catalogue(Shop(http, platform.endpoints.tokens["wendy"]))
            yield Running(platform, folder, http)
    await asyncio.to_thread(wipe, folder)
