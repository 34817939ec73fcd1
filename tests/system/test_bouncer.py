"""CrowdSec's firewall bouncer, unmodified from Debian's package, enforces phage's decisions."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from phage.testing.waiting import until

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.system.conftest import Host, Lab, Phage

pytestmark = pytest.mark.system

BOUNCER = "crowdsec-firewall-bouncer"
GATEWAY = "10.77.0.1"

PATIENCE = 60.0

CONFIG = """
mode: nftables
update_frequency: 1s
daemonize: false
log_mode: stdout
log_level: info
api_url: http://127.0.0.1:8080/
api_key: {key}
disable_ipv6: false
deny_action: DROP
deny_log: false
supported_decisions_types: [ban]
blacklists_ipv4: crowdsec-blacklists
blacklists_ipv6: crowdsec6-blacklists
nftables:
  ipv4: {{enabled: true, set-only: false, table: crowdsec, chain: crowdsec-chain}}
  ipv6: {{enabled: true, set-only: false, table: crowdsec6, chain: crowdsec6-chain}}
prometheus: {{enabled: false}}
"""


def tell(phage: Phage, *words: str, typed: str = "") -> str:
    """Run a phage command on the state of a running one; return what it prints."""
    done = subprocess.run(
        (sys.executable, "-m", "phage", *words, "--state-dir", str(phage.state)),
        input=typed,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def answers(host: Host) -> bool:
    """Tell whether the gateway answers a host."""
    done = host.run("ping", "-c", "1", "-W", "1", GATEWAY, timeout=30, check=False)
    return bool(done.returncode == 0)


def test_a_ban_is_enforced_and_taken_back(lab: Lab, needs: Callable[..., None]) -> None:
    needs(BOUNCER, "nft", "ping")
    attacker, other = lab.add("attacker", 2), lab.add("other", 3)
    subprocess.run(
        ["ip", "-n", lab.switch, "addr", "add", f"{GATEWAY}/24", "dev", "br0"], check=True
    )
    phage = lab.phage(settings={"policy": {"enforce": True}, "respond": {"responders": []}})
    tell(phage, "users", "add", "ada", "--role", "admin", typed="correct horse battery\n")
    key = tell(phage, "tokens", "create", "bouncer", "--bouncer").strip()
    config = lab.folder / "bouncer.yaml"
    config.write_text(CONFIG.format(key=key), encoding="utf-8")
    tell(phage, "decisions", "add", attacker.address, "--for", "10min")
    until("an answer", lambda: answers(attacker))  # Nothing of phage's own enforces it.
    bouncer = lab.on_switch(BOUNCER, "-c", str(config))
    until(f"the ban of the start\n{bouncer.transcript()}", lambda: not answers(attacker))
    until("an answer", lambda: answers(other))
    tell(phage, "decisions", "add", other.address, "--for", "10min")
    until("a ban that came later", lambda: not answers(other))
    tell(phage, "decisions", "revoke", attacker.address)
    until("the end of a ban", lambda: answers(attacker))
    assert not answers(other)
    tell(phage, "panic")
    until("the end of all bans", lambda: answers(other))
    used = json.loads(tell(phage, "tokens", "list", "--output", "json"))
    assert used[0]["last_used"]
