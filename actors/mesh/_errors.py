"""What can go wrong on the mesh.

MeshError
├── Refused             a rule said no; replied, never retried
└── Fault               the world or the mesh failed; retried on a schedule, then dead-lettered
    ├── Unavailable       nobody is there, or a store is away: not executed
    ├── Overloaded        too much waits already: not executed
    ├── Expired           the deadline had passed before the work began: not executed
    ├── TimedOut          no answer in time: what became of it is unknown
    └── Broken            the other side failed while at it, or its answer cannot be read: unknown

A bug is none of these: an assertion or any other exception, dead-lettered at once with its traceback.
"""

from __future__ import annotations

from schemas.message import Failure, Refusal, RefusalKind


class MeshError(Exception):
    """Base of every error the mesh raises on purpose."""


class Refused(MeshError):
    """A rule forbids it. `code` is stable (`noun_state`), `detail` is for people."""

    is_refusal = True

    def __init__(self, code: str, detail: str = "", *, kind: RefusalKind = "conflict", pointer: str = "") -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.kind: RefusalKind = kind
        self.pointer = pointer

    def refusal(self) -> Refusal:
        """Return the refusal as it goes over the wire."""
        return Refusal(code=self.code, kind=self.kind, detail=self.detail, pointer=self.pointer)


def refused(refusal: Refusal) -> Refused:
    """Return the error that a refusal from the wire stands for."""
    return Refused(refusal.code, refusal.detail, kind=refusal.kind, pointer=refusal.pointer)


class Fault(MeshError):
    """The world failed. `executed` is false where it is certain that nothing has happened."""

    code = "fault"
    executed = True

    def __init__(self, detail: str = "", *, retry_after_seconds: float = 0.0) -> None:
        super().__init__(f"{self.code}: {detail}")
        self.detail = detail
        self.retry_after_seconds = retry_after_seconds

    def failure(self) -> Failure:
        """Return the fault as it goes over the wire."""
        return Failure(
            code=self.code,
            detail=self.detail,
            executed=self.executed,
            retry_after_seconds=self.retry_after_seconds,
        )


class Unavailable(Fault):
    """Nobody serves it now, or a store it needs is away."""

    code = "unavailable"
    executed = False


class Overloaded(Fault):
    """More waits than can be served in time."""

    code = "overloaded"
    executed = False


class Expired(Fault):
    """Its deadline had passed before the work began."""

    code = "expired"
    executed = False


class TimedOut(Fault):
    """No answer came in time: it may or may not have happened."""

    code = "timed_out"


class Broken(Fault):
    """The other side failed while at it, or its answer cannot be read."""

    code = "broken"


FAULTS: dict[str, type[Fault]] = {fault.code: fault for fault in (Unavailable, Overloaded, Expired, TimedOut, Broken)}


def fault(failure: Failure) -> Fault:
    """Return the error that a failure from the wire stands for; one of an unknown code is a `Broken`."""
    return FAULTS.get(failure.code, Broken)(failure.detail, retry_after_seconds=failure.retry_after_seconds)
