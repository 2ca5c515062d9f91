"""When two e-mail addresses are one: the only place that says so."""

from __future__ import annotations

import unicodedata

from schemas.users import UserRegistered


def normalised(email: str) -> str:
    """Return what an address is looked up by. Dots and `+tags` stay: what they mean is the mail server's business."""
    return unicodedata.normalize("NFKC", email).casefold().strip()


def claimed_email(event: UserRegistered) -> str:
    return normalised(event.email)
