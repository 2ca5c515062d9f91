"""MarkInboxRead, ArchiveInboxItem and GetInbox."""

from msgspec.structs import replace

from actors import notifications
from actors.mesh.testing.given import FIRST_MS, given, given_actor
from actors.notifications.model.recipient import INBOX_ITEMS_MAX, archive, evolve, mark_read
from schemas.channels import InboxEntry
from schemas.notifications import (
    ArchiveInboxItem,
    GetInbox,
    Inbox,
    InboxItemArchived,
    InboxItemRead,
    MarkInboxRead,
)
from tests.unit.notifications.people import ADDED

READ = InboxItemRead(user_id="ada", notification_id="n1")
ARCHIVED = InboxItemArchived(user_id="ada", notification_id="n1")
MARK = MarkInboxRead(user_id="ada", notification_id="n1")
ARCHIVE = ArchiveInboxItem(user_id="ada", notification_id="n1")


def inbox(*past: InboxItemRead | InboxItemArchived, limit: int = 20) -> Inbox:
    reply = given_actor(notifications.actor, *past).asked(GetInbox(user_id="ada", limit=limit)).reply
    assert isinstance(reply, Inbox)
    return reply


def test_an_item_is_read_once() -> None:
    given(evolve, ADDED).when(mark_read, MARK).then(READ)
    given(evolve, ADDED, READ).when(mark_read, MARK).nothing()


def test_an_item_is_archived_and_then_is_not_there() -> None:
    given(evolve, ADDED, READ).when(archive, ARCHIVE).then(ARCHIVED)
    given(evolve, ADDED, ARCHIVED).when(archive, ARCHIVE).refused("inbox_item_unknown", kind="not_found")
    given(evolve, ADDED, ARCHIVED).when(mark_read, MARK).refused("inbox_item_unknown", kind="not_found")


def test_the_oldest_item_goes_when_there_are_too_many() -> None:
    past = [replace(ADDED, notification_id=f"n{number}") for number in range(INBOX_ITEMS_MAX + 1)]
    oldest = MarkInboxRead(user_id="ada", notification_id="n0")
    given(evolve, *past).when(mark_read, oldest).refused("inbox_item_unknown")
    kept = inbox(*past, limit=INBOX_ITEMS_MAX).entries  # type: ignore[arg-type]
    assert [kept[0].notification_id, kept[-1].notification_id, len(kept)] == ["n100", "n1", INBOX_ITEMS_MAX]


def test_an_inbox_is_read_in_the_words_of_its_owner() -> None:
    (entry,) = inbox(ADDED).entries  # type: ignore[arg-type]
    assert entry == InboxEntry(
        notification_id="n1",
        category="orders",
        template="order_confirmed",
        about="o1",
        title="Ihre Bestellung o1 ist bestätigt",
        text="Bestellung o1 ist bestätigt: 9,00 EUR.",
        status="unread",
        at_ms=FIRST_MS,
    )


def test_the_newest_stands_first_and_all_unread_ones_count() -> None:
    past = [replace(ADDED, notification_id=name) for name in ("n1", "n2", "n3")]
    found = inbox(*past, READ, limit=2)  # type: ignore[arg-type]
    assert [(entry.notification_id, entry.status) for entry in found.entries] == [("n3", "unread"), ("n2", "unread")]
    assert found.unread == 2


def test_an_archived_item_is_not_shown() -> None:
    assert inbox(ADDED, ARCHIVED) == Inbox(user_id="ada", unread=0, entries=())  # type: ignore[arg-type]


def test_whoever_was_never_told_anything_has_an_empty_inbox() -> None:
    assert inbox() == Inbox(user_id="ada", unread=0, entries=())
