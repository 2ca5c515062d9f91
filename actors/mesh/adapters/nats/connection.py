"""A connection to NATS that outlives every way in which nats-py loses one: it watches it, and builds it anew."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress

from nats.aio.client import Client
from nats.errors import Error as NatsError
from nats.errors import MaxPayloadError

from actors.mesh._errors import Unavailable
from actors.mesh.adapters.nats.binding import PENDING_MESSAGES_MAX, Binding, Handler
from actors.mesh.adapters.nats.dialling import Calls, Settings, dial, end
from actors.mesh.adapters.nats.failures import check_size
from actors.mesh.adapters.nats.fast_client import FastClient
from actors.mesh.adapters.nats.headers import outgoing
from actors.mesh.adapters.nats.heartbeat import Heartbeat
from actors.mesh.adapters.nats.message import NO_HEADERS

CONNECT_WITHIN_SECONDS = 10.0
"""nats-py tries for ever, and hangs where TLS is set up wrongly."""

BEAT_EVERY_SECONDS = 2.0
BEAT_WITHIN_SECONDS = 1.0
MISSES_UNTIL_RECONNECT = 2
"""One miss may be a busy event loop. Two mean that nothing is read, whatever nats-py says."""
MISSES_UNTIL_DEAD = 5

SLOW_TURNS_MAX = 10
"""A heartbeat behind a queue of messages is late and no miss as long as messages do come in: for so many turns."""

STUCK_SECONDS = 30.0
"""A reconnection that takes longer is given up for a new connection: its task may have died."""

REBUILD_PAUSE_SECONDS = 0.25
REBUILD_PAUSE_SECONDS_MAX = 5.0


class Connection:
    """One connection with its subscriptions. `client` may be another one after a while: never keep it."""

    def __init__(self, role: str, settings: Settings) -> None:
        self._role = role
        self._settings = settings
        self._notices = settings.notices
        self._bindings: list[Binding] = []
        self._client = settings.make_client()
        self._heartbeat = Heartbeat(f"{settings.inbox_prefix}.heartbeat.{role}", lambda: self._client)
        self._look = asyncio.Event()
        self._denied: list[str] = []
        self._healthy = False
        self._closing = False
        self._misses = 0
        self._slow_turns = 0
        self._away_since: float | None = None
        self._watching: asyncio.Task[None] | None = None
        self.sessions = 0
        """Grows with every connection made: whatever the server kept for the one before is gone."""
        self.on_session: set[Callable[[], None]] = set()
        """Called with every connection made."""

    @property
    def client(self) -> Client:
        """The client of now."""
        return self._client

    @property
    def connected(self) -> bool:
        """Tell whether what is sent now comes through, as far as the last heartbeat knows."""
        return self._healthy and self._client.is_connected

    async def open(self) -> None:
        """Connect and watch over it from now on. Raises `Unavailable`."""
        beat = self._heartbeat
        self._bindings.append(Binding(self, beat.subject, "", beat.on_message, PENDING_MESSAGES_MAX))
        await self._build()
        if not await self.comes_back():
            await self.close()
            raise Unavailable("NATS: what is published to the own inbox does not come back")
        self._healthy = True
        self._watching = asyncio.create_task(self._watch(), name=f"nats-watch-{self._role}")

    def send(
        self, subject: str, body: bytes, headers: Mapping[str, str] = NO_HEADERS, reply: str = ""
    ) -> Awaitable[None] | None:
        """Send one message; what this returns, if anything, is still to be awaited: stock nats-py only.

        Raises `Refused` where it is too large, and what nats-py raises where it is not sent.
        """
        client = self._client
        if not isinstance(client, FastClient):
            check_size(body, headers, client.max_payload)
            return client.publish(subject, body, reply, outgoing(headers))
        try:
            client.send(subject, body, reply, headers)
        except MaxPayloadError:
            check_size(body, headers, client.max_payload)
            raise
        return None

    async def publish(
        self, subject: str, body: bytes, headers: Mapping[str, str] = NO_HEADERS, reply: str = ""
    ) -> None:
        """Send one message, as `send` does."""
        if (sending := self.send(subject, body, headers, reply)) is not None:
            await sending

    async def subscribe(
        self, subject: str, queue: str, handler: Handler, *, pending_max: int = PENDING_MESSAGES_MAX
    ) -> Binding:
        """Subscribe for good, and return when the server knows. Raises `PermissionError`, `Unavailable`."""
        binding = Binding(self, subject, queue, handler, pending_max)
        self._bindings.append(binding)
        self._denied.clear()
        with suppress(NatsError):  # closed just now: the new connection will make it
            await binding.attach(self._client)
        # What comes back behind the subscription proves that it is there.
        if not await self.comes_back():
            await binding.stop()
            raise Unavailable(f"NATS did not take the subscription to {subject} in time")
        if any(f'"{subject.lower()}"' in denial for denial in self._denied):
            await binding.stop()
            raise PermissionError(f"NATS forbids this process to subscribe to {subject}")
        return binding

    async def comes_back(self) -> bool:
        """Tell whether the server has dealt with all that was sent up to now, and sent all that it had for us."""
        return await self._heartbeat.comes_back(CONNECT_WITHIN_SECONDS)

    def forget(self, binding: Binding) -> None:
        """Do not make that subscription again."""
        if binding in self._bindings:
            self._bindings.remove(binding)

    async def replace(self) -> None:
        """Give the connection up for a new one."""
        self._healthy = False
        await end(self._client)
        self._look.set()

    async def close(self) -> None:
        """End it for good. Subscriptions are stopped before, by who made them."""
        self._closing = True
        self._healthy = False
        if self._watching is not None:
            self._watching.cancel()
            await asyncio.wait({self._watching})
        await end(self._client)

    async def _build(self) -> None:
        client = self._settings.make_client()
        try:
            async with asyncio.timeout(CONNECT_WITHIN_SECONDS):
                await dial(client, self._settings, self._role, self._calls())
                for binding in list(self._bindings):
                    await binding.attach(client)
        except BaseException as error:
            await end(client)
            if isinstance(error, NatsError | OSError):  # the time-out among them
                raise Unavailable(f"NATS is not reached: {client.last_error or error!r}") from None
            raise
        self._client = client
        self._renew()

    def _calls(self) -> Calls:
        def disconnected() -> None:
            self._healthy = False
            if not self._closing:
                self._notices.tell("disconnected", self._role)

        def reconnected() -> None:
            self._notices.tell("reconnected", self._role)
            self._renew()

        def closed() -> None:
            self._healthy = False
            self._notices.count("closed")
            self._look.set()

        return Calls(self._on_error, disconnected, reconnected, closed)

    def _on_error(self, error: Exception) -> None:
        text = str(error).lower()
        if "permissions violation" in text:
            self._denied.append(text)
            del self._denied[:-100]  # the last ones are enough to tell who is meant
            self._notices.tell("permission_denied", error)
        else:
            self._notices.tell(type(error).__name__, error)

    def _renew(self) -> None:
        self.sessions += 1
        self._look.set()
        for call in self.on_session:
            call()

    async def _watch(self) -> None:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(BEAT_EVERY_SECONDS):
                    await self._look.wait()
            self._look.clear()
            try:
                await self._look_after(self._client)
            except Exception as error:  # noqa: BLE001 - whatever nats-py raises, the watch goes on
                self._notices.tell("watch_failed", error)

    async def _look_after(self, client: Client) -> None:
        now = asyncio.get_running_loop().time()
        if client.is_closed or (self._away_since is not None and now - self._away_since > STUCK_SECONDS):
            self._away_since = None
            await self._rebuild()
        elif not client.is_connected:  # nats-py knows, and is at it
            self._healthy = False
            self._away_since = self._away_since or now
        else:
            self._away_since = None
            await self._listen_for_beat(client)

    async def _listen_for_beat(self, client: Client) -> None:
        received = client.stats["in_msgs"]
        if await self._heartbeat.comes_back(BEAT_WITHIN_SECONDS):
            self._misses, self._slow_turns, self._healthy = 0, 0, True
        elif client.stats["in_msgs"] > received and self._slow_turns < SLOW_TURNS_MAX:
            self._slow_turns += 1
            self._notices.count("heartbeat_late")
        else:
            self._misses += 1
            self._healthy = False
            await self._missed(client, self._misses)

    async def _missed(self, client: Client, misses: int) -> None:
        self._notices.tell("heartbeat_missed", self._role)
        if misses == MISSES_UNTIL_RECONNECT:
            self._notices.tell("reconnect_forced", self._role)
            await client.force_reconnect()
        elif misses >= MISSES_UNTIL_DEAD:
            self._notices.tell("dead", self._role)
            await self.replace()  # where nobody ends the process
            if self._settings.on_dead is not None:
                with suppress(Exception):
                    self._settings.on_dead()

    async def _rebuild(self) -> None:
        self._healthy, self._misses, self._slow_turns = False, 0, 0
        await end(self._client)
        pause_seconds = REBUILD_PAUSE_SECONDS
        while True:
            try:
                await self._build()
            except Unavailable as error:
                self._notices.tell("rebuild_failed", error)
                await self._settings.clock.sleep(pause_seconds * (0.5 + self._settings.ids.jitter()))
                pause_seconds = min(REBUILD_PAUSE_SECONDS_MAX, pause_seconds * 2)
            else:
                self._notices.tell("rebuilt", self._role)
                self._healthy = await self._heartbeat.comes_back(BEAT_WITHIN_SECONDS)
                return
