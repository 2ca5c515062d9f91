"""Somebody with an account, over HTTP from the registration on, as a client of the gateway goes about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import msgspec

from cli.mails import mailbox_at
from schemas.principal import SessionTokens
from tests.e2e.running import Running

PASSWORD = "correct horse battery"


@dataclass
class Client:
    """Keeps what it was given, and sends its access token with whatever it asks."""

    http: httpx.AsyncClient
    email: str
    user_id: str = ""
    session_id: str = ""
    access_token: str = ""
    refresh_token: str = ""
    seen: list[str] = field(default_factory=list)

    async def send(
        self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """Send as whoever this is now: nobody before the first log-in."""
        known = {"authorization": f"Bearer {self.access_token}"} if self.access_token else {}
        return await self.http.request(method, path, json=body, headers={**known, **(headers or {})})

    async def register(self) -> None:
        answer = await self.send("POST", "/v1/users", {"name": "Arthur", "email": self.email, "password": PASSWORD})
        assert answer.status_code == 201, answer.text
        self.user_id = answer.json()["entity_id"]
        assert answer.headers["location"] == f"/v1/users/{self.user_id}"

    async def verify(self, token: str) -> httpx.Response:
        return await self.send("POST", f"/v1/users/{self.user_id}/verify", {"token": token})

    async def log_in(self, password: str = PASSWORD, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """Log in; the tokens are kept where there are any."""
        return self.kept(await self.send("POST", "/v1/sessions", {"email": self.email, "password": password}, headers))

    async def refresh(self, refresh_token: str = "") -> httpx.Response:
        body = {"refresh_token": refresh_token or self.refresh_token}
        return self.kept(await self.send("POST", f"/v1/sessions/{self.session_id}/refresh", body))

    def kept(self, answer: httpx.Response) -> httpx.Response:
        if answer.is_success:
            tokens = msgspec.json.decode(answer.content, type=SessionTokens)
            self.session_id, self.user_id = tokens.session_id, tokens.user_id
            self.access_token, self.refresh_token = tokens.access_token, tokens.refresh_token
            self.seen += [tokens.access_token, tokens.refresh_token]
        return answer

    async def me(self) -> tuple[int, str]:
        """Ask who one is; return the status, and the name or why not."""
        answer = await self.send("GET", "/v1/me")
        return answer.status_code, answer.json()["name" if answer.is_success else "code"]


async def mailed_token(running: Running, email: str) -> str:
    """Return the token that came by mail."""
    async with mailbox_at(running.platform.endpoints.mailbox) as mailbox:
        return await mailbox.token_sent_to(email)
