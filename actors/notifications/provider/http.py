"""Text and push messages over HTTP: a refusal is an answer, everything else that goes wrong is a fault."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final
from urllib.parse import quote

import httpx
import msgspec

from actors.mesh import Broken, TimedOut, Unavailable
from actors.notifications.provider.port import Answer
from actors.notifications.rendering import Note

SECONDS: Final = 2.0
"""How long a gateway may take: with the questions after an unknown outcome this stays within a lease."""
REFUSED_STATUSES: Final = frozenset({410, 422})
"""Gone: no such device any more. Unprocessable: no number that can be sent to. Both bodies are an `Answer`."""
BUSY_STATUSES: Final = frozenset({429, 503})


class HttpSmsGateway:
    """Implements `SmsGateway` against one base address."""

    def __init__(self, base_url: str) -> None:
        # Settings come from one place: a proxy in the environment would be one that nobody has written down.
        self._client = httpx.AsyncClient(base_url=base_url, timeout=SECONDS, trust_env=False)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def send(self, key: str, phone: str, text: str) -> Answer:
        return await send(self._client, "/v1/sms", key, {"to": phone, "text": text})

    async def find(self, key: str) -> Answer | None:
        return await find(self._client, "/v1/sms", key)


class HttpPushGateway:
    """Implements `PushGateway` against one base address."""

    def __init__(self, base_url: str) -> None:
        self._client = httpx.AsyncClient(base_url=base_url, timeout=SECONDS, trust_env=False)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def send(self, key: str, device_tokens: tuple[str, ...], note: Note) -> Answer:
        body = {"device_tokens": device_tokens, "title": note.title, "text": note.text}
        return await send(self._client, "/v1/push", key, body)

    async def find(self, key: str) -> Answer | None:
        return await find(self._client, "/v1/push", key)


async def send(client: httpx.AsyncClient, path: str, key: str, body: object) -> Answer:
    headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
    response = await answered(client.post(path, content=msgspec.json.encode(body), headers=headers), path)
    return read(response)


async def find(client: httpx.AsyncClient, path: str, key: str) -> Answer | None:
    response = await answered(client.get(f"{path}/{quote(key, safe='')}"), path)
    return None if response.status_code == 404 else read(response)


async def answered(request: Awaitable[httpx.Response], what: str) -> httpx.Response:
    """Return the response; raise a fault that says whether anything can have happened."""
    try:
        response = await request
    except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
        raise Unavailable(f"{what} is not reached: {error!r}") from error
    except httpx.TimeoutException as error:
        raise TimedOut(f"{what} did not answer in time: {error!r}") from error
    except httpx.HTTPError as error:
        raise Broken(f"{what} broke off: {error!r}") from error
    if response.status_code in BUSY_STATUSES:
        raise Unavailable(f"{what} is busy: {response.status_code}")
    return response


def read(response: httpx.Response) -> Answer:
    """Return the answer of a response; whatever cannot be read as one is a fault of unknown outcome."""
    if response.status_code >= 300 and response.status_code not in REFUSED_STATUSES:
        raise Broken(f"the gateway answered {response.status_code}")
    try:
        return msgspec.json.decode(response.content, type=Answer)
    except msgspec.MsgspecError as error:
        raise Broken(f"the gateway's answer cannot be read: {error}") from error
