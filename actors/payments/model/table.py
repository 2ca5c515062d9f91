"""The whole life of a payment as one table: what becomes of one, in each status, by each move."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypeAlias

from actors.mesh import Refused
from actors.payments.model.state import Payment, PaymentEvent
from schemas.payments import (
    CaptureSubmitted,
    PaymentAuthorised,
    PaymentCaptured,
    PaymentDeclined,
    PaymentRefunded,
    PaymentStatus,
    PaymentSubmitted,
    PaymentVoided,
    RefundSubmitted,
    VoidSubmitted,
    VoidWanted,
)

Outcome: TypeAlias = tuple[type[PaymentEvent], ...] | str
"""The events that are due, none where it is so already, or the code of the refusal."""
Move = Literal["authorise", "approve", "decline", "capture", "captured", "void", "voided", "refund", "refunded"]
"""What we are asked for, and what the card processor says: it approves or declines, has captured, voided, refunded.

Its no to a capture, void or refund goes by the cell of its yes: due where that is, and then the event is a decline.
"""

SAME: Outcome = ()
SUBMIT, APPROVE, DECLINE = (PaymentSubmitted,), (PaymentAuthorised,), (PaymentDeclined,)
CAPTURE, TAKEN, REFUND, GIVEN = (CaptureSubmitted,), (PaymentCaptured,), (RefundSubmitted,), (PaymentRefunded,)
WANTED, LET_GO, GONE = (VoidWanted,), (VoidSubmitted,), (PaymentVoided,)
BOTH = (PaymentAuthorised, VoidSubmitted)
UNKNOWN, UNHELD, UNTAKEN = "payment_unknown", "payment_unauthorised", "payment_uncaptured"
DECLINED, CAPTURED, VOIDED, UNASKED = "payment_declined", "payment_captured", "payment_voided", "outcome_unasked"

# Money that is approved when nobody wants it any more (declined, void wanted, voided) is let go.
MOVES: tuple[Move, ...] = (
                    "authorise", "approve", "decline", "capture", "captured", "void",   "voided", "refund", "refunded",
)  # fmt: skip
TABLE: Mapping[PaymentStatus | None, tuple[Outcome, ...]] = {
    None:          (SUBMIT,      UNKNOWN,   UNKNOWN,   UNKNOWN,   UNKNOWN,    GONE,     UNKNOWN,  UNKNOWN,  UNKNOWN),
    "submitted":   (SAME,        APPROVE,   DECLINE,   UNHELD,    UNASKED,    WANTED,   UNASKED,  UNTAKEN,  UNASKED),
    "authorised":  (SAME,        SAME,      SAME,      CAPTURE,   UNASKED,    LET_GO,   UNASKED,  UNTAKEN,  UNASKED),
    "declined":    (DECLINED,    LET_GO,    SAME,      DECLINED,  UNASKED,    SAME,     UNASKED,  DECLINED, UNASKED),
    "capturing":   (SAME,        SAME,      SAME,      SAME,      TAKEN,      CAPTURED, UNASKED,  UNTAKEN,  UNASKED),
    "capture_declined":
                   (SAME,        SAME,      SAME,      CAPTURE,   UNASKED,    LET_GO,   UNASKED,  UNTAKEN,  UNASKED),
    "captured":    (SAME,        SAME,      SAME,      SAME,      SAME,       CAPTURED, UNASKED,  REFUND,   UNASKED),
    "refunding":   (SAME,        SAME,      SAME,      SAME,      SAME,       CAPTURED, UNASKED,  REFUND,   GIVEN),
    "refunded":    (SAME,        SAME,      SAME,      SAME,      SAME,       CAPTURED, UNASKED,  REFUND,   UNASKED),
    "void_wanted": (VOIDED,      BOTH,      DECLINE,   VOIDED,    UNASKED,    SAME,     UNASKED,  VOIDED,   UNASKED),
    "voiding":     (VOIDED,      SAME,      SAME,      VOIDED,    UNASKED,    SAME,     GONE,     VOIDED,   UNASKED),
    "void_declined":
                   (VOIDED,      SAME,      SAME,      VOIDED,    UNASKED,    LET_GO,   UNASKED,  VOIDED,   UNASKED),
    "voided":      (VOIDED,      LET_GO,    SAME,      VOIDED,    UNASKED,    SAME,     SAME,     VOIDED,   UNASKED),
}  # fmt: skip

WHY = {
    UNKNOWN: "there is no such payment",
    UNHELD: "only money that is held can be taken",
    UNTAKEN: "only money that was taken can be given back",
    DECLINED: "the card processor declined the payment",
    CAPTURED: "money that is taken is refunded, not voided",
    VOIDED: "a voided payment stays voided",
    UNASKED: "the card processor was not asked for this",
}


def due(payment: Payment | None, move: Move) -> tuple[type[PaymentEvent], ...]:
    """Look a move up: the events that are due; refuses where the table says a code."""
    outcome = TABLE[payment.status if payment else None][MOVES.index(move)]
    if isinstance(outcome, str):
        raise Refused(outcome, WHY[outcome], kind="not_found" if outcome == UNKNOWN else "conflict")
    return outcome
