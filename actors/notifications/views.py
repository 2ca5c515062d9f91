"""What can be asked about notifications: an inbox, preferences, and why somebody got a message or did not."""

from __future__ import annotations

from typing import TypeAlias

from msgspec.structs import replace

from actors.mesh import Happened, Read, Refused
from actors.notifications.model.kinds import CATEGORIES, CHANNELS, CRITICAL
from actors.notifications.model.notification import NotificationEvent, outcome_of
from actors.notifications.model.recipient import INBOX_ITEMS_MAX, with_choice
from actors.notifications.rendering import note
from schemas.channels import ChannelDelivery, InboxEntry, Preference
from schemas.notifications import (
    DeliveryFailed,
    DeliveryPage,
    DeliverySent,
    DeliverySuppressed,
    DeliveryView,
    GetDelivery,
    GetInbox,
    GetPreferences,
    Inbox,
    InboxItem,
    InboxItemAdded,
    InboxItemArchived,
    InboxItemRead,
    InboxView,
    ListDeliveries,
    NotificationRequested,
    Preferences,
    PreferenceSet,
    PreferencesView,
)

ItemEvent: TypeAlias = InboxItemAdded | InboxItemRead | InboxItemArchived


def inbox_view(view: InboxView | None, event: ItemEvent, happened: Happened) -> InboxView:
    view = view or InboxView(user_id=event.user_id)
    others = tuple(item for item in view.items if item.notification_id != event.notification_id)
    match event:
        case InboxItemAdded():
            added = InboxItem(
                notification_id=event.notification_id,
                category=event.category,
                template=event.template,
                about=event.about,
                locale=event.locale,
                parameters=event.parameters,
                status="unread",
                at_ms=happened.at_ms,
            )
            return replace(view, items=(added, *others)[:INBOX_ITEMS_MAX])
        case InboxItemRead():
            items = tuple(
                replace(item, status="read") if item.notification_id == event.notification_id else item
                for item in view.items
            )
            return replace(view, items=items)
        case InboxItemArchived():
            return replace(view, items=others)


def preferences_view(view: PreferencesView | None, event: PreferenceSet, happened: Happened) -> PreferencesView:
    view = view or PreferencesView(user_id=event.user_id)
    return replace(view, chosen=with_choice(view.chosen, event))


def delivery_view(view: DeliveryView | None, event: NotificationEvent, happened: Happened) -> DeliveryView:
    if isinstance(event, NotificationRequested):
        return DeliveryView(
            notification_id=event.notification_id,
            user_id=event.user_id,
            category=event.category,
            template=event.template,
            about=event.about,
            requested_at_ms=happened.at_ms,
        )
    assert view is not None, "a notification is requested before anything becomes of it"
    channel, status = outcome_of(event)
    delivery = ChannelDelivery(
        channel=channel,
        status=status,
        at_ms=happened.at_ms,
        reason=event.reason if isinstance(event, (DeliverySuppressed, DeliveryFailed)) else "",
        provider_id=event.provider_id if isinstance(event, DeliverySent) else "",
    )
    others = tuple(each for each in view.channels if each.channel != channel)
    in_order = sorted((*others, delivery), key=lambda each: CHANNELS.index(each.channel))
    return replace(view, channels=tuple(in_order))


async def get_inbox(query: GetInbox, read: Read) -> Inbox:
    try:
        view = await read.one(InboxView, query.user_id, at_least_version=query.at_least_version)
    except Refused:  # nobody has ever told them anything
        view = InboxView(user_id=query.user_id)
    return Inbox(
        user_id=view.user_id,
        unread=sum(item.status == "unread" for item in view.items),
        entries=tuple(entry_of(item) for item in view.items[: query.limit]),
    )


def entry_of(item: InboxItem) -> InboxEntry:
    told = note(item.template, item.locale, item.parameters)
    return InboxEntry(
        notification_id=item.notification_id,
        category=item.category,
        template=item.template,
        about=item.about,
        title=told.title,
        text=told.text,
        status=item.status,
        at_ms=item.at_ms,
    )


async def get_preferences(query: GetPreferences, read: Read) -> Preferences:
    try:
        view = await read.one(PreferencesView, query.user_id, at_least_version=query.at_least_version)
    except Refused:  # they have never chosen
        view = PreferencesView(user_id=query.user_id)
    return Preferences(
        user_id=view.user_id,
        preferences=tuple(
            Preference(
                category=category,
                channel=channel,
                enabled=category in CRITICAL or view.chosen.get(category, {}).get(channel, True),
                locked=category in CRITICAL,
            )
            for category in CATEGORIES
            for channel in CHANNELS
        ),
    )


async def list_deliveries(query: ListDeliveries, read: Read) -> DeliveryPage:
    where = {"user_id": query.user_id}
    page = await read.page(DeliveryView, where, cursor=query.cursor, limit=query.limit, newest_first=True)
    return DeliveryPage(deliveries=page.rows, next_cursor=page.next_cursor)


async def get_delivery(query: GetDelivery, read: Read) -> DeliveryView:
    # Somebody else's is answered as one that does not exist, so that ids cannot be probed.
    unknown = Refused("delivery_unknown", f"no delivery {query.notification_id}", kind="not_found")
    try:
        view = await read.one(DeliveryView, query.notification_id, at_least_version=query.at_least_version)
    except Refused:
        raise unknown from None
    if query.user_id not in (None, view.user_id):
        raise unknown
    return view
