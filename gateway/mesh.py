"""What the gateway needs of the mesh: ask, wait for what settles a command, and say how the parts are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from typing import Protocol, TypeVar

from schemas.envelope import Envelope
from schemas.message import Event, Message, Query

R = TypeVar("R")


class RawReply(Protocol):
    """A reply as it came: its bytes go to the client undecoded."""

    @property
    def body(self) -> bytes:
        """Return the encoded reply."""
        ...

    @property
    def repeated(self) -> bool:
        """Return whether the command had been done before."""
        ...


class Settled(Protocol):
    """The event that was awaited, and the version it left its entity at."""

    @property
    def event(self) -> Event:
        """Return the event."""
        ...

    @property
    def version(self) -> int:
        """Return the version a view must have reached to show it."""
        ...


class Awaiting(Protocol):
    """Listens to some events of one entity from the moment it is opened."""

    async def result(self, timeout_seconds: float) -> Settled | None:
        """Return the first such event, or None where none came in time."""
        ...


class MeshClient(Protocol):
    """The one door to the actors."""

    @property
    def connected(self) -> bool:
        """Return whether the broker can be reached now."""
        ...

    async def ask(self, message: Query[R], envelope: Envelope | None = None) -> R:
        """Return the reply to a question of the gateway's own; raise Refused or a Fault."""
        ...

    async def ask_raw(self, message: Message, envelope: Envelope) -> RawReply:
        """Return the reply to a command or query; raise Refused or a Fault."""
        ...

    def awaiting(self, events: tuple[type[Event], ...], key: str) -> AbstractContextManager[Awaiting]:
        """Listen to these events of one entity; opened before the command is sent, so that none is missed."""
        ...

    async def watch(self, events: Iterable[type[Event]]) -> None:
        """Follow these events as they pass by; once, before anybody awaits them."""
        ...

    async def probe(self, domains: Iterable[str]) -> Mapping[str, str]:
        """Return the broker and each domain with `ok` or the reason why it is not."""
        ...
