"""An HTTP answer as a value, and how it is sent."""

from __future__ import annotations

from typing import NamedTuple

from litestar.types import Send

JSON_TYPE = "application/json"

ABORT = "mesh.abort"
"""In the scope, where the server has put it: ends the connection without waiting for what the client does not read."""


class Answer(NamedTuple):
    """Status, bytes, and the headers that are this answer's own; names are lower case."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()
    media_type: str = JSON_TYPE


async def send_answer(send: Send, answer: Answer) -> None:
    """Send it whole."""
    headers = [
        (b"content-type", answer.media_type.encode()),
        (b"content-length", str(len(answer.body)).encode()),
        *((name.encode("latin-1"), value.encode("latin-1")) for name, value in answer.headers),
    ]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body, "more_body": False})
