from __future__ import annotations

from phage.detect.volumes.prefixes import Prefixes


def test_what_is_around_is_told_longest_first_and_all_of_it() -> None:
    prefixes: Prefixes[str] = Prefixes()
    assert not prefixes
    for length, name in ((0, "all"), (64, "wide"), (120, "narrow"), (64, "as wide"), (128, "one")):
        prefixes.add(0x2001_0DB8 << 96 | 7, length, name)
    assert prefixes
    assert list(prefixes.around(0x2001_0DB8 << 96 | 7)) == [
        "one",
        "narrow",
        "wide",
        "as wide",
        "all",
    ]
    assert list(prefixes.around(0x2001_0DB8 << 96, 120)) == ["narrow", "wide", "as wide", "all"]
    assert list(prefixes.around(0x2001_0DB9 << 96, 64)) == ["all"]
    assert list(prefixes.around(0, 0)) == ["all"]
