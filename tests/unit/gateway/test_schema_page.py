"""The documents about the API are served by itself and load nothing from elsewhere."""

from __future__ import annotations

import re
from typing import Any


async def test_the_document_is_served(client: Any) -> None:
    answer = await client.get("/schema/openapi.json")
    assert answer.status_code == 200
    assert answer.json()["openapi"].startswith("3.1")


async def test_the_page_works_offline(client: Any) -> None:
    answer = await client.get("/schema")
    assert answer.headers["content-type"].startswith("text/html")
    assert re.findall(r"https?://", answer.text) == []
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "sha256-" in answer.headers["content-security-policy"]
