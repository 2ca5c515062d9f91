"""Asking over one subscription for all answers: cheaper than the client's own, and its bounds are known."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from msgspec import Struct
from nats.errors import Error as NatsError

from actors.mesh._errors import Overloaded, TimedOut, Unavailable
from actors.mesh._ports.bus import BusReply
from actors.mesh.adapters.nats.binding import PENDING_MESSAGES_MAX
from actors.mesh.adapters.nats.connection import Connection
from actors.mesh.adapters.nats.deadlines import Deadlines
from actors.mesh.adapters.nats.failures import mesh_error
from actors.mesh.adapters.nats.headers import STATUS
from actors.mesh.adapters.nats.message import Message
from actors.mesh.adapters.nats.notices import Notices

NOBODY_THERE = "503"

UNSENT_BYTES_MAX = 8 * 1024 * 1024
"""While a broker stands still and the connection is not yet given up, what is sent piles up in memory."""


class Waiting(Struct, frozen=True):
    """Somebody who waits for an answer."""

    answer: asyncio.Future[BusReply]
    subject: str
    timeout_seconds: float


class Requests:
    """Matches answers to what was asked."""

    def __init__(self, connection: Connection, inbox: str, notices: Notices) -> None:
        self._connection = connection
        self._inbox = f"{inbox}."
        self._notices = notices
        self._in_flight_max = 0
        self._waiting: dict[int, Waiting] = {}
        self._deadlines = Deadlines(self._give_up)
        self._number = 0

    async def open(self, in_flight_max: int) -> None:
        """Subscribe to the answers; no more than that many are waited for at a time."""
        self._in_flight_max = in_flight_max
        pending_max = max(in_flight_max * 2, PENDING_MESSAGES_MAX)
        await self._connection.subscribe(f"{self._inbox}*", "", self._on_answer, pending_max=pending_max)

    async def ask(self, subject: str, body: bytes, headers: Mapping[str, str], timeout_seconds: float) -> BusReply:
        """Send it and wait.

        Raises `Unavailable` where nobody is there or it was not sent, `Overloaded`, `TimedOut`, `Refused`.
        """
        connection, waiting = self._connection, self._waiting
        if len(waiting) >= self._in_flight_max:
            raise Overloaded(f"{self._in_flight_max} requests wait already")
        if connection.client.pending_data_size > UNSENT_BYTES_MAX:
            raise Unavailable("NATS takes nothing at the moment")
        self._number = number = self._number + 1
        answer: asyncio.Future[BusReply] = asyncio.get_running_loop().create_future()
        waiting[number] = Waiting(answer, subject, timeout_seconds)
        moment = self._deadlines.add(number, timeout_seconds)
        try:
            if (sending := connection.send(subject, body, headers, f"{self._inbox}{number}")) is not None:
                await sending
            return await answer
        except NatsError as error:
            raise mesh_error(subject, error) from error
        finally:
            self._deadlines.remove(number, moment)
            del waiting[number]

    def give_up_all(self) -> None:
        """Let none wait any longer: what was to answer them has been lost with the connection."""
        for waiting in self._waiting.values():
            if not waiting.answer.done():
                waiting.answer.set_exception(TimedOut("the connection was lost before the answer"))

    def _on_answer(self, message: Message) -> None:
        token = message.subject[len(self._inbox) :]
        waiting = self._waiting.get(int(token)) if token.isdecimal() else None
        if waiting is None or waiting.answer.done():
            self._notices.count("answer_too_late")
        elif not message.body and message.headers.get(STATUS) == NOBODY_THERE:
            waiting.answer.set_exception(Unavailable("nobody serves it now"))
        else:
            waiting.answer.set_result(BusReply(message.headers, message.body))

    def _give_up(self, number: int) -> None:
        waiting = self._waiting.get(number)
        if waiting is not None and not waiting.answer.done():
            subject, seconds = waiting.subject, waiting.timeout_seconds
            waiting.answer.set_exception(TimedOut(f"no answer from {subject} within {seconds} s"))
