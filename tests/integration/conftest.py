"""One platform of real processes for all tests here that need one; they run in the session's event loop."""

import asyncio
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from infra.local.folder import wipe
from tests.integration.shop_platform import ShopPlatform, shop_platform


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def shop(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ShopPlatform]:
    """The whole platform; a test that changes which pools run puts them back."""
    folder = tmp_path_factory.mktemp("shop") / "data"
    async with shop_platform(folder) as running:
        yield running
    await asyncio.to_thread(wipe, folder)  # it runs a loop of its own
