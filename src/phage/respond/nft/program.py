"""The nft program: a script is loaded whole or not at all."""

from __future__ import annotations

import re
import subprocess  # noqa: TID251  The kernel's rules are written in a language that nft compiles.
from pathlib import Path
from typing import TYPE_CHECKING

from phage.errors import PluginUnavailableError
from phage.respond.nft.names import RuleSetError

if TYPE_CHECKING:
    from phage.respond.nft.script import Script

PLACES = tuple(
    Path(folder, "nft") for folder in ("/usr/sbin", "/sbin", "/usr/bin", "/bin", "/usr/local/sbin")
)
"""Where nft is looked for; never along PATH, since this runs with a capability."""

PATIENCE_SECONDS = 300.0
"""A million prefixes take about 40 s."""

_ERROR = re.compile(r"^[^\n:]*:(\d+):[\d-]+: Error: (.*)$", re.MULTILINE)


def find() -> Path:
    """Return where nft is. Raises PluginUnavailableError."""
    for place in PLACES:
        if place.is_file():
            return place
    message = "there is no nft in /usr/sbin or beside it; install nftables"
    raise PluginUnavailableError(message)


def load(script: Script) -> None:
    """Have the kernel take a script, in one transaction.

    Raises RuleSetError with the names of the rules that are refused; nothing has changed then.
    """
    try:
        done = subprocess.run(  # noqa: S603  A fixed program; the script was rendered here.
            [find(), "-f", "-"],
            input=script.text,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_SECONDS,
            check=False,
            env={"LC_ALL": "C"},
            cwd="/",
        )
    except subprocess.TimeoutExpired:
        message = f"nft took longer than {PATIENCE_SECONDS:.0f} s; what stood before still stands"
        raise RuleSetError(message) from None
    except OSError as error:
        message = f"nft cannot be started: {error.strerror}"
        raise RuleSetError(message) from error
    if done.returncode:
        raise RuleSetError(explain(script, done.stderr))


def explain(script: Script, stderr: str) -> str:
    """Say which rules nft or the kernel refused, and why."""
    if "Operation not permitted" in stderr:
        return "the kernel takes no rules from this process: it needs the capability CAP_NET_ADMIN"
    reasons: dict[str, str] = {}
    for number, reason in _ERROR.findall(stderr):
        reasons.setdefault(script.rule_at(int(number)), reason.strip())
    if not reasons:
        return f"the rule set is refused: {stderr.strip()[:500] or 'nft gives no reason'}"
    told = [
        f"rule {rule!r} is refused: {reason}" if rule else f"the rule set is refused: {reason}"
        for rule, reason in sorted(reasons.items())
    ]
    return "; ".join(told[:5]) + (f"; and {len(told) - 5} more" if len(told) > 5 else "")
