"""Text of feeds: encodings, comments, first fields."""

from __future__ import annotations

import re

from phage.intel.feed import FeedError

_MARKS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be"))
_HTML = re.compile(
    r"\s*(?:<!--.*?-->\s*)?<(?:!doctype\s+html|html|head|body)\b", re.IGNORECASE | re.DOTALL
)
_COMMENT = re.compile(r"[#;].*")


def decoded(body: bytes) -> str:
    """Return a body as text: by its mark, else UTF-8, with what is neither replaced.

    Raises FeedError for a web page in place of data.
    """
    for mark, encoding in _MARKS:
        if body.startswith(mark):
            text = body[len(mark) :].decode(encoding, "replace")
            break
    else:
        text = body.decode("utf-8", "replace")
    if _HTML.match(text[:4096]):
        message = "a web page came instead of data"
        raise FeedError(message)
    return text


def first_fields(text: str) -> list[str]:
    """Return the first field of each line; comments (`#`, `;`) and empty lines are left out."""
    if "#" in text or ";" in text:
        text = _COMMENT.sub("", text)
    return [fields[0] for line in text.splitlines() if (fields := line.split(None, 1))]
