"""The broker as an operator wants to see it, read off JetStream's own API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from actors.mesh._errors import Unavailable
from actors.mesh._ports.bus import BrokerSurvey, ConsumerState, StreamSurvey
from actors.mesh._ports.world import Clock
from actors.mesh.adapters.nats.connection import Connection
from actors.mesh.adapters.nats.requests import Requests

ANSWER_WITHIN_SECONDS = 5.0
PAGES_MAX = 20
"""A page holds 256 streams or consumers; past 5,000 of either the survey says what it has seen."""


class _Problem(msgspec.Struct):
    description: str = ""
    err_code: int = 0


class _Answer(msgspec.Struct):
    error: _Problem | None = None


class _Limits(msgspec.Struct, frozen=True):
    max_storage: int = -1


class _Account(_Answer):
    storage: int = 0
    limits: _Limits = _Limits()


class _StreamConfig(msgspec.Struct):
    name: str
    subjects: list[str] = []


class _StreamCounts(msgspec.Struct):
    messages: int = 0
    bytes: int = 0
    last_seq: int = 0


class _Stream(msgspec.Struct):
    config: _StreamConfig
    state: _StreamCounts
    ts: datetime | None = None


class _Streams(_Answer):
    total: int = 0
    streams: list[_Stream] | None = None


class _ConsumerConfig(msgspec.Struct):
    durable_name: str = ""
    filter_subject: str = ""
    filter_subjects: list[str] | None = None


class _Delivered(msgspec.Struct, frozen=True):
    stream_seq: int = 0


class _Consumer(msgspec.Struct):
    name: str
    config: _ConsumerConfig
    delivered: _Delivered = _Delivered()
    num_pending: int = 0
    num_ack_pending: int = 0
    num_redelivered: int = 0
    num_waiting: int = 0


class _Consumers(_Answer):
    total: int = 0
    consumers: list[_Consumer] | None = None


Decoded = TypeVar("Decoded", bound=_Answer)


async def survey(connection: Connection, requests: Requests, clock: Clock) -> BrokerSurvey:
    """Ask for the account, every stream, and every consumer. Raises `Unavailable`, `TimedOut`."""
    server = connection.client.connected_server_version
    account = await _ask(requests, "INFO", _Account)
    began_ms = clock.now_ms()
    page = await _ask(requests, "STREAM.LIST", _Streams, {"offset": 0})
    middle_ms = (began_ms + clock.now_ms()) // 2
    told = next((stream.ts for stream in page.streams or () if stream.ts is not None), None)
    return BrokerSurvey(
        version=f"{server.major}.{server.minor}.{server.patch}",
        message_bytes_max=connection.client.max_payload,
        stored_bytes=account.storage,
        stored_bytes_max=max(0, account.limits.max_storage),
        clock_ahead_ms=None if told is None else round(told.timestamp() * 1000) - middle_ms,
        streams=tuple([await _surveyed(requests, stream) async for stream in _all_streams(requests, page)]),
    )


async def _all_streams(requests: Requests, page: _Streams) -> AsyncIterator[_Stream]:
    seen = 0
    for _ in range(PAGES_MAX):
        for stream in page.streams or ():
            seen += 1
            yield stream
        if seen >= page.total or not page.streams:
            return
        page = await _ask(requests, "STREAM.LIST", _Streams, {"offset": seen})


async def _surveyed(requests: Requests, stream: _Stream) -> StreamSurvey:
    name, found = stream.config.name, list[_Consumer]()
    for _ in range(PAGES_MAX):
        page = await _ask(requests, f"CONSUMER.LIST.{name}", _Consumers, {"offset": len(found)})
        found += page.consumers or ()
        if len(found) >= page.total or not page.consumers:
            break
    return StreamSurvey(
        name=name,
        subjects=tuple(stream.config.subjects),
        messages=stream.state.messages,
        stored_bytes=stream.state.bytes,
        last_sequence=stream.state.last_seq,
        # Others are made for one reading and forgotten.
        consumers=tuple(
            _consumer(name, consumer)
            for consumer in sorted(found, key=lambda each: each.name)
            if consumer.config.durable_name
        ),
    )


def _consumer(stream: str, consumer: _Consumer) -> ConsumerState:
    one = consumer.config.filter_subject
    return ConsumerState(
        stream=stream,
        name=consumer.name,
        filter_subjects=tuple(consumer.config.filter_subjects or ([one] if one else ())),
        pending=consumer.num_pending,
        unacknowledged=consumer.num_ack_pending,
        redelivered=consumer.num_redelivered,
        pulls=consumer.num_waiting,
        delivered_sequence=consumer.delivered.stream_seq,
    )


async def _ask(requests: Requests, what: str, shape: type[Decoded], question: Any = None) -> Decoded:
    body = b"" if question is None else msgspec.json.encode(question)
    answer = await requests.ask(f"$JS.API.{what}", body, {}, ANSWER_WITHIN_SECONDS)
    try:
        decoded = msgspec.json.decode(answer.body, type=shape)
    except msgspec.MsgspecError as error:
        raise Unavailable(f"JetStream's answer to {what} cannot be read: {error}") from None
    if decoded.error is not None:
        raise Unavailable(f"JetStream on {what}: {decoded.error.description} ({decoded.error.err_code})")
    return decoded
