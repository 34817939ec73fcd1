"""Settings as they may be shown."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from phage.config.document import parse_document
from phage.config.masking import is_secret, masked, unmasked

TEXT = """# Kept, \u00e4\u00f6\u00fc \U0001f600
store: {password: "p, w"}  # as this
api:
  token: sec
bus:
  url: redis://:pw@h/0
notify:
  chat:
    type: apprise
    settings:
      urls: [tgram://a, "slack://b"]
      password: |
        two
        lines
      topic: t
"""


def test_what_is_no_secret_stays_as_it_is() -> None:
    shown = masked(TEXT, "phage.yaml")
    assert shown.count('"(set)"') == 6
    for each in ("p, w", "sec\n", "pw", "tgram", "slack", "lines"):
        assert each not in shown
    assert "# as this" in shown
    assert "topic: t\n" in shown
    before = parse_document(TEXT, "")
    assert parse_document(unmasked(shown, "", before), "").values == before.values


@pytest.mark.parametrize(
    ("key", "secret"),
    [
        (("api", "token"), True),
        (("api", "token_file"), False),
        (("store", "url"), False),
        (("bus", "url"), True),
        (("notify", "url", "type"), False),
        (("notify", "a", "settings", "urls", 0), True),
        (("intel", "feeds", "a", "settings", "key"), True),
        (("nowhere", "at", "all"), False),
    ],
)
def test_which_keys_are_secret(key: tuple[str | int, ...], secret: bool) -> None:
    assert is_secret(key) is secret


PRINTABLE = st.characters(exclude_categories=["Cs", "Cc", "Cn", "Co"], exclude_characters="\ufeff")


@given(st.text(PRINTABLE, min_size=1))
def test_any_secret_is_masked_and_comes_back(secret: str) -> None:
    text = f"store: {{password: {json.dumps(secret, ensure_ascii=False)}, url: ''}}\n"
    shown = masked(text, "")
    assert shown == "store: {password: \"(set)\", url: ''}\n"
    assert unmasked(shown, "", parse_document(text, "")) == text
