"""Commands: data on standard output, talk on standard error, exit codes, forms."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phage.clock import FixedClock, SystemClock
from phage.daemon.options import (
    BenchOptions,
    BenchReport,
    Measurement,
    ReplayOptions,
    ReplayReport,
    RunOptions,
)
from phage.errors import CaptureError
from phage.learn.model import StateFolder
from phage.records import Peer, Subject
from phage.store.store import StoreLocation, open_store
from phage.testing.records import EPOCH, make_finding, make_flow

Phage = Callable[..., Any]
HOSTILE = "evil\x1b[2J\n\u202ename"


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """Fill the store with findings and flows."""
    location = StoreLocation.of("", "", tmp_path / "state" / "store.sqlite3")
    with open_store(location, FixedClock(EPOCH)) as store:
        store.findings.save(make_finding(number) for number in range(1, 4))
        store.findings.save(
            [
                make_finding(
                    9,
                    id="abcdef0123456789",
                    detector="anomaly",
                    summary=f"{HOSTILE} behaves unlike itself.",
                    subject=Subject("02:00:00:00:00:aa", "10.0.0.7", "02:00:00:00:00:aa"),
                    peers=(Peer("10.0.0.8", services=("tcp/443",)),),
                    peers_total=12,
                    capture="abcdef.pcap",
                    spoofable=True,
                )
            ]
        )
        store.flows.save(make_flow(number) for number in range(1, 6))
        store.flows.save([make_flow(9, src="fe80::1", dst="ff02::fb", protocol=17, dst_port=5353)])
    return location.file or tmp_path


def test_help_names_every_command(phage: Phage) -> None:
    answer = phage("--help")
    assert answer.code == 0
    names = "run replay findings flows doctor bench plugins version config backup restore"
    for name in names.split():
        assert re.search(rf"^  {name} ", answer.out, re.MULTILINE), name


@pytest.mark.parametrize(
    "arguments",
    [
        ("run",), ("replay",), ("findings", "list"), ("findings", "show"), ("flows", "list"),
        ("doctor",), ("bench",), ("plugins", "list"), ("version",), ("config", "show"),
        ("config", "check"), ("config", "reference"), ("backup",), ("restore",),
    ],
)  # fmt: skip
def test_every_command_has_help(phage: Phage, arguments: tuple[str, ...]) -> None:
    answer = phage(*arguments, "--help")
    assert answer.code == 0
    assert len(answer.out.splitlines()) > 3
    if arguments not in {("version",), ("plugins", "list"), ("config", "reference")}:
        assert "--state-dir" in answer.out


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("findngs",), "Did you mean 'findings'?"),
        (("findings", "list", "--limit", "0"), "--limit"),
        (("findings", "list", "--severity", "awful"), "--severity"),
        (("findings", "list", "--since", "yesterday-ish"), "is no time"),
        (("flows", "list", "--port", "70000"), "--port"),
        (("flows", "list", "--protocol", "xyz"), "is no protocol"),
        (("replay",), "FILE"),
        (("replay", "x", "--train", "-1"), "--train"),
        (("replay", "x", "--train", "5", "--model", "."), "give one of them"),
        (("plugins", "list", "nothings"), "is no family"),
        (("version", "--output", "xml"), "--output"),
        (("--nothing",), "--nothing"),
        (("flows", "list", "--host", "banana"), "neither an IP nor a MAC address"),
    ],
)
def test_wrong_usage_is_2_and_said_on_standard_error(
    phage: Phage, arguments: tuple[str, ...], says: str
) -> None:
    answer = phage(*arguments)
    assert answer.code == 2
    assert answer.out == ""
    assert says in answer.err


def test_who_asks_a_noun_for_what_it_has_not_is_told_what_it_has(phage: Phage) -> None:
    answer = phage("rules", "list")
    assert answer.code == 2
    assert "No such command 'list'" in answer.err
    assert "`phage rules` has: apply, check, " in answer.err


def test_findings_are_listed_in_every_form(phage: Phage, filled: Path) -> None:
    as_json = json.loads(phage("findings", "list", "--output", "json").out)
    assert [finding["id"] for finding in as_json][:2] == ["abcdef0123456789", f"{3:016x}"]
    as_lines = phage("findings", "list", "--output", "jsonl").out.splitlines()
    assert [json.loads(line) for line in as_lines] == as_json
    table = phage("findings", "list")
    assert table.code == 0
    assert len(table.out.splitlines()) == 5
    assert table.out.splitlines()[0].startswith("id ")
    assert set(as_json[0]) >= {
        "id", "detector", "severity", "score", "subject", "peers", "first_seen", "last_seen",
        "packets", "summary", "evidence", "features",
    }  # fmt: skip
    assert as_json[0]["subject"] == {
        "mac": "02:00:00:00:00:aa",
        "ip": "10.0.0.7",
        "device": "02:00:00:00:00:aa",
    }
    assert as_json[1]["first_seen"] == "2023-11-14T22:13:23.000000Z"


def test_findings_are_filtered(phage: Phage, filled: Path) -> None:
    def ids(*arguments: str) -> int:
        return len(phage("findings", "list", "--output", "jsonl", *arguments).out.splitlines())

    assert ids("--detector", "anomaly") == 1
    assert ids("--host", "10.0.0.8") == 1
    assert ids("--host", "::ffff:10.0.0.8") == 1
    assert ids("--severity", "high") == 0
    assert ids("--since", "2023-11-14T22:13:27Z") == 3
    assert ids("--since", "2023-11-14") == 4
    assert ids("--since", "1h") == 0
    assert ids("--until", "2023-11-14T22:13:22.5") == 2
    assert ids("--limit", "2") == 2
    assert ids("--state", "closed") == 0
    page = phage("findings", "list", "--output", "json", "--after", "abcdef0123456789").out
    assert len(json.loads(page)) == 3


def test_a_finding_is_shown_whole(phage: Phage, filled: Path, tmp_path: Path) -> None:
    answer = phage("findings", "show", "abcd")
    assert answer.code == 0
    for part in (
        "behaves unlike itself.",
        "10.0.0.7 02:00:00:00:00:aa",
        "distinct ports contacted: 100 ports, normal is 0 to 3 ports (80% of the score)",
        "peers (12)",
        "10.0.0.8  tcp/443",
        "and 11 more",
        "the source may be forged",
        f"{tmp_path}/state/captures/abcdef.pcap (no longer kept)",
    ):
        assert part in answer.out, part
    record = json.loads(phage("findings", "show", "abcd", "--output", "json").out)
    assert record["features"][0]["expected_high"] == 3.0
    assert record["capture"] == f"{tmp_path}/state/captures/abcdef.pcap"


def test_related_findings_are_shown(phage: Phage, filled: Path) -> None:
    answer = phage("findings", "show", f"{1:016x}")
    assert "related" in answer.out
    assert f"{2:016x}" in answer.out


def test_a_finding_that_is_not_there(phage: Phage, filled: Path) -> None:
    answer = phage("findings", "show", "zzzz")
    assert answer.code == 1
    assert answer.out == ""
    assert answer.err.startswith("phage: no finding 'zzzz'")


@pytest.mark.parametrize("form", ["table", "json", "jsonl"])
def test_what_a_host_calls_itself_cannot_steer_a_terminal(
    phage: Phage, filled: Path, form: str
) -> None:
    for arguments in (("findings", "list"), ("findings", "show", "abcd")):
        out = phage(*arguments, "--output", form).out
        assert "\x1b" not in out
        assert "\u202e" not in out
        assert "evil" in out
    assert "evil\\x1b[2J\\x0a\\u202ename" in phage("findings", "list").out


def test_flows_are_listed_and_filtered(phage: Phage, filled: Path) -> None:
    table = phage("flows", "list", "--port", "5353").out.splitlines()
    assert len(table) == 2
    assert "[fe80::1]:50000" in table[1]
    assert "[ff02::fb]:5353" in table[1]
    flows = json.loads(phage("flows", "list", "--output", "json", "--protocol", "tcp").out)
    assert len(flows) == 5
    assert flows[0]["protocol"] == "tcp"
    assert flows[0]["octets"] == [1200, 9000]
    assert phage("flows", "list", "--protocol", "17", "--output", "jsonl").out.count("\n") == 1
    assert (
        phage(
            "flows", "list", "--application", "tls", "--limit", "2", "--output", "jsonl"
        ).out.count("\n")
        == 2
    )


def test_nothing_found_says_so_on_standard_error(phage: Phage, filled: Path) -> None:
    answer = phage("findings", "list", "--detector", "none")
    assert (answer.code, answer.out) == (0, "")
    assert "no findings" in answer.err
    assert json.loads(phage("findings", "list", "--detector", "none", "--output", "json").out) == []


def test_without_a_store_it_says_what_to_do(phage: Phage) -> None:
    for noun in ("findings", "flows"):
        answer = phage(noun, "list")
        assert answer.code == 1
        assert "`phage run` makes it" in answer.err


def test_state_dir_goes_before_the_environment(phage: Phage, tmp_path: Path) -> None:
    answer = phage("findings", "list", "--state-dir", str(tmp_path / "other"))
    assert str(tmp_path / "other") in answer.err


def test_settings_are_shown_checked_and_documented(phage: Phage, tmp_path: Path) -> None:
    file = tmp_path / "my.yaml"
    file.write_text("learning: {budget: 3}\nstore: {password: hunter2}\n")
    shown = phage("config", "show", "--config", str(file))
    assert "budget: 3" in shown.out
    assert "hunter2" not in shown.out
    assert (
        json.loads(phage("config", "show", "--config", str(file), "--output", "json").out)[
            "learning"
        ]["budget"]
        == 3
    )
    assert phage("config", "check", str(file)).code == 0
    file.write_text("learnin: {budget: 3}\n")
    wrong = phage("config", "check", str(file))
    assert wrong.code == 1
    assert f"{file}:1: learnin: no such key; did you mean 'learning'?" in wrong.err
    assert phage("findings", "list", "--config", str(file)).code == 1
    reference = phage("config", "reference")
    file.write_text(reference.out)
    assert phage("config", "check", str(file)).code == 0


def test_plugins_are_listed(phage: Phage) -> None:
    listed = json.loads(phage("plugins", "list", "--output", "json").out)
    names = {(plugin["family"], plugin["name"]) for plugin in listed}
    assert ("detectors", "portscan") in names
    assert ("buses", "inprocess") in names
    only = json.loads(phage("plugins", "list", "detectors", "--output", "json").out)
    assert {plugin["family"] for plugin in only} == {"detectors"}
    portscan = next(plugin for plugin in only if plugin["name"] == "portscan")
    assert portscan["state"] == "available"
    assert all(setting["meaning"] for setting in portscan["settings"])
    assert "portscan" in phage("plugins", "list").out


def test_the_version_is_told(phage: Phage) -> None:
    assert phage("version").out.startswith("phage ")
    assert set(json.loads(phage("version", "--output", "json").out)) == {
        "phage",
        "core",
        "python",
        "system",
    }


def test_models_go_back(phage: Phage, tmp_path: Path) -> None:
    assert "no model" in phage("models", "list").err
    folder = StateFolder(tmp_path / "state" / "models", "ensemble-eth0-0", SystemClock())
    folder.save(b"first")
    assert phage("models", "back", "ensemble-eth0-0").code == 1
    folder.save(b"second")
    shown = json.loads(phage("models", "list", "--output", "json").out)
    assert [(each["model"], each["version"]) for each in shown] == [
        ("ensemble-eth0-0", 2),
        ("ensemble-eth0-0", 1),
    ]
    answer = phage("models", "back", "ensemble-eth0-0")
    assert answer.code == 0
    assert "ensemble-eth0-0.1.model will be used" in answer.err
    assert [saved.version for saved in folder.versions()] == [1]
    assert "there is no model other" in phage("models", "back", "other").err


def test_backup_and_restore(phage: Phage, filled: Path, tmp_path: Path) -> None:
    archive = str(tmp_path / "b.tar.gz")
    saved = phage("backup", archive, "--output", "json")
    assert saved.code == 0
    assert json.loads(saved.out)["file"] == archive
    assert phage("backup", archive).code == 1
    dry = phage("restore", archive, "--dry-run")
    assert dry.code == 0
    assert "nothing was changed" in dry.err
    restored = phage("restore", archive)
    assert restored.code == 0
    assert "the state before lies in" in restored.err
    assert len(json.loads(phage("findings", "list", "--output", "json").out)) == 4
    Path(archive).write_bytes(b"nonsense")
    assert phage("restore", archive).code == 1


# --- the long-running commands, with their implementations replaced -------------------------------


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Replace run, replay and bench; keep the options they were called with."""
    called: dict[str, Any] = {}

    def put(name: str, function: Callable[[Any], Any]) -> None:
        def call(options: Any) -> Any:
            called[name] = options
            return function(options)

        module = types.ModuleType(f"phage.daemon.{name}")
        setattr(module, name, call)
        monkeypatch.setitem(sys.modules, f"phage.daemon.{name}", module)

    called["put"] = put
    return called


def report(**changes: Any) -> ReplayReport:
    source = {
        "files": ["x.pcap"],
        "packets": 1000,
        "bytes": 5,
        "flows": 7,
        "first_seen": "2023-11-14T22:13:20Z",
        "last_seen": "2023-11-14T22:14:20Z",
        "decode_errors": {"ipv4_length": 2},
        "dropped": 0,
    }
    performance = {
        "wall_seconds": 1.0,
        "packets_per_second": 1000.0,
        "peak_rss_bytes": 1,
        "threads": 1,
    }
    fields: dict[str, Any] = {"source": source, "findings": (), "performance": performance}
    return ReplayReport(**fields | changes)


def test_replay_passes_its_options_on(phage: Phage, daemon: dict[str, Any], tmp_path: Path) -> None:
    daemon["put"]("replay", lambda options: report())
    answer = phage(
        "replay", "a.pcap", "-", "--train", "100", "--filter", "tcp port 80", "--scores", "s.csv",
        "--home", "10.1.2.3/8", "--home", "fd00::/8",
    )  # fmt: skip
    assert answer.code == 0
    options = daemon["replay"]
    assert isinstance(options, ReplayOptions)
    assert options.files == ("a.pcap", "-")
    assert options.train == 100
    assert options.filter == "tcp port 80"
    assert options.scores == Path("s.csv")
    assert options.home == ("10.0.0.0/8", "fd00::/8")
    assert options.settings.home == ("10.0.0.0/8", "fd00::/8")
    assert options.model is None
    phage("replay", "a.pcap", "--model", str(tmp_path))
    assert daemon["replay"].model == tmp_path
    assert daemon["replay"].home == ()


def test_replay_prints_one_object(phage: Phage, daemon: dict[str, Any]) -> None:
    finding = make_finding(1, evidence={"ports": 3, "list": ("a", "b")})
    daemon["put"](
        "replay", lambda options: report(findings=(finding,), warnings=("x.pcap: cut at 7",))
    )
    answer = phage("replay", "x.pcap", "--output", "json")
    assert answer.code == 3
    printed = json.loads(answer.out)
    assert set(printed) >= {"source", "findings", "performance"}
    assert printed["source"]["decode_errors"] == {"ipv4_length": 2}
    assert printed["findings"][0]["evidence"] == {"ports": 3, "list": ["a", "b"]}
    assert printed["performance"]["packets_per_second"] == 1000.0
    assert "x.pcap: cut at 7" in answer.err
    lines = phage("replay", "x.pcap", "--output", "jsonl")
    assert lines.code == 3
    assert json.loads(lines.out)["id"] == finding.id
    table = phage("replay", "x.pcap")
    assert finding.summary in table.out
    assert "1,000 packets, 7 flows" in table.err
    assert "malformed: 2 ipv4_length" in table.err


def test_replay_of_nothing_readable_fails(phage: Phage, daemon: dict[str, Any]) -> None:
    daemon["put"]("replay", lambda options: report(unreadable=True, warnings=("x: not a capture",)))
    assert phage("replay", "x").code == 1


def test_replay_takes_home_networks_that_are_some(phage: Phage, daemon: dict[str, Any]) -> None:
    daemon["put"]("replay", lambda options: report())
    answer = phage("replay", "x", "--home", "10.0.0.0/40")
    assert answer.code == 1
    assert "option for home: home[0]: must be a network" in answer.err


def test_run_passes_its_options_on(phage: Phage, daemon: dict[str, Any]) -> None:
    def run(options: RunOptions) -> int:
        options.ready("watching eth7")
        return 0

    daemon["put"]("run", run)
    answer = phage("run", "-i", "eth7", "-i", "eth8")
    assert answer.code == 0
    assert (answer.out, answer.err) == ("", "watching eth7\n")
    assert daemon["run"].interfaces == ("eth7", "eth8")
    assert phage("run", "-i", "not an interface").code == 1


def test_a_missing_capability_is_one_line(phage: Phage, daemon: dict[str, Any]) -> None:
    def run(options: RunOptions) -> int:
        message = "eth0: needs CAP_NET_RAW; grant it with: sudo setcap ..."
        raise CaptureError(message)

    daemon["put"]("run", run)
    answer = phage("run")
    assert answer.code == 1
    assert answer.err == "phage: eth0: needs CAP_NET_RAW; grant it with: sudo setcap ...\n"


def test_ctrl_c_ends_without_a_traceback(phage: Phage, daemon: dict[str, Any]) -> None:
    def run(options: RunOptions) -> int:
        raise KeyboardInterrupt

    daemon["put"]("run", run)
    answer = phage("run")
    assert answer.code == 130
    assert "Traceback" not in answer.err


def test_bench_prints_a_table_or_one_object(phage: Phage, daemon: dict[str, Any]) -> None:
    results = (
        Measurement("decode.full", 20e6, "packets/s"),
        Measurement("train", 1_500_000.0, "packets/s", "Kitsune-py", 1000.0),
    )
    daemon["put"]("bench", lambda options: BenchReport({"cpu": "x"}, results))
    answer = phage("bench", "decode.*", "train", "--seconds", "0.5", "--output", "json")
    assert answer.code == 0
    printed = json.loads(answer.out)
    assert printed["machine"] == {"cpu": "x"}
    assert printed["results"][0] == {
        "name": "decode.full",
        "value": 20e6,
        "unit": "packets/s",
        "peer": "",
        "peer_value": None,
    }
    options = daemon["bench"]
    assert isinstance(options, BenchOptions)
    assert (options.names, options.seconds) == (("decode.*", "train"), 0.5)
    table = phage("bench").out
    assert re.search(r"train +1,500,000 +packets/s +Kitsune-py +1,000 +1,500\.00", table)


# --- as a process ---------------------------------------------------------------------------------

PROGRAM = [sys.executable, "-c", "from phage.cli.main import main; main()"]


def test_a_reader_that_has_enough_is_no_error(filled: Path, tmp_path: Path) -> None:
    command = f"{sys.executable} -c 'from phage.cli.main import main; main()'"
    shell = (
        f"set -o pipefail; {command} config reference | head -n 1 >/dev/null; "
        f"{command} findings list --state-dir {tmp_path}/state | true"
    )
    done = subprocess.run(["bash", "-c", shell], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_starting_loads_little() -> None:
    code = (
        "import sys; from phage.cli.main import invoke; invoke(['config', '--help']); "
        "print(sorted({'numpy', 'pydantic', 'yaml', 'rich', 'sqlite3'} & set(sys.modules)),"
        " file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_plain_tables_can_be_cut_by_tools(phage: Phage, filled: Path) -> None:
    rows = list(
        csv.reader(io.StringIO(phage("flows", "list").out), delimiter=" ", skipinitialspace=True)
    )
    assert rows[0][:3] == ["last", "protocol", "source"]
    assert all(row[1] in {"tcp", "udp"} for row in rows[1:])


def test_a_request_that_makes_no_sense_is_told(phage: Phage) -> None:
    for name in ("", "x" * 1000, "\udcff"):
        answer = phage("channels", "test", name)
        assert answer.code == 1
        assert answer.err.startswith("phage: name: ")


@pytest.mark.parametrize(("arguments", "code"), [(("nosuch",), 2), (("--help",), 0), ((), 2)])
def test_how_the_agent_s_options_are_is_told_by_the_exit_code(
    phage: Phage, arguments: tuple[str, ...], code: int
) -> None:
    assert phage("agent", *arguments).code == code


def test_the_version_is_told_as_it_is_by_other_programs(phage: Phage) -> None:
    answer = phage("--version")
    assert (answer.code, answer.err) == (0, "")
    assert re.fullmatch(r"phage \S.*\n", answer.out)


def test_what_is_no_terminal_is_not_drawn_on(phage: Phage) -> None:
    answer = phage("top")
    assert (answer.code, answer.out) == (2, "")
    assert "--once" in answer.err


def test_a_file_that_may_not_be_read_is_named_as_others_do(
    phage: Phage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> object:
        raise PermissionError(13, "Permission denied", "/srv/x")

    monkeypatch.setattr("phage.store.store.open_reader", refuse)
    answer = phage("findings", "list")
    assert (answer.code, answer.err) == (1, "phage: /srv/x: Permission denied\n")
