"""Mail, through a server that takes it (SMTP, RFC 5321)."""

from __future__ import annotations

import smtplib
import socket
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from typing import TYPE_CHECKING, ClassVar

from phage.notify.notifier import NotifyError
from phage.notify.secretfile import secret

if TYPE_CHECKING:
    from phage.notify.notice import Notice

_PORTS = {"starttls": 587, "tls": 465, "none": 25}


@dataclass(slots=True)
class Email:
    """Sends notices by mail. A password is sent over TLS only.

    Mail of the same key answers the first one, so that mail programs show them together.
    """

    name: ClassVar[str] = "email"
    summary: ClassVar[str] = "People, by mail."

    host: str = ""
    """The server that takes mail."""
    port: int = 0
    """Its port; 0: 587 with starttls, 465 with tls, 25 with none."""
    security: str = "starttls"
    """starttls, tls, or none."""
    sender: str = ""
    """The address that mail comes from."""
    to: tuple[str, ...] = ()
    """Whom to write."""
    user: str = ""
    """Name to log in with; empty: without."""
    password: str = field(default="", repr=False)
    """Password to log in with; better in password_file."""
    password_file: str = ""
    """File whose first line is the password."""
    ca_file: str = ""
    """Certificates to trust instead of the system's, in PEM."""
    timeout: float = 10.0
    """Seconds to wait for the server."""

    def check(self) -> str:
        """Return what is missing."""
        if self.security not in _PORTS:
            return f"security: there is no {self.security!r}; there are {', '.join(_PORTS)}"
        if self.security == "none" and self.user:
            return "user: a password is not sent without TLS; set security to starttls or tls"
        missing = [name for name in ("host", "sender", "to") if not getattr(self, name)]
        return f"{' and '.join(missing)} not set" if missing else ""

    def tell(self, notice: Notice) -> None:
        """Send a notice. Raises NotifyError."""
        message = self._message(notice)
        password = secret(self.password, self.password_file) if self.user else ""
        try:
            with self._session() as session:
                if self.user:
                    session.login(self.user, password)
                refused = session.send_message(message)
        except smtplib.SMTPAuthenticationError as error:
            text = f"{self.host}: refused the login of {self.user} ({error.smtp_code})"
            raise NotifyError(text, retry=False) from None
        except smtplib.SMTPResponseException as error:
            text = f"{self.host}: answered {error.smtp_code}"
            raise NotifyError(text, retry=error.smtp_code < 500) from None
        except smtplib.SMTPRecipientsRefused as error:
            codes = {code for code, _ in error.recipients.values()}
            text = f"{self.host}: takes mail for none of those in `to` ({min(codes)})"
            raise NotifyError(text, retry=min(codes) < 500) from None
        except (OSError, smtplib.SMTPException, ValueError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
            text = f"{self.host}: {reason}"
            raise NotifyError(text) from None
        if refused:
            text = f"{self.host}: took it, but not for {', '.join(sorted(refused))}"
            raise NotifyError(text, retry=False)

    def _session(self) -> smtplib.SMTP:
        port = self.port or _PORTS[self.security]
        if self.security == "none":
            return smtplib.SMTP(self.host, port, timeout=self.timeout)
        context = ssl.create_default_context(cafile=self.ca_file or None)
        if self.security == "tls":
            return smtplib.SMTP_SSL(self.host, port, timeout=self.timeout, context=context)
        session = smtplib.SMTP(self.host, port, timeout=self.timeout)
        try:
            session.starttls(context=context)
        except BaseException:
            with suppress(OSError, smtplib.SMTPException):
                session.close()
            raise
        return session

    def _message(self, notice: Notice) -> EmailMessage:
        message = EmailMessage()
        message["Subject"] = _line(f"[phage] {notice.title}")
        message["From"] = _line(self.sender)
        message["To"] = ", ".join(map(_line, self.to))
        message["Date"] = format_datetime(datetime.fromtimestamp(notice.time / 1e9, tz=UTC))
        domain = self.sender.rpartition("@")[2] or socket.gethostname()
        message["Message-ID"] = make_msgid(domain=_line(domain))
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no out-of-office answers.
        rows = [f"{name.replace('_', ' ')}: {value}" for name, value in notice.fields.items()]
        message.set_content("\n".join([notice.text, "", *rows, ""]))
        return message

    def close(self) -> None:
        """Nothing is open between two notices."""


def _line(text: str) -> str:
    """Return text that is one line: a header ends at a line feed."""
    return " ".join(text.split())
