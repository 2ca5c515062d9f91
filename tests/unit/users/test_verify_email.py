"""VerifyEmail."""

from actors.mesh.testing.given import given
from actors.users.model.rules import verify
from actors.users.model.state import evolve
from schemas.users import EmailVerificationRequested, VerifyEmail
from tests.unit.users.people import ACTIVE, DAY_MS, EMAIL, NOW_MS, SECOND_EPOCH, UNVERIFIED, VERIFIED

VERIFY = VerifyEmail(user_id="ada", token="a-token")
AGAIN = EmailVerificationRequested(
    user_id="ada", name="Ada", email=EMAIL, token="b-token", expires_at_ms=NOW_MS + 2 * DAY_MS
)


def test_the_token_of_the_mail_verifies_the_address() -> None:
    given(evolve, *UNVERIFIED).when(verify, VERIFY, NOW_MS + DAY_MS - 1).then(VERIFIED, SECOND_EPOCH)


def test_another_token_does_not() -> None:
    wrong = VerifyEmail(user_id="ada", token="b-token")
    given(evolve, *UNVERIFIED).when(verify, wrong, NOW_MS).refused("verification_invalid", kind="invalid")


def test_a_token_is_good_for_one_use() -> None:
    given(evolve, *ACTIVE).when(verify, VERIFY, NOW_MS).refused("verification_invalid")


def test_a_second_mail_makes_the_first_worthless() -> None:
    given(evolve, *UNVERIFIED, AGAIN).when(verify, VERIFY, NOW_MS).refused("verification_invalid")


def test_a_token_is_good_for_a_day() -> None:
    given(evolve, *UNVERIFIED).when(verify, VERIFY, NOW_MS + DAY_MS).refused("verification_expired", kind="gone")


def test_a_user_who_is_not_there_is_answered_like_a_wrong_token() -> None:
    given(evolve).when(verify, VERIFY, NOW_MS).refused("verification_invalid", kind="invalid")
