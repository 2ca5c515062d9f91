"""What the gateway reads from its environment."""

import base64

import msgspec
import pytest

from actors.mesh._settings import VARIABLES, SettingsError, read_settings, variable_of
from gateway.settings import GatewaySettings

COMPLETE = {
    "MESH_NATS_URL": "nats://127.0.0.1:4222",
    "MESH_SIGNING_KEY": base64.b64encode(bytes(32)).decode(),
    "MESH_SIGNING_ISSUER": "gateway",
}


def test_people_are_read_from_development_tokens() -> None:
    tokens = '{"t-1": {"subject": "cust-ada", "name": "Ada", "roles": ["customer"]}}'
    settings = read_settings(GatewaySettings, COMPLETE | {"MESH_DEVELOPMENT_TOKENS": tokens})
    assert settings.development_tokens is not None
    assert settings.development_tokens.reveal()["t-1"].principal().roles == ("customer",)
    assert "t-1" not in repr(settings)


def test_without_tokens_nobody_is_known() -> None:
    assert read_settings(GatewaySettings, COMPLETE).development_tokens is None


def test_access_tokens_are_verified_by_a_few_keys() -> None:
    keys = {f"key-{number}": base64.b64encode(bytes([number]) * 32).decode() for number in range(9)}
    eight = msgspec.json.encode(dict(list(keys.items())[:8])).decode()
    assert len(read_settings(GatewaySettings, COMPLETE | {"MESH_ACCESS_VERIFY_KEYS": eight}).access_verify_keys) == 8
    with pytest.raises(SettingsError, match="MESH_ACCESS_VERIFY_KEYS holds 9 keys, 8 at most"):
        read_settings(GatewaySettings, COMPLETE | {"MESH_ACCESS_VERIFY_KEYS": msgspec.json.encode(keys).decode()})


@pytest.mark.parametrize(
    "person",
    [{"subject": "a.b", "roles": []}, {"subject": "a", "roles": ["root"]}, {"subject": "a", "roles": ["service"]}],
)
def test_a_person_that_cannot_be_stops_the_start(person: object) -> None:
    tokens = msgspec.json.encode({"t": person}).decode()
    with pytest.raises(SettingsError):
        read_settings(GatewaySettings, COMPLETE | {"MESH_DEVELOPMENT_TOKENS": tokens})


def test_every_field_is_in_the_table_of_variables() -> None:
    assert {variable_of(field.name) for field in msgspec.structs.fields(GatewaySettings)} <= VARIABLES.keys()
