"""Who was first? What one look at the database says about each commit of a batch that was refused."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

import asyncpg

from actors.mesh._ports import AlreadyDone, Answer, Commit, Conflict, Remembered, Taken
from actors.mesh.adapters.commit_rules import Claim, freed_claims, wanted_claims

INSPECT = "SELECT kind, id, value, version, message, principal, fingerprint, reply FROM inspect($1, $2, $3, $4)"


@dataclass(slots=True, eq=False)
class Waiting:
    """A commit and the caller who waits for its answer."""

    commit: Commit
    in_turn: bool
    future: asyncio.Future[Answer]
    since: float  # in the loop's time
    unknown: bool = False  # it was in a statement whose outcome nobody knows

    def answer(self, answer: Answer) -> None:
        """Answer the caller, who may have given up."""
        if not self.future.done():
            self.future.set_result(answer)


@dataclass(slots=True)
class Look:
    """What `inspect` found; brought forward as commits are let through, so that a later one sees an earlier one."""

    remembered: dict[str, Remembered] = field(default_factory=dict)
    versions: dict[str, int] = field(default_factory=dict)
    holders: dict[Claim, str] = field(default_factory=dict)

    def refusal(self, waiting: Waiting, doomed: set[str]) -> Answer | None:
        """Return the answer for a commit that cannot win, None for one that may."""
        commit = waiting.commit
        if (remembered := self.remembered.get(commit.command_id)) is not None:
            return AlreadyDone(remembered)
        # Who holds the turn has loaded under it: his decision stands on no loser's.
        stands_on_a_loser = not waiting.in_turn and any(part.key in doomed for part in commit.parts)
        if stands_on_a_loser or any(self.versions[part.key] != part.expected for part in commit.parts):
            return Conflict({part.key: self.versions[part.key] for part in commit.parts})
        freed = freed_claims(commit)
        for claim in wanted_claims(commit):
            if claim in self.holders and self.holders[claim] != freed.get(claim):
                return Taken(*claim)
        return None

    def let_through(self, commit: Commit) -> None:
        """Count the commit as written."""
        self.versions.update({part.key: part.expected + len(part.events) for part in commit.parts})
        for claim in freed_claims(commit):
            self.holders.pop(claim, None)
        self.holders.update(wanted_claims(commit))


def look_of(rows: Sequence[asyncpg.Record]) -> Look:
    """Return the rows of `inspect` as a Look."""
    look = Look()
    for kind, name, value, version, message, principal, fingerprint, reply in rows:
        if kind == b"d":
            look.remembered[name] = Remembered(name, message, principal, fingerprint, reply)
        elif kind == b"v":
            look.versions[name] = version
        else:
            look.holders[name, value] = message
    return look


def judge(look: Look, batch: Sequence[Waiting], doomed: set[str]) -> list[Waiting]:
    """Answer every commit that cannot win and return the others, in order.

    `doomed` are the keys of losers: a later commit of the batch may stand on one, whatever the version numbers say.
    """
    rest: list[Waiting] = []
    for waiting in batch:
        if (refusal := look.refusal(waiting, doomed)) is None:
            look.let_through(waiting.commit)
            rest.append(waiting)
        else:
            waiting.answer(refusal)
            doomed.update(part.key for part in waiting.commit.parts)
    return rest


def questions(batch: Sequence[Waiting]) -> tuple[list[str], list[str], list[str], list[str]]:
    """Return the arguments of INSPECT for a batch."""
    claims = {claim for waiting in batch for claim in wanted_claims(waiting.commit)}
    return (
        [waiting.commit.command_id for waiting in batch],
        list({part.key for waiting in batch for part in waiting.commit.parts}),
        [scope for scope, _ in claims],
        [value for _, value in claims],
    )
