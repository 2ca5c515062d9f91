"""Reading a stream message by message: what fails comes again in order, what is broken is put aside."""

from __future__ import annotations

from actors.mesh._dead_letters import DeadLetters
from actors.mesh._errors import Unavailable
from actors.mesh._follow import Following, Inbound, follow_each
from actors.mesh._ports import ConsumerSpec
from actors.mesh.testing.memory_mesh import MemoryMesh
from actors.mesh.testing.toys import toy_mesh
from actors.mesh.testing.toys.counters import Count

CONSUMER = ConsumerSpec("COUNTERS", "counters_test", ("counters.event.>",))


class Handler:
    """Handles events; meets a planned error first."""

    def __init__(self, **errors: list[Exception]) -> None:
        self.errors, self.handled = errors, list[str]()

    async def __call__(self, inbound: Inbound) -> None:
        if planned := self.errors.get(inbound.event_id.replace("counter/", "").replace("@", "_")):
            raise planned.pop(0)
        self.handled.append(inbound.event_id)


async def follow(mesh: MemoryMesh, handler: Handler) -> None:
    pool = mesh.pools[0]
    letters = DeadLetters(pool._world.store.dead_letters, mesh.privacy(), mesh.clock)
    await mesh.bus.provision((), [CONSUMER])
    pool._readers.append(await follow_each(Following(mesh.bus, mesh.telemetry("test"), letters), CONSUMER, handler))


async def test_what_fails_for_now_comes_again_before_what_follows_it_in_its_key() -> None:
    async with toy_mesh() as mesh:
        handler = Handler(a_1=[Unavailable("not now"), Unavailable("nor now")])
        for key in ("a", "b", "a", "b"):
            await mesh.client.ask(Count(counter_id=key, amount=1))
        await follow(mesh, handler)
        await mesh.clock.sleep(10)
        of_a = [event_id for event_id in handler.handled if event_id.startswith("counter/a")]
        assert of_a == ["counter/a@1", "counter/a@2"]
        assert handler.handled[:2] == ["counter/b@1", "counter/b@2"], "another key waits for nothing"


async def test_a_bug_puts_the_message_aside_and_goes_on() -> None:
    async with toy_mesh() as mesh:
        handler = Handler(a_1=[ZeroDivisionError()])
        for _ in range(2):
            await mesh.client.ask(Count(counter_id="a", amount=1))
        await follow(mesh, handler)
        await mesh.clock.sleep(5)
        assert handler.handled == ["counter/a@2"]
        [letter] = mesh.truth.domain("counters").dead_letters.values()
        assert (letter.reader, letter.reason) == ("counters_test", "ZeroDivisionError")
        assert await mesh.bus.pending(CONSUMER) == 0
