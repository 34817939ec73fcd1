"""Forged answers: who answers to names that are not its own, and DNS answers that contradict.

A host answers by LLMNR and NBNS for its own name only (RFC 4795, section 2.1; RFC 1002, section
4.2.13). Who lies in wait for mistyped and missing names answers for whatever is asked (ATT&CK
T1557.001). In DNS one question has one answer: whoever forges one has to be faster than the
resolver, whose answer comes all the same.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from phage.detect.explain import clean
from phage.detect.impostors import Impostor
from phage.detect.tables import Distinct, Recent
from phage.records import Peer

if TYPE_CHECKING:
    from collections.abc import Container

    from phage.records import Observation

_SECOND = 1_000_000_000
_MINUTE = 60 * _SECOND
_NAMES = 5
"""Names that one host answers to: it has one, and servers have some aliases."""
_NAMES_SPAN = 60 * _MINUTE
_WAITS = 5 * _SECOND
"""An answer comes within this time (RFC 4795, section 2.7, and RFC 1002, section 6: one second)."""
_CONTRADICTIONS = 3
"""Questions with contradicting answers: one may be a fault."""
_CONTRADICTIONS_SPAN = 10 * _MINUTE
_MOST_ANSWERS = 4  # Those of one question that are remembered.

_Place = tuple[int, str, str]
"""VLAN, who asked, name."""
_Question = tuple[int, str, int, str, int, str, str]
"""VLAN, client, its port, server, transaction, name, type."""


@dataclass(slots=True)
class _Asked:
    """One question of DNS, and what it was answered."""

    times: int = 0
    mac: str = ""
    answers: list[tuple[str, ...]] = field(default_factory=list)


@dataclass(slots=True)
class Answers:
    """Tells whose answers are forged.

    Fails for a forger whose answer makes that of the server impossible: one in between who keeps
    the question for himself.
    """

    _asked_all: Recent[_Place, int] = field(default_factory=lambda: Recent(2048), init=False)
    _names: Recent[str, Distinct[str]] = field(default_factory=lambda: Recent(512), init=False)
    _asked: Recent[_Question, _Asked] = field(default_factory=lambda: Recent(2048), init=False)
    _voices: Recent[tuple[int, str], str] = field(default_factory=lambda: Recent(256), init=False)
    _forged: Recent[str, Distinct[str]] = field(default_factory=lambda: Recent(64), init=False)

    @property
    def dropped(self) -> int:
        """How many entries were dropped to stay under the caps, those that grew old included."""
        return self._names.dropped + self._forged.dropped

    def observe(self, seen: Observation, routers: Container[str]) -> Impostor | None:
        """Take in a message of LLMNR, NBNS or DNS; return the forger that it shows."""
        if seen.kind == "dns":
            return self._observe_dns(seen, routers)
        name = seen.fields.get("name" if seen.kind == "nbns" else "query")
        if not isinstance(name, str) or not name:
            return None
        name = name.lower().removesuffix(".")
        if not seen.fields.get("response"):
            if _is_to_all(seen) and seen.fields.get("operation", "query") == "query":
                self._asked_all.put((seen.vlan, seen.src, name), seen.time)
            return None
        return self._note_name(seen, name)

    def _note_name(self, seen: Observation, name: str) -> Impostor | None:
        """Note that a host answered to a name that everybody was asked for."""
        asked = self._asked_all.get((seen.vlan, seen.dst, name))
        if asked is None or seen.time - asked > _WAITS or not _claims(seen):
            return None
        who = seen.src_mac or seen.src
        names = self._names.use(who)
        if names is None:
            names = self._names.put(who, Distinct(64))
        names.expire(seen.time - _NAMES_SPAN)
        names.refresh(name, seen.time)
        if len(names) < _NAMES:
            return None
        shown = " and ".join(clean(each) for each in list(names)[-2:])
        why = f"it answered to {len(names)} names, such as {shown}; normal is its own name only"
        return Impostor("poisoner of names", who, seen.src, seen.time, (_peer(seen),), {"why": why})

    def _observe_dns(self, seen: Observation, routers: Container[str]) -> Impostor | None:
        fields = seen.fields
        number, name, kind = (fields.get(each) for each in ("id", "query", "query_type"))
        if not (isinstance(number, int) and isinstance(name, str) and isinstance(kind, str)):
            return None
        if not fields.get("response"):
            self._ask((seen.vlan, seen.src, seen.src_port, seen.dst, number, name, kind))
            return None
        asked = self._asked.get((seen.vlan, seen.dst, seen.dst_port, seen.src, number, name, kind))
        answer = _addresses(seen)
        if asked is None or not answer or answer in asked.answers:
            return None  # A mirror port shows many a packet twice.
        if not asked.answers:
            asked.mac = seen.src_mac
        if len(asked.answers) < _MOST_ANSWERS:
            asked.answers.append(answer)
        if len(asked.answers) > asked.times:
            return self._note_contradiction(seen, asked, name, routers)
        if self._voices.use((seen.vlan, seen.src)) is None:
            self._voices.put((seen.vlan, seen.src), seen.src_mac)
        return None

    def _ask(self, question: _Question) -> None:
        asked = self._asked.use(question)
        if asked is None:
            asked = self._asked.put(question, _Asked())
        asked.times += 1

    def _note_contradiction(
        self, seen: Observation, asked: _Asked, name: str, routers: Container[str]
    ) -> Impostor | None:
        usual = self._voices.get((seen.vlan, seen.src))
        macs = [mac for mac in (asked.mac, seen.src_mac) if mac]
        strangers = [mac for mac in macs if mac not in routers]
        if len(strangers) == len(macs):
            strangers = [mac for mac in macs if mac != usual]
        who = strangers[0] if strangers else seen.src
        names = self._forged.use(who)
        if names is None:
            names = self._forged.put(who, Distinct(256))
        names.expire(seen.time - _CONTRADICTIONS_SPAN)
        names.refresh(f"{name} {seen.dst} {seen.dst_port}", seen.time)
        if len(names) < _CONTRADICTIONS:
            return None
        both = " and ".join(answer[0].partition(" ")[2] for answer in asked.answers[-2:])
        why = (
            f"{len(names)} questions to {seen.src} were answered twice and differently, such as "
            f"{clean(name)} by {both}; normal is one answer"
        )
        ip = "" if strangers else seen.src
        kind = "forger of DNS answers" if strangers else "source of forged DNS answers"
        server = Peer(seen.src, usual or "", ("udp/53",))
        return Impostor(kind, who, ip, seen.time, (server, _peer(seen)), {"why": why})


def _is_to_all(seen: Observation) -> bool:
    return bool(int(seen.dst_mac[:2] or "0", 16) & 1) if seen.dst_mac else False


def _claims(seen: Observation) -> bool:
    """Tell whether an answer says that the name is a host's, and that it is this one."""
    fields = seen.fields
    if seen.kind == "nbns":
        named = isinstance(fields.get("address"), str) and not fields.get("group")
        return named and fields.get("operation") == "query" and not fields.get("rcode")
    return fields.get("query_type") in {"A", "AAAA", "ANY"} and bool(fields.get("answers"))


def _addresses(seen: Observation) -> tuple[str, ...]:
    """Return the addresses that an answer of DNS gives, in order."""
    records = seen.fields.get("answer")
    if not isinstance(records, tuple):
        return ()
    return tuple(sorted(each for each in records if each.startswith(("A ", "AAAA "))))


def _peer(seen: Observation) -> Peer:
    return Peer(seen.dst, seen.dst_mac, (f"udp/{seen.src_port}",))
