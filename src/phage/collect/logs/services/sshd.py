"""OpenSSH's server (auth.c and auth2.c: what they log) and Dropbear."""

from __future__ import annotations

from phage.collect.logs.service import Line, LogService
from phage.records import LogKind

# What follows the address of a password: nothing; of a key: its type and its hash.
_KEY = r"(?: \[preauth\]|: [A-Z0-9@.-]+ (?:SHA256|MD5):[^ ]+)?"

SERVICES = (
    LogService(
        name="sshd",
        programs=("sshd", "sshd-session", "sshd-auth"),
        lines=(
            # A name may hold " from 192.0.2.1 port 1 ssh2": the last address of the line is right,
            # since nothing that the client chooses follows it. Keys that were refused are not
            # counted: an agent offers one after the other.
            Line(
                LogKind.AUTH_FAILED,
                r"Failed (?:password|keyboard-interactive(?:/pam)?|gssapi-with-mic)"
                r" for (?:invalid user )?(?P<user>.*) from <address>(?: port \d{1,5})?"
                r"(?: ssh\d?)?(?: \[preauth\])?",
                # Old servers told more of the client after a colon.
                never=(" ssh2: ", " ssh1: ", " ssh: "),
            ),
            Line(
                LogKind.USER_UNKNOWN,
                r"Invalid user (?P<user>.*) from <address>(?: port \d{1,5})?(?: \[preauth\])?",
            ),
            Line(
                LogKind.AUTH_OK,
                r"Accepted [a-z/-]+ for (?P<user>.*) from <address> port \d{1,5} ssh\d" + _KEY,
            ),
            Line(
                LogKind.AUTH_OK,
                r"Accepted publickey for (?P<user>[^ ]*) from <address> port \d{1,5} ssh\d"
                r": [A-Z0-9@.-]+ [^ ]+ ID .*",
                once=(" from ",),
            ),
            Line(
                LogKind.AUTH_FAILED,
                r"User (?P<user>.*) from <address> not allowed because "
                r"(?:not listed in AllowUsers|listed in DenyUsers|not in any group"
                r"|a group is listed in DenyGroups"
                r"|none of user's groups are listed in AllowGroups)",
            ),
            Line(
                LogKind.AUTH_FAILED,
                r"(?:error: )?maximum authentication attempts exceeded for (?:invalid user )?"
                r"(?P<user>.*) from <address> port \d{1,5} ssh\d(?: \[preauth\])?",
            ),
            # All that is seen of guessing where passwords are not taken.
            Line(
                LogKind.AUTH_FAILED,
                r"(?:Connection (?:closed|reset) by|Disconnected from) authenticating user"
                r" (?P<user>.*) <address> port \d{1,5} \[preauth\]",
            ),
            Line(
                LogKind.ABUSE,
                r"Unable to negotiate with <address> port \d{1,5}: no matching .*",
            ),
            Line(
                LogKind.ABUSE,
                r"(?:error: )?banner exchange: Connection from <address> port \d{1,5}:"
                r" (?:invalid format|could not read protocol version)",
            ),
            Line(
                LogKind.ABUSE,
                r"Bad protocol version identification '.*' from <address> port \d{1,5}",
            ),
        ),
    ),
    LogService(
        name="dropbear",
        programs=("dropbear",),
        lines=(
            Line(
                LogKind.AUTH_FAILED,
                r"[Bb]ad (?:PAM )?password attempt for '(?P<user>.*)' from <address>:\d{1,5}",
            ),
            Line(
                LogKind.USER_UNKNOWN,
                r"[Ll]ogin attempt for nonexistent user(?: '(?P<user>.*)')?"
                r" from <address>:\d{1,5}",
            ),
            Line(
                LogKind.AUTH_OK,
                r"(?:Password|PAM password) auth succeeded for '(?P<user>.*)'"
                r" from <address>:\d{1,5}",
            ),
            Line(
                LogKind.AUTH_OK,
                r"Pubkey auth succeeded for '(?P<user>.*)' with [a-z0-9@.-]+ key [^ ]+ [^ ]+"
                r" from <address>:\d{1,5}",
            ),
        ),
    ),
)
