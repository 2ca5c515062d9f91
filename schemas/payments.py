"""Payments: money authorised, captured, voided and refunded, and the ledger that accounts for it."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from schemas.message import Command, Event, Owner, Query
from schemas.values import Currency, CustomerId, Money, OrderId, PaymentId, RefundId, Text, Version

PaymentStatus = Literal[
    "submitted",
    "authorised",
    "declined",
    "capturing",
    "capture_declined",
    "captured",
    "void_wanted",
    "voiding",
    "void_declined",
    "voided",
    "refunding",
    "refunded",
]
Account = Literal["provider_clearing", "revenue", "refunds"]


class AuthorisePayment(Command, frozen=True, kw_only=True):
    """Ask the card processor to hold the money."""

    payment_id: PaymentId
    order_id: OrderId
    customer_id: CustomerId
    amount: Money
    payment_token: Text


class CapturePayment(Command, frozen=True, kw_only=True):
    """Take the money that is held."""

    payment_id: PaymentId
    order_id: OrderId


class VoidPayment(Command, frozen=True, kw_only=True):
    """Let go of the money; one that comes before the authorisation refuses it for ever."""

    payment_id: PaymentId
    order_id: OrderId


class RefundPayment(Command, frozen=True, kw_only=True):
    """Give captured money back: an amount, or all that is left where none is named. A declined one may be repeated."""

    payment_id: PaymentId
    refund_id: RefundId
    amount: Money | None = None


class RecordAuthorisation(Command, frozen=True, kw_only=True):
    """What the card processor said to an authorisation."""

    payment_id: PaymentId
    approved: bool
    provider_reference: str = ""
    decline_code: str = ""


class RecordCapture(Command, frozen=True, kw_only=True):
    """What the card processor said to a capture."""

    payment_id: PaymentId
    approved: bool
    provider_reference: str = ""
    decline_code: str = ""


class RecordVoid(Command, frozen=True, kw_only=True):
    """What the card processor said to a void."""

    payment_id: PaymentId
    approved: bool
    provider_reference: str = ""
    decline_code: str = ""


class RecordRefund(Command, frozen=True, kw_only=True):
    """What the card processor said to a refund."""

    payment_id: PaymentId
    refund_id: RefundId
    approved: bool
    provider_reference: str = ""
    decline_code: str = ""


class PaymentSubmitted(Event, frozen=True, kw_only=True):
    """The card processor is to be asked for the money."""

    payment_id: PaymentId
    order_id: OrderId
    customer_id: CustomerId
    amount: Money
    payment_token: str


class PaymentAuthorised(Event, frozen=True, kw_only=True):
    payment_id: PaymentId
    order_id: OrderId
    provider_reference: str


class PaymentDeclined(Event, frozen=True, kw_only=True):
    payment_id: PaymentId
    order_id: OrderId
    decline_code: str


class CaptureSubmitted(Event, frozen=True, kw_only=True):
    """The card processor is to be asked to take the money."""

    payment_id: PaymentId
    order_id: OrderId
    amount: Money


class CaptureDeclined(Event, frozen=True, kw_only=True):
    """The card processor will not take money that it had held; it can be asked again."""

    payment_id: PaymentId
    order_id: OrderId
    decline_code: str


class PaymentCaptured(Event, frozen=True, kw_only=True):
    payment_id: PaymentId
    order_id: OrderId
    amount: Money
    provider_reference: str


class VoidWanted(Event, frozen=True, kw_only=True):
    """To be voided as soon as it is known what became of the authorisation."""

    payment_id: PaymentId
    order_id: OrderId


class VoidSubmitted(Event, frozen=True, kw_only=True):
    """The card processor is to be asked to let the money go."""

    payment_id: PaymentId
    order_id: OrderId


class VoidDeclined(Event, frozen=True, kw_only=True):
    """The card processor will not let the money go; it can be asked again."""

    payment_id: PaymentId
    order_id: OrderId
    decline_code: str


class PaymentVoided(Event, frozen=True, kw_only=True):
    payment_id: PaymentId
    order_id: OrderId


class RefundSubmitted(Event, frozen=True, kw_only=True):
    """The card processor is to be asked to give money back."""

    payment_id: PaymentId
    order_id: OrderId
    refund_id: RefundId
    amount: Money


class RefundDeclined(Event, frozen=True, kw_only=True):
    """The card processor will not give the money back; it can be asked again, under the same or another id."""

    payment_id: PaymentId
    order_id: OrderId
    refund_id: RefundId
    amount: Money
    decline_code: str


class PaymentRefunded(Event, frozen=True, kw_only=True):
    payment_id: PaymentId
    order_id: OrderId
    refund_id: RefundId
    amount: Money
    provider_reference: str


class PaymentView(msgspec.Struct, frozen=True, kw_only=True):
    """Customer and amount are absent where a void came first; `decline_code` is the last no, until there is a yes."""

    payment_id: PaymentId
    order_id: OrderId
    status: PaymentStatus
    customer_id: CustomerId | None = None
    amount: Money | None = None
    refunded_minor: int = 0
    refunding_minor: int = 0
    decline_code: str = ""


class Posting(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the ledger; debit is positive, credit negative, in minor units."""

    transaction_id: str
    order_id: OrderId
    account: Account
    currency: str
    amount_minor: int


class OrderLedger(msgspec.Struct, frozen=True, kw_only=True):
    order_id: OrderId
    postings: tuple[Posting, ...]


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    account: Account
    currency: str
    amount_minor: int


class Balances(msgspec.Struct, frozen=True, kw_only=True):
    """The trial balance: per currency the amounts sum to zero."""

    balances: tuple[Balance, ...]


class GetPayment(Query[PaymentView], frozen=True, kw_only=True):
    """Show one payment."""

    payment_id: PaymentId
    customer_id: Annotated[CustomerId | None, Owner()] = None
    at_least_version: Version = 0


class GetOrderLedger(Query[OrderLedger], frozen=True, kw_only=True):
    """Show what an order posted to the ledger."""

    order_id: OrderId


class GetBalances(Query[Balances], frozen=True, kw_only=True):
    """Show the trial balance."""

    currency: Currency | None = None
