"""Active scans and vulnerabilities, as the API and the command line tell them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from phage.clock import rfc3339

if TYPE_CHECKING:
    from collections.abc import Iterator

    from phage.records.scan import Scan, ScanDiff, ScanHost, Service
    from phage.records.vulnerability import Affected, Exploited, Likelihood, Vulnerability


def scan_shape(made: Scan, *, hosts: bool = True) -> dict[str, Any]:
    """Return a scan, with the hosts that it found if wanted."""
    shape: dict[str, Any] = {
        "id": made.id,
        "state": str(made.state),
        "by": made.by,
        "started": rfc3339(made.started),
        "ended": rfc3339(made.ended) if made.ended else "",
        "seconds": round((made.ended - made.started) / 1e9, 1) if made.ended else None,
        "targets": list(made.targets),
        "ports": made.ports,
        "fast": made.fast,
        "hosts_total": len(made.hosts),
        "sent": made.sent,
        "dropped": dict(made.dropped),
        "fault": made.fault,
    }
    return {**shape, "hosts": [host_shape(each) for each in made.hosts]} if hosts else shape


def host_shape(host: ScanHost) -> dict[str, Any]:
    """Return a host of a scan."""
    return {
        "address": host.address,
        "mac": host.mac,
        "interface": host.interface,
        "ways": list(host.ways),
        "services": [service_shape(each) for each in host.services],
        "facts": {kind: dict(said) for kind, said in host.facts.items()},
        "says": "; ".join(_says(host)),
    }


def service_shape(service: Service) -> dict[str, Any]:
    """Return a service of a host."""
    return {
        "protocol": service.protocol,
        "port": service.port,
        "name": service.name,
        "banner": service.banner,
        "software": service.software,
        "certain": service.certain,
    }


def _says(host: ScanHost) -> Iterator[str]:
    for kind, said in host.facts.items():
        if kind == "credentials":
            yield f"DEFAULT PASSWORD: {', '.join(f'{k} {v}' for k, v in said.items())}"
        else:
            names = ("friendly_name", "model_name", "description", "name", "server")
            yield from (str(said[name])[:60] for name in names if said.get(name))


def diff_shape(diff: ScanDiff) -> dict[str, Any]:
    """Return a difference between scans."""
    return {
        "scan": diff.scan,
        "at": rfc3339(diff.at),
        "status": str(diff.status),
        "host": diff.host,
        "mac": diff.mac,
        "service": diff.service,
        "before": diff.before,
        "after": diff.after,
        "notice": diff.notice,
    }


def cve_shape(
    record: Vulnerability, kev: Exploited | None, epss: Likelihood | None
) -> dict[str, Any]:
    """Return a vulnerability."""
    return {
        "cve": record.id,
        "exploited": kev.added if kev is not None else "",
        "ransomware": kev is not None and kev.ransomware,
        "due": kev.due if kev is not None else "",
        "likelihood": epss.score if epss is not None else None,
        "percentile": epss.percentile if epss is not None else None,
        "cvss": record.cvss,
        "cvss_version": record.cvss_version,
        "cvss_vector": record.cvss_vector,
        "weaknesses": list(record.weaknesses),
        "exploitation": record.exploitation,
        "published": record.published,
        "description": record.description,
    }


def affected_shape(affected: Affected) -> dict[str, Any]:
    """Return a vulnerability of a device."""
    return {
        **cve_shape(affected.vulnerability, affected.exploited, affected.likelihood),
        "certain": affected.certain,
        "caveat": affected.caveat,
        "software": affected.software.cpe,
        "evidence": affected.software.evidence,
    }
