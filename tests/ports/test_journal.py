"""One suite over every journal: what is true of the one must be true of the other."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Sequence

import pytest

from actors.mesh._ports import (
    AlreadyDone,
    Appended,
    Commit,
    Conflict,
    Journal,
    NewEvent,
    Part,
    Remembered,
    Snapshot,
)
from tests.ports.stores import Stores, bodies, commit, part


async def test_what_is_appended_can_be_loaded(journal: Journal) -> None:
    written = commit(
        Part("payment/1", 0, [NewEvent("payment_moved", b'{"a": 1}', '{"cause":"x"}'), NewEvent("b", b"2")])
    )
    assert await journal.append(written) == Appended({"payment/1": 2})
    history = (await journal.load(["payment/1"]))["payment/1"]
    assert (history.version, history.snapshot) == (2, None)
    first, second = history.events
    assert (first.key, first.version, first.name, first.body, first.headers, first.command_id, first.private) == (
        *("payment/1", 1, "payment_moved", b'{"a": 1}', '{"cause":"x"}'),
        *(written.command_id, False),
    )
    assert (second.version, second.at_ms) == (2, first.at_ms)
    assert first.at_ms > 1_700_000_000_000


async def test_an_unknown_key_is_at_version_zero(journal: Journal) -> None:
    history = (await journal.load(["payment/none"], code="fold-1"))["payment/none"]
    assert (history.version, history.snapshot, list(history.events)) == (0, None, [])


async def test_a_repeated_command_returns_what_was_answered_and_changes_nothing(journal: Journal) -> None:
    first = commit(part("payment/1", 0, b"1"), reply=b"the reply")
    await journal.append(first)
    again = first._replace(reply=b"another", fingerprint=b"other", parts=[part("payment/1", 1, b"2")])
    remembered = Remembered(first.command_id, first.message, first.principal, first.fingerprint, b"the reply")
    assert await journal.append(again) == AlreadyDone(remembered)
    assert await bodies(journal, "payment/1") == [b"1"]


async def test_a_decision_on_an_old_version_is_a_conflict(journal: Journal, other: Journal) -> None:
    await journal.append(commit(part("payment/1", 0, b"1", b"2")))
    assert await other.append(commit(part("payment/1", 0, b"lost"))) == Conflict({"payment/1": 2})
    assert await other.append(commit(part("payment/1", 1, b"lost"))) == Conflict({"payment/1": 2})
    assert await bodies(journal, "payment/1") == [b"1", b"2"]


async def test_a_version_that_would_leave_a_gap_is_refused(journal: Journal) -> None:
    await journal.append(commit(part("payment/1", 0, b"1")))
    assert await journal.append(commit(part("payment/1", 2, b"3"))) == Conflict({"payment/1": 1})
    assert await journal.append(commit(part("payment/2", 1, b"2"))) == Conflict({"payment/2": 0})


async def test_several_keys_are_written_all_or_none(journal: Journal, other: Journal) -> None:
    await journal.append(commit(part("payment/2", 0, b"1")))
    both = commit(part("payment/1", 0, b"1"), part("payment/2", 0, b"lost"))
    assert await other.append(both) == Conflict({"payment/1": 0, "payment/2": 1})
    assert await bodies(journal, "payment/1") == []
    assert await other.append(commit(part("payment/1", 0, b"1"), part("payment/2", 1, b"2"))) == Appended(
        {"payment/1": 1, "payment/2": 2}
    )


async def test_of_many_who_want_one_version_one_wins(journal: Journal, other: Journal) -> None:
    wanted = [commit(part("payment/1", 0, str(number).encode())) for number in range(20)]
    answers = await asyncio.gather(*((journal, other)[i % 2].append(one) for i, one in enumerate(wanted)))
    assert [type(answer) for answer in answers].count(Appended) == 1
    assert {type(answer) for answer in answers} == {Appended, Conflict}
    winner = next(i for i, answer in enumerate(answers) if isinstance(answer, Appended))
    assert await bodies(other, "payment/1") == [str(winner).encode()]


async def test_a_command_sent_twice_at_once_is_done_once_and_both_hear_of_it(journal: Journal, other: Journal) -> None:
    once = commit(part("payment/1", 0, b"1"), reply=b"the reply")
    here = [journal.append(once) for _ in range(3)]
    answers = await asyncio.gather(*here, *(other.append(once) for _ in range(3)))
    assert [type(answer) for answer in answers].count(Appended) == 1
    assert [answer.remembered.reply for answer in answers if isinstance(answer, AlreadyDone)] == [b"the reply"] * 5
    assert await bodies(journal, "payment/1") == [b"1"]


async def test_a_caller_that_gives_up_does_not_undo_its_commit(journal: Journal) -> None:
    late = commit(part("payment/1", 0, b"1"))
    giving_up = asyncio.create_task(journal.append(late))
    await asyncio.sleep(0)
    giving_up.cancel()
    await asyncio.gather(giving_up, return_exceptions=True)
    answer = await journal.append(late)
    assert isinstance(answer, AlreadyDone | Appended)
    assert await bodies(journal, "payment/1") == [b"1"]


async def test_a_commit_that_changes_nothing_is_remembered(journal: Journal) -> None:
    nothing = commit(reply=b"already so")
    assert await journal.append(nothing) == Appended({})
    found = await journal.confirm(nothing.command_id, ["payment/1"])
    assert found.remembered is not None
    assert found.remembered.reply == b"already so"
    assert found.versions == {"payment/1": 0}


async def test_a_part_without_events_holds_its_key_to_the_version(journal: Journal) -> None:
    await journal.append(commit(part("payment/1", 0, b"1")))
    assert await journal.append(commit(part("payment/1", 1), part("payment/2", 0, b"1"))) == Appended(
        {"payment/1": 1, "payment/2": 1}
    )
    stale = commit(part("payment/1", 0), part("payment/2", 1, b"lost"))
    assert await journal.append(stale) == Conflict({"payment/1": 1, "payment/2": 1})
    assert await bodies(journal, "payment/2") == [b"1"]


async def test_two_who_each_write_what_the_other_has_read_do_not_both_win(journal: Journal, other: Journal) -> None:
    for number in range(10):
        one, two = f"payment/{number}a", f"payment/{number}b"
        answers = await asyncio.gather(
            journal.append(commit(part(one, 0, b"1"), part(two, 0))),
            journal.append(commit(part(two, 0, b"1"), part(one, 0))),
            other.append(commit(part(two, 0, b"1"), part(one, 0))),
        )
        assert [type(answer) for answer in answers].count(Appended) <= 1
        assert len(await bodies(journal, one)) + len(await bodies(journal, two)) <= 1


async def test_a_loser_takes_no_neighbour_with_it(journal: Journal, other: Journal) -> None:
    await other.append(commit(part("payment/1", 0, b"theirs")))
    answers = await asyncio.gather(
        journal.append(commit(part("payment/1", 0, b"lost"))),
        journal.append(commit(part("payment/2", 0, b"unharmed"))),
    )
    assert [type(answer) for answer in answers] == [Conflict, Appended]
    assert await bodies(journal, "payment/2") == [b"unharmed"]


async def test_decisions_on_one_another_ride_in_one_statement(journal: Journal) -> None:
    chain = [journal.append(commit(part("payment/1", version, b"%d" % version))) for version in range(50)]
    assert await asyncio.gather(*chain) == [Appended({"payment/1": version + 1}) for version in range(50)]


async def test_bodies_and_replies_are_any_bytes(journal: Journal) -> None:
    every = bytes(range(256))
    written = commit(part("payment/1", 0, every), reply=every)
    await journal.append(written)
    assert await bodies(journal, "payment/1") == [every]
    found = (await journal.confirm(written.command_id, [])).remembered
    assert found is not None
    assert found.reply == every


async def test_a_private_event_is_kept_as_such(journal: Journal) -> None:
    await journal.append(commit(Part("user/1", 0, [NewEvent("password_set", b"1", private=True), NewEvent("b", b"2")])))
    assert [event.private for event in (await journal.load(["user/1"]))["user/1"].events] == [True, False]
    assert [event.private for event in await journal.events("user/1", 0, 10)] == [True, False]


async def test_a_snapshot_serves_only_the_code_that_made_it(journal: Journal) -> None:
    await journal.append(commit(part("payment/1", 0, b"1", b"2", b"3")))
    await journal.keep_snapshot("payment/1", "fold-1", Snapshot(2, b"state"))
    with_it = (await journal.load(["payment/1"], code="fold-1"))["payment/1"]
    assert (with_it.version, with_it.snapshot) == (3, Snapshot(2, b"state"))
    assert [event.version for event in with_it.events] == [3]
    for code in ("fold-2", ""):
        without = (await journal.load(["payment/1"], code=code))["payment/1"]
        assert (without.version, without.snapshot, len(without.events)) == (3, None, 3)


async def test_a_snapshot_at_the_last_version_needs_no_events(journal: Journal) -> None:
    await journal.append(commit(part("payment/1", 0, b"1", b"2")))
    await journal.keep_snapshot("payment/1", "fold-1", Snapshot(2, b"state"))
    await journal.keep_snapshot("payment/1", "fold-1", Snapshot(1, b"older"))
    history = (await journal.load(["payment/1"], code="fold-1"))["payment/1"]
    assert (history.version, history.snapshot, list(history.events)) == (2, Snapshot(2, b"state"), [])


async def test_a_snapshot_of_a_future_that_was_lost_does_not_count(journal: Journal) -> None:
    await journal.append(commit(part("payment/1", 0, b"1")))
    await journal.keep_snapshot("payment/1", "fold-1", Snapshot(5, b"state"))
    history = (await journal.load(["payment/1"], code="fold-1"))["payment/1"]
    assert (history.version, history.snapshot, len(history.events)) == (1, None, 1)


async def test_reads_that_share_a_statement_each_get_their_own(journal: Journal) -> None:
    for number in range(10):
        await journal.append(commit(part(f"payment/{number}", 0, *[b"%d" % number] * (number + 1))))
    found = await asyncio.gather(*(journal.load([f"payment/{n}", f"payment/{n + 1}"]) for n in range(10)))
    assert [sorted((key, history.version) for key, history in each.items()) for each in found] == [
        sorted([(f"payment/{n}", n + 1), (f"payment/{n + 1}", n + 2 if n < 9 else 0)]) for n in range(10)
    ]
    doubts = await asyncio.gather(*(journal.confirm(str(uuid.uuid4()), [f"payment/{n}"]) for n in range(10)))
    assert [dict(doubt.versions) for doubt in doubts] == [{f"payment/{n}": n + 1} for n in range(10)]


async def test_events_come_in_pages(journal: Journal) -> None:
    await journal.append(commit(part("payment/1", 0, *(b"%d" % number for number in range(5)))))
    assert [event.version for event in await journal.events("payment/1", 1, 2)] == [2, 3]
    assert [event.version for event in await journal.events("payment/1", 3, 10)] == [4, 5]


async def test_the_relay_hears_of_commits_in_their_order(stores: Stores) -> None:
    heard: list[str] = []

    def hear(commits: Sequence[Commit]) -> None:
        heard.extend(one.command_id for one in commits)

    journal = (await stores.open(hear)).journal
    chain = [commit(part("payment/1", version, b"1")) for version in range(20)]
    lost = commit(part("payment/1", 0, b"lost"))
    await asyncio.gather(*(journal.append(one) for one in (*chain, lost)))
    assert heard == [one.command_id for one in chain]


@pytest.mark.parametrize("endpoints", ["postgres"], indirect=True)
async def test_who_stands_on_a_loser_of_the_same_batch_loses_too(journal: Journal, other: Journal) -> None:
    await other.append(commit(part("payment/1", 0, b"theirs")))
    # The version of the second fits, and yet it was decided on the first, which is not what the journal holds.
    lost, stacked = await asyncio.gather(
        journal.append(commit(part("payment/1", 0, b"lost"))),
        journal.append(commit(part("payment/1", 1, b"decided on what was lost"))),
    )
    assert (lost, stacked) == (Conflict({"payment/1": 1}), Conflict({"payment/1": 1}))


async def test_a_commit_that_changes_nothing_is_done_once_by_all(journal: Journal, other: Journal) -> None:
    nothing = commit()
    answers = await asyncio.gather(*((journal, other)[number % 2].append(nothing) for number in range(6)))
    assert [type(answer) for answer in answers].count(Appended) == 1
    assert {type(answer) for answer in answers} == {Appended, AlreadyDone}
