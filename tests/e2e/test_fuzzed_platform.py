"""Schemathesis itself, with all its checks and phases, against real servers: no 5xx, and afterwards all adds up."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from cli.check import at_rest, check
from cli.seed import add_accounts, stock_catalogue
from cli.shop import Shop, shop_at
from gateway.routes import LIVE_PATH
from infra.local.platform import LocalPlatform

REST_SECONDS = 120.0
CONFIGURATION = """
seed = 7
[generation]
max-examples = 20
database = "none"
[headers]
Authorization = "Bearer {token}"
[parameters]
"query.at_least_version" = 1
"query.customer_id" = "cust-ada"
"path.sku" = "lamp-blue"
[checks.positive_data_acceptance]
expected-statuses = ["2xx", 400, 401, 403, 404, 409, 410, 422, 429]
"""
"""What fits the document may be about nothing there is: tests/sim/test_fuzzed_http.py is exact about which of these."""


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_whatever_is_sent_nothing_breaks_and_all_adds_up(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    async with LocalPlatform(folder) as platform:
        endpoints = platform.endpoints
        await add_accounts(platform.environment, endpoints.accounts.values())
        async with shop_at(endpoints.gateway) as http:
            await stock_catalogue(Shop(http, endpoints.tokens["wendy"]))
        configuration = tmp_path / "schemathesis.toml"
        configuration.write_text(CONFIGURATION.format(token=endpoints.tokens["alma"]), encoding="utf-8")
        told = await schemathesis_told(f"{endpoints.gateway}/schema/openapi.json", configuration)
        assert "Tested: " in told, told
        assert not (still := await at_rest(folder, REST_SECONDS)), still[:10]
        assert not (await check(folder)).problems


async def schemathesis_told(document: str, configuration: Path) -> str:
    """Run the tool as one would by hand; return what it printed, having failed where it did."""
    program = Path(sys.executable).with_name("schemathesis")
    running = await asyncio.create_subprocess_exec(
        *(program, "--config-file", configuration, "--no-color", "run", document, "--checks", "all"),
        *("--exclude-path", LIVE_PATH),  # an answer without an end
        cwd=configuration.parent,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    printed, _ = await running.communicate()
    told = printed.decode(errors="replace")
    assert running.returncode == 0, told[-8000:]
    return told
