"""Profiles in the store: all of them comes back, and what older versions stored is read."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from phage.records.profile import KeyOrder, KeyUse, Phase, Profile, ProfileKey, Way

if TYPE_CHECKING:
    from phage.store.store import Store

LOOK_UP = ProfileKey(Way.OUT, 17, 53, "asks:maker.com")
SESSION = ProfileKey(Way.OUT, 6, 443, "name:maker.com")
GONE = ProfileKey(Way.OUT, 6, 80, "name:gone.com")


def profile(after: dict[ProfileKey, float]) -> Profile:
    order = KeyOrder(40, 10**12, 7, after)
    keys = {LOOK_UP: KeyUse(1, 2), SESSION: KeyUse(1, 2, 3, 4, 5, 6, 7.5, order=order)}
    return Profile("d", 1, 2, Phase.PROPOSE, keys, {GONE: KeyUse(1, 2)}, {"syn": 3.0}, renewed=9)


def test_a_profile_comes_back_with_its_order(store: Store) -> None:
    store.profiles.save([profile({LOOK_UP: 0.99})])
    assert store.profiles.get("d") == profile({LOOK_UP: 0.99})
    store.profiles.save([profile({LOOK_UP: 0.99, GONE: 1.0})])
    assert store.profiles.list() == [profile({LOOK_UP: 0.99})]


def test_profiles_of_older_versions_have_no_order_yet(store: Store) -> None:
    store.profiles.save([profile({LOOK_UP: 0.99})])
    [[body]] = store.database.query("SELECT body FROM profiles")
    old = json.loads(str(body))
    del old["order"]
    store.database.execute("UPDATE profiles SET body = ?", (json.dumps(old),))
    found = store.profiles.get("d")
    assert found is not None
    assert found.keys[SESSION] == KeyUse(1, 2, 3, 4, 5, 6, 7.5)
