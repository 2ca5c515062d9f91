"""Notifications: what people are told and by which channels, what became of it, and their inbox."""

from actors.mesh import Actor, Aggregate, Quotas, Retries, answers, consults, decides, performs, projects, reacts
from actors.notifications import provider, reactions, views
from actors.notifications.model import notification, recipient
from schemas.inventory import LowStockReached
from schemas.notifications import (
    ArchiveInboxItem,
    DeliveryView,
    EmailQueued,
    GetDelivery,
    GetInbox,
    GetPreferences,
    InboxView,
    ListDeliveries,
    MarkInboxRead,
    PreferencesView,
    PushQueued,
    RecordDelivery,
    RecordDeliveryFailure,
    RegisterDevice,
    RemoveDevice,
    RequestNotification,
    SetPreference,
    SmsQueued,
)
from schemas.orders import OrderCancelled, OrderConfirmed, OrderRefunded
from schemas.users import EmailVerificationRequested, EmailVerified

# mypy wants a concrete class where a type is handed over; which port it is, is all that is asked of it here.
MAILS: type[provider.MailServer] = provider.MailServer  # type: ignore[type-abstract]
SMS: type[provider.SmsGateway] = provider.SmsGateway  # type: ignore[type-abstract]
PUSH: type[provider.PushGateway] = provider.PushGateway  # type: ignore[type-abstract]
QUOTAS: type[Quotas] = Quotas  # type: ignore[type-abstract]

PATIENT = Retries(attempts_max=12, first_seconds=1.0, longest_seconds=300.0)
"""A mail may wait for its server: about twenty minutes on average, forty at most."""
HASTY = Retries(attempts_max=6, first_seconds=1.0, longest_seconds=60.0)
"""What lights up a screen is of no use an hour later."""

actor = Actor(
    name="notifications",
    aggregates=(
        Aggregate(
            state=notification.Notification,
            key="notification_id",
            evolve=notification.evolve,
            owner="user_id",
            decisions=(
                decides(
                    RequestNotification,
                    notification.request,
                    keys=notification.keys_of,
                    needs=(notification.user_of,),
                    consults=consults(QUOTAS, provider.admit),
                ),
                decides(RecordDelivery, notification.record_delivery),
                decides(RecordDeliveryFailure, notification.record_failure),
            ),
        ),
        Aggregate(
            state=recipient.Recipient,
            key="user_id",
            evolve=recipient.evolve,
            owner="user_id",
            decisions=(
                decides(SetPreference, recipient.set_preference),
                decides(RegisterDevice, recipient.register_device),
                decides(RemoveDevice, recipient.remove_device),
                decides(MarkInboxRead, recipient.mark_read),
                decides(ArchiveInboxItem, recipient.archive),
            ),
        ),
    ),
    answers=(
        answers(GetInbox, views.get_inbox),
        answers(GetPreferences, views.get_preferences),
        answers(ListDeliveries, views.list_deliveries),
        answers(GetDelivery, views.get_delivery),
    ),
    projections=(
        projects(InboxView, views.inbox_view, store="redis"),
        projects(PreferencesView, views.preferences_view),
        projects(DeliveryView, views.delivery_view, fields=("user_id",), sort="requested_at_ms"),
    ),
    performances=(
        performs(
            EmailQueued,
            port=MAILS,
            do=provider.send_email,
            ask=provider.find_email,
            queue="email",
            retries=PATIENT,
            gives_up=provider.email_given_up,
        ),
        performs(
            SmsQueued,
            port=SMS,
            do=provider.send_sms,
            ask=provider.find_sms,
            queue="sms",
            retries=HASTY,
            gives_up=provider.sms_given_up,
        ),
        performs(
            PushQueued,
            port=PUSH,
            do=provider.send_push,
            ask=provider.find_push,
            queue="push",
            retries=HASTY,
            gives_up=provider.push_given_up,
        ),
    ),
    reactions=(
        reacts(OrderConfirmed, reactions.order_confirmed),
        reacts(OrderCancelled, reactions.order_cancelled),
        reacts(OrderRefunded, reactions.order_refunded),
        reacts(EmailVerificationRequested, reactions.verification_wanted),
        reacts(EmailVerified, reactions.account_verified),
        reacts(LowStockReached, reactions.low_stock),
    ),
)
