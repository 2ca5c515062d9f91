"""What carries our messages: the ports, their clients over HTTP, and recorders for tests; `smtp` is the mail client."""

from actors.notifications.provider.admission import admit
from actors.notifications.provider.http import HttpPushGateway, HttpSmsGateway
from actors.notifications.provider.port import (
    Answer,
    MailServer,
    PushGateway,
    SmsGateway,
    email_given_up,
    find_email,
    find_push,
    find_sms,
    message_name,
    push_given_up,
    send_email,
    send_push,
    send_sms,
    sms_given_up,
)
from actors.notifications.provider.recorders import RecordedMails, RecordedPush, RecordedSms

__all__ = [
    "Answer",
    "HttpPushGateway",
    "HttpSmsGateway",
    "MailServer",
    "PushGateway",
    "RecordedMails",
    "RecordedPush",
    "RecordedSms",
    "SmsGateway",
    "admit",
    "email_given_up",
    "find_email",
    "find_push",
    "find_sms",
    "message_name",
    "push_given_up",
    "send_email",
    "send_push",
    "send_sms",
    "sms_given_up",
]
