"""What `mesh doctor` finds: one line each, with what to do where it is not well."""

from __future__ import annotations

from typing import Literal

import msgspec

State = Literal["ok", "warn", "fail"]


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing looked at: `what` is what was found, `remedy` what to do."""

    state: State
    area: str
    what: str
    remedy: str = ""


def well(area: str, what: str) -> Finding:
    return Finding(state="ok", area=area, what=what)


def doubtful(area: str, what: str, remedy: str) -> Finding:
    return Finding(state="warn", area=area, what=what, remedy=remedy)


def broken(area: str, what: str, remedy: str) -> Finding:
    return Finding(state="fail", area=area, what=what, remedy=remedy)
