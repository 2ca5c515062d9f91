"""A gateway over a mesh that is played by the test."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from litestar.testing import AsyncTestClient

from actors.mesh import MeshError
from actors.mesh._principals import Signer, Verifier
from actors.mesh._telemetry import FinishedSpan, Telemetry
from actors.mesh.adapters.memory.bus import MemoryBus
from actors.mesh.testing.clock import FakeClock
from gateway.access_tokens import AccessTokens
from gateway.app import create_app
from gateway.auth import DevelopmentTokens, UserTokens
from gateway.limits import Bounds
from gateway.live.broadcast import Broadcast, LiveBounds
from gateway.standings import Standings
from schemas.envelope import Envelope
from schemas.message import Accepted, Event, Message, reply_type
from schemas.principal import Principal

ADA = Principal(subject="cust-ada", roles=("customer",), name="Ada")
PEOPLE = {
    "ada-token": ADA,
    "grace-token": Principal(subject="cust-grace", roles=("customer",)),
    "sam-token": Principal(subject="staff-sam", roles=("support",)),
    "wendy-token": Principal(subject="staff-wendy", roles=("warehouse",)),
    "otto-token": Principal(subject="staff-otto", roles=("operator",)),
    "fiona-token": Principal(subject="staff-fiona", roles=("finance",)),
    "alma-token": Principal(subject="staff-alma", roles=("admin",)),
}
ACCESS_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(64, 96)))
ACCESS_KEYS = {"key-1": ACCESS_KEY.public_key().public_bytes_raw()}
ORDER = {
    "lines": [{"sku": "tea", "quantity": 2}],
    "deliver_to": "Ada, 1 Engine Row",
    "payment_token": "tok_visa",
}


class Reply(NamedTuple):
    body: bytes
    repeated: bool = False


class Settled(NamedTuple):
    event: Event
    version: int


class Heard:
    """What the test lets the gateway hear; time never passes, so nothing heard is nothing for ever."""

    def __init__(self, mesh: FakeMesh, key: str) -> None:
        self._mesh, self._key = mesh, key

    async def result(self, timeout_seconds: float) -> Settled | None:
        self._mesh.waited_seconds.append(timeout_seconds)
        event = self._mesh.happens
        return None if event is None else Settled(event(self._key), 2)


class FakeMesh:
    """Answers by message type; remembers what it was asked."""

    def __init__(self) -> None:
        self.connected = True
        self.answers: dict[str, Any] = {}
        self.asked: list[tuple[Message, Envelope]] = []
        self.happens: Callable[[str], Event] | None = None
        self.waited_seconds: list[float] = []
        self.watched: list[type[Event]] = []
        self.listening: set[str] = set()
        self.parts: Mapping[str, str] = {"nats": "ok", "orders": "ok"}
        self.probes = 0

    async def ask(self, message: Message, envelope: Envelope | None = None) -> Any:
        reply = await self.ask_raw(message, envelope or Envelope())
        return msgspec.json.decode(reply.body, type=reply_type(type(message)))

    async def ask_raw(self, message: Message, envelope: Envelope) -> Reply:
        self.asked.append((message, envelope))
        answer = self.answers.get(type(message).__name__, Accepted(entity_id="x", version=1))
        if callable(answer):
            answer = answer(message)
        if isinstance(answer, Exception):
            raise answer
        return answer if isinstance(answer, Reply) else Reply(msgspec.json.encode(answer))

    @contextmanager
    def awaiting(self, events: tuple[type[Event], ...], key: str) -> Iterator[Heard]:
        assert set(events) <= set(self.watched), "awaited, but not watched"
        self.listening.add(key)
        try:
            yield Heard(self, key)
        finally:
            self.listening.remove(key)

    async def watch(self, events: Iterable[type[Event]]) -> None:
        self.watched.extend(events)

    async def probe(self, domains: Iterable[str]) -> Mapping[str, str]:
        self.probes += 1
        return self.parts


class FakeIds:
    def __init__(self) -> None:
        self.made = 0

    def new(self) -> str:
        self.made += 1
        return f"00000000-0000-7000-8000-{self.made:012}"

    def jitter(self) -> float:
        return 0.5


def encoded(part: object) -> str:
    """One segment of a JWT: of bytes as they are, of anything else as JSON."""
    raw = part if isinstance(part, bytes) else msgspec.json.encode(part)
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def signed(header: object, claims: object) -> str:
    """A token with the signature of users, whatever it says: written by hand, as libraries refuse to make bad ones."""
    said = f"{encoded(header)}.{encoded(claims)}"
    return f"{said}.{encoded(ACCESS_KEY.sign(said.encode()))}"


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json", self
        return msgspec.json.decode(self.body)


class People:
    """Lets in whom it knows, until the test says otherwise."""

    def __init__(self, mesh: FakeMesh, clock: FakeClock) -> None:
        self.refuses: MeshError | None = None
        self._known = UserTokens(AccessTokens(ACCESS_KEYS, clock), Standings(mesh, clock), DevelopmentTokens(PEOPLE))

    async def __call__(self, authorization: str) -> Principal:
        if self.refuses is not None:
            raise self.refuses
        return await self._known(authorization)


class Gateway:
    """The app, its doubles, and a way to call it with bytes that no HTTP client would send."""

    def __init__(self, bounds: Bounds | None = None, live: LiveBounds | None = None) -> None:
        self.mesh = FakeMesh()
        self.clock = FakeClock()
        self.spans: list[FinishedSpan] = []
        self.signer = Signer(bytes(range(32)), "gateway", self.clock)
        self.verifier = Verifier({"gateway": self.signer.public_key}, self.clock)
        self.people = People(self.mesh, self.clock)
        self.bus = MemoryBus(self.clock)
        self.live = Broadcast(self.bus, clock=self.clock, ids=FakeIds(), bounds=live or LiveBounds())
        self.app = create_app(
            self.mesh,
            authenticate=self.people,
            access_keys=ACCESS_KEYS,
            signer=self.signer,
            clock=self.clock,
            ids=FakeIds(),
            telemetry=Telemetry("gateway", collect=self.spans),
            live=self.live,
            bounds=bounds or Bounds(),
        )

    async def call(
        self,
        method: str,
        path: str,
        body: bytes | Iterable[bytes] = b"",
        *,
        query: bytes = b"",
        headers: Iterable[tuple[bytes, bytes]] = (),
        token: str = "ada-token",
        receive: Callable[[], Any] | None = None,
    ) -> Answer:
        chunks = [body] if isinstance(body, bytes) else list(body)
        events = [{"type": "http.request", "body": chunk, "more_body": True} for chunk in chunks]
        events[-1]["more_body"] = False
        sent: list[dict[str, Any]] = []

        async def received() -> dict[str, Any]:
            return events.pop(0) if events else {"type": "http.disconnect"}

        async def send(message: Any) -> None:
            sent.append(dict(message))

        given = [(b"content-type", b"application/json"), (b"authorization", f"Bearer {token}".encode()), *headers]
        scope: Any = {
            "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
            "path": path, "raw_path": path.encode(errors="replace"), "query_string": query, "root_path": "",
            "headers": given, "client": ("127.0.0.1", 1), "server": ("127.0.0.1", 80),
        }  # fmt: skip
        await self.app(scope, receive or received, send)
        assert [message["type"] for message in sent] == ["http.response.start", "http.response.body"]
        answered = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], answered, sent[1]["body"])


@pytest.fixture
def gateway() -> Gateway:
    return Gateway()


@pytest.fixture
def gateway_within() -> Callable[[Bounds], Gateway]:
    return Gateway


@pytest.fixture
def gateway_of() -> type[Gateway]:
    return Gateway


@pytest.fixture
async def client(gateway: Gateway) -> AsyncIterator[AsyncTestClient[Any]]:
    async with AsyncTestClient(gateway.app) as client:
        client.headers["authorization"] = "Bearer ada-token"
        yield client


@pytest.fixture
def order() -> dict[str, Any]:
    return dict(ORDER)
