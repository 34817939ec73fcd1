"""What only those ask a Web server for who look for holes, and what they call themselves."""

from __future__ import annotations

from functools import lru_cache

# Parts of a path, between slashes, that no page of an ordinary site links to: secrets left behind,
# version control, consoles, the programs of others. What a site really serves (`wp-login.php` of a
# WordPress) is answered 200 to everybody, and is none by itself: see LogKind.HTTP_PROBE.
SEGMENTS = frozenset({
    # Secrets and version control left behind.
    ".env", ".env.local", ".env.production", ".env.backup", ".env.old", ".env.bak", ".git", ".svn",
    ".hg", ".aws", ".ssh", ".docker", ".kube", ".vscode", ".idea", ".ds_store", ".htpasswd",
    ".htaccess", ".npmrc", ".bash_history", "id_rsa", "id_ed25519", "credentials.json",
    "secrets.yml", "wp-config.php.bak", "wp-config.php~", "wp-config.php.old", "wp-config.txt",
    "config.php.bak", "web.config.bak", "docker-compose.yml", "dump.sql", "backup.sql",
    "database.sql", "db.sql", "backup.zip", "backup.tar.gz", "www.zip", "site.zip",
    # Programs with known holes, and their setup.
    "phpmyadmin", "pma", "myadmin", "mysqladmin", "dbadmin", "sqlmanager", "adminer.php",
    "phpunit", "eval-stdin.php", "phpinfo.php", "info.php", "php-cgi.exe", "php.cgi", "cgi-bin",
    "wlwmanifest.xml", "xmlrpc.php", "wp-admin", "wp-login.php", "setup-config.php", "alfacgiapi",
    "alfa.php", "wso.php", "c99.php", "r57.php", "shell.php", "cmd.php", "webshell.php",
    "filemanager.php", "fckeditor", "kcfinder", "timthumb.php",
    # Devices and appliances.
    "boaform", "gponform", "hnap1", "goform", "setup.cgi", "login.cgi", "currentsetting.htm",
    "sdk", "webfig", "remote", "dana-na", "vpns", "+cscoe+", "+cscol+", "owa", "ecp",
    "autodiscover", "tmui", "global-protect", "cgi-mod", "dniapi", "luci",
    # Consoles of application servers.
    "actuator", "jolokia", "jmx-console", "web-console", "invoker", "manager", "host-manager",
    "solr", "_ignition", "telescope", "struts", "struts2-showcase", "wls-wsat", "console",
    "druid", "nacos", "geoserver", "jenkins", "hudson", "server-status", "server-info", "_cat",
    "_nodes", "v2", "containers", "_profiler", "adminconsole",
})  # fmt: skip

# Some of these are ordinary words: they count when the answer says that there is no such thing.
_ONLY_ABSENT = frozenset({
    "wp-admin", "wp-login.php", "xmlrpc.php", "remote", "manager", "console", "sdk", "solr", "owa",
    "ecp", "autodiscover", "v2", "containers", "jenkins", "luci", "cgi-bin", "pma", "phpmyadmin",
    "druid", "nacos", "geoserver", "actuator", "server-status", "info.php", "invoker", "telescope",
    ".htaccess", "hudson", "vpns", "docker-compose.yml", "_cat", "_nodes", "global-protect",
})  # fmt: skip

# Parts of requests that are attacks in themselves: a way out of the folder, a command, a query, a
# look-up (CVE-2021-44228), a template, a script.
FRAGMENTS = (
    "../", "..\\", "..%2f", "..%5c", "%2e%2e/", "%2e%2e%2f", ".%2e/", "%252e", "%c0%af",
    "/etc/passwd", "/proc/self", "win.ini", "boot.ini", "${jndi:", "$%7bjndi",
    "%24%7bjndi", "${env:", "{{7*7}}", "union+select", "union%20select", "union select",
    "'+or+'", "'%20or%20'", "%27%20or%20",
    "information_schema", "sleep(", "benchmark(", "waitfor%20delay", "<script", "%3cscript",
    "php://", "phar://", "expect://", "data://", "file://", "gopher://", "auto_prepend_file",
    "allow_url_include", "/bin/sh", "/bin/bash", "cmd.exe", "wget+http", "wget%20http",
    "curl+http", "curl%20http", ";wget", "$(", "%00", "think\\app", "think%5capp", "invokefunction",
    "xdebug_session", "phpstorm", "call_user_func",
)  # fmt: skip

AGENTS = (
    "sqlmap", "nikto", "nmap scripting", "masscan", "zgrab", "gobuster", "dirbuster", "dirb",
    "ffuf", "feroxbuster", "wfuzz", "nuclei", "wpscan", "joomscan", "hydra", "acunetix", "nessus",
    "openvas", "netsparker", "arachni", "w3af", "skipfish", "whatweb", "commix", "jaeles",
    "burpcollaborator", "havij", "morfeus", "zmeu", "jorgee", "fuzz faster", "l9explore",
    "l9tcpid", "libredtail", "mozi.", "hello, world", "sqlninja", "xrumer", "patator", "medusa",
)  # fmt: skip

_LOGIN_WORDS = (
    "login", "logon", "signin", "sign_in", "sign-in", "session", "auth", "xmlrpc", "token",
    "j_security_check",
)  # fmt: skip

LONGEST_LOOKED_AT = 1024
"""Characters of a target or a name that are to be given to the functions below, which remember
some thousand of them."""


@lru_cache(maxsize=4096)
def is_scanner(agent: str) -> bool:
    """Tell whether a user agent is the name of a scanner. Anyone can leave it out or lie."""
    lower = agent.lower()
    return any(name in lower for name in AGENTS)


@lru_cache(maxsize=8192)
def is_probe(target: str, status: int) -> bool:
    """Tell whether a request's target is what only those ask for who look for holes.

    Fails for sites that serve such things on purpose and answer 200 to others than their owner.
    """
    lower = target.lower()
    if any(fragment in lower for fragment in FRAGMENTS):
        return True
    path = lower.partition("?")[0]
    found = SEGMENTS.intersection(path.split("/"))
    if not found:
        return False
    return status in {400, 403, 404, 405, 410} or not found <= _ONLY_ABSENT


def is_login(method: str, target: str) -> bool:
    """Tell whether a request logs in: a post to what login pages and their scripts are called."""
    if method != "POST":
        return False
    lower = target.lower()
    return any(word in lower for word in _LOGIN_WORDS)
