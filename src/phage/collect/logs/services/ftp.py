"""FTP servers: vsftpd, ProFTPD, Pure-FTPd."""

from __future__ import annotations

from phage.collect.logs.service import Line, LogService
from phage.records import LogKind

SERVICES = (
    LogService(
        name="vsftpd",
        programs=("vsftpd",),
        path="/var/log/vsftpd.log",
        lines=(
            # A name may hold brackets and words; nothing follows the address.
            Line(
                LogKind.AUTH_FAILED,
                r"(?:\[pid \d+\] )?\[(?P<user>.*)\] FAIL LOGIN: Client \"<address>\"",
            ),
            Line(
                LogKind.AUTH_OK,
                r"(?:\[pid \d+\] )?\[(?P<user>.*)\] OK LOGIN: Client \"<address>\"",
            ),
        ),
    ),
    LogService(
        name="proftpd",
        programs=("proftpd",),
        path="/var/log/proftpd/proftpd.log",
        lines=(
            Line(
                LogKind.AUTH_FAILED,
                r"(?:[^ ]+ proftpd\[\d+\] )?[^ ]+ \([^ \[\]()]+\[<address>\]\):?(?: -)? USER"
                r" (?P<user>[^ ]*) \(Login failed\): .*",
            ),
            Line(
                LogKind.USER_UNKNOWN,
                r"(?:[^ ]+ proftpd\[\d+\] )?[^ ]+ \([^ \[\]()]+\[<address>\]\):?(?: -)? USER"
                r" (?P<user>[^ :]*): no such user found from .*",
            ),
            Line(
                LogKind.AUTH_OK,
                r"(?:[^ ]+ proftpd\[\d+\] )?[^ ]+ \([^ \[\]()]+\[<address>\]\):?(?: -)? USER"
                r" (?P<user>.*): Login successful\.",
            ),
        ),
    ),
    LogService(
        name="pureftpd",
        programs=("pure-ftpd",),
        lines=(
            Line(
                LogKind.AUTH_FAILED,
                r"\(\?@<address>\) \[WARNING\] Authentication failed for user \[(?P<user>.*)\]",
            ),
            Line(LogKind.AUTH_OK, r"\(\?@<address>\) \[INFO\] (?P<user>.*) is now logged in"),
        ),
    ),
)
