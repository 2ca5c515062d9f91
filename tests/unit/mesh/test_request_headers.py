"""What a request carries, and how headers leave: fewer and cheaper, and still the same to whoever reads them."""

from __future__ import annotations

import pytest

from actors.mesh.adapters.nats.headers import Clean, outgoing
from schemas.envelope import (
    CAUSE_ID,
    COMMAND_ID,
    CORRELATION_ID,
    DEADLINE,
    ISSUED_AT,
    PRINCIPAL,
    Envelope,
    read_envelope,
)

ID = "0192f1c4-7b7e-7cc0-9c1e-5f2f3a8d1b11"
GIVEN = Envelope(command_id=ID, correlation_id=ID, issued_at_ms=1, deadline_ms=2, principal="token")
LONG = "a" * 200


def test_a_command_reads_back_as_it_was_sent_without_a_second_copy_of_its_id() -> None:
    sent = GIVEN.request_headers(is_command=True)
    assert sent.keys() == {COMMAND_ID, ISSUED_AT, DEADLINE, PRINCIPAL}
    assert read_envelope(sent) == GIVEN


def test_a_question_carries_no_id_and_keeps_the_story_it_belongs_to() -> None:
    assert GIVEN.request_headers(is_command=False).keys() == {DEADLINE, PRINCIPAL}
    inner = Envelope(cause_id=ID, correlation_id="story", deadline_ms=2, principal="token")
    assert inner.request_headers(is_command=False).keys() == {CAUSE_ID, CORRELATION_ID, DEADLINE, PRINCIPAL}


@pytest.mark.parametrize("given", [ID.upper(), ID.replace("-", ""), f"{{{ID}}}", f"urn:uuid:{ID}"])
def test_an_id_in_another_spelling_is_the_same_id(given: str) -> None:
    assert read_envelope({COMMAND_ID: given}).command_id == ID


@pytest.mark.parametrize("given", ["soon", f"{ID}\n", ID[:-1], "\u0660" * 32 + ID])
def test_what_is_no_id_is_told(given: str) -> None:
    with pytest.raises(ValueError, match=COMMAND_ID):
        read_envelope({COMMAND_ID: given})


@pytest.mark.parametrize("value", [LONG, "ä" * 200, f"{LONG} and {LONG}", ""])
def test_a_clean_header_is_what_it_was_also_when_it_is_cleaned_again(value: str) -> None:
    headers = outgoing({PRINCIPAL: value})
    assert headers is not None
    assert headers[PRINCIPAL].strip().translate({10: " ", 13: " "}).encode() == value.encode()


@pytest.mark.parametrize("value", [f"{LONG}\r\nMesh-Error: x", f"{LONG}\nx", f"{LONG}\r", f" {LONG} ", f"{LONG}\n"])
def test_a_header_that_is_not_clean_is_left_for_the_client_to_clean(value: str) -> None:
    headers = outgoing({PRINCIPAL: value})
    assert headers == {PRINCIPAL: value}
    assert not isinstance(headers[PRINCIPAL], Clean)
