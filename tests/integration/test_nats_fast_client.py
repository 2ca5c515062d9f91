"""What is nats-py's stays nats-py's when the hot path is ours: the whole client, on both event loops."""

from __future__ import annotations

import asyncio
import datetime
import inspect
import ipaddress
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import uvloop
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from nats.aio.msg import Msg
from nats.errors import BadSubjectError, ConnectionClosedError, MaxPayloadError, NoRespondersError
from nats.errors import TimeoutError as NatsTimeout

from actors.mesh.adapters.nats.fast_client import FastClient
from actors.mesh.adapters.nats.fast_transport import FastTransport
from actors.mesh.adapters.nats.message import Message
from actors.mesh.testing.waiting import until
from tests.integration.nats_broker import Broker
from tests.integration.tcp_proxy import proxy_to

LOOKS_LIKE_PROTOCOL = b"\r\nMSG x 1 3\r\n" * 60_000


def on_both_loops(story: Callable[..., Coroutine[Any, Any, None]]) -> Callable[..., None]:
    """Make a test of a story: on asyncio's event loop, and on uvloop's, which the services run on."""

    def test(run: Callable[[Coroutine[Any, Any, None]], None], **given: Any) -> None:
        run(story(**given))

    test.__doc__ = story.__doc__
    parameter = inspect.Parameter("run", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    test.__signature__ = inspect.Signature([parameter, *inspect.signature(story).parameters.values()])  # type: ignore[attr-defined]
    return pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])(test)


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path)
    broker.start()
    yield broker
    broker.kill()


@asynccontextmanager
async def connected(url: str, **options: Any) -> AsyncIterator[FastClient]:
    async def quiet(_: Exception) -> None:
        pass

    client = FastClient()
    await client.connect(url, error_cb=quiet, reconnect_time_wait=0.1, max_reconnect_attempts=-1, **options)  # type: ignore[arg-type]
    try:
        yield client
    finally:
        await client.close()


@asynccontextmanager
async def echoing(url: str, **options: Any) -> AsyncIterator[FastClient]:
    """A client that answers directly, without a task a message."""
    async with connected(url, **options) as client:
        tasks: set[asyncio.Task[None]] = set()

        def answer(message: Message) -> None:
            task = asyncio.ensure_future(client.publish(message.reply, message.body, headers=dict(message.headers)))
            tasks.add(task)
            task.add_done_callback(tasks.discard)

        await client.subscribe_directly("echo", "queue", answer)
        await client.flush()
        yield client


async def answered(client: FastClient, body: bytes = b"x") -> bool:
    try:
        return (await client.request("echo", body, timeout=0.5)).data == body
    except (NatsTimeout, NoRespondersError, ConnectionClosedError):
        return False


@on_both_loops
async def test_requests_of_any_size_and_with_headers_come_back(broker: Broker) -> None:
    async with echoing(broker.url), connected(broker.url) as client:
        assert isinstance(client._transport, FastTransport)
        assert (await client.request("echo", LOOKS_LIKE_PROTOCOL, timeout=5)).data == LOOKS_LIKE_PROTOCOL
        got = await client.request("echo", b"x", timeout=5, headers={"A": " two\r\nlines ", "B": "Grüße"})
        assert got.headers == {"A": "two  lines", "B": "Grüße"}
        with pytest.raises(NoRespondersError):
            await client.request("nobody", b"", timeout=5)
        answers = await asyncio.gather(*(client.request("echo", b"%d" % n, timeout=5) for n in range(500)))
        assert [answer.data for answer in answers] == [b"%d" % n for n in range(500)]


@on_both_loops
async def test_what_the_server_would_hang_up_on_is_not_sent(broker: Broker) -> None:
    async with echoing(broker.url), connected(broker.url) as client:
        with pytest.raises(MaxPayloadError):
            await client.publish("echo", bytes(1_048_577))
        with pytest.raises(MaxPayloadError):
            await client.publish("echo", bytes(1_048_570), headers={"A": "1234567"})
        for subject in ("", "a b", "a\r\nPUB b 0\r\n\r\n", "a\tb"):
            with pytest.raises(BadSubjectError):
                await client.publish(subject, b"")
        with pytest.raises(BadSubjectError):
            await client.publish("echo", b"", reply="a b")
        assert await answered(client)


@on_both_loops
async def test_plain_subscriptions_and_streams_work_as_ever(broker: Broker) -> None:
    async with connected(broker.url) as client:
        got: list[bytes] = []

        async def keep(message: Msg) -> None:
            got.append(message.data)

        await client.subscribe("news.*", cb=keep)
        waiting = await client.subscribe("news.*", max_msgs=2)
        for n in range(3):
            await client.publish(f"news.{n}", b"%d" % n)
        assert (await waiting.next_msg(timeout=2)).data == b"0"
        await until(lambda: got == [b"0", b"1", b"2"])
        streams = client.jetstream()
        await streams.add_stream(name="T", subjects=["t.>"])
        assert [(await streams.publish("t.1", b"%d" % n)).seq for n in range(3)] == [1, 2, 3]
        pulling = await streams.pull_subscribe("t.>", "all")
        fetched = await pulling.fetch(3, timeout=2)
        assert [message.data for message in fetched] == [b"0", b"1", b"2"]
        for message in fetched:
            await message.ack_sync()
        assert (await streams.consumer_info("T", "all")).num_ack_pending == 0


@on_both_loops
async def test_a_flush_proves_that_all_before_it_has_reached_the_server(broker: Broker) -> None:
    async with echoing(broker.url) as serving, connected(broker.url) as client:
        assert await answered(client)
        for subscription in list(serving._subs.values()):
            await subscription.drain()  # type: ignore[no-untyped-call]
        for _ in range(20):
            with pytest.raises(NoRespondersError):
                await client.request("echo", b"", timeout=2)
        assert serving._handlers == {}


@on_both_loops
async def test_a_cut_connection_is_made_again_with_direct_and_plain_subscriptions(
    broker: Broker,
) -> None:
    async with (
        proxy_to("127.0.0.1", broker.port) as proxy,
        echoing(f"nats://127.0.0.1:{proxy.port}") as serving,
        connected(f"nats://127.0.0.1:{proxy.port}") as client,
    ):
        for turn in range(1, 4):
            proxy.cut()
            await until(lambda turn=turn: serving.stats["reconnects"] == client.stats["reconnects"] == turn)  # type: ignore[misc]
            await until(lambda: answered(client, LOOKS_LIKE_PROTOCOL[:100_000]))


@on_both_loops
async def test_a_server_that_stops_speaking_the_protocol_is_left_and_found_again(broker: Broker) -> None:
    async with echoing(broker.url) as serving, connected(broker.url) as client:
        assert isinstance(serving._transport, FastTransport)
        serving._transport.wire.data_received(b"nonsense\r\n")
        await until(lambda: serving.stats["reconnects"] == 1)
        await until(lambda: answered(client))


@on_both_loops
async def test_a_killed_broker_is_found_again(broker: Broker) -> None:
    async with echoing(broker.url) as serving, connected(broker.url) as client:
        broker.kill()
        await until(lambda: serving.is_reconnecting and client.is_reconnecting)
        broker.start()
        await until(lambda: answered(client))


@on_both_loops
async def test_draining_answers_what_had_come_and_closes(broker: Broker) -> None:
    async with echoing(broker.url) as serving, connected(broker.url) as client:
        asking = [asyncio.ensure_future(client.request("echo", b"%d" % n, timeout=2)) for n in range(50)]
        await asyncio.sleep(0)
        await client.flush()
        await serving.drain()
        assert serving.is_closed
        answers = await asyncio.gather(*asking)
        assert [answer.data for answer in answers] == [b"%d" % n for n in range(50)]


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a certificate for 127.0.0.1 that signs itself; return it and its key."""
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).add_extension(address, critical=False)
    builder = builder.not_valid_before(now - datetime.timedelta(hours=1))
    signed = builder.not_valid_after(now + datetime.timedelta(hours=1)).sign(key, hashes.SHA256())
    (folder / "cert.pem").write_bytes(signed.public_bytes(Encoding.PEM))
    (folder / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return folder / "cert.pem", folder / "key.pem"


@on_both_loops
async def test_an_encrypted_connection_carries_the_same(tmp_path: Path) -> None:
    cert, key = certificate(tmp_path)
    broker = Broker(tmp_path, f"tls {{ cert_file: '{cert}', key_file: '{key}' }}")
    broker.start()
    context = ssl.create_default_context(cafile=str(cert))
    try:
        url = broker.url.replace("nats://", "tls://")
        async with echoing(url, tls=context), connected(url, tls=context) as client:
            assert isinstance(client._transport, FastTransport)
            assert client._transport.wire.transport is not None
            assert client._transport.wire.transport.get_extra_info("sslcontext") is context
            assert (await client.request("echo", LOOKS_LIKE_PROTOCOL, timeout=5)).data == LOOKS_LIKE_PROTOCOL
            await client.force_reconnect()
            await until(lambda: client.stats["reconnects"] == 1)
            await until(lambda: answered(client))
    finally:
        broker.kill()
