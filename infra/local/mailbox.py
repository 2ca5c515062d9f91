"""The local mailbox: takes mail over SMTP, text and push messages over HTTP, and shows what it took.

GET  /                     a page for people
GET  /v1/mails             ?to=&message_id=&limit=: mails, newest first; `times` counts arrivals under one message id
GET  /v1/mails/<id>        one of them
POST /v1/sms, /v1/push     with an Idempotency-Key; GET lists (?to=&limit=), GET /v1/sms/<key> tells of one
GET  /healthz
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

import msgspec
import uvicorn

from infra.local.mailbox_log import MailboxLog, MessageKind
from infra.local.mailbox_page import POLICY, list_page, mail_page
from infra.local.mailbox_settings import MailboxSettings, read_mailbox_settings
from infra.local.mailbox_smtp import MailTaker, serve_smtp
from infra.local.ports import LOOPBACK

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

MESSAGES: Final[Mapping[str, MessageKind]] = {"/v1/sms": "sms", "/v1/push": "push"}
MAILS, MAIL_PAGES = "/v1/mails", "/mails/"
BODY_BYTES_MAX: Final = 16_384
LIMIT_MAX: Final = 1_000
HERE: Final = frozenset({LOOPBACK, "localhost"})
DEAD_NUMBER: Final = "000"
"""What a phone number ends in that cannot be sent to."""
DEAD_DEVICE: Final = "gone-"
"""What the token of a device begins with that is no more."""


class Sms(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a text message."""

    to: str
    text: str


class Push(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a push message."""

    device_tokens: tuple[str, ...]
    title: str
    text: str


read_sms = msgspec.json.Decoder(Sms).decode
read_push = msgspec.json.Decoder(Push).decode


class Answer(NamedTuple):
    status: int
    body: bytes
    content_type: bytes = b"application/json"


class Mailbox:
    """The ASGI application: a few routes, by hand, over the log."""

    def __init__(self, log: MailboxLog) -> None:
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        answer = await self._answer(scope, receive)
        headers = [
            (b"content-type", answer.content_type),
            (b"content-length", str(len(answer.body)).encode()),
            (b"content-security-policy", POLICY.encode()),
            (b"x-content-type-options", b"nosniff"),
            (b"cache-control", b"no-store"),
        ]
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        method, path, headers = scope["method"], scope["path"], dict(scope["headers"])
        # Codes to confirm an address with are in here: no page of elsewhere gets at them by a name of its own.
        if headers.get(b"host", b"").decode("latin-1").partition(":")[0] not in HERE:
            return problem(421, "this mailbox is of this machine alone")
        if method == "POST" and path in MESSAGES:
            return await self._take(MESSAGES[path], headers.get(b"idempotency-key", b"").decode("latin-1"), receive)
        if method != "GET":
            return problem(405, "only messages are posted")
        try:
            return self._shown(path, dict(parse_qsl(scope["query_string"].decode("latin-1"))))
        except ValueError as error:
            return problem(400, str(error))

    def _shown(self, path: str, query: Mapping[str, str]) -> Answer:
        limit = max(1, min(LIMIT_MAX, int(query.get("limit", "100"))))
        if path == "/healthz":
            return shown({"status": "ok"})
        if path == "/":
            return page(list_page(self._log.mails(limit=limit)))
        if path.startswith(MAIL_PAGES):
            mail = self._log.mail(int(path.removeprefix(MAIL_PAGES)))
            return page(mail_page(mail)) if mail else problem(404, "no such mail")
        if path == MAILS:
            found = self._log.mails(to=query.get("to", ""), message_id=query.get("message_id", ""), limit=limit)
            return shown({"mails": found})
        if path.startswith(f"{MAILS}/"):
            mail = self._log.mail(int(path.removeprefix(f"{MAILS}/")))
            return shown(mail) if mail else problem(404, "no such mail")
        if path in MESSAGES:
            return shown({"messages": self._log.messages(MESSAGES[path], to=query.get("to", ""), limit=limit)})
        for prefix, kind in MESSAGES.items():
            if path.startswith(f"{prefix}/"):
                key = path.removeprefix(f"{prefix}/")
                return taken(key) if self._log.has_message(kind, key) else problem(404, "no such message")
        return problem(404, "no such address")

    async def _take(self, kind: MessageKind, key: str, receive: Receive) -> Answer:
        if not key:
            return problem(400, "send an Idempotency-Key header")
        body = await read_body(receive)
        if body is None:
            return problem(413, f"a body has at most {BODY_BYTES_MAX} bytes")
        try:
            message = read_sms(body) if kind == "sms" else read_push(body)
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            return problem(400, str(error))
        if isinstance(message, Sms) and message.to.endswith(DEAD_NUMBER):
            return refused(422, "no such number")
        if isinstance(message, Push) and all(token.startswith(DEAD_DEVICE) for token in message.device_tokens):
            return refused(410, "no such device any more")
        address = message.to if isinstance(message, Sms) else ",".join(message.device_tokens)
        self._log.keep_message(kind, key, address, msgspec.to_builtins(message))
        return taken(key)


def shown(value: object) -> Answer:
    return Answer(200, msgspec.json.encode(value))


def page(text: str) -> Answer:
    return Answer(200, text.encode(), b"text/html; charset=utf-8")


def taken(key: str) -> Answer:
    return shown({"accepted": True, "provider_id": f"mailbox-{key}"})


def refused(status: int, reason: str) -> Answer:
    return Answer(status, msgspec.json.encode({"accepted": False, "reason": reason}))


def problem(status: int, title: str) -> Answer:
    return Answer(status, msgspec.json.encode({"status": status, "title": title}))


async def read_body(receive: Receive) -> bytes | None:
    """Return the whole body, None where it is too large."""
    body = b""
    while True:
        message = await receive()
        part: bytes = message.get("body", b"")
        body += part
        if len(body) > BODY_BYTES_MAX:
            return None
        if not message.get("more_body", False):
            return body


async def serve(settings: MailboxSettings, log: MailboxLog) -> None:
    """Take mail and show it until a signal says to stop."""
    taker = MailTaker(log, lambda: time.time_ns() // 1_000_000, settings.late_seconds)
    smtp = await serve_smtp(taker, settings.smtp_port)
    config = uvicorn.Config(
        Mailbox(log),
        host=LOOPBACK,
        port=settings.port,
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,
    )
    try:
        await uvicorn.Server(config).serve()
    finally:
        smtp.close()


def main() -> None:
    """Run the mailbox of this machine."""
    settings = read_mailbox_settings()
    log = MailboxLog(Path(settings.log))
    try:
        asyncio.run(serve(settings, log))
    finally:
        log.close()


if __name__ == "__main__":
    main()
