"""Feedback on what was found, to all that learn: here, and at sensors elsewhere."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from phage.detect.detectors.volumetric import Volumetric
from phage.records.address import parse_address, parse_mac

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.collect.collector import Collector
    from phage.records import Advice, Finding

_log = logging.getLogger(__name__)


def excuse(
    finding: Finding, collectors: Iterable[Collector], floods: Iterable[Volumetric] = ()
) -> None:
    """Have all that learns take what a finding was about as normal: it was no attack."""
    if finding.detector == Volumetric.name:
        for detector in floods:
            detector.accept(finding.key)
    subject = finding.subject
    if not (subject.mac or subject.ip):
        return
    mac = parse_mac(subject.mac) if subject.mac else 0
    address = parse_address(subject.ip) if subject.ip else bytes(16)
    for collector in collectors:
        collector.excuse(mac, address, finding.first_seen, finding.last_seen)


def follow(collectors: Iterable[Collector], advice: Advice) -> None:
    """Do what a controller advises, at every ring: a device may be seen by several."""
    for collector in collectors:
        act = {"distrust": collector.distrust, "excuse": collector.excuse}.get(advice.verb)
        if act is None:
            _log.warning("a controller advises %r, which is nothing", advice.verb[:32])
            return
        try:
            act(advice.mac, advice.address, advice.since, advice.until)
        except (OverflowError, ValueError, TypeError) as error:  # A number or address that is none.
            _log.warning("a controller's advice makes no sense: %s", error)
            return
