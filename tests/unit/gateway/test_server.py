"""The server does not wait for ever, and ends when it is told to."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import Any

import pytest
from uvicorn.server import ServerState

from actors.mesh.testing.waiting import until
from gateway import server
from gateway.server import PromptProtocol, server_of

HEAD = b"GET / HTTP/1.1\r\nHost: a\r\n"


class Wire:
    """A transport that remembers what became of it."""

    def __init__(self) -> None:
        self.aborted = False
        self.sent = b""

    def abort(self) -> None:
        self.aborted = True

    def write(self, data: bytes) -> None:
        self.sent += data

    def get_extra_info(self, name: str) -> Any:
        return None

    def close(self) -> None: ...
    def is_closing(self) -> bool:
        return False

    def pause_reading(self) -> None: ...
    def resume_reading(self) -> None: ...


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


@pytest.fixture
async def connected() -> Any:
    config = server_of(app, "127.0.0.1", 0).config
    config.load()
    protocol, wire = PromptProtocol(config, ServerState(), {}), Wire()
    protocol.connection_made(wire)  # type: ignore[arg-type]
    yield protocol, wire
    protocol.connection_lost(None)


@pytest.mark.parametrize("sent", [b"", HEAD, HEAD + b"\r\n" + HEAD])
async def test_a_head_that_does_not_end_is_not_waited_for(
    monkeypatch: pytest.MonkeyPatch, connected: Any, sent: bytes
) -> None:
    protocol, wire = connected
    protocol.connection_lost(None)
    monkeypatch.setattr(server, "HEADER_SECONDS", 0.01)
    protocol.__init__(protocol.config, ServerState(), {})
    protocol.connection_made(wire)
    if sent:
        protocol.data_received(sent)
    await until(lambda: wire.aborted)


async def test_a_head_that_ends_is_served_and_no_longer_timed(connected: Any) -> None:
    protocol, wire = connected
    protocol.data_received(HEAD + b"\r\n")
    assert protocol._head_timer is None
    await until(lambda: b"204" in wire.sent)


async def test_a_head_of_any_size_is_not_held(connected: Any) -> None:
    protocol, wire = connected
    protocol.data_received(HEAD)
    for _ in range(20):
        protocol.data_received(b"X-A: " + b"a" * 10_000 + b"\r\n")
        if wire.aborted:
            break
    assert wire.aborted


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_server_and_not_the_process(number: signal.Signals) -> None:
    running = server_of(app, "127.0.0.1", 0)
    with running.capture_signals():
        os.kill(os.getpid(), number)
        await until(lambda: running.should_exit)
    await asyncio.sleep(0)
