"""Settings of volumes become thresholds."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from phage.config.volumes import VolumeSettings


def test_thresholds_of_all_and_of_groups() -> None:
    settings = VolumeSettings.model_validate(
        {
            "thresholds": [{"packets": 5000, "bits": "100M", "direction": "in"}],
            "groups": [
                {
                    "name": "web",
                    "networks": ["198.51.100.0/24", "2001:db8::/48"],
                    "thresholds": [{"vector": "syn", "packets": 2000, "per": "/24", "seconds": 5}],
                }
            ],
            "spare": ["203.0.113.0/24"],
        }
    )
    records = settings.records()
    assert [str(each) for each in records] == [
        "5,000 packets/s to a host",
        "100,000,000 bits/s to a host",
        "2,000 syn packets/s to a /24 of group web",
        "2,000 syn packets/s from a /24 of group web",
    ]
    assert records[2].networks == ("198.51.100.0/24", "2001:db8::/48")
    assert records[2].length == 120
    assert settings.spared() == ((bytes(10) + b"\xff\xff" + bytes((203, 0, 113, 0)), 120),)


def test_a_threshold_of_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="set packets, bits or flows"):
        VolumeSettings.model_validate({"thresholds": [{"vector": "udp"}]})


def test_services_and_groups_are_watched() -> None:
    settings = VolumeSettings.model_validate(
        {
            "thresholds": [{"service": "tcp/80", "packets": 1000, "direction": "in"}],
            "groups": [
                {
                    "name": "shop",
                    "networks": ["198.51.100.0/26"],
                    "thresholds": [{"per": "group", "bits": "1G", "direction": "in"}],
                }
            ],
            "services": ["udp/27015-27030", "tcp/80"],
        }
    )
    assert [str(each) for each in settings.records()] == [
        "1,000 packets/s to tcp/80 to a host",
        "1,000,000,000 bits/s to all of group shop",
    ]
    watched = settings.watched()
    assert [text for text, _ in watched.services] == ["tcp/80", "udp/27015-27030"]
    assert [(each.name, each.networks) for each in watched.groups] == [
        ("shop", ("198.51.100.0/26",))
    ]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"thresholds": [{"packets": 1, "per": "group"}]}, "belong to a group"),
        ({"thresholds": [{"packets": 1, "per": "/24", "service": "tcp/80"}]}, "per host"),
        ({"thresholds": [{"packets": 1, "service": "http"}]}, "pattern"),
        ({"services": ["tcp/70000"]}, "pattern"),
        ({"services": [f"tcp/{port}" for port in range(40)],
          "thresholds": [{"packets": 1, "service": f"udp/{port}"} for port in range(40)]}, "more"),
        ({"groups": [{"name": "a", "networks": ["10.0.0.0/8"]}] * 2}, "same name"),
    ],
)  # fmt: skip
def test_what_cannot_be_counted_is_refused(wrong: dict[str, object], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        VolumeSettings.model_validate(wrong)
