"""Names as nftables may read them: what comes from outside is checked, cut and quoted here only.

An nft script has no escapes in its strings, so a name is either reduced to harmless characters or
refused.
"""

from __future__ import annotations

import re

from phage.errors import PhageError
from phage.respond.nft.layout import RULE_PREFIX

INTERFACE = re.compile(r"[A-Za-z0-9_.:@+-]{1,15}", re.ASCII)
"""Fifteen octets is what Linux allows (IFNAMSIZ); the characters are those in use in practice."""

SLUG_LENGTH = 24
"""How much of a name is kept to be recognised; the digest behind it tells names apart."""

COMMENT_LENGTH = 100
"""The kernel keeps 128 octets of a comment."""


class RuleSetError(PhageError):
    """A rule set cannot stand in the kernel; names the rule and says why."""


def slug(name: str) -> str:
    """Reduce a name to lower-case ASCII letters, digits and underscores."""
    return re.sub(r"[^a-z0-9]+", "_", name.lower())[:SLUG_LENGTH].strip("_") or "unnamed"


def readable(name: str) -> str:
    """Reduce a name to what may stand between quotes, legible for people."""
    return re.sub(r"[^A-Za-z0-9 _.,:/()+-]+", "_", name)[:COMMENT_LENGTH]


def digest(*parts: object) -> str:
    """Return ten hexadecimal digits that stand for what is named."""
    import hashlib  # noqa: PLC0415  A megabyte, which the enforcer needs for static rules only.

    text = "\x1f".join(map(str, parts))
    return hashlib.blake2b(text.encode(), digest_size=5).hexdigest()


def owned(kind: str, name: str, *content: object) -> str:
    """Name an object of ours: what it is, what people call it, and a digest of what it holds.

    An object whose content is unchanged keeps its name, so that a swap leaves it in place.
    """
    return f"{RULE_PREFIX}{kind}_{slug(name)}_{digest(name, *content)}"


def interface(name: str) -> str:
    """Return an interface's name in quotes; raises RuleSetError when it cannot be one."""
    if not INTERFACE.fullmatch(name) or name in {".", ".."}:
        message = f"{name!r} is not the name of an interface"
        raise RuleSetError(message)
    return f'"{name}"'
