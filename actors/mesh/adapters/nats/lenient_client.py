"""nats-py, but for one thing: a subject that is not UTF-8 does not end its reading.

The server lets such a subject through to everybody whose wildcard it falls under. nats-py raises on it where it reads,
so one message from anybody makes a process deaf until its watchdog reconnects; from a stream it comes again for ever.
"""

from __future__ import annotations

from nats.aio.client import Client
from nats.aio.msg import Msg


class LenientClient(Client):
    """Hands such a subject on with replacement characters: it is no message of ours, and is refused as such."""

    def _build_message(
        self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: dict[str, str] | None
    ) -> Msg:
        known, answer = subject.decode("utf-8", "replace"), reply.decode("utf-8", "replace")
        message: Msg = super()._build_message(sid, known.encode(), answer.encode(), data, headers)
        return message
