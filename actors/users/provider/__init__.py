"""What the world knows that rules do not: passwords, tokens, the time. `port` says what, the other modules do it."""

from actors.users.provider.asks import (
    admit,
    fresh_account,
    fresh_password,
    fresh_token,
    is_admin,
    other_password,
    shown,
    time_now,
)
from actors.users.provider.passwords import Cost, Hasher, PooledPasswords
from actors.users.provider.port import Credentials, Passwords
from actors.users.provider.simulated import CountedPasswords
from actors.users.provider.tokens import Tokens

__all__ = [
    "Cost",
    "CountedPasswords",
    "Credentials",
    "Hasher",
    "Passwords",
    "PooledPasswords",
    "Tokens",
    "admit",
    "fresh_account",
    "fresh_password",
    "fresh_token",
    "is_admin",
    "other_password",
    "shown",
    "time_now",
]
