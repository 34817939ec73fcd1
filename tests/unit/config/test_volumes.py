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
