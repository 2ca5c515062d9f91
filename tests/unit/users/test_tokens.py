"""Tokens: nothing of them is kept, so the same session must make the same ones, and only its own are taken."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.users.provider import Tokens
from actors.users.provider.tokens import VERIFICATION_BYTES
from schemas.principal import SessionTokens
from tests.unit.users.people import NOW_MS, tokens

IDS = st.text("abcXYZ019-_", min_size=1, max_size=64)


def made(by: Tokens, session_id: str = "s1", generation: int = 0, epoch: int = 1) -> SessionTokens:
    return by.session(
        session_id=session_id,
        user_id="ada",
        roles=("customer",),
        epoch=epoch,
        generation=generation,
        issued_at_ms=NOW_MS,
    )


def test_the_same_session_makes_the_same_tokens_in_every_process() -> None:
    assert made(tokens()) == made(tokens())


def test_another_generation_or_epoch_is_another_token() -> None:
    here = tokens()
    assert len({made(here).access_token, made(here, epoch=2).access_token, made(here, generation=1).access_token}) == 3
    assert made(here).refresh_token != made(here, generation=1).refresh_token


@given(IDS, st.integers(0, 10**11))
def test_its_own_refresh_tokens_are_read_back(session_id: str, generation: int) -> None:
    here = tokens()
    assert here.generation_of(session_id, made(here, session_id, generation).refresh_token) == generation


@given(IDS, IDS)
def test_those_of_another_session_are_not(session_id: str, other_id: str) -> None:
    here = tokens()
    token = made(here, session_id).refresh_token
    assert here.generation_of(other_id, token) == (0 if session_id == other_id else None)


@given(st.text(max_size=100))
def test_whatever_is_shown_is_an_answer_and_no_crash(shown: str) -> None:
    assert tokens().generation_of("s1", shown) is None


@pytest.mark.parametrize("place", range(0, 40, 3))
def test_a_token_that_was_changed_anywhere_is_none_of_ours(place: int) -> None:
    here = tokens()
    token = made(here).refresh_token
    changed = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
    assert here.generation_of("s1", changed) is None


def test_another_key_makes_other_refresh_tokens() -> None:
    other = Tokens(signing_key=bytes(range(32)), key_id="test", hmac_key=bytes(range(32)))
    assert other.generation_of("s1", made(tokens()).refresh_token) is None


def test_a_token_for_a_mail_is_long_and_never_the_same() -> None:
    here = tokens()
    several = {here.verification() for _ in range(100)}
    assert len(several) == 100
    assert all(len(token) >= VERIFICATION_BYTES * 4 // 3 for token in several)
