"""People with an account: registered over HTTP, their address verified by the mail they got, logged in and kept so."""

from __future__ import annotations

import asyncio
from typing import NamedTuple, TypeVar

import httpx
import msgspec

from cli.mails import Mailbox
from cli.shop import Problem, problem_in
from schemas.envelope import derived_id
from schemas.principal import SessionTokens

Reply = TypeVar("Reply")

ANONYMOUS = "anonymous"
"""In whose name the gateway asks for one who is not logged in yet."""
RENEWABLE_CODES = frozenset({"principal_expired", "principal_revoked"})
"""Why an access token is refused whose session may live on."""


class Newcomer(NamedTuple):
    """Somebody who wants an account; `key` makes a second try the same one."""

    key: str
    name: str
    email: str
    password: str

    @property
    def user_id(self) -> str:
        """The id the gateway gives: it follows from the key."""
        return derived_id(ANONYMOUS, "RegisterUser", self.key)


class Account:
    """Somebody logged in. Implements `Bearer`: its access token is renewed by the refresh token when it is over."""

    def __init__(self, http: httpx.AsyncClient, tokens: SessionTokens) -> None:
        self._http, self._tokens = http, tokens
        self._renewing = asyncio.Lock()

    @property
    def user_id(self) -> str:
        return self._tokens.user_id

    @property
    def session_id(self) -> str:
        return self._tokens.session_id

    @property
    def token(self) -> str:
        return self._tokens.access_token

    async def renew(self, spent: str, code: str) -> bool:
        """Get another access token in the place of one that was refused; return whether there is one now."""
        if code not in RENEWABLE_CODES:
            return False
        async with self._renewing:
            if self.token == spent:  # else another request has renewed it meanwhile
                path, body = f"/v1/sessions/{self.session_id}/refresh", {"refresh_token": self._tokens.refresh_token}
                self._tokens = await sent(self._http, path, body, SessionTokens)
        return True


async def join(http: httpx.AsyncClient, mailbox: Mailbox, newcomer: Newcomer) -> Account:
    """Open an account, verify its address and log in; whoever has one already is only logged in."""
    try:
        return await log_in(http, newcomer)
    except Problem as problem:
        if problem.code not in ("credentials_invalid", "email_unverified"):
            raise
    body = {"name": newcomer.name, "email": newcomer.email, "password": newcomer.password}
    await sent(http, "/v1/users", body, msgspec.Raw, idempotency_key=newcomer.key)
    token = await mailbox.token_sent_to(newcomer.email)
    await sent(http, f"/v1/users/{newcomer.user_id}/verify", {"token": token}, msgspec.Raw)
    return await log_in(http, newcomer)


async def log_in(http: httpx.AsyncClient, who: Newcomer) -> Account:
    """Start a session. Never under a key: its tokens are told once, so a repeat could not be answered."""
    body = {"email": who.email, "password": who.password, "device": "mesh"}
    return Account(http, await sent(http, "/v1/sessions", body, SessionTokens))


async def sent(
    http: httpx.AsyncClient, path: str, body: object, shape: type[Reply], *, idempotency_key: str = ""
) -> Reply:
    """Post as nobody in particular; raise `Problem` where it is refused."""
    headers = {"Content-Type": "application/json"}
    headers |= {"Idempotency-Key": idempotency_key} if idempotency_key else {}
    response = await http.post(path, content=msgspec.json.encode(body), headers=headers)
    if response.is_error:
        raise problem_in(response)
    return msgspec.json.decode(response.content, type=shape)
