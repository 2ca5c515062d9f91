"""The refund saga: which commands it sends, under which names, and that it knows no way back."""

from actors.mesh import Outcomes
from actors.orders.sagas import refund
from schemas.inventory import ReturnStock
from schemas.orders import MarkOrderRefunded, OrderRefundRequested
from schemas.payments import PaymentRefunded, RefundDeclined, RefundPayment
from schemas.values import Money

REQUESTED = OrderRefundRequested(
    order_id="o1", refund_id="r1", customer_id="c1", total=Money(amount_minor=900, currency="EUR"), reason="too late"
)
NONE_YET = Outcomes({})


def test_its_steps_go_forward_in_this_order() -> None:
    assert [step.do(REQUESTED, NONE_YET) for step in refund.steps] == [
        RefundPayment(payment_id="o1", refund_id="r1"),
        ReturnStock(reservation_id="o1"),
        MarkOrderRefunded(order_id="o1"),
    ]


def test_there_is_no_way_back() -> None:
    assert all(refund.past_pivot(index) for index in range(len(refund.steps)))


def test_it_follows_its_own_refund_and_no_other_of_that_payment() -> None:
    assert refund.key == "refund_id"
    assert refund.events == (OrderRefundRequested, RefundDeclined, PaymentRefunded)
