"""How phage does: in one look, and with the names that PhantomFirewall's clients know."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Depends
from pydantic import BaseModel, Field

from phage.api.security import Asker, needs
from phage.api.services import Served

router = APIRouter(prefix="/api/v1", tags=["status"])


class StatusInfo(BaseModel):
    """How phage does. The first five are PhantomFirewall's."""

    status: str = Field(description='"running".')
    uptime: float = Field(description="Seconds since it was started.")
    rules_active: int = Field(description="Rules that are asked.")
    packets_processed: int = Field(description="Packets since it was started.")
    threats_blocked: int = Field(description="Decisions that are carried out now.")
    health: dict[str, Any] = Field(description="As /healthz tells it.")
    octets: int = Field(description="Octets since it was started.")
    learning: bool = Field(description="The model still learns what is normal.")
    findings_open: int = Field(description="Findings that are open.")
    enforce: bool = Field(description="Decisions are carried out, not only recorded.")
    panic: bool = Field(description="The panic switch is on: nothing is blocked.")
    decisions_standing: int = Field(description="Decisions that stand, recorded ones included.")
    responders: dict[str, dict[str, Any]] = Field(description="How each responder does.")
    rules: dict[str, Any] = Field(description="How many rules, what is wrong with them.")
    drops: dict[str, int] = Field(description="What was dropped or failed, by kind.")


class PanicBody(BaseModel):
    """The panic switch."""

    on: Annotated[bool, Field(description="Take every block out of force, or bring them back.")]


class PanicInfo(BaseModel):
    """What the panic switch did."""

    panic: bool
    done: bool = Field(description="All responders have followed.")


@router.get("/status", dependencies=[Depends(needs("status:read"))])
def status(services: Served) -> StatusInfo:
    """Tell how phage does."""
    vitals = services.vitals()
    steered = services.steered("status", "")
    rules = steered.get("rules", {})
    return StatusInfo(
        status="running",
        uptime=max(0.0, (services.clock.now() - vitals.started) / 1e9),
        rules_active=rules.get("count", 0),
        packets_processed=vitals.packets,
        threats_blocked=steered.get("in_force", 0),
        health=dict(services.health()),
        octets=vitals.octets,
        learning=vitals.learning,
        findings_open=vitals.findings_open,
        enforce=steered.get("enforce", False),
        panic=steered.get("panic", False),
        decisions_standing=steered.get("standing", 0),
        responders=steered.get("responders", {}),
        rules=rules,
        drops=dict(vitals.drops),
    )


@router.put("/panic", dependencies=[Depends(needs("decisions:write"))])
def panic(body: PanicBody, services: Served, asker: Asker) -> PanicInfo:
    """Take every block out of force at once and keep it out, or bring blocks back."""
    answer = services.steered("panic" if body.on else "release", asker.name)
    return PanicInfo(panic=answer["panic"], done=answer["done"])
