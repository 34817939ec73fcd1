"""What programs say of themselves and their device in HTTP's User-Agent (RFC 9110, 10.1.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from phage.devices.hints import Hint, traits_of, word
from phage.devices.identifier import cleaned
from phage.records.device import Reading

if TYPE_CHECKING:
    from collections.abc import Iterable

    from phage.devices.identifier import Reference
    from phage.records.observation import Observation

AGENTS = (
    Hint(r"iPhone.*OS (\d+)", 0.85, vendor="Apple", product="iPhone", category="phone",
         system=r"iOS \1"),
    Hint(r"iPad", 0.85, vendor="Apple", product="iPad", category="tablet", system="iPadOS"),
    Hint(r"AppleTV", 0.9, vendor="Apple", product="Apple TV", category="tv", system="tvOS"),
    Hint(r"watchOS|Watch\d", 0.8, vendor="Apple", category="wearable"),
    Hint(r"Roku/DVP", 0.95, vendor="Roku", category="tv"),
    Hint(r"SMART-TV.*Tizen|Tizen.*SMART-TV|SamsungBrowser.*TV", 0.9, vendor="Samsung",
         category="tv", system="Tizen"),
    Hint(r"Web0S|webOS\.TV", 0.9, vendor="LG", category="tv", system="webOS"),
    Hint(r"BRAVIA", 0.9, vendor="Sony", category="tv"),
    Hint(r"CrKey", 0.9, vendor="Google", product="Chromecast", category="tv"),
    Hint(r"AFT[A-Z]+\b", 0.85, vendor="Amazon", product="Fire TV", category="tv"),
    Hint(r"PlayStation (\d)", 0.9, vendor="Sony", product=r"PlayStation \1", category="console"),
    Hint(r"Xbox", 0.85, vendor="Microsoft", product="Xbox", category="console"),
    Hint(r"Nintendo", 0.9, vendor="Nintendo", category="console"),
    Hint(r"Kindle", 0.8, vendor="Amazon", product="Kindle", category="reader"),
    Hint(r"Android (\d+)[^;)]*; (SM-[AGNSF]\w+)", 0.85, vendor="Samsung", product=r"\2",
         category="phone", system=r"Android \1"),
    Hint(r"Android (\d+)[^;)]*; (?:\w\w[-_]\w\w; )?([^;)]{3,40}?) Build", 0.8, product=r"\2",
         category="phone", system=r"Android \1"),
    Hint(r"Android(?: (\d+))?", 0.7, system="Android"),
    Hint(r"Windows NT 10", 0.8, category="computer", system="Windows"),
    Hint(r"Windows NT|Microsoft-(?:CryptoAPI|WNS|Delivery)|Windows-Update-Agent", 0.75,
         category="computer", system="Windows"),
    Hint(r"Macintosh|Mac OS X|CFNetwork.*Darwin.*x86_64", 0.75, vendor="Apple",
         category="computer", system="macOS"),
    Hint(r"CaptiveNetworkSupport|CFNetwork", 0.6, vendor="Apple"),
    Hint(r"CrOS", 0.85, category="computer", system="ChromeOS"),
    Hint(r"X11; (?:Ubuntu; )?Linux|Debian APT|Ubuntu", 0.7, category="computer", system="Linux"),
    Hint(r"Sonos", 0.9, vendor="Sonos", category="speaker"),
    Hint(r"WeMo|Belkin", 0.8, vendor="Belkin"),
    Hint(r"ESP8266|ESP32|esp-idf|espressif", 0.85, category="microcontroller"),
    Hint(r"HomeMatic", 0.9, vendor="eQ-3", product="HomeMatic", category="hub"),
    Hint(r"Linux.*Bose", 0.7, vendor="Bose"),
)  # fmt: skip


class UserAgentIdentifier:
    """Reads requests. Programs on phones and PCs quote those of others; no agent is proof."""

    name: ClassVar[str] = "useragent"
    summary: ClassVar[str] = "what programs say of themselves in HTTP requests"
    reads: ClassVar[dict[str, tuple[str, ...]]] = {"http": ("method", "user_agent", "uri")}

    def read(self, observation: Observation, reference: Reference) -> Iterable[Reading]:  # noqa: ARG002
        """Read a request."""
        said = observation.fields
        if "method" not in said:
            return
        agent = cleaned(said.get("user_agent"), 240)
        path = cleaned(said.get("uri")).partition("?")[0]
        yield Reading(
            observation.src_mac,
            observation.src,
            traits_of(AGENTS, agent, self.name, observation.time, "user agent"),
            words=(
                *word("agent", agent, observation.src_mac),
                *word(f"uri:{cleaned(said.get('method'), 16)}", path, observation.src_mac),
            ),
        )
