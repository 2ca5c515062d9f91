"""What proves who somebody is: the port for passwords, and the tokens beside it."""

from __future__ import annotations

from typing import NamedTuple, Protocol

from actors.users.provider.tokens import Tokens


class Passwords(Protocol):
    """Hashes and compares passwords, which takes a while on purpose. Raises `Overloaded` where too many wait."""

    async def hash(self, password: str) -> str:
        """Return what is kept of a password: a hash with its own salt and cost in it."""
        ...

    async def fits(self, password_hash: str, password: str) -> bool:
        """Return whether it is the password; where there is no hash the same work is done, and it is not."""
        ...

    def outgrown(self, password_hash: str) -> bool:
        """Return whether it was made at less than the cost of today."""
        ...


class Credentials(NamedTuple):
    """All that a decision about log-ins consults."""

    passwords: Passwords
    tokens: Tokens
