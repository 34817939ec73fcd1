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
    public: bool = Field(
        default=False,
        description="Never get it from an address that is not public, nor from a file; set for "
        "feeds that are added by the API or the dashboard.",
    )
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
    hunt: Duration = Field(
        7 * 86_400.0,
        ge=0,
        description="What feeds say anew is looked up in the flows and names of so long ago; 0 for "
        "never.",
    )
    share: ShareSettings = ShareSettings()
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
