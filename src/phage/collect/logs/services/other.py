"""Others that log refused logins: administration, telephony, self-hosted applications, PAM."""

from __future__ import annotations

from phage.collect.logs.service import Line, LogService
from phage.records import LogKind

SERVICES = (
    # pam_unix(8), for programs that log nothing better themselves. The name of the remote user is
    # chosen by the client, and stands before the address.
    LogService(
        name="pam",
        programs=("login", "cockpit-session", "xrdp-sesman", "gdm-password]", "lightdm", "samba"),
        lines=(
            Line(
                LogKind.AUTH_FAILED,
                r"pam_[a-z]+\([a-z0-9-]+:auth\): authentication failure; logname=[^ ]* uid=\d*"
                r" euid=\d* tty=[^ ]* ruser=[^ ]* rhost=<address>(?:  user=(?P<user>.*))?",
                once=("rhost=",),
            ),
        ),
    ),
    LogService(
        name="asterisk",
        programs=("asterisk",),
        path="/var/log/asterisk/messages",
        lines=(
            # SIP comes over UDP as a rule: anyone can send it in another's name (RFC 3261).
            *(
                Line(
                    LogKind.AUTH_FAILED,
                    r"(?:NOTICE|WARNING)\[\d+\](?:\[C-[0-9a-f]+\])? [a-z_/]+\.c: .* failed for"
                    rf" '{address}' (?:\(callid: [^ ()']*\) )?- (?:Wrong password"
                    r"|No matching (?:peer|endpoint) found|Username/auth name mismatch"
                    r"|Failed to authenticate|Not a local domain|Peer is not supposed to register"
                    r"|Device does not match ACL|ACL error \(permit/deny\)|Error to authenticate)",
                    spoofable=True,
                )
                for address in (r"<address>:\d{1,5}", r"\[<address>\]:\d{1,5}", "<address>")
            ),
        ),
    ),
    LogService(
        name="openvpn",
        programs=("openvpn", "ovpn-server"),
        path="/var/log/openvpn/openvpn.log",
        lines=(
            # Only who answers the handshake comes to the password.
            Line(
                LogKind.AUTH_FAILED,
                r"(?:[a-z]+\[\d+\]: )?<address>:\d{1,5} TLS Auth Error: "
                r"Auth Username/Password verification failed for peer",
            ),
            Line(
                LogKind.ABUSE,
                r"(?:[a-z]+\[\d+\]: )?<address>:\d{1,5} (?:TLS Error: TLS handshake failed"
                r"|VERIFY ERROR: .*)",
                spoofable=True,
            ),
        ),
    ),
    LogService(
        name="webmin",
        programs=("webmin", "usermin"),
        lines=(
            Line(LogKind.AUTH_FAILED, r"Invalid login as (?P<user>.*) from <address>"),
            Line(LogKind.USER_UNKNOWN, r"Non-existent login as (?P<user>.*) from <address>"),
            Line(LogKind.AUTH_OK, r"Successful login as (?P<user>.*) from <address>"),
        ),
    ),
    LogService(
        name="proxmox",
        programs=("pvedaemon", "pmgdaemon", "proxmox-backup-api"),
        lines=(
            Line(
                LogKind.AUTH_FAILED,
                r"authentication failure; rhost=<address> user=(?P<user>[^ ]*) msg=.*",
            ),
        ),
    ),
    LogService(
        name="gitea",
        programs=("gitea", "forgejo"),
        path="/var/lib/gitea/log/gitea.log",
        lines=(
            Line(
                LogKind.AUTH_FAILED,
                r"(?:[^ .]+\.go:\d+:[^ ]+ )?\[[A-Z]\] (?:\[[0-9a-f-]+\] )?Failed authentication"
                r" attempt for (?P<user>[^ ]*) from <address>:\d{1,5}: .*",
                once=(" from ",),
            ),
        ),
    ),
    LogService(
        name="vaultwarden",
        programs=("vaultwarden",),
        path="/var/log/vaultwarden.log",
        lines=(
            Line(
                LogKind.AUTH_FAILED,
                r"\[vaultwarden::api::[a-z_:]+\]\[ERROR\] (?:Username or password is incorrect\."
                r" Try again|Invalid admin token)\. IP: <address>"
                r"(?:\. Username: (?P<user>.*))?",
            ),
        ),
    ),
    LogService(
        name="homeassistant",
        programs=("hass", "homeassistant"),
        path="/config/home-assistant.log",
        lines=(
            # The host name before the address was looked up; it has no parentheses.
            Line(
                LogKind.AUTH_FAILED,
                r"WARNING \(MainThread\) \[homeassistant\.components\.http\.ban\] Login attempt or"
                r" request with invalid authentication from [^ ()]+ \(<address>\)\..*",
            ),
        ),
    ),
    LogService(
        name="nextcloud",
        path="/var/www/nextcloud/data/nextcloud.log",
        lines=(
            # JSON; quotation marks of what the client chose are escaped, and the address comes
            # before it.
            Line(
                LogKind.AUTH_FAILED,
                r"\{\"reqId\":\"[^\"]*\",\"level\":\d,\"time\":\"[^\"]*\",\"remoteAddr\":"
                r"\"<address>\",.*",
                once=('"message":"Login failed: ',),
            ),
        ),
    ),
)
