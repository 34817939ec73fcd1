"""Every feed on the shape that its source has, from a server that replays it."""

from __future__ import annotations

import contextlib
import json
from typing import TYPE_CHECKING, Any

import pytest

from phage.config.plugins import make
from phage.intel.feed import FEEDS, Feed, FeedError, Harvest, Unchanged
from phage.plugin import discover
from phage.records.indicator import IndicatorKind

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.intel.conftest import Replay

    from phage.intel.fetch import Fetcher

PLUGINS = {plugin.name: plugin for plugin in discover(FEEDS)}


def feed_of(name: str, **settings: object) -> Feed:
    made: Feed = make(PLUGINS[name], settings, "intel.feeds")
    assert made.check() == ""
    return made


@pytest.fixture
def key_file(tmp_path: Path) -> str:
    file = tmp_path / "key"
    file.write_text("k3y\n")
    return str(file)


def test_there_are_all_and_each_can_be_made() -> None:
    assert set(PLUGINS) == {
        "abuseipdb", "blocklistde", "cins", "crowdsec", "csv", "dshield", "emergingthreats",
        "feodo", "firehol", "hosts", "ipsum", "json", "misp", "mispapi", "netset", "otx",
        "spamhaus", "sslbl", "taxii", "threatfox", "urlhaus",
    }  # fmt: skip
    for plugin in PLUGINS.values():
        assert plugin.is_available, plugin.reason
        made = make(plugin)
        assert isinstance(made, Feed)
        assert made.summary
        assert made.terms
        assert made.least_s >= 60


LISTS = {
    "netset": "#\n# firehol_level2\n# Entries: 2 subnets\n45.1.1.0/24\n45.1.2.3\n",
    "firehol": "#\n# firehol_level1\n# Maintainer: FireHOL\n45.1.1.0/24\n45.1.2.3\n",
    "emergingthreats": "# Spamhaus DROP\n45.1.1.0/24\n# DShield\n45.1.2.3\n",
    "cins": "45.1.2.3\n45.1.1.0/24\n",
    "blocklistde": "45.1.1.0/24\n45.1.2.3\n",
    "ipsum": "# IPsum\n45.1.2.3\t8\n45.1.1.0/24\t3\n",
    "dshield": "# D\nStart\tEnd\tNetblock\tAttacks\n45.1.1.0\t45.1.1.255\t24\t1234\tNAME\tNL\n"
    "45.1.2.3\t45.1.2.3\t32\t1\tNAME\tNL\tm\n",
    "spamhaus": '{"cidr":"45.1.1.0/24","sblid":"SBL1","rir":"ripencc"}\n{"cidr":"45.1.2.3/32"}\n'
    '{"type":"metadata","timestamp":1789220642,"size":100,"records":2}\n',
}


@pytest.mark.parametrize("name", LISTS)
def test_lists_of_networks(name: str, replay: Replay, fetcher: Fetcher) -> None:
    feed = feed_of(name, url=replay.put("/list", LISTS[name], ETag='"1"'))
    found = feed.collect(fetcher, 0)
    assert found.networks.texts() == ["45.1.1.0/24", "45.1.2.3"]
    assert found.rejected == 0
    assert found.replaces
    with pytest.raises(Unchanged):
        feed.collect(fetcher, 0)


@pytest.mark.parametrize("name", LISTS)
def test_a_web_page_in_place_of_a_list_is_refused(
    name: str, replay: Replay, fetcher: Fetcher
) -> None:
    feed = feed_of(name, url=replay.put("/list", "<!DOCTYPE html><p>Too many requests</p>"))
    with pytest.raises(FeedError):
        feed.collect(fetcher, 0)


ENTRY = '{"cidr":"45.1.1.0/24"}\n'


@pytest.mark.parametrize("cut", [ENTRY, ENTRY + '{"type":"metadata","records":2}\n', '{"cid'])
def test_a_list_of_spamhaus_that_was_cut_is_refused(
    cut: str, replay: Replay, fetcher: Fetcher
) -> None:
    with pytest.raises(FeedError):
        feed_of("spamhaus", url=replay.put("/drop", cut)).collect(fetcher, 0)


def test_a_list_of_firehol_that_was_cut_is_refused(replay: Replay, fetcher: Fetcher) -> None:
    head = "#\n# firehol_level1\n# Entries         : 4,605 subnets, 620 unique IPs\n"
    feed = feed_of("firehol", url=replay.put("/list", head + "45.1.1.0/24\n"))
    with pytest.raises(FeedError, match="says it has 4605 networks, and has 1"):
        feed.collect(fetcher, 0)


def values(found: Harvest) -> dict[str, IndicatorKind]:
    return {each.value: each.kind for each in found.indicators}


def test_feodo(replay: Replay, fetcher: Fetcher) -> None:
    entry = {
        "ip_address": "51.178.161.32",
        "port": 4643,
        "status": "online",
        "first_seen": "2021-01-17 07:44:46",
        "last_online": "2022-11-15",
        "malware": "Dridex",
    }
    url = replay.put("/feodo", json.dumps([entry, {"ip_address": None}]))
    found = feed_of("feodo", url=url).collect(fetcher, 0)
    assert found.networks.texts() == ["51.178.161.32"]
    assert found.rejected == 1
    (indicator,) = found.indicators
    assert indicator.first_seen == 1_610_869_486 * 10**9
    assert indicator.tags == ("Dridex", "command server")
    assert len(feed_of("feodo", url=replay.put("/none", "[]")).collect(fetcher, 0)) == 0


def test_urlhaus(replay: Replay, fetcher: Fetcher, key_file: str) -> None:
    table = (
        "# id,dateadded,url,url_status,last_online,threat,tags,urlhaus_link,reporter\r\n"
        '"1","2026-11-20 10:00:00","http://45.1.2.3:81/i","online","2026-11-20","malware_download",'
        '"elf,mozi","https://urlhaus.abuse.ch/url/1/","x"\r\n'
        '"2","2026-11-20 10:00:00","https://bad.example.com/a.exe","offline","","malware_download",'
        '"None","https://urlhaus.abuse.ch/url/2/","x"\r\n"3"\r\n'
    )
    replay.put("/urlhaus?auth-key=k3y", table)
    feed = feed_of("urlhaus", url=replay.url + "/urlhaus", key_file=key_file)
    found = feed.collect(fetcher, 0)
    assert values(found) == {
        "http://45.1.2.3:81/i": IndicatorKind.URL,
        "45.1.2.3": IndicatorKind.NETWORK,
        "https://bad.example.com/a.exe": IndicatorKind.URL,
    }
    assert found.networks.texts() == ["45.1.2.3"]
    assert found.rejected == 1


def test_threatfox(replay: Replay, fetcher: Fetcher, key_file: str) -> None:
    def entry(ioc: str, kind: str, sure: int) -> dict[str, Any]:
        return {
            "id": "41", "ioc": ioc, "threat_type": "botnet_cc", "ioc_type": kind,
            "malware_printable": "Dridex", "confidence_level": sure,
            "first_seen": "2020-12-08 13:36:27 UTC", "last_seen": None, "tags": ["exe"],
        }  # fmt: skip

    data = [
        entry("45.1.2.3:443", "ip:port", 75),
        entry("bad.example.com", "domain", 100),
        entry("0" * 64, "sha256_hash", 100),
        entry("45.1.2.4:443", "ip:port", 25),
    ]
    url = replay.put("/fox", json.dumps({"query_status": "ok", "data": data}))
    found = feed_of("threatfox", url=url, key_file=key_file).collect(fetcher, 0)
    assert values(found) == {
        "45.1.2.3": IndicatorKind.NETWORK,
        "bad.example.com": IndicatorKind.DOMAIN,
        "0" * 64: IndicatorKind.HASH,
    }
    assert json.loads(replay.asked[0].body) == {"query": "get_iocs", "days": 7}
    assert replay.asked[0].headers["auth-key"] == "k3y"
    replay.put("/fox", json.dumps({"query_status": "unknown_auth_key"}))
    with pytest.raises(FeedError, match="unknown_auth_key"):
        feed_of("threatfox", url=url, key_file=key_file).collect(fetcher, 0)


def test_sslbl(replay: Replay, fetcher: Fetcher) -> None:
    url = replay.put("/ip", "# Firstseen,DstIP,DstPort\n2026-11-20 10:00:00,45.1.2.3,443\n")
    assert feed_of("sslbl", url=url).collect(fetcher, 0).networks.texts() == ["45.1.2.3"]
    url = replay.put("/sha", f"# Listingdate,SHA1,Reason\n2026-11-20 10:00:00,{'a' * 40},Dridex\n")
    found = feed_of("sslbl", url=url, list="certificates").collect(fetcher, 0)
    assert values(found) == {"a" * 40: IndicatorKind.CERTIFICATE}


def test_abuseipdb(replay: Replay, fetcher: Fetcher, key_file: str) -> None:
    answer = {
        "meta": {"generatedAt": "2026-11-20T10:00:00+00:00"},
        "data": [
            {
                "ipAddress": "5.188.10.179",
                "countryCode": "RU",
                "abuseConfidenceScore": 100,
                "lastReportedAt": "2026-11-20T10:00:00+00:00",
            }
        ],
    }
    path = "/blacklist?confidenceMinimum=100&limit=10000"
    replay.put(path, json.dumps(answer))
    feed = feed_of("abuseipdb", url=replay.url + "/blacklist", key_file=key_file)
    (indicator,) = feed.collect(fetcher, 0).indicators
    assert (indicator.value, indicator.confidence) == ("5.188.10.179", 100)
    assert replay.asked[0].headers["key"] == "k3y"
    replay.put(path, "{}", 429, Retry_After="86000")
    with pytest.raises(FeedError) as refused:
        feed.collect(fetcher, 0)
    assert refused.value.after == 86_000


def test_otx_follows_pages_and_keeps_its_key(
    replay: Replay, fetcher: Fetcher, key_file: str
) -> None:
    def page(value: str, kind: str, following: str | None) -> str:
        indicators = [{"indicator": value, "type": kind, "created": "2026-11-20T10:00:00"}]
        indicators.append({"indicator": "CVE-2026-1", "type": "CVE"})
        pulse = {"name": "P", "tlp": "white", "tags": ["t"], "indicators": indicators}
        return json.dumps({"results": [pulse], "count": 2, "next": following})

    first, second = "/otx?limit=50&page=1", "/otx?limit=50&page=2"
    replay.put(first, page("45.1.2.3", "IPv4", replay.url + second))
    replay.put(second, page("bad.example.com", "hostname", None))
    feed = feed_of("otx", url=replay.url + "/otx", key_file=key_file)
    found = feed.collect(fetcher, 0)
    assert set(values(found)) == {"45.1.2.3", "bad.example.com"}
    assert found.replaces
    assert {asked.headers["x-otx-api-key"] for asked in replay.asked} == {"k3y"}
    replay.put(first, page("45.1.2.3", "IPv4", "http://elsewhere.example/"))
    with pytest.raises(FeedError, match="another place"):
        feed.collect(fetcher, 0)


def test_misp(replay: Replay, fetcher: Fetcher) -> None:
    uuid = "5a1b2c3d-0000-4000-8000-000000000001"
    about = {"info": "E", "timestamp": "1789220642", "Tag": []}
    replay.put("/misp/manifest.json", json.dumps({uuid: about, "../x": about}))
    event = {
        "info": "E",
        "Tag": [{"name": "tlp:green"}],
        "Attribute": [
            {"type": "ip-dst", "value": "45.1.2.3", "to_ids": True, "timestamp": "1789220642"},
            {"type": "domain", "value": "good.example.com", "to_ids": False},
        ],
        "Object": [
            {"Attribute": [{"type": "ip-dst|port", "value": "45.1.2.4|80", "to_ids": True}]}
        ],
    }
    replay.put(f"/misp/{uuid}.json", json.dumps({"Event": event}))
    feed = feed_of("misp", url=replay.url + "/misp/")
    found = feed.collect(fetcher, 0)
    assert set(values(found)) == {"45.1.2.3", "45.1.2.4"}
    assert {each.tlp for each in found.indicators} == {"green"}
    with pytest.raises(Unchanged):
        feed.collect(fetcher, 0)


def test_crowdsec(replay: Replay, fetcher: Fetcher, key_file: str) -> None:
    decisions = [
        {"id": 2, "type": "ban", "scope": "Ip", "value": "45.33.10.77", "scenario": "ssh-bf"},
        {"id": 3, "type": "ban", "scope": "Range", "value": "45.33.11.0/24", "scenario": "list"},
        {"id": 4, "type": "ban", "scope": "Country", "value": "XX"},
    ]
    replay.put("/v1/decisions/stream?startup=true", json.dumps({"new": decisions, "deleted": None}))
    found = feed_of("crowdsec", url=replay.url, key_file=key_file).collect(fetcher, 0)
    assert found.networks.texts() == ["45.33.10.77", "45.33.11.0/24"]


def test_hosts(replay: Replay, fetcher: Fetcher) -> None:
    text = (
        "# hosts\n127.0.0.1 localhost\n0.0.0.0 Bad.Example.com worse.example.com # why\n"
        "plain.example.net\n||ads.example.org^\n! adblock\nbücher.example\nno_dots\n"
    )
    found = feed_of("hosts", url=replay.put("/hosts", text)).collect(fetcher, 0)
    assert set(values(found)) == {
        "bad.example.com",
        "worse.example.com",
        "plain.example.net",
        "ads.example.org",
        "xn--bcher-kva.example",
    }


def test_csv_and_json_by_columns_and_paths(replay: Replay, fetcher: Fetcher) -> None:
    table = replay.put("/csv", "when;what;why\n2026-11-20;bad.example.com;a,b\n;45.1.2.3;\n")
    settings = {"value": "what", "first_seen": "when", "tags": "why", "delimiter": ";"}
    found = feed_of("csv", url=table, **settings).collect(fetcher, 0)
    assert values(found) == {
        "bad.example.com": IndicatorKind.DOMAIN,
        "45.1.2.3": IndicatorKind.NETWORK,
    }
    assert found.indicators[0].tags == ("a", "b")
    fetcher.validators.clear()
    other = feed_of("csv", url=table, value="other", delimiter=";")
    with pytest.raises(FeedError, match="no column 'other'"):
        other.collect(fetcher, 0)
    paths = replay.put("/json", json.dumps({"d": {"i": [{"v": "45.1.2.3"}, {"v": 7}, 3]}}))
    found = feed_of("json", url=paths, items="d.i", value="v").collect(fetcher, 0)
    assert (set(values(found)), found.rejected) == ({"45.1.2.3"}, 2)


JSON_FEEDS = ("feodo", "threatfox", "misp", "json", "crowdsec", "abuseipdb", "otx", "spamhaus")


HOSTILE = ("", "{", "null", "7", '"x"', "[[[]]]", '{"data": 7}', "[" * 99_999, "\0\xff", "[null]")


@pytest.mark.parametrize("name", JSON_FEEDS)
@pytest.mark.parametrize("body", HOSTILE)
def test_any_json_is_read_or_refused(
    name: str, body: str, replay: Replay, fetcher: Fetcher, key_file: str
) -> None:
    settings = {"key_file": key_file} if hasattr(make(PLUGINS[name]), "key_file") else {}
    fetcher_paths = ("/x", "/x/manifest.json", "/x/v1/decisions/stream?startup=true")
    more = ("/x?confidenceMinimum=100&limit=10000", "/x?limit=50&page=1")
    for path in (*fetcher_paths, *more):
        replay.put(path, body)
    feed = feed_of(name, url=replay.url + "/x", **settings)
    with contextlib.suppress(FeedError):
        assert len(feed.collect(fetcher, 0)) == 0


def test_taxii_goes_on_after_what_was_added_last(replay: Replay, fetcher: Fetcher) -> None:
    """A server without `next` tells when the last was added; one that is behind it ends."""

    def page(value: str, *, more: bool) -> str:
        indicator = {
            "type": "indicator",
            "pattern": f"[ipv4-addr:value = '{value}']",
            "confidence": 70,
            "valid_until": "2030-01-01T00:00:00Z",
        }
        revoked = indicator | {"revoked": True, "pattern": "[ipv4-addr:value = '45.9.9.9']"}
        others = [{"type": "malware"}, {"type": "indicator", "pattern_type": "snort"}]
        return json.dumps({"more": more, "objects": [indicator, revoked, *others]})

    base = "/r/collections/c/objects/?limit=1000&match%5Btype%5D=indicator"
    when = "2026-01-02T00:00:00.000Z"
    replay.put(base, page("45.1.1.1", more=True), X_TAXII_Date_Added_Last=when)
    replay.put(f"{base}&added_after=2026-01-02T00%3A00%3A00.000Z", page("45.1.1.2", more=False))
    feed = feed_of("taxii", url=f"{replay.url}/r/collections/c/")
    found = feed.collect(fetcher, 0)
    assert set(values(found)) == {"45.1.1.1", "45.1.1.2"}
    assert {each.confidence for each in found.indicators} == {70}
    assert all(each.expires for each in found.indicators)
    assert found.rejected == 2
    assert replay.asked[0].headers["accept"] == "application/taxii+json;version=2.1"


def test_taxii_shows_a_token_or_a_password(replay: Replay, fetcher: Fetcher, key_file: str) -> None:
    base = "/r/collections/c/objects/?limit=1000&match%5Btype%5D=indicator"
    replay.put(base, "{}")
    url = f"{replay.url}/r/collections/c"
    feed_of("taxii", url=url, key_file=key_file).collect(fetcher, 0)
    feed_of("taxii", url=url, key_file=key_file, user="me").collect(fetcher, 0)
    assert [each.headers["authorization"] for each in replay.asked] == [
        "Bearer k3y",
        "Basic bWU6azN5",
    ]


def test_misp_by_its_interface(replay: Replay, fetcher: Fetcher, key_file: str) -> None:
    attributes = [
        {"type": "ip-dst", "value": "45.1.2.3", "to_ids": True, "timestamp": "1789220642",
         "Event": {"info": "E"}, "Tag": [{"name": "tlp:amber"}]},
        {"type": "sha256", "value": "a" * 64, "to_ids": True},
        {"type": "domain", "value": "good.example.com", "to_ids": False},
        {"type": "yara", "value": "rule x {}", "to_ids": True},
    ]  # fmt: skip
    body = json.dumps({"response": {"Attribute": attributes}})
    replay.put("/attributes/restSearch", body)
    feed = feed_of("mispapi", url=replay.url + "/", key_file=key_file)
    found = feed.collect(fetcher, 1_789_000_000 * 10**9)
    assert set(values(found)) == {"45.1.2.3", "a" * 64}
    assert {each.tlp for each in found.indicators} == {"amber", "clear"}
    asked = json.loads(replay.asked[0].body)
    assert (asked["timestamp"], asked["to_ids"], asked["page"]) == ("1789000000", True, 1)
    assert replay.asked[0].headers["authorization"] == "k3y"
