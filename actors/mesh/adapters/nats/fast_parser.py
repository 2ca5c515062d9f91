"""Reading NATS' protocol in one pass: our messages are handed to who wants them as they are read, the rest returned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from nats.errors import ProtocolError

from actors.mesh.adapters.nats.headers import LINE_END, read_headers
from actors.mesh.adapters.nats.message import NO_HEADERS, Message

MSG, HMSG = ord("M"), ord("H")
LINE_BYTES_MAX = 1024 * 1024
"""A line is some hundred bytes, the server's account of its whole cluster some thousand."""

MESSAGE_BYTES_MAX = 64 * 1024 * 1024
"""More than any server lets through: whatever says so is no message."""


class Line(NamedTuple):
    """Anything but a message: INFO, PING, PONG, +OK, -ERR."""

    text: bytes


class Foreign(NamedTuple):
    """A message of a subscription that is not ours: nats-py's own, or one that is gone."""

    sid: int
    subject: bytes
    reply: bytes
    body: bytes
    headers: bytes


class Failed(NamedTuple):
    """A handler of ours raised."""

    error: Exception


Found = Line | Foreign | Failed


class FastParser:
    """Takes the bytes of one connection in pieces of any length."""

    def __init__(self, handlers: Mapping[int, Callable[[Message], None]], stats: dict[str, int]) -> None:
        self._handlers = handlers
        self._stats = stats  # nats-py's
        self._rest = b""
        self._pieces: list[bytes] = []
        self._missing = 0

    def feed(self, data: bytes) -> Found | None:
        """Hand over the messages that are whole now; return at the first thing that somebody else has to deal with.

        Call it again at once after that, with nothing. Raises `ProtocolError`, after which nothing can be read.
        """
        if len(data) < self._missing:  # a large message: joined once, when it is there
            self._missing -= len(data)
            self._pieces.append(data)
            return None
        if self._pieces:
            data = b"".join((self._rest, *self._pieces, data))
            self._pieces.clear()
        elif self._rest:
            data = self._rest + data
        self._missing = 0
        try:
            found, position = self._read(data)
        except (ValueError, IndexError):
            raise ProtocolError from None
        self._rest = data[position:]
        return found

    def _read(self, data: bytes) -> tuple[Found | None, int]:
        position, length = 0, len(data)
        find, handlers, stats = data.find, self._handlers, self._stats
        while position < length:
            line_end = find(LINE_END, position)
            if line_end < 0:
                if length - position > LINE_BYTES_MAX:
                    raise ProtocolError
                break
            verb = data[position]
            if verb != MSG and verb != HMSG:
                return Line(data[position:line_end]), line_end + 2
            words = data[position:line_end].split()
            sid, begin = int(words[2]), line_end + 2
            body_at = begin if verb == MSG else begin + int(words[-2])
            end = begin + int(words[-1])
            asked = len(words) - (4 if verb == MSG else 5)
            if not (begin <= body_at <= end <= begin + MESSAGE_BYTES_MAX and 0 <= asked <= 1):
                raise ProtocolError
            if end + 2 > length:
                self._missing = end + 2 - length
                break
            reply = words[3] if asked else b""
            position = end + 2
            handler = handlers.get(sid)
            if handler is None:
                return Foreign(sid, words[1], reply, data[body_at:end], data[begin:body_at]), position
            stats["in_msgs"] += 1
            stats["in_bytes"] += end - body_at
            # A subject may be no UTF-8: it is handed on, and refused as no message of ours.
            subject, answer_to = words[1].decode("utf-8", "replace"), reply.decode("utf-8", "replace")
            try:
                headers = read_headers(data[begin:body_at]) if body_at > begin else NO_HEADERS
                handler(Message(subject, answer_to, data[body_at:end], headers))
            except Exception as error:  # noqa: BLE001 - whatever a handler does, the connection goes on
                return Failed(error), position
        return None, position
