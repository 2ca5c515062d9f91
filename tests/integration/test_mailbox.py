"""The local mailbox as a process, and the clients of mail, text and push messages against it."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest

from actors.mesh import TimedOut, Unavailable
from actors.notifications.provider import Answer, HttpPushGateway, HttpSmsGateway
from actors.notifications.provider import smtp as smtp_client
from actors.notifications.provider.smtp import SmtpMailServer, mail_server
from actors.notifications.rendering import Mail, Note
from infra.local.ports import free_ports
from tests.integration.mailbox_process import MailboxProcess

NOW_MS = 1_767_225_600_000
SENDER = "Actor Mesh <no-reply@actor-mesh.example>"
MAIL = Mail("Bestellung o1 ist bestätigt", "Guten Tag Ada,\n\nbestätigt.", "<p>Guten Tag Ada,</p><p>bestätigt.</p>")


@pytest.fixture(scope="module")
def mailbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailboxProcess]:
    running = MailboxProcess(tmp_path_factory.mktemp("mailbox") / "mailbox.sqlite")
    yield running
    running.stop()


@pytest.fixture
async def server(mailbox: MailboxProcess) -> AsyncIterator[SmtpMailServer]:
    opened = mail_server(mailbox.smtp_url, SENDER, mailbox.url, now_ms=lambda: NOW_MS)
    yield opened
    await opened.aclose()


async def test_a_mail_arrives_whole(server: SmtpMailServer, mailbox: MailboxProcess) -> None:
    answer = await server.send("m1", "Ada Lovelace", "whole@example.org", MAIL)
    assert answer == Answer(accepted=True, provider_id="<m1@actor-mesh.example>")
    (kept,) = mailbox.mails("whole@example.org")
    mail = kept["mail"]
    assert (mail["subject"], mail["sender"]) == (MAIL.subject, "no-reply@actor-mesh.example")
    assert (mail["text"].strip(), mail["html"].strip()) == (MAIL.text, MAIL.html)
    assert mail["headers"]["From"] == SENDER
    assert mail["headers"]["To"] == "Ada Lovelace <whole@example.org>"
    assert mail["headers"]["Date"] == "Thu, 01 Jan 2026 00:00:00 -0000"
    assert mail["headers"]["Auto-Submitted"] == "auto-generated"
    assert mailbox.get(f"/v1/mails/{kept['id']}").json() == kept


async def test_the_same_mail_again_is_recognised_by_its_message_id(
    server: SmtpMailServer, mailbox: MailboxProcess
) -> None:
    for _ in range(3):
        await server.send("m2", "Ada", "again@example.org", MAIL)
    (kept,) = mailbox.mails("again@example.org")
    assert kept["times"] == 3
    assert await server.find("m2") == Answer(accepted=True, provider_id="<m2@actor-mesh.example>")
    assert await server.find("m3") is None


async def test_a_server_that_cannot_be_asked_says_nothing(mailbox: MailboxProcess) -> None:
    plain = mail_server(mailbox.smtp_url, SENDER, None, now_ms=lambda: NOW_MS)
    await plain.send("m4", "Ada", "plain@example.org", MAIL)
    assert await plain.find("m4") is None


async def test_no_such_mailbox_is_an_answer(server: SmtpMailServer) -> None:
    answer = await server.send("m5", "Ada", "bounce@example.org", MAIL)
    assert answer == Answer(accepted=False, reason="the mail server said 550 5.1.1 there is no such mailbox")


async def test_a_busy_mailbox_is_a_fault_that_names_nobody_until_it_takes_the_mail(
    server: SmtpMailServer, mailbox: MailboxProcess
) -> None:
    for _ in range(2):
        with pytest.raises(Unavailable, match=r"said 451$"):
            await server.send("m6", "Ada", "busy-twice@example.org", MAIL)
    assert (await server.send("m6", "Ada", "busy-twice@example.org", MAIL)).accepted
    (kept,) = mailbox.mails("busy-twice@example.org")
    assert kept["times"] == 1


async def test_a_slow_server_leaves_it_open_and_can_be_asked(
    server: SmtpMailServer, mailbox: MailboxProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp_client, "SEND_SECONDS", 0.7)
    with pytest.raises(TimedOut):
        await server.send("m7", "Ada", "slow@example.org", MAIL)
    assert await server.find("m7") is not None


async def test_a_server_that_is_not_there_was_not_reached() -> None:
    nowhere = mail_server(f"smtp://127.0.0.1:{free_ports(1)[0]}", SENDER, None, now_ms=lambda: NOW_MS)
    with pytest.raises(Unavailable, match="not reached"):
        await nowhere.send("m8", "Ada", "ada@example.org", MAIL)


@pytest.mark.parametrize(
    "address",
    [
        "nobody",
        "a@b@c",
        "ada@example.org\r\nBcc: eve@example.org",
        "ada@",
        "[erased]",
        "",
        "<ada@example.org>, eve@x.org",
    ],
)
async def test_what_is_no_address_is_refused_before_anybody_is_asked(
    server: SmtpMailServer, mailbox: MailboxProcess, address: str
) -> None:
    before = len(mailbox.mails())
    answer = await server.send("m9", "Ada", address, MAIL)
    assert not answer.accepted
    assert "cannot be written to" in answer.reason
    assert len(mailbox.mails()) == before


@pytest.mark.parametrize("name", ["Ada\r\nBcc: eve@example.org", 'Ada", <eve@example.org>', "Åda 日本"])
async def test_no_name_becomes_a_header_or_a_recipient(
    server: SmtpMailServer, mailbox: MailboxProcess, name: str
) -> None:
    await server.send("m10", name, "named@example.org", MAIL)
    assert mailbox.mails("eve@example.org") == []
    assert all("Bcc" not in kept["mail"]["headers"] for kept in mailbox.mails("named@example.org"))


async def test_what_was_taken_outlives_a_kill(tmp_path: Path) -> None:
    mailbox = MailboxProcess(tmp_path / "mailbox.sqlite")
    server = mail_server(mailbox.smtp_url, SENDER, mailbox.url, now_ms=lambda: NOW_MS)
    await server.send("m11", "Ada", "ada@example.org", MAIL)
    mailbox.stop(signal.SIGKILL)
    mailbox.start()
    assert [kept["mail"]["message_id"] for kept in mailbox.mails()] == ["<m11@actor-mesh.example>"]
    assert (tmp_path / "mailbox.sqlite").stat().st_mode & 0o077 == 0
    mailbox.stop()
    await server.aclose()


async def test_text_messages_are_sent_once_a_key_and_can_be_asked_about(mailbox: MailboxProcess) -> None:
    sms = HttpSmsGateway(mailbox.url)
    assert await sms.find("notification/n1@2") is None
    taken = Answer(accepted=True, provider_id="mailbox-notification/n1@2")
    assert await sms.send("notification/n1@2", "+4712345678", "Order o1 is confirmed.") == taken
    assert await sms.send("notification/n1@2", "+4712345678", "Order o1 is confirmed.") == taken
    assert await sms.find("notification/n1@2") == taken
    (kept,) = mailbox.get("/v1/sms", to="+4712345678").json()["messages"]
    assert (kept["times"], kept["message"]["text"]) == (2, "Order o1 is confirmed.")
    assert await sms.send("k", "+4700000000", "hello") == Answer(accepted=False, reason="no such number")
    await sms.aclose()


async def test_push_messages_are_refused_where_no_device_is_left(mailbox: MailboxProcess) -> None:
    push = HttpPushGateway(mailbox.url)
    assert (await push.send("p1", ("gone-1", "phone-2"), Note("Low stock: tea", "Only 3."))).accepted
    assert await push.find("p1") is not None
    gone = await push.send("p2", ("gone-1",), Note("Low stock: tea", "Only 3."))
    assert gone == Answer(accepted=False, reason="no such device any more")
    await push.aclose()


async def test_the_page_shows_mails_and_runs_nothing(server: SmtpMailServer, mailbox: MailboxProcess) -> None:
    hostile = Mail("<script>alert(1)</script>", "<img src=x onerror=alert(2)>", "<script>alert(3)</script>")
    await server.send("m12", "<b>Ada</b>", "page@example.org", hostile)
    (kept,) = mailbox.mails("page@example.org")
    for path in ("/", f"/mails/{kept['id']}"):
        page = mailbox.get(path)
        assert page.headers["content-type"].startswith("text/html")
        assert "default-src 'none'" in page.headers["content-security-policy"]
        assert "<script>" not in page.text
        assert "<img" not in page.text
        assert "&lt;script&gt;alert(1)" in page.text


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nowhere", 404),
        ("GET", "/v1/mails/999999", 404),
        ("GET", "/v1/mails/x", 400),
        ("GET", "/v1/mails?limit=x", 400),
        ("GET", "/v1/sms/unknown", 404),
        ("POST", "/v1/sms", 400),
        ("DELETE", "/v1/mails", 405),
    ],
)
def test_what_makes_no_sense_is_told_so(mailbox: MailboxProcess, method: str, path: str, status: int) -> None:
    assert httpx.request(method, f"{mailbox.url}{path}", trust_env=False).status_code == status


def test_a_page_of_elsewhere_gets_nothing_by_a_name_of_its_own(mailbox: MailboxProcess) -> None:
    headers = {"host": f"rebound.example:{mailbox.port}"}
    assert httpx.get(f"{mailbox.url}/v1/mails", headers=headers, trust_env=False).status_code == 421


@pytest.mark.parametrize("url", ["http://mail.example", "smtp://", "mail.example:25", ""])
def test_an_address_that_is_none_stops_the_start(url: str) -> None:
    with pytest.raises(ValueError, match="write it as"):
        mail_server(url, SENDER, None, now_ms=lambda: NOW_MS)


def test_a_password_goes_over_no_line_that_others_read() -> None:
    assert smtp_client.smtp_address("smtp://user:secret@mail.example").start_tls is True
    assert smtp_client.smtp_address("smtp://user:secret@127.0.0.1:1025").start_tls is None
    assert smtp_client.smtp_address("smtps://mail.example") == ("mail.example", 465, None, None, True, False)
