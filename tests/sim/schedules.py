"""One schedule of the shop: what its customers want, what goes wrong and who runs next all follow from one seed."""

from __future__ import annotations

import asyncio
import gc
import logging
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from random import Random
from typing import Any, Literal, NamedTuple

import structlog

from actors.inventory.model import reservations
from actors.mesh import Actor, _relay, after
from actors.mesh._blueprint import Blueprint, draw
from actors.mesh._errors import Fault
from actors.mesh.testing.fault_plan import FaultPlan
from actors.mesh.testing.memory_mesh import MemoryMesh
from actors.mesh.testing.quiet import unrest
from actors.mesh.testing.seeded_loop import LoopClock, SeededIds, SeededLoop, Stuck
from actors.mesh.testing.shrinking import shrunk
from actors.mesh.testing.weather import StrayChaos, WeatherBus
from schemas.envelope import Envelope, derived_id
from schemas.inventory import ReceiveStock, StockReserved
from schemas.message import Command
from schemas.orders import RequestCancel
from tests.sim.memory_facts import memory_facts
from tests.sim.schedule_rules import always_broken, finally_broken
from tests.sim.shop import ACTORS, Shop, order

Mode = Literal["safety", "liveness"]
TOKENS = (
    "card-approved", "card-approved", "card-declined", "card-timeout-then-success", "card-error-then-success",
    "card-error-before",
)  # fmt: skip
ORDERS = (1, 1, 2, 2, 3)
STOCK = 6
"""Less than all orders may want, so that some must do without."""
HELD_SECONDS = 6.0
"""How long a reservation holds here: long for a saga, short enough that its timer fires within the schedule."""
REST_SECONDS_MAX = 600.0
"""Virtual seconds within which all must be at rest once nothing goes wrong any more: over twice what was ever seen."""
LOOK_EVERY_SECONDS = 1.0
CLEAR_EVERY_SECONDS = 0.5
"""A relay looks ten times less often for what it may clear: that was a third of all turns, and nearly all in vain."""
ROUGH = (0.0, 0.01, 0.03, 0.06)
DEADLY = (0.0, 0.001, 0.003, 0.006)
TRIES_MAX = 400
"""A customer who is not answered after so many tries is nobody's fault but ours."""


class Schedule(NamedTuple):
    """What is to be run.

    `faults`: these and no others. `focus`: these more often. `shuffled`: who runs next is drawn too.
    """

    seed: int
    mode: Mode = "liveness"
    faults: tuple[str, ...] | None = None
    focus: tuple[str, ...] = ()
    shuffled: bool = True


class Ran(NamedTuple):
    """What came of it: a sentence for each rule that was broken, and what had gone wrong."""

    schedule: Schedule
    problems: tuple[str, ...]
    faults: tuple[str, ...]
    digest: str
    turns: int
    seconds: float

    @property
    def broken(self) -> frozenset[str]:
        """Return the names of the invariants that did not hold."""
        return frozenset(problem.partition(":")[0] for problem in self.problems)


def ran(schedule: Schedule, *, actors: Sequence[Actor] = ACTORS, trace: list[str] | None = None) -> Ran:
    """Run a schedule from its first turn to its last."""
    draw_of = Random(f"faults {schedule.seed}")
    plan = FaultPlan(
        schedule.seed,
        rough=draw_of.choice(ROUGH),
        deadly=draw_of.choice(DEADLY),
        faults=schedule.faults,
        focus=schedule.focus,
    )
    loop = SeededLoop(schedule.seed, shuffled=schedule.shuffled)
    with quietly():
        try:
            problems = loop.run_until_complete(Day(schedule, plan, loop, actors).run())
        except Stuck as stuck:
            problems = [f"I12: {stuck}"]
        finally:
            turns, seconds = loop.turns, loop.time()  # how it is cleared away is no part of it
            end(loop)
    if trace is not None:
        trace += plan.trace
    return Ran(schedule, tuple(problems), tuple(plan.struck), plan.digest, turns, seconds)


class Day:
    """A shop, its customers and its warehouse, from opening to rest."""

    def __init__(self, schedule: Schedule, plan: FaultPlan, loop: SeededLoop, actors: Sequence[Actor]) -> None:
        self.plan, self.mode = plan, schedule.mode
        self.draw = Random(f"wishes {schedule.seed}")
        clock = LoopClock(loop)
        plan.now = lambda: f"{loop.now_ns // 1000} us, turn {loop.turns}:"
        plan.cleared = True
        self.shop = Shop(
            actors=[blueprint_of(actor) for actor in actors],
            pools_per_domain=self.draw.choice((1, 1, 2)),
            weather=plan,
            chaos=StrayChaos(plan),
            clock=clock,
            ids=SeededIds(schedule.seed),
            traced=False,
        )
        self.mesh: MemoryMesh = self.shop.mesh
        self.client = self.mesh.client_of(self.mesh.client._identity, bus=WeatherBus(self.mesh.bus, clock, plan))
        self.acknowledged: list[str] = []
        self.problems: dict[str, None] = {}

    async def run(self) -> list[str]:
        """Return a sentence for every rule that was broken at any time."""
        await self.mesh.__aenter__()
        await self.shop.open(stock=STOCK)
        self.mesh.revive(lambda: self.plan.seconds(2))
        self.plan.cleared = False
        wishes = [self.customer(f"o{number}") for number in range(self.draw.choice(ORDERS))]
        watching = asyncio.ensure_future(self.watch())
        try:
            await asyncio.gather(*wishes, self.warehouse())
            await self.mesh.clock.sleep(self.draw.random() * 4)
            await self.look()
            if self.mode == "liveness":
                await self.rest()
        finally:
            watching.cancel()
        return list(self.problems)

    async def watch(self) -> None:
        """Hold what is kept against what must hold at all times, now and then."""
        while True:
            await self.mesh.clock.sleep(3 * LOOK_EVERY_SECONDS)
            await self.look()

    async def look(self) -> None:
        facts = await memory_facts(
            self.mesh, self.shop.cards.books.operations, acknowledged=self.acknowledged, with_views=False
        )
        self.problems.update(dict.fromkeys(always_broken(facts)))

    async def rest(self) -> None:
        """Nothing goes wrong any more: within bounded time all is at rest, and every rule holds."""
        self.plan.cleared = True
        await self.mesh.revived()
        end_ms = self.mesh.clock.now_ms() + int(REST_SECONDS_MAX * 1000)
        while still := [*await unrest(self.mesh), *self.timers()]:
            if self.mesh.clock.now_ms() >= end_ms:
                self.problems[f"I12: not at rest within {REST_SECONDS_MAX} s: {still[:5]}"] = None
                break
            await self.mesh.clock.sleep(LOOK_EVERY_SECONDS)
        facts = await memory_facts(self.mesh, self.shop.cards.books.operations, acknowledged=self.acknowledged)
        self.problems.update(dict.fromkeys(finally_broken(facts)))

    def timers(self) -> list[str]:
        return [f"timer {timer_id}" for each in self.mesh.blueprints for timer_id in self.tables(each.name).timers]

    def tables(self, domain: str) -> Any:
        return self.mesh.truth.domain(domain)

    async def customer(self, order_id: str) -> None:
        draw = Random(f"{order_id} {self.draw.random()}")
        await self.mesh.clock.sleep(draw.random() * 3)
        await self.insist(order(order_id, quantity=draw.randint(1, 4), token=draw.choice(TOKENS)), order_id)
        self.acknowledged.append(order_id)
        if draw.random() < 0.5:
            await self.mesh.clock.sleep(draw.random() * draw.choice((0.01, 1, 15)))
            cancel = RequestCancel(order_id=order_id, customer_id="ada", reason="changed my mind")
            await self.insist(cancel, f"cancel {order_id}")

    async def warehouse(self) -> None:
        await self.mesh.clock.sleep(self.draw.random() * 3)
        await self.insist(ReceiveStock(sku="tea", quantity=2), "restock")

    async def insist(self, command: Command[Any], what: str) -> None:
        """Ask under one id until there is an answer."""
        for _ in range(TRIES_MAX):
            try:
                await self.client.ask(command, Envelope(command_id=derived_id("simulated", what)))
            except Fault:
                await self.mesh.clock.sleep(0.3)
            else:
                return
        self.problems[f"I12: {what} was not answered in {TRIES_MAX} tries"] = None


DRAWN: dict[int, tuple[Actor, Blueprint]] = {}
"""Blueprints by the identity of their actor, which is kept so that it stays the only one of its identity."""


def blueprint_of(actor: Actor) -> Blueprint:
    """Draw an actor once; a reservation of it expires within a schedule, now and then under a saga's feet."""
    if id(actor) not in DRAWN:
        timers = (after(StockReserved, HELD_SECONDS, reservations.expiry),) if actor.timers else ()
        DRAWN[id(actor)] = actor, draw(replace(actor, timers=timers))
    return DRAWN[id(actor)][1]


def smaller(found: Ran, *, actors: Sequence[Actor] = ACTORS) -> Ran:
    """Return the smallest schedule that breaks one of the same invariants: in order if it may be, with few faults."""

    def fails(schedule: Schedule) -> bool:
        return bool(ran(schedule, actors=actors).broken & found.broken)

    schedule = found.schedule._replace(faults=found.faults, focus=())
    if fails(schedule._replace(shuffled=False)):
        schedule = schedule._replace(shuffled=False)
    kept = shrunk(found.faults, lambda faults: fails(schedule._replace(faults=tuple(faults))))
    return ran(schedule._replace(faults=tuple(kept)), actors=actors)


def told(found: Ran, bug: str = "") -> str:
    """Return what a failure says: what broke, by which faults, and the one command that shows it again."""
    lines = [f"schedule {found.schedule.seed}, {len(found.faults)} faults:", *found.faults]
    return "\n  ".join([*lines, *found.problems[:5], "again:", command_of(found, bug)])


def command_of(found: Ran, bug: str = "") -> str:
    """Return the command that runs exactly this schedule."""
    schedule = found.schedule
    words = ["./just", "schedules", "--seed", str(schedule.seed), "--mode", schedule.mode]
    words += ["--bug", bug] if bug else []
    words += [] if schedule.shuffled else ["--in-order"]
    words += [] if found.faults else ["--no-faults"]
    return shlex.join([*words, *(word for fault in found.faults for word in ("--fault", fault))])


def end(loop: SeededLoop) -> None:
    """End whatever still runs, and close the loop."""
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    try:
        loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
    finally:
        loop.close()


@contextmanager
def quietly() -> Iterator[None]:
    """Keep the log and the garbage collector still: thousands of schedules warn of what was done to them on purpose."""
    before, collecting, every_seconds = structlog.get_config(), gc.isenabled(), _relay.CLEAR_EVERY_SECONDS
    _relay.CLEAR_EVERY_SECONDS = CLEAR_EVERY_SECONDS
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    gc.disable()
    try:
        yield
    finally:
        structlog.configure(**before)
        _relay.CLEAR_EVERY_SECONDS = every_seconds
        if collecting:
            gc.enable()
