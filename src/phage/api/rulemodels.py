"""What is asked of rules over the API, and what is answered."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, JsonValue

from phage.api.paging import Row

ADDED = "added.yaml"
"""The file of rules that were added over the API."""

LONGEST_TRIAL = 86_400.0
"""Seconds for which rules can be on trial."""

Text = Annotated[str, Field(max_length=900_000)]


class RuleRow(Row):
    """One rule."""

    id: str = Field(description="Follows from its name.")
    name: str
    priority: int = Field(description="The lowest is asked first.")
    mode: str
    about: str = Field(description='"packets" or "findings".')
    action: list[str]
    comment: str
    file: str = Field(description="Where it is written.")
    line: int
    rule: dict[str, JsonValue] = Field(description="The whole rule, as in a rule file.")
    packets: int = Field(description="Packets that it met, as far as they are counted.")
    last_hit: str = Field(description="Empty for never.")


class PhantomRule(BaseModel):
    """A rule as PhantomFirewall's clients send it."""

    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1, max_length=200)]
    priority: Annotated[int, Field(ge=0, le=1_000_000)] = 100
    action: Annotated[str, Field(pattern="^[A-Z]{1,16}$", description="ACCEPT, DROP, LOG, LIMIT.")]
    protocol: Annotated[str | None, Field(max_length=16)] = None
    port: Annotated[int | None, Field(ge=0, le=65_535)] = None
    source_ip: Annotated[str | None, Field(max_length=64)] = None
    dest_ip: Annotated[str | None, Field(max_length=64)] = None
    source: Annotated[str | None, Field(max_length=32)] = None
    rate: Annotated[str | None, Field(max_length=32)] = None


class OwnRule(BaseModel):
    """A rule in phage's own words."""

    model_config = ConfigDict(extra="forbid")

    rule: Annotated[
        dict[str, JsonValue], Field(description="As in a rule file: name, match, action.")
    ]
    file: Annotated[
        str | None, Field(max_length=70, description="The file that it is added to.")
    ] = None


class Applied(BaseModel):
    """What came of a change: the rule as it is now, and how the rules stand."""

    rule: RuleRow | None
    rules: int = Field(description="Rules that are asked.")
    enforced: bool = Field(description="policy.enforce is on.")
    trial_until: str = Field(description="When what is on trial is taken back; empty: never.")


class OrderBody(BaseModel):
    """The order in which rules are to be asked."""

    ids: Annotated[
        list[Annotated[str, Field(pattern="^[0-9a-f]{12}$")]],
        Field(min_length=1, max_length=1000, description="Ids, the first to be asked first."),
    ]


class FileRow(BaseModel):
    """A rule file."""

    name: str
    place: str
    is_shipped: bool = Field(description="It came with phage; a change is saved beside the state.")
    etag: str
    text: str


class TextBody(BaseModel):
    """The text of a rule file."""

    text: Text


class CandidateBody(BaseModel):
    """A text that a rule file might have."""

    file: Annotated[str, Field(max_length=70, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*\.ya?ml$")] = (
        ADDED
    )
    text: Text


class PlanBody(CandidateBody):
    """The same, and since when flows and findings are asked about."""

    since: Annotated[
        str | None, Field(max_length=40, description="As RFC 3339; the last day if not given.")
    ] = None


class RemarkRow(BaseModel):
    """Something about a text."""

    line: int
    column: int
    gravity: str
    text: str


class JudgementInfo(BaseModel):
    """What is to be said of a text: faults, and the tests in it."""

    usable: bool
    rules: int
    remarks: list[RemarkRow]
    tests_passed: int
    tests_failed: list[RemarkRow]


class EffectRow(BaseModel):
    """What one rule would have done."""

    rule: str
    mode: str
    action: list[str]
    flows: int
    octets: int
    findings: int
    ours: int
    is_certain: bool


class PlanInfo(BaseModel):
    """What rules would have done to the flows and findings of a time."""

    since: str
    flows: int
    blocked: int
    freed: int
    rules: list[EffectRow]
    changes: list[dict[str, JsonValue]]


class ApplyBody(BaseModel):
    """On trial, or for good."""

    confirm: Annotated[
        float,
        Field(ge=0, le=LONGEST_TRIAL, description="Seconds to confirm within; 0 for good."),
    ] = 0.0
