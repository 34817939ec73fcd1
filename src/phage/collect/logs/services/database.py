"""Database servers: MySQL and MariaDB, PostgreSQL."""

from __future__ import annotations

from phage.collect.logs.service import Line, LogService
from phage.records import LogKind

SERVICES = (
    LogService(
        name="mysql",
        programs=("mysqld", "mariadbd"),
        path="/var/log/mysql/error.log",
        lines=(
            # The server's own words follow the address, so the last one is right.
            Line(
                LogKind.AUTH_FAILED,
                r"(?:\d+ )?\[(?:Warning|Note)\] (?:\[MY-\d+\] \[Server\] )?Access denied for user"
                r" '(?P<user>.*)'@'<address>'(?: \(using password: (?:YES|NO)\))?",
            ),
        ),
    ),
    LogService(
        name="postgresql",
        programs=("postgres",),
        path="/var/log/postgresql/postgresql-*-main.log",
        lines=(
            Line(
                LogKind.AUTH_FAILED,
                r"(?:[A-Z]{2,5} )?\[\d+\](?: [^ ]+)? FATAL:  no pg_hba\.conf entry for"
                r" (?:replication connection from )?host \"<address>\", user .*",
            ),
            # With %h or %r at the beginning of log_line_prefix; by default no address is logged.
            Line(
                LogKind.AUTH_FAILED,
                r"(?:[A-Z]{2,5} )?\[\d+\] <address>(?:\(\d{1,5}\))? (?:[^ ]+ )?FATAL:  "
                r"(?:password|[A-Za-z0-9]+|SCRAM-SHA-256) authentication failed for user"
                r" \"(?P<user>.*)\"",
            ),
        ),
    ),
)
