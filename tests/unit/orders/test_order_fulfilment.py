"""The fulfilment saga: which commands it sends, and under which names."""

from actors.mesh import Outcomes, Refused
from actors.orders.sagas import cancel_order, fulfilment
from schemas.inventory import CommitStock, ReleaseStock, ReserveStock, ReturnStock
from schemas.orders import (
    CancelOrder,
    ConfirmOrder,
    MarkOrderPaid,
    MarkOrderReserved,
    OrderCancelRequested,
    OrderPlaced,
)
from schemas.payments import (
    AuthorisePayment,
    CaptureDeclined,
    CapturePayment,
    PaymentAuthorised,
    PaymentCaptured,
    PaymentDeclined,
    VoidDeclined,
    VoidPayment,
)
from schemas.values import Line, Money, PricedLine

PLACED = OrderPlaced(
    order_id="o1",
    customer_id="c1",
    lines=(PricedLine(sku="tea", quantity=2, unit_price=Money(amount_minor=450, currency="EUR")),),
    total=Money(amount_minor=900, currency="EUR"),
    deliver_to="1 Example Street",
    payment_token="card-approved",
)
NONE_YET = Outcomes({})


def test_its_steps_go_forward_in_this_order() -> None:
    assert [step.do(PLACED, NONE_YET) for step in fulfilment.steps] == [
        ReserveStock(reservation_id="o1", lines=(Line(sku="tea", quantity=2),)),
        MarkOrderReserved(order_id="o1"),
        AuthorisePayment(
            payment_id="o1",
            order_id="o1",
            customer_id="c1",
            amount=Money(amount_minor=900, currency="EUR"),
            payment_token="card-approved",
        ),
        CommitStock(reservation_id="o1"),
        ConfirmOrder(order_id="o1"),
        CapturePayment(payment_id="o1", order_id="o1"),
        MarkOrderPaid(order_id="o1"),
    ]


def test_what_it_took_it_gives_back() -> None:
    undone = {step.name: step.undo(PLACED, NONE_YET) for step in fulfilment.steps if step.undo is not None}
    assert undone == {
        "reserve_stock": ReleaseStock(reservation_id="o1"),
        "authorise_payment": VoidPayment(payment_id="o1", order_id="o1"),
        "commit_stock": ReturnStock(reservation_id="o1"),
    }


def test_nothing_is_undone_once_it_is_confirmed() -> None:
    pivot = next(index for index, step in enumerate(fulfilment.steps) if step.pivot)
    assert fulfilment.steps[pivot].name == "confirm_order"
    assert all(step.undo is None for step in fulfilment.steps[pivot:])


def test_what_is_confirmed_has_left_the_stock_and_does_not_expire() -> None:
    names = [step.name for step in fulfilment.steps]
    assert names.index("commit_stock") < names.index("confirm_order")


def test_it_follows_the_customers_wish_and_the_card_processor() -> None:
    assert fulfilment.events == (
        OrderPlaced,
        OrderCancelRequested,
        VoidDeclined,
        CaptureDeclined,
        PaymentAuthorised,
        PaymentDeclined,
        PaymentCaptured,
    )


def test_an_order_is_cancelled_for_what_was_refused() -> None:
    refused = Refused("stock_insufficient", "2 of tea wanted, 1 available")
    assert cancel_order(PLACED, NONE_YET, refused) == CancelOrder(
        order_id="o1", reason_code="stock_insufficient", detail="2 of tea wanted, 1 available"
    )


def test_a_declined_payment_is_told_with_the_banks_reason() -> None:
    declined = PaymentDeclined(payment_id="o1", order_id="o1", decline_code="insufficient_funds")
    refused = Refused("payment_declined", "authorise_payment was refused")
    assert cancel_order(PLACED, Outcomes({PaymentDeclined: declined}), refused) == CancelOrder(
        order_id="o1", reason_code="payment_declined", detail="insufficient_funds"
    )


def test_a_wish_to_cancel_is_told_with_the_customers_reason() -> None:
    requested = OrderCancelRequested(order_id="o1", reason="too late")
    refused = Refused("order_cancel_requested", "stopped on the way")
    assert cancel_order(PLACED, Outcomes({OrderCancelRequested: requested}), refused) == CancelOrder(
        order_id="o1", reason_code="cancel_requested", detail="too late"
    )


def test_a_wish_to_cancel_that_a_step_met_first_is_the_same_wish() -> None:
    refused = Refused("order_cancelled", "a cancelled order stays cancelled")
    assert cancel_order(PLACED, NONE_YET, refused) == CancelOrder(
        order_id="o1", reason_code="cancel_requested", detail="a cancelled order stays cancelled"
    )


def test_what_was_refused_before_the_wish_came_stays_the_reason() -> None:
    requested = OrderCancelRequested(order_id="o1", reason="too late")
    refused = Refused("stock_insufficient", "2 of tea wanted, 1 available")
    cancel = cancel_order(PLACED, Outcomes({OrderCancelRequested: requested}), refused)
    assert cancel.reason_code == "stock_insufficient"
