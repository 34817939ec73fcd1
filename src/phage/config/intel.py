"""Settings of threat intelligence."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, JsonValue

from phage.config.kinds import Duration, Size
from phage.config.section import Section
from phage.records import Severity


class FeedSettings(Section):
    """One feed."""

    type: str = Field(description="The kind of feed; `phage plugins list feeds` names them.")
    enabled: bool = Field(default=True, description="Get it and use it.")
    every: Duration = Field(
        21_600.0, ge=60, description="How often it is got; never more often than its maker allows."
    )
    get: bool = Field(
        default=True,
        description="Get it; off for one that comes by `phage feeds import`, and is got elsewhere.",
    )
    public: bool = Field(
        default=False,
        description="Never get it from an address that is not public, nor from a file; set for "
        "feeds that are added by the API or the dashboard.",
    )
    checksum: str = Field(
        "",
        description="Where the checksum of each of its documents is, as '{url}.sha256'; what does "
        "not agree is refused.",
    )
    signature: str = Field(
        "",
        description="Where the signature of each of its documents is, as '{url}.minisig' or "
        "'{url}.asc': minisign's, signify's or PGP's.",
    )
    signed_by: Path | None = Field(None, description="File with the public key of its maker.")
    settings: dict[str, JsonValue] = Field(
        {}, description="Its settings, for example {url: https://example.org/list.txt}."
    )


class ShareSettings(Section):
    """What others are told of attackers; nothing while nothing is switched on."""

    taxii: bool = Field(
        default=False,
        description="Serve attackers as STIX 2.1 at /taxii2/, to who shows a token.",
    )
    name: str = Field("phage", min_length=1, max_length=64, description="In whose name it is said.")
    least: Severity = Field(Severity.MEDIUM, description="Findings of this severity or worse.")
    since: Duration = Field(30 * 86_400.0, ge=3600, description="Of so long ago.")


class AbuseIpDbSettings(Section):
    """Asking AbuseIPDB about single addresses; it learns which."""

    key_file: Path | None = Field(
        None, description="File whose first line is the key; without it nobody is asked."
    )
    findings: bool = Field(
        default=False,
        description="Ask about each stranger that a finding of medium severity names.",
    )
    keep: Duration = Field(86_400.0, ge=3600, description="How long an answer is good.")
    a_day: int = Field(
        1000, ge=1, le=10**6, description="Addresses in any 24 hours, as many as the key allows."
    )
    url: str = Field("https://api.abuseipdb.com/api/v2/check", description="Where it is asked.")


class IntelSettings(Section):
    """Threat intelligence: feeds of indicators, and how they are got."""

    feeds: dict[str, FeedSettings] = Field(
        {}, description="Feeds, by names that rules can use: {drop: {type: spamhaus}}."
    )
    places: tuple[Path, ...] = Field(
        (),
        max_length=16,
        description="Databases of countries and autonomous systems in MaxMind's format (.mmdb); "
        "empty: those of geoipupdate, where there are any.",
    )
    known: tuple[Path, ...] = Field(
        (),
        max_length=64,
        description="Lists of what is well known: MISP's warning lists (files or their folder), or "
        "texts with a value a line. Networks on them are left out of feeds; names and hashes are "
        "believed a quarter.",
    )
    hunt: Duration = Field(
        7 * 86_400.0,
        ge=0,
        description="What feeds say anew is looked up in the flows and names of so long ago; 0 for "
        "never.",
    )
    share: ShareSettings = ShareSettings()
    abuseipdb: AbuseIpDbSettings = AbuseIpDbSettings()
    proxy: str = Field(
        "", description="Proxy for all feeds, http://HOST:PORT; the environment's is not used."
    )
    contact: str = Field(
        "", description="Address of contact that feeds are told in the User-Agent; some ask for it."
    )
    ca_file: Path | None = Field(
        None, description="Certificates to trust instead of the system's, in PEM."
    )
    size: Size = Field(
        128 * 2**20, ge=2**16, le=2**31, description="Larger documents are refused, unpacked too."
    )
    timeout: Duration = Field(
        120.0, ge=1, le=3600, description="A document that takes longer is refused."
    )
