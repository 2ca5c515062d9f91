"""The picture of a saga says what its data says."""

from __future__ import annotations

from actors.orders.sagas import fulfilment, refund
from cli.contract.sagas import diagram


def test_each_step_is_drawn_with_what_ends_it() -> None:
    drawn = diagram(fulfilment).splitlines()
    assert "    begin([OrderPlaced]) --> s1" in drawn
    assert '    s3["3. AuthorisePayment<br>within 60 s"]' in drawn
    assert "    s3 -->|PaymentAuthorised| s4" in drawn
    assert '    s5["5. ConfirmOrder<br>pivot<br>within 30 s"]' in drawn


def test_a_refused_step_undoes_those_before_it_and_one_in_doubt_itself_too() -> None:
    drawn = diagram(fulfilment)
    assert "s1 -.->|refused| ended" in drawn
    assert "s1 -.->|too late| u1" in drawn
    assert "s3 -.->|refused or PaymentDeclined| u1" in drawn
    assert "s3 -.->|too late| u3" in drawn
    assert "u4 -.-> u3" in drawn
    assert "u1 -.-> ended" in drawn


def test_nothing_turns_round_after_the_pivot_and_a_deadline_not_at_it() -> None:
    drawn = diagram(fulfilment)
    assert "s5 -.->|refused| u4" in drawn
    assert "s5 -.->|too late|" not in drawn
    assert "s6 -.->" not in drawn


def test_a_saga_without_a_way_back_has_no_dotted_arrow() -> None:
    assert "-.->" not in diagram(refund)
