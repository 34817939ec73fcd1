"""Mail servers: Postfix, Dovecot, Exim, Courier, Cyrus."""

from __future__ import annotations

from phage.collect.logs.service import Line, LogService
from phage.records import LogKind

# A host name that was looked up: no spaces and no brackets, or "unknown".
_HOST = r"[^ \[\]]+"

SERVICES = (
    LogService(
        name="postfix",
        programs=("postfix/",),
        lines=(
            Line(
                LogKind.AUTH_FAILED,
                rf"warning: {_HOST}\[<address>\]: SASL [A-Za-z0-9-]+ authentication failed: "
                r"[^,]*, sasl_username=(?P<user>.*)",
            ),
            Line(
                LogKind.AUTH_FAILED,
                rf"warning: {_HOST}\[<address>\]: SASL [A-Za-z0-9-]+ authentication failed: [^,]*",
            ),
            Line(
                LogKind.ABUSE,
                rf"NOQUEUE: reject: (?:RCPT|AUTH|VRFY|ETRN) from {_HOST}\[<address>\](?::\d+)?: "
                r"[45].*",
            ),
            Line(
                LogKind.ABUSE,
                r"(?:lost connection|timeout|too many errors) after (?:AUTH|UNKNOWN|EHLO|HELO)"
                rf"(?: \(\d+ bytes\))? from {_HOST}\[<address>\](?::\d+)?",
            ),
        ),
    ),
    LogService(
        name="dovecot",
        programs=("dovecot", "auth", "imap-login", "pop3-login"),
        path="/var/log/dovecot.log",
        lines=(
            Line(
                LogKind.AUTH_FAILED,
                r"(?:dovecot: )?(?:imap|pop3|managesieve|submission)-login: (?:Info: )?"
                r"(?:Disconnected|Aborted login|Login aborted)(?:: [A-Za-z]+(?: [A-Za-z]+)?)?"
                r" \(auth failed, \d+ attempts(?: in \d+ secs)?\)(?: \([a-z_]+\))?: "
                r"user=<(?P<user>[^>]*)>,(?: method=[A-Z0-9-]+,)? rip=<address>, lip=.*",
                once=(" rip=",),
            ),
            Line(
                LogKind.AUTH_OK,
                r"(?:dovecot: )?(?:imap|pop3|managesieve|submission)-login: (?:Info: )?Login: "
                r"user=<(?P<user>[^>]*)>, method=[A-Z0-9-]+, rip=<address>, lip=.*",
                once=(" rip=",),
            ),
        ),
    ),
    LogService(
        name="exim",
        programs=("exim", "exim4"),
        path="/var/log/exim4/mainlog",
        lines=(
            # The name that the client says of itself stands in parentheses before the address.
            Line(
                LogKind.AUTH_FAILED,
                r"(?:\[\d+\] )?[A-Za-z0-9_]+ authenticator failed for (?:[^ ()\[\]]+ )?"
                r"(?:\([^()]*\) )?\[<address>\](?::\d{1,5})?"
                r"(?: I=\[[^ \]]*\]:\d{1,5})?(?: U=[^ :]+)?: 535 "
                r"Incorrect authentication data(?: \(set_id=(?P<user>.*)\))?",
            ),
        ),
    ),
    LogService(
        name="courier",
        programs=("courieresmtpd", "courierlogger", "imapd", "imapd-ssl", "pop3d", "pop3d-ssl"),
        lines=(
            Line(
                LogKind.AUTH_FAILED,
                r"LOGIN FAILED, (?:user=(?P<user>.*), )?(?:method=[A-Z0-9-]+, )?ip=\[<address>\]"
                r"(?:, port=\[\d{1,5}\])?",
            ),
        ),
    ),
    LogService(
        name="cyrus",
        programs=("cyrus/",),
        lines=(
            Line(
                LogKind.AUTH_FAILED,
                rf"badlogin: {_HOST} \[<address>\] [A-Za-z0-9-]+ (?P<user>.*)",
                once=(" [",),
            ),
        ),
    ),
)
