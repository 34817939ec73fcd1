"""Settings of notifiers."""

from __future__ import annotations

from pydantic import Field, JsonValue, field_validator

from phage.config.kinds import Duration
from phage.config.quiet import parse_quiet
from phage.config.section import Section
from phage.records import Severity


class ChannelSettings(Section):
    """Whom to tell, and how often."""

    type: str = Field(
        description="The notifier: webhook, email, syslog, apprise; `phage plugins list notifiers`."
    )
    settings: dict[str, JsonValue] = Field(
        {}, description="Its settings, for example {url_file: /etc/phage/slack, style: slack}."
    )
    least: Severity = Field(Severity.MEDIUM, description="What is less severe is not told.")
    always: bool = Field(
        default=True,
        description="Tell every finding and decision; false: only what a rule's notify names.",
    )
    closed: bool = Field(default=False, description="Tell also when something has ended.")
    a_minute: float = Field(
        6.0, gt=0, le=6000, description="Messages a minute; what comes beyond is told together."
    )
    burst: int = Field(3, ge=1, le=1000, description="Messages at once.")
    repeat: Duration = Field(
        3600.0, ge=0, description="News of the same thing is told again after this time."
    )
    digest: Duration = Field(
        0.0,
        ge=0,
        le=7 * 86_400,
        description="What comes within so long after the first is told with it in one message, for "
        "example 1h or 1d; 0: at once.",
    )
    quiet: str = Field(
        "",
        max_length=16,
        description="Quiet hours by this machine's clock, such as 22:00-07:00; what comes "
        "meanwhile is told afterwards, in one message.",
    )
    urgent: Severity = Field(
        Severity.CRITICAL,
        description="What is so severe or worse waits for neither digest nor quiet hours.",
    )

    @field_validator("quiet")
    @classmethod
    def _check_quiet(cls, value: str) -> str:
        parse_quiet(value)
        return value
