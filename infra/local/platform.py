"""The whole platform on one machine, for `mesh up`, `mesh demo` and the tests: servers first, then services."""

import asyncio
import signal
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

from infra.local import folder as data_folder
from infra.local import nats_server, postgres_server, valkey_server
from infra.local.endpoints import Endpoints, remove_endpoints, write_endpoints
from infra.local.failures import NotReady, StartFailed
from infra.local.keeper import Keeper
from infra.local.ledger import Ledger
from infra.local.parts import Part, PartState, Watch, nobody_watches
from infra.local.plan import Plan
from infra.local.ports import choose_ports
from infra.local.secrets import load_or_make
from infra.local.services import TABLE, Service, ServiceName, service_part, tool_environment
from infra.local.settings import LocalSettings, read_settings

_EXTERNAL_SECONDS = 5.0
_EXTERNAL_PAUSE_SECONDS = 0.1
_SERVERS: MappingProxyType[str, tuple[Callable[[Plan], Awaitable[Part]], Callable[[str], Awaitable[None]]]]
_SERVERS = MappingProxyType(
    {
        "nats": (nats_server.nats_part, nats_server.answers),
        "postgres": (postgres_server.postgres_part, postgres_server.answers),
        "redis": (valkey_server.valkey_part, valkey_server.answers),
    }
)
_PORTS_OF = MappingProxyType(
    {"nats": ("nats", "nats_monitor"), "collector": ("traces",), "postgres": ("postgres",), "redis": ("redis",)}
    | {"cards": ("cards",), "mailbox": ("mailbox", "smtp"), "gateway": ("gateway",)}
)


class LocalPlatform:
    """Everything of one data folder, from `start` to `stop`; `async with` does both."""

    def __init__(
        self,
        folder: Path,
        *,
        fixed_ports: bool = False,
        services: Sequence[ServiceName | Service] | None = None,
        watch: Watch = nobody_watches,
        keep_alive: bool = True,
        settings: LocalSettings | None = None,
    ) -> None:
        self._folder = folder.absolute()
        self._fixed_ports = fixed_ports
        self._services: Sequence[ServiceName | Service] = tuple(TABLE) if services is None else services
        self._watch = watch
        self._keep_alive = keep_alive
        self._settings = read_settings() if settings is None else settings
        self._ledger = Ledger(self._folder)
        self._keepers: dict[str, Keeper] = {}
        self._keeping: list[asyncio.Task[None]] = []
        self._held = ExitStack()
        self._plan: Plan | None = None
        self._endpoints: Endpoints | None = None

    @property
    def endpoints(self) -> Endpoints:
        """Where the parts are reached."""
        assert self._endpoints is not None, "the platform is not running"
        return self._endpoints

    @property
    def environment(self) -> dict[str, str]:
        """The variables that lead a process of one's own to the parts."""
        assert self._plan is not None, "the platform is not running"
        return tool_environment(self._plan)

    def pids(self) -> dict[str, int]:
        """The live processes by name."""
        return {name: keeper.pid for name, keeper in self._keepers.items() if keeper.pid is not None}

    async def restart(self, name: str) -> None:
        """End a part with grace and start it again at the same address."""
        await self._keepers[name].restart()

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to a part and all its processes, as a crash would."""
        self._keepers[name].kill(number)

    def part(self, kind: ServiceName, name: str, environment: Mapping[str, str] = MappingProxyType({})) -> Part:
        """Describe one more process of a service as it would run here, with a name and variables of its own."""
        assert self._plan is not None, "the platform is not running"
        service = TABLE[kind](self._plan)
        own = {**service.environment, **environment}
        return service_part(replace(service, name=name, environment=own), self._plan)

    async def add(self, part: Part) -> None:
        """Start a part beside the others and keep it like them."""
        await self._start_part(part)
        if self._keep_alive:
            self._keeping.append(asyncio.create_task(self._keepers[part.name].keep()))

    async def remove(self, name: str) -> None:
        """End a part with grace and for good."""
        await self._keepers.pop(name).stop()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start all parts, or none: what had come up when one fails is ended again."""
        data_folder.prepare(self._folder)
        self._held.enter_context(data_folder.hold(self._folder))
        try:
            await self._start()
        except BaseException:
            await self.stop()
            raise

    async def _start(self) -> None:
        await self._ledger.end_leftovers()
        self._ledger.open()
        data_folder.rotate_logs(self._folder)
        remove_endpoints(self._folder)
        embedded = [name for name in _SERVERS if not self._configured_url(name)]
        services = [entry if isinstance(entry, str) else entry.name for entry in self._services]
        names = [*embedded, *services]
        needed = [port for name in names for port in _PORTS_OF.get(name, ())]
        ports = choose_ports(self._settings.ports, fixed=self._fixed_ports, needed=needed)
        plan = self._plan = Plan(self._folder, self._settings, load_or_make(self._folder), ports, frozenset(services))
        await _all([self._start_server(name, plan) for name in _SERVERS])
        await self._start_services(plan)
        self._endpoints = plan.endpoints()
        write_endpoints(self._folder, self._endpoints)
        if self._keep_alive:
            self._keeping = [asyncio.create_task(keeper.keep()) for keeper in self._keepers.values()]

    async def stop(self) -> None:
        """End all parts, the last started first, and let go of the folder."""
        for task in self._keeping:
            task.cancel()
        await asyncio.gather(*self._keeping, return_exceptions=True)
        self._keeping = []
        remove_endpoints(self._folder)
        for stage in sorted({keeper.part.stage for keeper in self._keepers.values()}, reverse=True):
            await asyncio.gather(*(keeper.stop() for keeper in self._keepers.values() if keeper.part.stage == stage))
        self._keepers = {}
        self._endpoints = None
        self._ledger.close()
        self._held.close()

    async def _start_server(self, name: str, plan: Plan) -> None:
        describe, answers = _SERVERS[name]
        if url := self._configured_url(name):
            await self._wait_for_external(name, lambda: answers(url))
            return
        self._watch(PartState(name, "starting"))
        try:
            part = await describe(plan)
        except StartFailed as failure:
            self._watch(PartState(name, "failed", cause=failure.cause))
            raise
        # Servers come before and end after every service.
        await self._start_part(replace(part, stage=-1))

    async def _start_services(self, plan: Plan) -> None:
        described = [TABLE[entry](plan) if isinstance(entry, str) else entry for entry in self._services]
        for stage in sorted({service.stage for service in described}):
            parts = [service_part(service, plan) for service in described if service.stage == stage]
            await _all([self._start_part(part) for part in parts])

    async def _start_part(self, part: Part) -> None:
        keeper = self._keepers[part.name] = Keeper(part, self._folder, self._ledger, self._watch)
        await keeper.start()

    def _configured_url(self, name: str) -> str:
        settings = self._settings
        return {"nats": settings.nats_url, "postgres": settings.postgres_url, "redis": settings.redis_url}[name]

    async def _wait_for_external(self, name: str, probe: Callable[[], Awaitable[None]]) -> None:
        """A configured server is somebody else's to start; we only make sure that it answers."""
        self._watch(PartState(name, "starting"))
        answer = "no answer"
        try:
            async with asyncio.timeout(_EXTERNAL_SECONDS):
                while True:
                    try:
                        await probe()
                    except NotReady as error:
                        answer = str(error)
                    else:
                        break
                    await asyncio.sleep(_EXTERNAL_PAUSE_SECONDS)
        except TimeoutError as error:
            variable = f"MESH_{name.upper()}_URL"
            remedy = f"mend {variable}, or unset it to have one started here"
            failure = StartFailed(name, f"nothing serves at {variable} ({answer})", remedy)
            self._watch(PartState(name, "failed", cause=failure.cause))
            raise failure from error
        self._watch(PartState(name, "ready"))


async def _all(starts: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run together; the first failure ends the others' waiting and is the one that is told."""
    tasks = [asyncio.ensure_future(start) for start in starts]
    try:
        for done in asyncio.as_completed(tasks):
            await done
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
