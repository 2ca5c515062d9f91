"""One command decided and written: needs, mailbox, load, decide, append, and what to do when another was first."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from typing import Any, NamedTuple

from actors.mesh._actor import Key, States
from actors.mesh._blueprint import Bound
from actors.mesh._commit import Asked, Deciding, Draft, events_by_key, withheld, written
from actors.mesh._consult import Look, Unheld
from actors.mesh._errors import Broken, Expired, Overloaded, Refused
from actors.mesh._ports import (
    AlreadyDone,
    Appended,
    Conflict,
    Contended,
    Rejected,
    Remembered,
    Taken,
)
from actors.mesh._telemetry import SpanKind, current
from schemas.envelope import Envelope
from schemas.message import Command, subject_of, wire_name
from schemas.principal import Principal

LOST_RACES_MAX = 2
"""After this many lost races a command takes turns: measured, three attempts were then enough where retries took 50."""
ATTEMPTS_MAX = 8
"""Attempts in all; more would mean that the turn does not hold."""
KEY_ROUNDS_MAX = 3
"""How often `more_keys` may name yet other keys before the command gives way."""
TURN_SECONDS_MAX = 5.0


class Decided(NamedTuple):
    """The reply's bytes; `repeated` where the command had been done before."""

    reply: bytes
    repeated: bool


async def decide(
    here: Deciding, bound: Bound, command: Command[Any], envelope: Envelope, principal: Principal
) -> Decided:
    """Decide a command and write what it yields, once. Raises `Refused` or a `Fault`."""
    message = subject_of(type(command))
    fingerprint = here.privacy.fingerprint(message, principal.person, withheld(command))
    asked = Asked(bound, command, envelope, principal, fingerprint, ())
    try:
        asked = asked._replace(needs=await ask_needs(here, bound, command, envelope, principal))
    except Refused as refusal:
        return await confirmed_refusal(here, asked, (), refusal)
    keys = bound.keys(command)
    for _ in range(KEY_ROUNDS_MAX):
        waiting_since = here.clock.now_ns()
        async with here.mailboxes.hold(map(str, keys)):
            note_wait(here, waiting_since)
            found = await decide_alone(here, asked, keys)
        if isinstance(found, Decided):
            return found
        keys = tuple(dict.fromkeys((*keys, *found)))
    raise Overloaded("the keys this command touches keep changing", retry_after_seconds=1)


async def ask_needs(
    here: Deciding, bound: Bound, command: Command[Any], envelope: Envelope, principal: Principal
) -> tuple[Any, ...]:
    """Ask what the command needs of other domains, all at once and within its deadline."""
    if not bound.decision.needs:
        return ()
    inner = Envelope(
        cause_id=envelope.command_id, correlation_id=envelope.correlation_id, deadline_ms=envelope.deadline_ms
    )
    questions = (need(command) for need in bound.decision.needs)
    replies = await asyncio.gather(
        *(here.client.ask(question, inner, on_behalf_of=principal.person) for question in questions),
        return_exceptions=True,
    )
    for reply in replies:  # in the order of the declaration, so that the same refusal is given every time
        if isinstance(reply, BaseException):
            raise reply
    return tuple(replies)


def note_wait(here: Deciding, since_ns: int) -> None:
    parent = current()
    if parent is not None:
        end_ns = here.clock.now_ns()
        here.telemetry.record("mailbox wait", SpanKind.INTERNAL, parent=parent, start_ns=since_ns, end_ns=end_ns)


async def decide_alone(here: Deciding, asked: Asked, keys: tuple[Key, ...]) -> Decided | tuple[Key, ...]:
    """Decide while holding the mailboxes; return keys that the states name besides, where those must be held too."""
    names = [str(key) for key in keys]
    async with AsyncExitStack() as turn:
        in_turn = False
        for attempt in range(ATTEMPTS_MAX):
            if attempt >= LOST_RACES_MAX and not in_turn:
                await turn.enter_async_context(here.journal.turn(names, timeout_seconds=turn_seconds(here, asked)))
                in_turn = True
            if attempt:
                here.states.forget(names)
            versions, states = await here.states.load(names)
            more = missing_keys(asked, keys, states)
            if more:
                return more
            try:
                outcome = await attempt_once(here, asked, keys, versions, states, in_turn=in_turn)
            except Unheld as unheld:
                return (unheld.key,)
            if outcome is not None:
                return outcome
            if not in_turn:
                await here.clock.sleep(here.ids.jitter() * 0.002)
    raise Overloaded("too many others write here", retry_after_seconds=1)


def turn_seconds(here: Deciding, asked: Asked) -> float:
    if not asked.envelope.deadline_ms:
        return TURN_SECONDS_MAX
    return max(0.01, min(TURN_SECONDS_MAX, (asked.envelope.deadline_ms - here.clock.now_ms()) / 1000))


def missing_keys(asked: Asked, keys: tuple[Key, ...], states: Mapping[str, Any]) -> tuple[Key, ...]:
    more_keys = asked.bound.decision.more_keys
    if more_keys is None:
        return ()
    seen = States({key: states[str(key)] for key in keys})
    return tuple(key for key in more_keys(seen, asked.command) if key not in keys)


async def attempt_once(
    here: Deciding,
    asked: Asked,
    keys: tuple[Key, ...],
    versions: Mapping[str, int],
    states: Mapping[str, Any],
    *,
    in_turn: bool,
) -> Decided | None:
    """Decide on these states and write; return None where somebody else was first and it is to be tried again."""
    names = [str(key) for key in keys]
    try:
        draft = await drafted(here, asked, keys, versions, states)
    except Refused as refusal:
        if stale(here, versions, (await here.journal.confirm(asked.envelope.command_id, names)).versions):
            return None
        return await confirmed_refusal(here, asked, names, refusal)
    if not draft.events:
        confirmation = await here.journal.confirm(asked.envelope.command_id, names)
        if confirmation.remembered is not None:
            return repeat(asked, confirmation.remembered)
        if stale(here, versions, confirmation.versions):
            return None
    commit, reply = await written(here, asked, draft)
    refuse_if_late(here, asked.envelope)
    here.chaos.point(f"append.before.{wire_name(type(asked.command))}")
    with here.telemetry.span("append"):
        answer = await here.journal.append(commit, in_turn=in_turn)
    here.chaos.point(f"append.after.{wire_name(type(asked.command))}")
    if isinstance(answer, Appended):
        here.states.fold(answer.versions, events_by_key(here, draft.events))
        if isinstance(reply, Refused):
            raise reply
        return Decided(reply, repeated=False)
    return lost(here, asked, names, answer)


async def drafted(
    here: Deciding, asked: Asked, keys: tuple[Key, ...], versions: Mapping[str, int], states: Mapping[str, Any]
) -> Draft:
    """Ask the world what must be known of it, then call the pure function."""
    decision, seen = asked.bound.decision, seen_by(asked, keys, states)
    arguments, consulted = asked.needs, None
    if decision.consults is not None:
        with here.telemetry.span(f"consult {decision.consults.port.__name__}"):
            look = Look(here, asked.principal, states)
            consulted = await decision.consults.ask(here.outside[decision.consults.port], asked.command, seen, look)
        arguments = (*arguments, consulted)
    with here.telemetry.span(f"decide {wire_name(type(asked.command))}"):
        events = list(decision.decide(seen, asked.command, *arguments))
    return Draft(keys, versions, states, events, consulted)


def seen_by(asked: Asked, keys: tuple[Key, ...], states: Mapping[str, Any]) -> Any:
    """Return what the function is handed: the one state, or all of them by key."""
    if asked.bound.decision.keys is None:
        return states[str(keys[0])]
    return States({key: states[str(key)] for key in keys})


def lost(
    here: Deciding,
    asked: Asked,
    names: Sequence[str],
    answer: AlreadyDone | Conflict | Contended | Taken | Rejected,
) -> Decided | None:
    """Return what becomes of a command whose commit was not written: None where it is to be decided again."""
    match answer:
        case AlreadyDone(remembered=remembered):
            here.states.forget(names)
            return repeat(asked, remembered)
        case Conflict() | Contended():
            return None
        case Taken(scope=scope):
            raise Refused(f"{scope.rpartition('.')[2]}_taken", "somebody else has it already")
        case Rejected(reason=reason):
            here.states.forget(names)
            raise Broken(f"the database refused what was decided: {reason}")


def refuse_if_late(here: Deciding, envelope: Envelope) -> None:
    """Write nothing past the deadline: a saga takes a command that was not answered by then for not executed."""
    if envelope.deadline_ms and envelope.deadline_ms <= here.clock.now_ms():
        raise Expired("the deadline passed before the decision could be written")


def stale(here: Deciding, seen: Mapping[str, int], current: Mapping[str, int]) -> bool:
    """Return whether the decision saw something older than what is there now."""
    return any(current.get(key, 0) != version for key, version in seen.items())


async def confirmed_refusal(here: Deciding, asked: Asked, names: Sequence[str], refusal: Refused) -> Decided:
    """Refuse, unless the same command had been accepted before: then its reply is what it gets."""
    confirmation = await here.journal.confirm(asked.envelope.command_id, names)
    if confirmation.remembered is None:
        raise refusal
    here.states.forget(names)
    return repeat(asked, confirmation.remembered)


def repeat(asked: Asked, remembered: Remembered) -> Decided:
    """Answer a command that was accepted before; one that only borrows the id is refused."""
    command_id = asked.envelope.command_id
    if remembered.fingerprint != asked.fingerprint:
        raise Refused(
            "command_id_reused",
            f"command {command_id} was {remembered.message} with another content; use a fresh id",
            kind="invalid",
        )
    if not asked.bound.decision.remember:
        detail = f"command {command_id} was done, and its answer is told once; send it under a fresh id"
        raise Refused("command_done", detail)
    return Decided(remembered.reply, repeated=True)
