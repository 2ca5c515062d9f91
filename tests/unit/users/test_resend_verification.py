"""ResendVerification."""

import pytest
from msgspec.structs import replace

from actors.mesh.testing.given import given
from actors.users.model.rules import RESEND_MS, resend
from actors.users.model.state import evolve
from schemas.message import Accepted
from schemas.users import RegisterUser, ResendVerification
from tests.unit.users.people import ACTIVE, DEACTIVATED, FRESH, MAILED, NOW_MS, UNVERIFIED, users_mesh

RESEND = ResendVerification(user_id="ada")


def later(milliseconds: int) -> object:
    return replace(FRESH, now_ms=NOW_MS + milliseconds, token="b-token")


def test_after_a_minute_another_mail_is_sent_with_another_token() -> None:
    mail = replace(MAILED, token="b-token", expires_at_ms=MAILED.expires_at_ms + RESEND_MS)
    given(evolve, *UNVERIFIED).when(resend, RESEND, later(RESEND_MS)).then(mail)


def test_within_a_minute_none_is_sent() -> None:
    given(evolve, *UNVERIFIED).when(resend, RESEND, later(RESEND_MS - 1)).nothing()


@pytest.mark.parametrize("past", [(), ACTIVE, DEACTIVATED], ids=["unknown", "active", "deactivated"])
def test_who_has_nothing_to_verify_gets_none(past: tuple[object, ...]) -> None:
    given(evolve, *past).when(resend, RESEND, later(RESEND_MS)).nothing()


async def test_the_answer_is_the_same_whether_or_not_there_is_such_a_user() -> None:
    async with users_mesh() as mesh:
        await mesh.client.ask(
            RegisterUser(user_id="ada", name="Ada", email="ada@example.org", password="correct horse")
        )
        answers = [await mesh.client.ask(ResendVerification(user_id=user_id)) for user_id in ("ada", "eve")]
        assert answers == [Accepted(entity_id="ada", version=0), Accepted(entity_id="eve", version=0)]
