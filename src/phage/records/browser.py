"""A browser that is told by Web Push."""

from __future__ import annotations

from phage.frozen import frozen


@frozen
class Browser:
    """One browser's subscription (RFC 8030, section 4). Times are nanoseconds, 0 for never.

    Attributes:
        id: Names it; no secret.
        username: Who is told there.
        endpoint: Where its maker's push service takes messages for it; as good as a secret.
        public_key: What messages are encrypted for: a point of P-256, in base64url.
        secret: What besides it only phage and the browser know, in base64url.
        agent: What the browser calls itself.
        created: When it was subscribed.
        told: When it was told last.
        failures: Attempts in a row that failed.
    """

    id: str
    username: str
    endpoint: str
    public_key: str
    secret: str
    agent: str = ""
    created: int = 0
    told: int = 0
    failures: int = 0
