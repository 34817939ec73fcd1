"""Mail (RFC 5322, MIME RFC 2045 to 2049) and mailboxes (RFC 4155): every part is a member."""

from __future__ import annotations

import email
import email.message
import email.policy
import re
from typing import TYPE_CHECKING

from phage.scan.unpack.items import Entry, Fault, Item

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.scan.content import Content

MOST_PARTS = 5000
LONGEST = 512 * 2**20
"""Octets of a mail; a parser of mail needs some times as much memory."""


def prepare() -> None:
    """Load what the parser needs late."""
    email.message_from_bytes(b"Subject: =?utf-8?q?x?=\n\nx", policy=email.policy.compat32)


def open_mail(content: Content, _passwords: tuple[str, ...]) -> Iterator[Item]:
    """Yield the parts of a mail; a mail in it is one part."""
    if content.size > LONGEST:
        yield Fault("", "is too large for a mail")
        return
    message = email.message_from_bytes(bytes(content.data), policy=email.policy.compat32)
    yield from _parts(message)


def open_mailbox(content: Content, _passwords: tuple[str, ...]) -> Iterator[Item]:
    """Yield the mails of a mailbox."""
    data = bytes(content.data)
    starts = [match.start() for match in re.finditer(rb"(?m)^From [^\n]*\n", data)]
    if len(starts) == 1:
        begin = data.find(b"\n") + 1
        message = email.message_from_bytes(data[begin:], policy=email.policy.compat32)
        yield from _parts(message)
        return
    for number, start in enumerate(starts[:MOST_PARTS]):
        end = starts[number + 1] if number + 1 < len(starts) else len(data)
        yield Entry(f"message-{number + 1}.eml")
        yield data[data.find(b"\n", start) + 1 : end]
    if len(starts) > MOST_PARTS:
        yield Fault("", f"has {len(starts)} mails; {MOST_PARTS} were opened")


def _parts(message: email.message.Message) -> Iterator[Item]:
    for number, part in enumerate(_leaves(message)):
        if number >= MOST_PARTS:
            yield Fault("", f"has more than {MOST_PARTS} parts")
            return
        yield Entry(_name(part, number))
        if part.get_content_type() == "message/rfc822":
            inner = part.get_payload()
            inner = inner[0] if isinstance(inner, list) and inner else None
            yield inner.as_bytes() if isinstance(inner, email.message.Message) else b""
            continue
        payload = part.get_payload(decode=True)
        yield payload if isinstance(payload, bytes) else b""


def _leaves(message: email.message.Message) -> Iterator[email.message.Message]:
    waiting = [message]
    while waiting:
        part = waiting.pop()
        inner = part.get_payload()
        if part.is_multipart() and part.get_content_type() != "message/rfc822":
            parts = [each for each in inner if isinstance(each, email.message.Message)]
            waiting.extend(reversed(parts))
        else:
            yield part


def _name(part: email.message.Message, number: int) -> str:
    try:
        name = part.get_filename()
    except (LookupError, ValueError, TypeError, AttributeError):
        name = None  # A name in a character set that nobody knows.
    suffix = {"text/html": "html", "text/plain": "txt", "message/rfc822": "eml"}.get(
        part.get_content_type(), "bin"
    )
    return str(name) if name else f"part-{number + 1}.{suffix}"
