"""Our reading and writing of NATS' protocol beside nats-py's own: the same bytes, the same messages."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from nats.aio.client import Client
from nats.errors import BadHeaderError, ProtocolError
from nats.protocol.parser import Parser

from actors.mesh.adapters.nats.fast_client import FastClient
from actors.mesh.adapters.nats.fast_parser import LINE_BYTES_MAX, MESSAGE_BYTES_MAX, Failed, FastParser, Foreign, Line
from actors.mesh.adapters.nats.headers import header_text, read_headers
from actors.mesh.adapters.nats.inlet import Inlet
from actors.mesh.adapters.nats.message import Message
from actors.mesh.adapters.nats.settling import Place, again, place

OURS, ALIEN = (1, 2), (3, 77)
"""Subscriptions whose messages are handed on directly, and such that nats-py deals with."""

words = st.text("abcdefghijklmnopqrstuvwxyz_$0123456789", min_size=1, max_size=8)
subjects = st.lists(words, min_size=1, max_size=4).map(".".join)
bodies = st.one_of(st.binary(max_size=40), st.just(b"\r\nMSG a.b 1 3\r\n"), st.just(b""))
names = st.text("abcXYZ-_0123456789", min_size=1, max_size=12)
values = st.text(st.characters(blacklist_categories=["Cs", "Cc", "Zs", "Zl", "Zp"]), max_size=30)
headers = st.dictionaries(names, values, max_size=4)


def block_of(given: Mapping[str, str], status: str = "") -> bytes:
    lines = [f"NATS/1.0{status}", *(f"{name}: {value}" for name, value in given.items()), "", ""]
    return "\r\n".join(lines).encode()


def message(subject: str, sid: int, reply: str, body: bytes) -> bytes:
    return f"MSG {subject} {sid} {f'{reply} ' if reply else ''}{len(body)}\r\n".encode() + body + b"\r\n"


def message_with_headers(subject: str, sid: int, reply: str, block: bytes, body: bytes) -> bytes:
    sizes = f"{len(block)} {len(block) + len(body)}"
    return f"HMSG {subject} {sid} {f'{reply} ' if reply else ''}{sizes}\r\n".encode() + block + body + b"\r\n"


sids, replies = st.sampled_from(OURS + ALIEN), st.one_of(st.just(""), subjects)
blocks = st.one_of(
    st.builds(block_of, headers),
    st.sampled_from([block_of({}, " 503"), block_of({}, " 404 No Messages"), block_of({"A": "b"}, " 100 Idle")]),
)
frames = st.one_of(
    st.builds(message, subjects, sids, replies, bodies),
    st.builds(message_with_headers, subjects, sids, replies, blocks, bodies),
    st.sampled_from([b"PING\r\n", b"PONG\r\n", b"+OK\r\n", b"-ERR 'Permissions Violation'\r\n"]),
    st.builds(lambda url: b"INFO " + json.dumps({"connect_urls": [url]}).encode() + b" \r\n", words),
)


class Recording(FastClient):
    """A client that writes down what it is told, by whichever parser."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[tuple[Any, ...]] = []
        for sid in OURS:
            self._handlers[sid] = self.handler(sid)

    def handler(self, sid: int) -> Callable[[Message], None]:
        return lambda got: self.told.append((sid, got.subject, got.reply, got.body, dict(got.headers)))

    async def _process_msg(self, sid: int, subject: bytes, reply: bytes, data: bytes, headers: bytes) -> None:
        read = await self._process_headers(headers)
        self.told.append((sid, subject.decode(), reply.decode(), data, read or {}))

    async def _process_ping(self) -> None:
        self.told.append(("ping",))

    async def _process_pong(self) -> None:
        self.told.append(("pong",))

    async def _process_err(self, err_msg: str) -> None:
        self.told.append(("error", err_msg))

    async def _process_info(self, info: dict[str, Any], initial_connection: bool = False) -> None:
        self.told.append(("info", info))


def cut(stream: bytes, cuts: list[int]) -> list[bytes]:
    ends = sorted({0, len(stream), *(at % (len(stream) + 1) for at in cuts)})
    return [stream[start:end] for start, end in pairwise(ends)]


async def heard_by_nats_py(stream: bytes) -> list[tuple[Any, ...]]:
    client = Recording()
    await Parser(client).parse(stream)
    return client.told


async def heard_by_us(pieces: list[bytes]) -> list[tuple[Any, ...]]:
    client = Recording()
    inlet = Inlet(FastParser(client._handlers, client.stats).feed)

    async def read() -> None:
        while (found := await inlet.found()) is not None:
            await client._deal_with(found)

    reading = asyncio.ensure_future(read())
    for number, piece in enumerate(pieces):
        inlet.take(piece)
        if number % 3 == 0:  # some pieces come while nobody has dealt with what stands before them
            await asyncio.sleep(0)
    await asyncio.sleep(0)
    inlet.end(None)
    await reading
    return client.told


@given(st.lists(frames, max_size=12).map(b"".join), st.lists(st.integers(0, 2000), max_size=12))
def test_however_the_bytes_are_cut_we_hear_what_nats_py_hears_in_the_same_order(stream: bytes, cuts: list[int]) -> None:
    async def compare() -> None:
        assert await heard_by_us(cut(stream, cuts)) == await heard_by_nats_py(stream)

    asyncio.run(compare())


def test_every_single_cut_gives_the_same_messages() -> None:
    stream = b"".join([
        message("a.b", 1, "", b"\r\nPING\r\n"), b"PING\r\n",
        message_with_headers("c", 2, "r", block_of({"A": "b"}), b"x"), message("d", 77, "r.s", b"y"),
        b"-ERR 'no'\r\n", message("e", 1, "", b""),
    ])  # fmt: skip

    async def compare() -> None:
        told = await heard_by_nats_py(stream)
        assert len(told) == 6
        for at in range(1, len(stream)):
            assert await heard_by_us([stream[:at], stream[at:]]) == told
        assert await heard_by_us([bytes([octet]) for octet in stream]) == told

    asyncio.run(compare())


@given(st.one_of(st.binary(max_size=80), st.lists(st.sampled_from(
    [b"MSG", b"HMSG", b" ", b"a", b"1", b"-1", b"99999999999", b"\r\n", b"\xff", b"PING"]), max_size=12).map(b"".join),
))  # fmt: skip
def test_whatever_comes_is_read_or_is_a_protocol_error(data: bytes) -> None:
    parser = FastParser({1: lambda _: None}, {"in_msgs": 0, "in_bytes": 0})
    try:
        found = parser.feed(data)
        while found is not None:
            assert isinstance(found, Line | Foreign | Failed)
            found = parser.feed(b"")
    except ProtocolError:
        pass


@pytest.mark.parametrize(
    "data",
    [
        b"MSG a 1\r\n",
        b"MSG a 1 2 3 4\r\n",
        b"MSG a x 1\r\n",
        b"MSG a 1 -1\r\n",
        b"HMSG a 1 5 3\r\n",
        b"MSG a 1 %d\r\n" % (MESSAGE_BYTES_MAX + 1),
        b"x" * (LINE_BYTES_MAX + 1),
    ],
)
def test_what_is_no_message_is_a_protocol_error_and_waits_for_nothing(data: bytes) -> None:
    with pytest.raises(ProtocolError):
        FastParser({1: lambda _: None}, {"in_msgs": 0, "in_bytes": 0}).feed(data)


def test_a_handler_that_raises_is_told_and_what_stands_behind_is_read() -> None:
    got: list[bytes] = []
    parser = FastParser({1: lambda _: 1 / 0, 2: lambda came: got.append(came.body)}, {"in_msgs": 0, "in_bytes": 0})  # type: ignore[arg-type,return-value]
    found = parser.feed(message("a", 1, "", b"bad") + message("a", 2, "", b"good"))
    assert isinstance(found, Failed)
    assert isinstance(found.error, ZeroDivisionError)
    assert parser.feed(b"") is None
    assert got == [b"good"]


def test_a_subject_that_is_not_utf_8_is_handed_on() -> None:
    got: list[str] = []
    parser = FastParser({1: lambda came: got.extend([came.subject, came.reply])}, {"in_msgs": 0, "in_bytes": 0})
    assert parser.feed(b"MSG a.\xff 1 r.\xfe 0\r\n\r\n") is None
    assert got == ["a.\N{REPLACEMENT CHARACTER}", "r.\N{REPLACEMENT CHARACTER}"]


def test_what_is_read_is_counted_as_nats_py_counts() -> None:
    stats = {"in_msgs": 0, "in_bytes": 0}
    stream = message("a", 1, "", b"123") + message_with_headers("a", 1, "", block_of({"A": "b"}), b"45")
    FastParser({1: lambda _: None}, stats).feed(stream)
    assert stats == {"in_msgs": 2, "in_bytes": 5}


async def read_by_nats_py(block: bytes) -> dict[str, str]:
    return await Client()._process_headers(block) or {}


ODD_BLOCKS = [
    b"NATS/1.0\r\n\r\n",
    b"NATS/1.0 503\r\n\r\n",
    b"NATS/1.0 404 No Messages\r\n\r\n",
    b"NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Stream: 7\r\n\r\n",
    b"NATS/1.0\r\nA:b\r\nC:\td \r\n\r\n",
    b"NATS/1.0\r\nA B: c\r\nD: e\r\n\r\n",
    b"NATS/1.0\r\nno colon\r\nA: b\r\n\r\n",
    b"NATS/1.0\r\nA: b: c\r\nA: d\r\n\r\n",
    b"NATS/1.0\r\nA: \xff\xfe\r\nB: \xc3\xbc\r\n\r\n",
    b"NATS/1.0\r\n\xc3\xbc: b\r\nC: d\r\n\r\n",
    b"NATS/1.0\r\nA: \r\n\r\n",
    b"NATS/1.0\r\nA:   b  \r\n\r\n",
    b"NATS/1.0\r\nA: b\nC: d\r\n\r\n",
]


@pytest.mark.parametrize("block", ODD_BLOCKS)
async def test_odd_headers_are_read_as_nats_py_reads_them(block: bytes) -> None:
    assert read_headers(block) == await read_by_nats_py(block)
    assert read_headers(block) == await read_by_nats_py(block)  # names are known now


@given(headers)
def test_headers_come_back_as_they_were_sent(given: dict[str, str]) -> None:
    assert read_headers(b"NATS/1.0\r\n" + header_text(given).encode() + b"\r\n") == given


@given(st.dictionaries(names, st.text(st.characters(blacklist_categories=["Cs"]), max_size=20), max_size=3))
def test_no_value_ends_its_line(given: dict[str, str]) -> None:
    text = header_text(given)
    assert text.count("\r\n") == text.count("\r") == text.count("\n") == len(given)


@pytest.mark.parametrize("name", ["A B", "A:", "Ä", "A\r\nB"])
def test_a_name_that_is_none_is_an_error(name: str) -> None:
    with pytest.raises(BadHeaderError):
        header_text({name: "x"})


def test_a_place_in_a_stream_is_read_from_short_and_from_long_subjects() -> None:
    def at(reply: str) -> Place:
        return place(Message("s", reply, b""))

    at_ms = 1_700_000_000_000
    assert at("$JS.ACK.ORDERS.orders_views.2.45.44.1700000000000000000.0") == Place(45, 2, 44, at_ms)
    assert at("$JS.ACK._.hash.ORDERS.orders_views.3.45.44.1700000000000000000.0") == Place(45, 3, 44, at_ms)
    assert at("$JS.ACK.hub.hash.ORDERS.orders_views.3.45.44.1700000000000000000.0.token") == Place(
        45, 3, 44, 1700000000000
    )
    for reply in ("", "_INBOX.x", "$JS.ACK.a.b", "$JS.ACK.a.b.c.d.e.f.g", "$JS.ACK.a.b.1.2.3.4.5.6"):
        with pytest.raises(ValueError):
            at(reply)


def test_a_message_is_wanted_again_at_once_or_later() -> None:
    assert again(0) == b"-NAK"
    assert again(1.5) == b'-NAK {"delay":1500000000}'
