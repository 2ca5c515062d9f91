"""What users needs to start: named where it is missing, opened and closed where it is there."""

from __future__ import annotations

import base64

import pytest

from actors.mesh._settings import PoolSettings, SettingsError, read_settings
from actors.outside import credentials_of

KEY = base64.b64encode(bytes(range(32))).decode()
POOL = {
    "MESH_NATS_URL": "nats://x",
    "MESH_POSTGRES_URL": "postgresql://x",
    "MESH_REDIS_URL": "redis://x",
    "MESH_MASTER_KEY": KEY,
    "MESH_HMAC_KEY": KEY,
    "MESH_SIGNING_KEY": KEY,
    "MESH_SIGNING_ISSUER": "users",
    "MESH_VERIFY_KEYS": "{}",
}
ACCESS = {"MESH_ACCESS_SIGNING_KEY": KEY, "MESH_ACCESS_KEY_ID": "k1"}


@pytest.mark.parametrize("missing", ACCESS)
def test_without_a_key_the_start_stops_with_a_sentence(missing: str) -> None:
    told = POOL | {name: value for name, value in ACCESS.items() if name != missing}
    with pytest.raises(SettingsError, match=missing), credentials_of(read_settings(PoolSettings, told)):
        pass


async def test_with_them_passwords_are_hashed_until_it_is_closed() -> None:
    with credentials_of(read_settings(PoolSettings, POOL | ACCESS)) as credentials:
        kept = await credentials.passwords.hash("correct horse")
        assert await credentials.passwords.fits(kept, "correct horse")
    with pytest.raises(RuntimeError, match="shutdown"):
        await credentials.passwords.hash("correct horse")
