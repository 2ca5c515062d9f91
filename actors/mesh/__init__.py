"""The runtime every domain runs on; knows no domain. What a domain may use is named here."""

from actors.mesh._actor import Actor, Aggregate, Consulting, Happened, Key, Page, Read, Retries, States
from actors.mesh._declare import (
    after,
    answers,
    claims,
    consults,
    decides,
    performs,
    posts,
    projects,
    reacts,
)
from actors.mesh._errors import (
    Broken,
    Expired,
    Fault,
    MeshError,
    Overloaded,
    Refused,
    TimedOut,
    Unavailable,
)
from actors.mesh._ports import Quotas
from actors.mesh._saga import Outcomes, Saga, Step

__all__ = [
    "Actor",
    "Aggregate",
    "Broken",
    "Consulting",
    "Expired",
    "Fault",
    "Happened",
    "Key",
    "MeshError",
    "Outcomes",
    "Overloaded",
    "Page",
    "Quotas",
    "Read",
    "Refused",
    "Retries",
    "Saga",
    "States",
    "Step",
    "TimedOut",
    "Unavailable",
    "after",
    "answers",
    "claims",
    "consults",
    "decides",
    "performs",
    "posts",
    "projects",
    "reacts",
]
