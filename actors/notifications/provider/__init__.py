"""What carries our messages: the ports, their clients over SMTP and HTTP, and recorders for tests."""

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
from actors.notifications.provider.smtp import SmtpMailServer, mail_server, smtp_address

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
    "SmtpMailServer",
    "admit",
    "email_given_up",
    "find_email",
    "find_push",
    "find_sms",
    "mail_server",
    "message_name",
    "push_given_up",
    "send_email",
    "send_push",
    "send_sms",
    "sms_given_up",
    "smtp_address",
]
