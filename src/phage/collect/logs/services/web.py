"""Web servers: access logs in the common and combined form, and the error logs of nginx and Apache.

In an access log nginx and Apache write quotation marks and control characters of what they were
sent as escapes, and the address comes first, so nobody can bring another's into it. In their error
logs they do not: a user name of HTTP authentication may hold a line of its own. What is read there
is taken as something that anyone can forge.
"""

from __future__ import annotations

from phage.collect.logs.service import Form, Line, LogService
from phage.records import LogKind

SERVICES = (
    LogService(name="nginx", lines=(), form=Form.ACCESS, path="/var/log/nginx/access.log"),
    LogService(name="apache", lines=(), form=Form.ACCESS, path="/var/log/apache2/access.log"),
    LogService(name="lighttpd", lines=(), form=Form.ACCESS, path="/var/log/lighttpd/access.log"),
    LogService(
        name="nginxerror",
        programs=("nginx",),
        path="/var/log/nginx/error.log",
        lines=(
            # auth_basic: ngx_http_auth_basic_module.c.
            Line(
                LogKind.AUTH_FAILED,
                r"\[error\] \d+#\d+: (?:\*\d+ )?user \"(?P<user>[^\"]*)\""
                r"(?:: password mismatch| was not found in \"[^\"]*\")"
                r", client: <address>, server: .*",
                once=(", client: ",),
                spoofable=True,
            ),
            # limit_req and limit_conn: somebody asks more often than the server's owner allows.
            Line(
                LogKind.ABUSE,
                r"\[error\] \d+#\d+: (?:\*\d+ )?limiting (?:requests, excess: [\d.]+"
                r"|connections) by zone \"[^\"]*\", client: <address>, server: .*",
                once=(", client: ",),
                spoofable=True,
            ),
        ),
    ),
    LogService(
        name="apacheerror",
        path="/var/log/apache2/error.log",
        lines=(
            # mod_auth_basic and mod_auth_digest; the client stands before what it chose.
            Line(
                LogKind.AUTH_FAILED,
                r"\[(?:[a-z_]+:)?error\] \[pid [\d:a-z ]+\] \[client <address>:\d{1,5}\]"
                r" AH\d{5}: user (?P<user>[^ :]*): authentication failure for .*",
                once=("[client ",),
                spoofable=True,
            ),
            Line(
                LogKind.USER_UNKNOWN,
                r"\[(?:[a-z_]+:)?error\] \[pid [\d:a-z ]+\] \[client <address>:\d{1,5}\]"
                r" AH\d{5}: user (?P<user>[^ ]*) not found: .*",
                once=("[client ",),
                spoofable=True,
            ),
        ),
    ),
)
