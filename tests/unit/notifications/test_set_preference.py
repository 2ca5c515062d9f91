"""SetPreference and GetPreferences."""

import pytest

from actors import notifications
from actors.mesh.testing.given import given, given_actor
from actors.notifications.model.recipient import evolve, set_preference
from schemas.channels import Channel
from schemas.notifications import (
    GetPreferences,
    Preferences,
    PreferenceSet,
    SetPreference,
)

OFF = PreferenceSet(user_id="ada", category="orders", channel="sms", enabled=False)


def setting(*, enabled: bool, category: str = "orders", channel: str = "sms") -> SetPreference:
    return SetPreference(user_id="ada", category=category, channel=channel, enabled=enabled)  # type: ignore[arg-type]


def test_a_channel_is_switched_off_and_on_again() -> None:
    given(evolve).when(set_preference, setting(enabled=False)).then(OFF)
    on = PreferenceSet(user_id="ada", category="orders", channel="sms", enabled=True)
    given(evolve, OFF).when(set_preference, setting(enabled=True)).then(on)


@pytest.mark.parametrize(("past", "enabled"), [((), True), ((OFF,), False)])
def test_as_it_is_already_changes_nothing(past: tuple[PreferenceSet, ...], enabled: bool) -> None:
    given(evolve, *past).when(set_preference, setting(enabled=enabled)).nothing()


@pytest.mark.parametrize("channel", ["email", "sms", "push", "inbox"])
def test_security_cannot_be_switched_off(channel: Channel) -> None:
    outcome = given(evolve).when(set_preference, setting(enabled=False, category="security", channel=channel))
    outcome.refused("preference_locked", kind="forbidden", pointer="/enabled")


def shown(*past: PreferenceSet) -> dict[tuple[str, str], tuple[bool, bool]]:
    reply = given_actor(notifications.actor, *past).asked(GetPreferences(user_id="ada")).reply
    assert isinstance(reply, Preferences)
    return {(each.category, each.channel): (each.enabled, each.locked) for each in reply.preferences}


def test_whoever_has_never_chosen_is_told_everything() -> None:
    assert set(shown().values()) == {(True, False), (True, True)}
    assert len(shown()) == 16


def test_what_was_chosen_is_shown_and_security_is_locked() -> None:
    found = shown(OFF)
    assert found["orders", "sms"] == (False, False)
    assert found["orders", "email"] == (True, False)
    assert found["security", "email"] == (True, True)
