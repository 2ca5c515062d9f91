"""The card processor over HTTP: declines are answers, everything else that goes wrong is a fault."""

from __future__ import annotations

from typing import Final
from urllib.parse import quote

import httpx
import msgspec

from actors.mesh import Broken, TimedOut, Unavailable
from actors.payments.provider.port import Answer
from schemas.values import Money

DECLINED_STATUSES: Final = frozenset({402, 409})
"""Payment required: the bank said no. Conflict: not in the state the payment is in. Both bodies are an `Answer`."""


class HttpCardProcessor:
    """Implements `CardProcessor` against one base address."""

    def __init__(self, base_url: str, timeout_seconds: float) -> None:
        # Settings come from one place: a proxy in the environment would be one that nobody has written down.
        self._client = httpx.AsyncClient(base_url=base_url, timeout=timeout_seconds, trust_env=False)

    async def aclose(self) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def authorise(self, key: str, payment_id: str, amount: Money, payment_token: str) -> Answer:
        return await self._do("authorisations", key, payment_id, amount, payment_token=payment_token)

    async def capture(self, key: str, payment_id: str, amount: Money) -> Answer:
        return await self._do("captures", key, payment_id, amount)

    async def void(self, key: str, payment_id: str) -> Answer:
        return await self._do("voids", key, payment_id, None)

    async def refund(self, key: str, payment_id: str, refund_id: str, amount: Money) -> Answer:
        return await self._do("refunds", key, payment_id, amount, refund_id=refund_id)

    async def find(self, key: str) -> Answer | None:
        response = await self._send("GET", f"/v1/operations/{quote(key, safe='')}")
        return None if response.status_code == 404 else read(response)

    async def _do(self, kind: str, key: str, payment_id: str, amount: Money | None, **more: str) -> Answer:
        body = msgspec.json.encode({"payment_id": payment_id, "amount": amount, **more})
        headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
        return read(await self._send("POST", f"/v1/{kind}", content=body, headers=headers))

    async def _send(
        self, method: str, path: str, *, content: bytes | None = None, headers: dict[str, str] | None = None
    ) -> httpx.Response:
        try:
            return await self._client.request(method, path, content=content, headers=headers)
        except (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout) as error:
            raise Unavailable(f"the card processor is not reached: {error!r}") from error
        except httpx.TimeoutException as error:
            raise TimedOut(f"the card processor did not answer in time: {error!r}") from error
        except httpx.HTTPError as error:
            raise Broken(f"the card processor broke off: {error!r}") from error


def read(response: httpx.Response) -> Answer:
    """Return the answer of a response; whatever cannot be read as one is a fault of unknown outcome."""
    if response.status_code >= 300 and response.status_code not in DECLINED_STATUSES:
        raise Broken(f"the card processor answered {response.status_code}: {response.text[:200]}")
    try:
        return msgspec.json.decode(response.content, type=Answer)
    except msgspec.MsgspecError as error:
        raise Broken(f"the card processor's answer cannot be read: {error}") from error
