"""What two looks at a mesh say about it: rates, what waits, and what is wrong."""

from __future__ import annotations

import io
from typing import Any

import msgspec
import pytest
from rich.console import Console

from actors.mesh.connect import BrokerSurvey, ConsumerState, Stats, StreamSurvey
from cli.reaching import EXIT_OK, EXIT_UNAVAILABLE, EXIT_WRONG
from cli.status import exit_code, picture
from cli.status_facts import LAG_HIGH, Look, Status, compare

DOMAINS = ("orders", "users")


def stats(
    name: str = "orders",
    instance: str = "1",
    requests: int = 0,
    *,
    errors: int = 0,
    refusals: int = 0,
    spent_ms: float = 0,
    state: Any = None,
) -> Stats:
    place_order = {
        "name": "place_order",
        "subject": f"{name}.command.place_order.*",
        "num_requests": requests,
        "num_errors": errors,
        "processing_time": round(spent_ms * 1e6),
        "data": {"refusals": refusals},
    }
    ready = {"name": "ready", "subject": f"{name}.ready", "data": state or {}}
    told = {"name": name, "id": instance, "version": "0.1.0", "started": "2026-11-27T10:00:00.000Z"}
    return msgspec.convert(told | {"endpoints": [place_order, ready]}, Stats)


def consumer(pending: int, **others: int) -> ConsumerState:
    numbers = {"unacknowledged": 0, "redelivered": 0, "pulls": 1, "delivered_sequence": 0} | others
    return ConsumerState(
        stream="ORDERS", name="orders_views", filter_subjects=("orders.event.>",), pending=pending, **numbers
    )


def look(at_seconds: float, *found: Stats, readers: tuple[ConsumerState, ...] = ()) -> Look:
    stream = StreamSurvey("ORDERS", ("orders.event.>",), 9, 900, 9, readers)
    return Look(at_seconds * 1000, found, BrokerSurvey("2.15.1", 262_144, 900, 0, 0, (stream,)))


USERS = stats("users", "9")


def one(status: Status, domain: str = "orders") -> Any:
    [found] = [pool for pool in status.pools if pool.domain == domain]
    return found


def test_rates_are_of_what_happened_between_the_looks_over_all_instances() -> None:
    before = look(0, stats(requests=100, spent_ms=1000), stats(instance="2", requests=50), USERS)
    now = look(
        2,
        stats(requests=140, spent_ms=1080, errors=2, refusals=3),
        stats(instance="2", requests=60, spent_ms=20, refusals=1),
        USERS,
    )
    orders = one(compare(before, now, DOMAINS))
    assert (orders.instances, orders.requests_per_second, orders.average_ms) == (2, 25.0, 2.0)
    assert (orders.errors, orders.refusals) == (2, 4)
    assert one(compare(before, now, DOMAINS), "users").average_ms is None


def test_an_instance_that_began_meanwhile_is_counted_from_its_beginning() -> None:
    before, now = look(0, stats(requests=1000)), look(1, stats(instance="new", requests=7))
    assert one(compare(before, now, DOMAINS)).requests_per_second == 7.0


def test_a_counter_that_went_back_is_no_negative_rate() -> None:
    assert one(compare(look(0, stats(requests=1000)), look(1, stats(requests=7)), DOMAINS)).requests_per_second == 7.0


def test_what_is_the_domains_is_not_added_up_over_its_instances() -> None:
    state = {"unpublished": 5, "sagas": {"fulfilment": {"running": 2, "undoing": 1}}, "effects": {"charge": 3}}
    own = {"in_flight": 4, "restarts": 1, "relay_backlog": 2}
    now = look(1, stats(state=state | own), stats(instance="2", state=state | own), USERS)
    orders = one(compare(now, now, DOMAINS))
    assert (orders.unpublished, orders.sagas_running, orders.sagas_undoing, orders.effects) == (5, 2, 1, 3)
    assert (orders.in_flight, orders.restarts, orders.relay_backlog) == (8, 2, 4)


def test_a_service_of_another_kind_is_no_pool() -> None:
    other = msgspec.structs.replace(stats("weather"), endpoints=[])
    assert [pool.domain for pool in compare(look(0), look(1, other, USERS), DOMAINS).pools] == ["orders", "users"]


def test_all_is_well_where_nothing_is_wrong() -> None:
    both = look(0, stats(), USERS, readers=(consumer(3),)), look(1, stats(), USERS, readers=(consumer(5),))
    status = compare(*both, DOMAINS)
    assert (status.ok, status.troubles, exit_code(status)) == (True, (), EXIT_OK)


FULL = LAG_HIGH


@pytest.mark.parametrize(
    ("before", "now", "trouble"),
    [
        (look(0), look(1, USERS), "orders has no instance"),
        (look(0), look(1, stats(state={"problems": ["journal: away"]}), USERS), "orders: journal: away"),
        (look(0), look(1, stats(state={"dead_letters": 2}), USERS), "orders: 2 dead letters wait"),
        (look(0), look(1, stats(state={"in_flight": "many"}), USERS), "cannot be read"),
        (
            look(0, stats(state={"unpublished": FULL})),
            look(1, stats(state={"unpublished": FULL + 1}), USERS),
            f"{FULL + 1} commits wait",
        ),
        (
            look(0, readers=(consumer(FULL),)),
            look(1, stats(), USERS, readers=(consumer(FULL),)),
            f"orders_views is {FULL} messages of ORDERS behind",
        ),
    ],
)
def test_what_is_wrong_is_told_and_decides_the_exit_code(before: Look, now: Look, trouble: str) -> None:
    status = compare(before, now, DOMAINS)
    assert (status.ok, exit_code(status)) == (False, EXIT_WRONG)
    assert any(trouble in told for told in status.troubles), status.troubles


@pytest.mark.parametrize(("before", "now"), [(FULL * 3, FULL * 2), (FULL - 1, FULL - 1), (0, FULL)])
def test_a_reader_that_catches_up_or_has_just_been_given_much_is_no_trouble(before: int, now: int) -> None:
    status = compare(look(0, readers=(consumer(before),)), look(1, stats(), USERS, readers=(consumer(now),)), DOMAINS)
    assert status.ok


def test_nats_away_has_an_exit_code_of_its_own() -> None:
    assert exit_code("NATS does not answer") == EXIT_UNAVAILABLE


def drawn(status: Status | str) -> str:
    out = io.StringIO()
    Console(file=out, width=80).print(picture(status))
    return out.getvalue()


def test_the_picture_fits_and_shows_each_pool_reader_and_trouble() -> None:
    busy = stats(requests=1_234, errors=99, refusals=999, spent_ms=12_340, state={"dead_letters": 7, "unpublished": 5})
    shown = drawn(
        compare(look(0), look(1, busy, USERS, readers=(consumer(4321, unacknowledged=17),)), (*DOMAINS, "gone"))
    )
    assert "…" not in shown, "a terminal of 80 columns shows all of it"
    lines = {line.split()[0]: line.split() for line in shown.splitlines() if line.strip()}
    assert lines["orders"] == ["orders", "1", "1234.0", "99", "999", "10.00", "·", "5", "·", "·", "·", "7", "·"]
    assert lines["orders_views"] == ["orders_views", "ORDERS", "4321", "17", "·"]
    assert "wrong: gone has no instance: nobody answers for it" in shown


def test_a_service_cannot_speak_to_the_terminal() -> None:
    assert "\x1b" not in drawn(compare(look(0), look(1, stats("or\x1b[31mders", state={"problems": ["\x1b[2J"]})), ()))
