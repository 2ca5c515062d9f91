"""Asking over one subscription for all answers: cheaper than the client's own, and its bounds are known."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from nats.errors import Error as NatsError

from actors.mesh._errors import TimedOut, Unavailable
from actors.mesh.adapters.nats.binding import PENDING_MESSAGES_MAX
from actors.mesh.adapters.nats.connection import Connection
from actors.mesh.adapters.nats.failures import mesh_error
from actors.mesh.adapters.nats.headers import STATUS
from actors.mesh.adapters.nats.message import Message
from actors.mesh.adapters.nats.notices import Notices

NOBODY_THERE = "503"

UNSENT_BYTES_MAX = 8 * 1024 * 1024
"""While a broker stands still and the connection is not yet given up, what is sent piles up in memory."""


class Requests:
    """Matches answers to what was asked."""

    def __init__(self, connection: Connection, inbox: str, notices: Notices) -> None:
        self._connection = connection
        self._inbox = inbox
        self._notices = notices
        self._waiting: dict[str, asyncio.Future[Message]] = {}
        self._number = 0

    async def open(self, in_flight_max: int) -> None:
        """Subscribe to the answers."""
        pending_max = max(in_flight_max * 2, PENDING_MESSAGES_MAX)
        await self._connection.subscribe(f"{self._inbox}.*", "", self._on_answer, pending_max=pending_max)

    @property
    def in_flight(self) -> int:
        """How many wait for an answer."""
        return len(self._waiting)

    async def ask(self, subject: str, body: bytes, headers: Mapping[str, str], timeout_seconds: float) -> Message:
        """Send it and wait. Raises `Unavailable` where nobody is there or it was not sent, `TimedOut`, `Refused`."""
        connection = self._connection
        if connection.client.pending_data_size > UNSENT_BYTES_MAX:
            raise Unavailable("NATS takes nothing at the moment")
        loop = asyncio.get_running_loop()
        self._number += 1
        token = str(self._number)
        answer: asyncio.Future[Message] = loop.create_future()
        self._waiting[token] = answer
        timer = loop.call_later(timeout_seconds, _give_up, answer, subject, timeout_seconds)
        try:
            await connection.publish(subject, body, headers, f"{self._inbox}.{token}")
            return await answer
        except NatsError as error:
            raise mesh_error(subject, error) from error
        finally:
            timer.cancel()
            self._waiting.pop(token, None)

    def give_up_all(self) -> None:
        """Let none wait any longer: what was to answer them has been lost with the connection."""
        for answer in self._waiting.values():
            if not answer.done():
                answer.set_exception(TimedOut("the connection was lost before the answer"))

    def _on_answer(self, message: Message) -> None:
        answer = self._waiting.get(message.subject.rpartition(".")[2])
        if answer is None or answer.done():
            self._notices.count("answer_too_late")
        elif not message.body and message.headers.get(STATUS) == NOBODY_THERE:
            answer.set_exception(Unavailable("nobody serves it now"))
        else:
            answer.set_result(message)


def _give_up(answer: asyncio.Future[Message], subject: str, timeout_seconds: float) -> None:
    if not answer.done():
        answer.set_exception(TimedOut(f"no answer from {subject} within {timeout_seconds} s"))
