"""The rules of a large network, made up: what API and pages are measured with."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

from phage.config.settings import PolicySettings, Settings
from phage.config.statedir import StateDirectory
from phage.daemon.ruledesk import LocalRuleDesk
from phage.policy.ruleset import load

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractContextManager
    from pathlib import Path

    from phage.api.desks import RuleDesk
    from phage.clock import Clock
    from phage.daemon.enforcement import Enforcement
    from phage.store.store import Store

RULES = 300


def make_book(
    folder: Path, reading: Callable[[], AbstractContextManager[Store]], clock: Clock
) -> RuleDesk:
    """Write rules for many services of many networks to a folder; return their desk."""
    lines = ["rules:"]
    for number in range(RULES):
        lines += [
            f"  - name: Service {number}",
            f"    priority: {number}",
            f"    match: {{source: 10.0.{number % 200}.0/24, service: tcp/{8000 + number}}}",
            "    action: drop",
            "    mode: dry-run",
        ]
    (folder / "large.yaml").write_text("\n".join(lines) + "\n", encoding="utf-8")
    # Rules are shown and no more: nothing decides here.
    shown = SimpleNamespace(rulebook=SimpleNamespace(ruleset=load([folder])))
    settings = Settings(policy=PolicySettings(rules=(folder,)))
    state = StateDirectory(folder)
    return LocalRuleDesk(settings, state, cast("Enforcement", shown), reading, clock)
