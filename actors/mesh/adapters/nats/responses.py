"""Answering a message, once, and only to an inbox."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from nats.errors import Error as NatsError

from actors.mesh.adapters.nats.connection import Connection
from actors.mesh.adapters.nats.notices import Notices

INBOX = "_INBOX"
"""Every inbox begins with it, the mesh's and those of the stock clients. Anything else as a reply subject would have us
publish, with our permissions, where the sender may not."""


class Responder(Struct):
    """The answer to one message."""

    connection: Connection
    reply: str
    notices: Notices

    async def __call__(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Publish the answer. One that cannot be sent is lost, as on any wire: who asked finds out by its time-out."""
        reply = self.reply
        if not reply:
            return
        if not reply.startswith(INBOX):
            self.notices.tell("reply_subject_refused", reply)
            return
        self.reply = ""
        try:
            if (sending := self.connection.send(reply, body, headers)) is not None:
                await sending
        except NatsError as error:
            self.notices.tell("answer_lost", error)
