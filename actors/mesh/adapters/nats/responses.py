"""Answering a message, once, and only to an inbox."""

from __future__ import annotations

from collections.abc import Mapping

from nats.errors import Error as NatsError

from actors.mesh.adapters.nats.connection import Connection
from actors.mesh.adapters.nats.notices import Notices

INBOX = "_INBOX"
"""Every inbox begins with it, the mesh's and those of the stock clients. Anything else as a reply subject would have us
publish, with our permissions, where the sender may not."""


class Responder:
    """The answer to one message."""

    __slots__ = ("_connection", "_notices", "_reply")

    def __init__(self, connection: Connection, reply: str, notices: Notices) -> None:
        self._connection = connection
        self._reply = reply
        self._notices = notices

    async def __call__(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Publish the answer. One that cannot be sent is lost, as on any wire: who asked finds out by its time-out."""
        reply = self._reply
        if not reply:
            return
        if not reply.startswith(INBOX):
            self._notices.tell("reply_subject_refused", reply)
            return
        self._reply = ""
        try:
            await self._connection.publish(reply, body, headers)
        except NatsError as error:
            self._notices.tell("answer_lost", error)
