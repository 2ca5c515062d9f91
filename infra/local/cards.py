"""The card simulator over HTTP: a processor to pay at on a laptop and in tests, whose log is the truth to check by."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
import uvicorn

from actors.payments.provider import Answer, CardBooks, Instruction, KeyReused, OperationKind
from infra.local.card_log import CardLog
from infra.local.card_settings import read_card_settings
from infra.local.ports import LOOPBACK
from schemas.values import Money

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

KINDS: Final[Mapping[str, OperationKind]] = {
    "/v1/authorisations": "authorisation",
    "/v1/captures": "capture",
    "/v1/voids": "void",
    "/v1/refunds": "refund",
}
OPERATIONS: Final = "/v1/operations/"
BODY_BYTES_MAX: Final = 16_384


class Order(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The body of a POST."""

    payment_id: str
    amount: Money | None = None
    payment_token: str = ""
    refund_id: str = ""


class Simulator:
    """The ASGI application: a few routes, by hand, over the books."""

    def __init__(self, log: CardLog, late_seconds: float) -> None:
        self._log = log
        self._books = CardBooks(log.operations(), keep=log.keep)
        self._late_seconds = late_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        status, body = await self._answer(scope["method"], scope["path"], scope, receive)
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, method: str, path: str, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        if method == "POST" and path in KINDS:
            return await self._carry_out(KINDS[path], scope, receive)
        if method == "GET" and path == "/healthz":
            return 200, b'{"status":"ok"}'
        if method == "GET" and path == "/v1/log":
            return 200, msgspec.json.encode({"operations": self._log.rows()})
        if method == "GET" and path.startswith(OPERATIONS):
            found = self._books.find(path.removeprefix(OPERATIONS))
            return (200, msgspec.json.encode(found)) if found else problem(404, "no such operation")
        return problem(404, "no such address")

    async def _carry_out(self, kind: OperationKind, scope: Scope, receive: Receive) -> tuple[int, bytes]:
        key = dict(scope["headers"]).get(b"idempotency-key", b"").decode("latin-1")
        if not key:
            return problem(400, "send an Idempotency-Key header")
        body = await read_body(receive)
        if body is None:
            return problem(413, f"a body has at most {BODY_BYTES_MAX} bytes")
        try:
            instruction = instruction_of(kind, msgspec.json.decode(body, type=Order))
        except (msgspec.MsgspecError, ValueError) as error:
            return problem(400, str(error))
        try:
            answer, trouble = self._books.carry_out(key, instruction)
        except KeyReused:
            return problem(422, "this idempotency key came with another instruction before")
        if trouble == "late":
            await asyncio.sleep(self._late_seconds)
        if answer is None or trouble.startswith("error"):
            return problem(500, "the card processor stumbled")
        return status_of(kind, answer), msgspec.json.encode(answer)


def instruction_of(kind: OperationKind, order: Order) -> Instruction:
    """Return what is asked for; raise ValueError naming what is missing."""
    if kind != "void" and order.amount is None:
        raise ValueError("an amount is missing")
    return Instruction(
        kind=kind,
        payment_id=order.payment_id,
        amount=order.amount,
        payment_token=order.payment_token,
        refund_id=order.refund_id,
    )


def status_of(kind: OperationKind, answer: Answer) -> int:
    if answer.approved:
        return 201
    return 402 if kind == "authorisation" else 409


def problem(status: int, title: str) -> tuple[int, bytes]:
    return status, msgspec.json.encode({"status": status, "title": title})


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


def main() -> None:
    """Serve until a signal says to stop."""
    settings = read_card_settings()
    log = CardLog(Path(settings.log))
    uvicorn.run(
        Simulator(log, settings.late_seconds),
        host=LOOPBACK,
        port=settings.port,
        log_level="warning",
        access_log=False,
        lifespan="off",
        timeout_graceful_shutdown=1,  # a late answer is worth no waiting: its row is kept
    )


if __name__ == "__main__":
    main()
