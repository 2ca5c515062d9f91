"""How every message of a domain fares in this process: a few integers each, counted on the way of every reply."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from schemas.envelope import ERROR
from schemas.message import Failure


class Tally:
    """One message's numbers since the start. A refusal is an answer, not an error."""

    __slots__ = ("errors", "last_error", "refusals", "requests", "spent_ns")

    def __init__(self) -> None:
        self.requests = self.errors = self.refusals = self.spent_ns = 0
        self.last_error = ""


class Tallies:
    """The tallies of a domain, by subject without key."""

    def __init__(self, subjects: Iterable[str]) -> None:
        self._tallies = {subject: Tally() for subject in subjects}

    def __getitem__(self, subject: str) -> Tally:
        return self._tallies[subject]

    def count(self, subject: str, body: bytes, headers: Mapping[str, str], spent_ns: int) -> None:
        """Count one reply; what the domain does not know is not counted, or strangers would fill the memory."""
        tally = self._tallies.get(subject.rpartition(".")[0])
        if tally is None:
            return
        tally.requests += 1
        tally.spent_ns += spent_ns
        if headers and (error := headers.get(ERROR)) is not None:
            if error == "refused":
                tally.refusals += 1
            else:
                tally.errors += 1
                tally.last_error = code_of(body)


def code_of(body: bytes) -> str:
    """Return a failure's code and no more: whoever may ask for statistics may not read what went wrong with whom."""
    return msgspec.json.decode(body, type=Failure).code
