"""The local mailbox as people read it: a list of mails, and one mail, without a script and without anything fetched."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Final

from infra.local.mailbox_log import KeptMail

POLICY: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""What a browser may do with the page: show it. A mail is text here, whatever its HTML says."""

_PAGE: Final = """<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 15px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }}
table {{ border-collapse: collapse; width: 100% }}
th, td {{ text-align: left; padding: .4rem .6rem; border-bottom: 1px solid #8884; vertical-align: top }}
pre {{ white-space: pre-wrap; padding: 1rem; border: 1px solid #8884; border-radius: .4rem }}
</style></head>
<body>
{content}
</body>
</html>
"""


def list_page(kept: Sequence[KeptMail]) -> str:
    """Return the page that lists mails, newest first."""
    rows = "".join(
        f'<tr><td><a href="/mails/{each.id}">{escape(each.mail.subject) or "(no subject)"}</a></td>'
        f"<td>{escape(each.mail.to)}</td><td>{each.times}</td></tr>\n"
        for each in kept
    )
    table = f"<table><thead><tr><th>subject</th><th>to</th><th>times</th></tr></thead><tbody>\n{rows}</tbody></table>"
    return _page("Mailbox", f"<h1>Mailbox</h1>\n{table if kept else '<p>No mail yet.</p>'}")


def mail_page(kept: KeptMail) -> str:
    """Return the page that shows one mail's text."""
    mail = kept.mail
    content = (
        f'<p><a href="/">Mailbox</a></p>\n<h1>{escape(mail.subject)}</h1>\n'
        f"<p>From {escape(mail.headers.get('From', mail.sender))}<br>To {escape(mail.to)}</p>\n"
        f"<pre>{escape(mail.text)}</pre>\n"
        f'<p><a href="/v1/mails/{kept.id}">as JSON, with its headers and its HTML</a></p>'
    )
    return _page(mail.subject, content)


def _page(title: str, content: str) -> str:
    return _PAGE.format(title=escape(title), content=content)
