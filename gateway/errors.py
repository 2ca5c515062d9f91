"""What goes wrong, as problem documents (RFC 9457) with stable codes.

Refused       its kind says the status: 400 401 403 404 409 410 429, and 422 for another body under a used key
Fault         503 with Retry-After (not executed), 504 (may have been executed), 502 (the other side failed)
HttpProblem   what the gateway itself refuses, with its own status
HTTPException Litestar's: no such path, no such method
the rest      500, told to the log and to nobody else
"""

from __future__ import annotations

import math
from http import HTTPStatus

import msgspec
from litestar.exceptions import HTTPException

from actors.mesh import Broken, Expired, Fault, Overloaded, Refused, TimedOut, Unavailable
from actors.mesh._log import get_logger
from gateway.answer import Answer
from schemas.located import located

PROBLEM_TYPE = "application/problem+json"
RETRY_AFTER_SECONDS = 1
"""When to come back, where nobody said it: long enough for a restart's worst, short enough for a person."""

STATUS_OF_KIND = {
    "invalid": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "not_found": 404,
    "conflict": 409,
    "gone": 410,
    "limited": 429,
}
STATUS_OF_CODE = {"command_id_reused": 422}
"""The key is well-formed and so is the body, only not together: 422, as the Idempotency-Key draft has it."""

# What a fault says of itself may name subjects and stores; a client is told what it can act on.
FAULTS: dict[type[Fault], tuple[int, str]] = {
    Unavailable: (503, "nobody serves this now; it was not executed"),
    Overloaded: (503, "too much waits already; it was not executed"),
    Expired: (504, "it waited too long and was not executed"),
    TimedOut: (504, "no answer came in time; it may have been executed: repeat it with the same Idempotency-Key"),
    Broken: (502, "the service failed; it may have been executed: repeat it with the same Idempotency-Key"),
}
CODE_OF_STATUS = {400: "request_malformed", 404: "path_unknown", 405: "method_unknown"}

TITLES = {status.value: status.phrase for status in HTTPStatus}
DETAIL_CHARACTERS_MAX = 400
"""A detail may quote what was sent, such as the name of a field nobody knows, and that may be 64 KB."""


logger = get_logger()


class HttpProblem(Exception):
    """The gateway itself says no."""

    def __init__(
        self, status: int, code: str, detail: str = "", *, pointer: str = "", headers: tuple[tuple[str, str], ...] = ()
    ) -> None:
        super().__init__(f"{status} {code}: {detail}")
        self.status = status
        self.code = code
        self.detail = detail
        self.pointer = pointer
        self.headers = headers


class ProblemDocument(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """RFC 9457; `code` is stable, `pointer` names the field (RFC 6901), `instance` is the request's id."""

    type: str
    title: str
    status: int
    code: str
    detail: str = ""
    instance: str = ""
    pointer: str = ""


def problem_of(error: Exception) -> HttpProblem:
    """Return what a client is told about an error."""
    match error:
        case HttpProblem():
            return error
        case Refused():
            return of_refusal(error)
        case Fault():
            return of_fault(error)
        case HTTPException() if error.status_code < 500:
            code = CODE_OF_STATUS.get(error.status_code, "request_refused")
            return HttpProblem(error.status_code, code, headers=tuple((error.headers or {}).items()))
        case _:
            logger.error("gateway.bug", exc_info=error)
            return HttpProblem(500, "internal")


def of_refusal(error: Refused) -> HttpProblem:
    """A rule of some domain, or of who may do what, said no."""
    status = STATUS_OF_CODE.get(error.code) or STATUS_OF_KIND[error.kind]
    headers: tuple[tuple[str, str], ...] = ()
    if status == 401:
        headers = (("www-authenticate", 'Bearer realm="actor-mesh"'),)
    elif status == 429:
        headers = (("retry-after", str(RETRY_AFTER_SECONDS)),)
    return HttpProblem(status, error.code, error.detail, pointer=error.pointer, headers=headers)


def of_fault(error: Fault) -> HttpProblem:
    """The world failed behind the gateway."""
    logger.warning("gateway.fault", code=error.code, detail=error.detail)
    status, detail = FAULTS.get(type(error), FAULTS[Broken])
    wait_seconds = max(RETRY_AFTER_SECONDS, math.ceil(error.retry_after_seconds))
    headers = (("retry-after", str(wait_seconds)),) if status == 503 else ()
    return HttpProblem(status, error.code, detail, headers=headers)


def answer_of(problem: HttpProblem, request_id: str) -> Answer:
    """Return the problem as it is sent."""
    document = ProblemDocument(
        type=f"urn:actor-mesh:problem:{problem.code}",
        title=TITLES.get(problem.status, "Problem"),
        status=problem.status,
        code=problem.code,
        detail=problem.detail[:DETAIL_CHARACTERS_MAX],
        instance=request_id,
        pointer=problem.pointer,
    )
    return Answer(problem.status, msgspec.json.encode(document), problem.headers, PROBLEM_TYPE)


def body_problem(error: Exception) -> HttpProblem:
    """Return what is wrong with a body that msgspec could not read."""
    if isinstance(error, msgspec.ValidationError):
        detail, pointer = located(str(error))
        return HttpProblem(400, "body_invalid", detail, pointer=pointer)
    if isinstance(error, msgspec.DecodeError):
        return HttpProblem(400, "body_malformed", str(error))
    return HttpProblem(400, "body_malformed", "the body is no UTF-8 JSON")
