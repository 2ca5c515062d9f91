"""An actor checked and indexed: what stops the start is found here, and every look-up at run time is one dictionary."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, get_args, get_type_hints

import msgspec

from actors.mesh._actor import Actor, Aggregate, Answers, Decision, Key, Performance, Projection
from actors.mesh._personal import personal_fields
from actors.mesh._ports import ConsumerSpec, StreamSpec, ViewShape
from schemas.message import (
    Accepted,
    Command,
    Event,
    domain_of,
    key_field,
    reply_type,
    snake_case,
    subject_of,
    wire_name,
)

NEEDS_MAX = 3
"""A command may ask at most this many other domains first: each is a hop in front of the customer."""

TELLS_BYTES_MAX = 256 * 1024 * 1024
"""What may wait to be done in one domain, some 200,000 commands: a tool that tells more hears that there is no room."""
TELL_BYTES_MAX = 64 * 1024
"""Headers and body of one told command: the largest there is has 10 kilobytes."""


QUEUE = re.compile(r"[a-z]{1,20}")
OTHER_READERS = frozenset({"tells", "views", "reactions", "sagas"})


class Misdeclared(TypeError):
    """The actor's table contradicts itself; the process does not start."""


@dataclass(frozen=True, slots=True)
class Bound:
    """A decision with its aggregate and its wire shape."""

    decision: Decision[Any]
    aggregate: Aggregate[Any]
    decode: Callable[[bytes], Command[Any]]

    def keys(self, command: Command[Any]) -> tuple[Key, ...]:
        """Return the aggregates the command names, the first one first."""
        if self.decision.keys is None:
            return (Key(self.aggregate.state, getattr(command, self.aggregate.key)),)
        return tuple(dict.fromkeys(self.decision.keys(command)))


@dataclass(frozen=True, slots=True)
class Blueprint:
    """One actor's tables."""

    actor: Actor
    commands: dict[str, Bound]
    queries: dict[str, tuple[Answers, Callable[[bytes], Any]]]
    events: dict[str, type[Event]]
    aggregate_of: dict[type[Event], Aggregate[Any]]
    aggregates: dict[str, Aggregate[Any]]
    followed: dict[Projection, Aggregate[Any]]

    @property
    def name(self) -> str:
        return self.actor.name

    @property
    def stream(self) -> StreamSpec:
        """The domain's event stream."""
        return StreamSpec(self.name.upper(), (f"{self.name}.event.>",))

    @property
    def streams(self) -> tuple[StreamSpec, ...]:
        """Every stream of the domain: its events, and the commands it is told."""
        told = StreamSpec(
            f"{self.name.upper()}_TELLS",
            (f"{self.name}.tell.>",),
            is_work_queue=True,
            bytes_max=TELLS_BYTES_MAX,
            message_bytes_max=TELL_BYTES_MAX,
        )
        return (self.stream, told)

    def key_of(self, event: Event) -> Key:
        """Return the aggregate an event belongs to."""
        aggregate = self.aggregate_of[type(event)]
        return Key(aggregate.state, getattr(event, aggregate.key))


@cache
def second_parameter(function: Callable[..., Any]) -> tuple[type[Event], ...]:
    """Return the event types that a fold's second parameter is annotated with."""
    name = list(inspect.signature(function).parameters)[1]
    try:
        hint = get_type_hints(function)[name]
    except (KeyError, NameError) as error:
        raise Misdeclared(f"{function.__qualname__}: annotate {name!r} with the events it folds ({error})") from None
    return tuple(get_args(hint)) or (hint,)


def draw(actor: Actor) -> Blueprint:
    """Check an actor and index it; raise `Misdeclared` with one sentence that says what to change."""
    aggregates = {snake_case(aggregate.state.__name__): aggregate for aggregate in actor.aggregates}
    aggregate_of: dict[type[Event], Aggregate[Any]] = {}
    for aggregate in actor.aggregates:
        for event in second_parameter(aggregate.evolve):
            check_event(actor, aggregate, event)
            if event in aggregate_of:
                raise Misdeclared(f"{actor.name}: {event.__name__} belongs to two aggregates")
            aggregate_of[event] = aggregate
        if aggregate.owner and aggregate.owner not in getattr(aggregate.state, "__struct_fields__", ()):
            raise Misdeclared(
                f"{actor.name}: {aggregate.state.__name__} has no field {aggregate.owner!r} for its owner"
            )
    check_bindings(actor, aggregate_of)
    return Blueprint(
        actor=actor,
        commands=bound_commands(actor),
        queries=bound_queries(actor),
        events={wire_name(event): event for event in aggregate_of},
        aggregate_of=aggregate_of,
        aggregates=aggregates,
        followed={projection: followed(actor, projection, aggregate_of) for projection in actor.projections},
    )


def check_event(actor: Actor, aggregate: Aggregate[Any], event: type[Event]) -> None:
    if domain_of(event) != actor.name:
        raise Misdeclared(f"{actor.name}: {event.__name__} is an event of {domain_of(event)}, not of this domain")
    if key_field(event) != aggregate.key:
        raise Misdeclared(f"{actor.name}: the first field of {event.__name__} must be the id {aggregate.key!r}")


def bound_commands(actor: Actor) -> dict[str, Bound]:
    bound: dict[str, Bound] = {}
    for aggregate in actor.aggregates:
        for decision in aggregate.decisions:
            command = decision.command
            if domain_of(command) != actor.name:
                raise Misdeclared(f"{actor.name}: {command.__name__} is a command of {domain_of(command)}")
            if key_field(command) is None or (decision.keys is None and key_field(command) != aggregate.key):
                raise Misdeclared(
                    f"{actor.name}: the first field of {command.__name__} must be the id {aggregate.key!r}"
                )
            check_reply(actor, decision)
            if len(decision.needs) > NEEDS_MAX:
                raise Misdeclared(f"{actor.name}: {command.__name__} needs more than {NEEDS_MAX} other domains")
            if wire_name(command) in bound:
                raise Misdeclared(f"{actor.name}: {command.__name__} is decided twice")
            bound[wire_name(command)] = Bound(decision, aggregate, msgspec.json.Decoder(command).decode)
    return bound


def check_reply(actor: Actor, decision: Decision[Any]) -> None:
    """A reply other than `Accepted` has a function that makes it; what is remembered of it must not be personal."""
    command, wanted = decision.command, reply_type(decision.command)
    if decision.replies is None:
        if wanted is not Accepted:
            raise Misdeclared(f"{actor.name}: {command.__name__} is answered with {wanted.__name__}: say replies=")
        return
    if get_type_hints(decision.replies).get("return") is not wanted:
        raise Misdeclared(f"{actor.name}: {decision.replies.__name__} must return {wanted.__name__}")
    if decision.remember and personal_fields(wanted):
        raise Misdeclared(
            f"{actor.name}: the reply to {command.__name__} holds personal data and would be kept: say remember=False"
        )


def bound_queries(actor: Actor) -> dict[str, tuple[Answers, Callable[[bytes], Any]]]:
    bound: dict[str, tuple[Answers, Callable[[bytes], Any]]] = {}
    for binding in actor.answers:
        hints = get_type_hints(binding.answer)
        first = next(iter(inspect.signature(binding.answer).parameters))
        if hints.get(first) is not binding.query or hints.get("return") is not reply_type(binding.query):
            raise Misdeclared(
                f"{actor.name}: {binding.answer.__name__} must take {binding.query.__name__} "
                f"and return {reply_type(binding.query).__name__}"
            )
        bound[wire_name(binding.query)] = (binding, msgspec.json.Decoder(binding.query).decode)
    return bound


def followed(actor: Actor, projection: Projection, aggregate_of: dict[type[Event], Aggregate[Any]]) -> Aggregate[Any]:
    """Return the one aggregate whose events a projection folds."""
    found = {
        id(aggregate_of[event]): aggregate_of[event]
        for event in second_parameter(projection.fold)
        if event in aggregate_of
    }
    if len(found) != 1:
        raise Misdeclared(
            f"{actor.name}: {projection.fold.__name__} must fold the events of one aggregate of {actor.name}"
        )
    return next(iter(found.values()))


def check_bindings(actor: Actor, aggregate_of: dict[type[Event], Aggregate[Any]]) -> None:
    own = [performance.event for performance in actor.performances] + [posting.event for posting in actor.postings]
    own += [*(timer.event for timer in actor.timers), *(claim.event for claim in actor.claims), *actor.private]
    for event in own:
        if event not in aggregate_of:
            raise Misdeclared(f"{actor.name}: {event.__name__} is not folded by any aggregate of this domain")
    check_queues(actor)
    for reaction in actor.reactions:
        if domain_of(reaction.event) == actor.name:
            raise Misdeclared(f"{actor.name}: a reaction follows another domain; {reaction.event.__name__} is its own")


def check_queues(actor: Actor) -> None:
    names = [performance.do.__name__ for performance in actor.performances]
    for performance in actor.performances:
        name, retries = performance.do.__name__, performance.retries
        if names.count(name) > 1:
            raise Misdeclared(f"{actor.name}: two works are called {name}, and their rows go by that name")
        if performance.queue in OTHER_READERS or not QUEUE.fullmatch(performance.queue):
            raise Misdeclared(f"{actor.name}: {performance.queue!r} is no name of a queue: small letters, no reader's")
        if retries is None and performance.gives_up is not None:
            raise Misdeclared(f"{actor.name}: {name} never gives up: say retries=")
        if retries is not None and not (
            retries.attempts_max > 0 and 0 < retries.first_seconds <= retries.longest_seconds
        ):
            raise Misdeclared(f"{actor.name}: {name} cannot be tried like that: {retries}")


def shapes(blueprint: Blueprint, store: str) -> tuple[ViewShape, ...]:
    """Return the views a store must hold."""
    return tuple(
        ViewShape(view_name(projection), projection.fields, projection.sort)
        for projection in blueprint.actor.projections
        if projection.store == store
    )


def view_name(projection: Projection) -> str:
    """Return what a view is called in its store: `order_view`."""
    return snake_case(projection.view.__name__)


def event_subjects(events: tuple[type[Event], ...]) -> tuple[str, ...]:
    """Return the subject filters of some event types."""
    return tuple(sorted({f"{subject_of(event)}.*" for event in events}))


def queues(actor: Actor) -> dict[str, list[Performance]]:
    """Return the work that waits in each queue."""
    found: dict[str, list[Performance]] = {}
    for performance in actor.performances:
        found.setdefault(performance.queue, []).append(performance)
    return found


def consumers(blueprint: Blueprint) -> tuple[ConsumerSpec, ...]:
    """Return every durable consumer a domain's pool reads by: tells, views, work queues, reactions, sagas."""
    actor, told = blueprint.actor, blueprint.streams[1]
    specs = [ConsumerSpec(told.name, f"{actor.name}_tells", told.subjects)]
    if actor.projections:
        specs.append(ConsumerSpec(blueprint.stream.name, f"{actor.name}_views", (f"{actor.name}.event.>",)))
    readers: dict[str, tuple[type[Event], ...]] = {
        queue: tuple(dict.fromkeys(performance.event for performance in performances))
        for queue, performances in queues(actor).items()
    } | {
        "reactions": tuple(reaction.event for reaction in actor.reactions),
        "sagas": tuple(event for saga in actor.sagas for event in saga.events),
    }
    for reader, events in readers.items():
        for domain in sorted({domain_of(event) for event in events}):
            here = tuple(event for event in events if domain_of(event) == domain)
            specs.append(ConsumerSpec(domain.upper(), f"{actor.name}_{reader}", event_subjects(here)))
    return tuple(specs)
