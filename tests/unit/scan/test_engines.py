"""Single engines: what each finds and what it leaves alone; definitions; engines by settings."""

from __future__ import annotations

import errno
import os
import socketserver
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import replace
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest

from phage.clock import FixedClock, SystemClock
from phage.config.scan import ScanSettings
from phage.daemon.feedhashes import write_feed_hashes
from phage.errors import ConfigError, PhageError, PluginUnavailableError
from phage.records.feedstate import FeedState
from phage.records.indicator import Indicator, IndicatorKind
from phage.records.sample import Category
from phage.scan import definitions, digests
from phage.scan.clamd import Clamd
from phage.scan.content import Content
from phage.scan.enginelist import engine_states
from phage.scan.engines import clamav
from phage.scan.engines.agent import AgentEngine
from phage.scan.engines.clamav import ClamavEngine
from phage.scan.engines.command import CommandEngine
from phage.scan.engines.exiftool import ExiftoolEngine
from phage.scan.engines.feedhash import FeedHashEngine
from phage.scan.engines.fingerprint import entropy
from phage.scan.engines.hashlist import HashListEngine
from phage.scan.engines.icap import IcapEngine
from phage.scan.engines.office import OfficeEngine
from phage.scan.engines.pdf import PdfEngine
from phage.scan.engines.yara import YaraEngine
from phage.scan.engineset import EngineSet, find_engines, ready_of
from phage.scan.trials import EICAR
from phage.scan.watch import WatchedFolders
from phage.scan.work import NoResults, Worker, WorkOptions
from phage.testing import containers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from phage.scan.engine import Answer, Engine


def said(engine: Engine, data: bytes, name: str = "") -> Answer:
    engine.prepare()
    with Content.of_bytes(data, name) as content:
        return engine.scan(content)


def pdf_with(*objects: bytes) -> bytes:
    body = b"\n".join(
        b"%d 0 obj\n<< %b >>\nendobj" % (n, each) for n, each in enumerate(objects, 1)
    )
    return b"%PDF-1.7\n" + body + b"\ntrailer\n<< /Root 1 0 R >>\n%%EOF\n"


@pytest.mark.parametrize(
    ("objects", "label"),
    [
        ((b"/Type /Catalog",), ""),
        ((b"/OpenAction 2 0 R", b"/S /JavaScript /JS (app.alert\\(1\\))"), ""),
        ((b"/OpenAction 2 0 R", b"/S /JavaScript /JS (eval(unescape('%u9090%u9090')))"), "script"),
        ((b"/OpenAction 2 0 R", b"/S /Launch /Win << /F (cmd.exe) >>"), "launches a program"),
        ((b"/OpenAction 2 0 R", b"/S /J#61vaScript /JS (x)"), "hides the name JavaScript"),
        ((b"/Names << /Colour#20Space 1 >>",), ""),
    ],
)
def test_pdf(objects: tuple[bytes, ...], label: str) -> None:
    answer = said(PdfEngine(), pdf_with(*objects))
    assert answer.label.startswith(label)
    assert bool(answer.label) == bool(label)
    assert (answer.category is Category.SUSPICIOUS) == bool(label)


def test_pdf_looks_into_packed_streams() -> None:
    import zlib

    packed = zlib.compress(b"/OpenAction /JavaScript /JS (eval(unescape('%u9090%u9090')))")
    data = (
        b"%PDF-1.7\n1 0 obj << /Type /ObjStm >>\nstream\n" + packed + b"\nendstream\nendobj\n%%EOF"
    )
    assert said(PdfEngine(), data).category is Category.SUSPICIOUS


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # oletools uses old names of pyparsing.
def test_office_objects_of_exploits() -> None:
    pytest.importorskip("oletools")
    harmless = said(OfficeEngine(), containers.rtf(b"hello"))
    assert harmless.category is Category.UNDETECTED
    assert harmless.facts["objects"]
    equation = b"{\\rtf1{\\object\\objemb{\\*\\objclass Equation.3}{\\*\\objdata 0105000002000000"
    equation += b"0b0000004571756174696f6e2e330000000000000000000400000041414141}}}"
    assert said(OfficeEngine(), equation).category is Category.SUSPICIOUS


def test_yara_leaves_a_bad_rule_out(tmp_path: Path) -> None:
    pytest.importorskip("yara_x")
    (tmp_path / "a.yar").write_text(
        "rule Bad { condition: no_such_thing }\n"
        'rule Good { meta: verdict = "suspicious" strings: $a = "needle" condition: $a }\n'
    )
    (tmp_path / "b.yar").write_text("this is no rule at all {{{")
    (tmp_path / "c.yar").write_text('rule Told { meta: verdict = "info" condition: true }')
    engine = YaraEngine(definitions=str(tmp_path))
    answer = said(engine, b"hay needle hay")
    assert (answer.category, answer.label) == (Category.SUSPICIOUS, "Good")
    rules = answer.facts["rules"]
    assert isinstance(rules, list)
    assert [each["rule"] for each in rules if isinstance(each, dict)] == ["Good", "Told"]
    assert said(YaraEngine(definitions=str(tmp_path), skip=("Good",)), b"needle").label == ""
    assert engine.version() != YaraEngine().version()


def test_hash_lists_keep_each_other(tmp_path: Path) -> None:
    good, bad = tmp_path / "good.txt", tmp_path / "other.csv"
    with Content.of_bytes(b"known to be good") as content:
        good.write_text(content.hashes.sha256 + "\n")
    with Content.of_bytes(b"known to be bad") as content:
        bad.write_text(f"{content.hashes.md5},Own.Bad\n")
    folder = tmp_path / "engines"
    for number, source in enumerate((good, bad)):
        definitions.update("hashlist", source, ScanSettings(), folder, FixedClock(number * 10**9))
    engine = HashListEngine(definitions=str(folder / "hashlist" / "current"))
    assert said(engine, b"known to be good").category is Category.HARMLESS
    assert said(engine, b"known to be bad").label == "Own.Bad"
    assert said(engine, b"unknown").category is Category.UNDETECTED
    assert said(engine, EICAR).category is Category.MALICIOUS
    definitions.roll_back("hashlist", folder)
    older = HashListEngine(definitions=str((folder / "hashlist" / "current").resolve()))
    assert said(older, b"known to be bad").category is Category.UNDETECTED
    with pytest.raises(PhageError, match="no earlier"):
        definitions.roll_back("hashlist", folder)
    for each in (engine, older):
        each.close()


def test_definitions_that_fail_change_nothing(tmp_path: Path) -> None:
    pytest.importorskip("yara_x")
    folder, source = tmp_path / "engines", tmp_path / "none.txt"
    source.write_text("nothing")
    for name, why in (
        ("hashlist", "has no MD5"),
        ("yara", "no YARA rule"),
        ("pdf", "no definitions"),
    ):
        with pytest.raises(PhageError, match=why):
            definitions.update(name, source, ScanSettings(), folder, FixedClock())
        assert not list((folder / name).glob("*"))
    with pytest.raises(PhageError, match="no engine"):
        definitions.update("nothing", source, ScanSettings(), folder, FixedClock())


class KnownIndicators:
    def __init__(self, *indicators: Indicator) -> None:
        self.indicators = indicators
        self.asked = 0

    def states(self) -> dict[str, FeedState]:
        return {"bazaar": FeedState("bazaar", updated=10)}

    def of(self, feed: str) -> list[Indicator]:
        self.asked += feed != "own"
        return [each for each in self.indicators if each.feed == feed]


def test_hashes_of_feeds(tmp_path: Path) -> None:
    with Content.of_bytes(b"bad file") as content:
        sha256 = content.hashes.sha256
    listed = Indicator(IndicatorKind.HASH, sha256, "bazaar", 90, description="Emotet")
    known = KnownIndicators(
        listed,
        replace(listed, value="1" * 32, confidence=10),
        replace(listed, kind=IndicatorKind.DOMAIN, value="example.org"),
    )
    assert write_feed_hashes(known, tmp_path) == 1
    assert write_feed_hashes(known, tmp_path) == 0
    assert known.asked == 1
    engine = FeedHashEngine(definitions=str(tmp_path / "feedhash" / "current"))
    assert said(engine, b"bad file").label == "Emotet (bazaar)"
    assert said(engine, b"good file").category is Category.UNDETECTED
    engine.close()


def test_a_kind_of_hash_that_is_listed_no_more_is_forgotten(tmp_path: Path) -> None:
    digests.write(tmp_path, "feeds", [("0" * 32, "old")])
    digests.write(tmp_path, "feeds", [("1" * 64, "new")])
    known = digests.DigestSet(tmp_path, "feeds")
    known.open()
    assert len(known) == 1
    known.close()


@pytest.mark.parametrize(("kind", "name"), [(HashListEngine, "bad"), (FeedHashEngine, "feeds")])
def test_lists_are_there_while_another_worker_begins(
    kind: type[HashListEngine | FeedHashEngine], name: str, tmp_path: Path
) -> None:
    with Content.of_bytes(b"bad file") as content:
        digests.write(tmp_path, name, [(content.hashes.sha256, "Own.Bad")])
        engine = kind(definitions=str(tmp_path))
        engine.prepare()
        ended = threading.Event()

        def begin() -> None:
            for _ in range(300):
                engine.prepare()
            ended.set()

        other = threading.Thread(target=begin)
        other.start()
        labels = {engine.scan(content).label}
        while not ended.is_set():
            labels.add(engine.scan(content).label)
        other.join()
        assert labels == {"Own.Bad"}
        engine.close()


EXIFTOOL = """
import sys
path, files = "", 0
for line in sys.stdin:
    path = line.strip() if line.startswith("/") else path
    if line != "-execute\\n":
        continue
    data = open(path).read()
    if data == "ends":
        break
    text = "x" * 5_000_000 if data == "much" else data
    print('[{"Comment": "' + text + '"}]\\n{ready}', flush=True)
"""


def test_after_exiftool_failed_the_next_file_gets_its_own_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "program.py").write_text(EXIFTOOL)
    program = tmp_path / "exiftool"
    program.write_text(f"#!/bin/sh\nexec {sys.executable} {tmp_path}/program.py\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    engine = ExiftoolEngine()
    for bad, why in ((b"much", "too much"), (b"ends", "has ended")):
        assert said(engine, b"before").facts == {"Comment": "before"}
        with pytest.raises(RuntimeError, match=why):
            said(engine, bad)
        assert said(engine, b"after").facts == {"Comment": "after"}
    engine.close()


def test_the_rule_that_judges_may_be_the_last_of_many(tmp_path: Path) -> None:
    rules = [f'rule i{n} {{ meta: verdict = "info" condition: true }}' for n in range(150)]
    (tmp_path / "a.yar").write_text("\n".join([*rules, "rule evil { condition: true }"]))
    answer = said(YaraEngine(own_rules=False, definitions=str(tmp_path)), b"x")
    assert (answer.category, answer.label) == (Category.MALICIOUS, "evil")
    told = answer.facts["rules"]
    assert isinstance(told, list)
    assert len(told) == 100


DESCRIPTION = """
program: {program}
arguments: ["{{file}}"]
clean: [0]
infected: [1]
suspicious: [2]
pattern: 'FOUND: (?P<label>.+)'
"""


@pytest.fixture
def described(tmp_path: Path) -> Path:
    program = tmp_path / "scanner"
    program.write_text(
        "#!/bin/sh\n"
        'grep -q EVIL "$1" && echo "FOUND: Own.Evil" && exit 1\n'
        'grep -q ODD "$1" && exit 2\n'
        'grep -q FAIL "$1" && echo "out of order" && exit 9\n'
        "exit 0\n"
    )
    program.chmod(0o755)
    path = tmp_path / "scanner.yaml"
    path.write_text(DESCRIPTION.format(program=program))
    return path


def test_command_line(described: Path) -> None:
    engine = CommandEngine(description=str(described))
    assert engine.version().engine.startswith("scanner-")
    assert said(engine, b"nothing").category is Category.UNDETECTED
    assert said(engine, b"EVIL").label == "Own.Evil"
    assert said(engine, b"ODD").category is Category.SUSPICIOUS
    with pytest.raises(RuntimeError, match="ended with 9: out of order"):
        said(engine, b"FAIL")


def test_descriptions_that_are_wrong(tmp_path: Path, described: Path) -> None:
    with pytest.raises(PluginUnavailableError, match="name a YAML file"):
        CommandEngine().version()
    wrong = tmp_path / "wrong.yaml"
    for text, why in (
        ("program: /nowhere/at/all\n", "is not there"),
        ("arguments: []\n", "program: is missing"),
        (described.read_text() + "colour: red\n", "colour: no such key"),
        (described.read_text().replace("(?P<label>", "(("), "pattern:"),
        ("{", "wrong.yaml"),
        (described.read_text() + "readable: [/]\n", "no absolute path below /"),
        (described.read_text() + "readable: [/nowhere/at/all]\n", "is not there"),
        (described.read_text() + "timeout: soon\n", "no number of seconds"),
    ):
        wrong.write_text(text)
        with pytest.raises(PhageError, match=why):
            CommandEngine(description=str(wrong)).version()


def test_several_of_one_kind(tmp_path: Path, described: Path, icap: str) -> None:
    """Two command lines in the sandbox, each sees what its description shows; two ICAP servers."""
    words = tmp_path / "words"
    words.mkdir(mode=0o755)
    (words / "list").write_text("VERY BAD\n")
    program = tmp_path / "other"
    program.write_text(f'#!/bin/sh\ngrep -q -f {words}/list "$1" && echo "FOUND: Bad" && exit 1\n')
    with program.open("a") as file:
        file.write("exit 0\n")
    program.chmod(0o755)
    other = tmp_path / "other.yaml"
    text = DESCRIPTION.format(program=program)
    other.write_text(f"{text}readable: [{words}]\ntimeout: 7\n")
    settings = ScanSettings.model_validate({
        "engines": ["command-one", "command-two", "icap-one", "icap-two"],
        "settings": {
            "command-one": {"description": str(described)},
            "command-two": {"description": str(other)},
            "icap-one": {"url": icap},
            "icap-two": {"url": icap.replace("avscan", "other")},
        },
    })  # fmt: skip
    engines = find_engines(settings, tmp_path / "engines")
    assert not set(settings.engines) & {*engines.unavailable, *engines.idle}
    assert engines.ready["command-two"].engine.timeout == 7.0
    states = {each.name: each.state for each in engine_states(engines)}
    assert (states["icap-two"], states["icap"]) == ("ready", "idle")
    worker = Worker(engines, NoResults(), SystemClock(), WorkOptions(unpack=False))
    worker.start()
    try:
        for data, labels in (
            (b"nothing", {}),
            (b"VERY BAD", {"command-two": "Bad"}),
            (b"EVIL", {"command-one": "Own.Evil", "icap-one": "Own.Evil", "icap-two": "Own.Evil"}),
        ):
            with Content.of_bytes(data) as content:
                rows = worker.ask(content, list(engines.ready))
            assert {row.engine: row.label for row in rows if row.label} == labels, rows
            assert not [row.error for row in rows if row.error]
    finally:
        worker.close()
    for wrong in ("command-", "icap-Two", "pdf-two"):
        with pytest.raises(ConfigError, match=r"scan\.engines"):
            find_engines(ScanSettings(also=(wrong,)), tmp_path)


class Icap(socketserver.StreamRequestHandler):
    """An ICAP server that finds EVIL, blocks BLOCK, and fails on FAIL (RFC 3507)."""

    def handle(self) -> None:
        request = self.rfile.readline()
        while self.rfile.readline() not in {b"\r\n", b""}:
            pass
        if request.startswith(b"OPTIONS"):
            self.wfile.write(b'ICAP/1.0 200 OK\r\nService: Test 1\r\nISTag: "d5"\r\n\r\n')
            return
        body = b""
        while b"0\r\n\r\n" not in body:
            body += self.rfile.readline()
        if b"BLANK" in body:
            answer = b"200 OK\r\nX-Infection-Found: Type=0; Resolution=2; Threat= ;\r\n\r\n"
        elif b"EVIL" in body:
            answer = b"200 OK\r\nX-Infection-Found: Type=0; Resolution=2; Threat=Own.Evil;\r\n\r\n"
        elif b"BLOCK" in body:
            answer = b"200 OK\r\nEncapsulated: res-hdr=0\r\n\r\nHTTP/1.1 403 Forbidden\r\n\r\n"
        elif b"SAME" in body or b"PAGE" in body:
            size = 4 if b"SAME" in body else 700
            inner = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size
            answer = b"200 OK\r\nX-Violations-Found: 0\r\nEncapsulated: res-hdr=0\r\n\r\n" + inner
        elif b"FAIL" in body:
            answer = b"500 Server Error\r\n\r\n"
        else:
            answer = b"204 No Content\r\n\r\n"
        self.wfile.write(b"ICAP/1.0 " + answer)


@pytest.fixture
def icap() -> Iterator[str]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Icap) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"icap://127.0.0.1:{server.server_address[1]}/avscan"
        server.shutdown()
        thread.join()


def test_icap(icap: str) -> None:
    engine = IcapEngine(url=icap, timeout=60)
    assert (engine.version().engine, engine.version().definitions) == ("Test 1", "d5")
    assert said(engine, b"nothing").category is Category.UNDETECTED
    assert said(engine, b"some EVIL").label == "Own.Evil"
    assert said(engine, b"BLANK").label == "unnamed"
    assert said(engine, b"BLOCK").label == "blocked with 403"
    with pytest.raises(PhageError, match="answers with 500"):
        said(engine, b"FAIL")
    assert said(engine, b"SAME").category is Category.UNDETECTED
    assert said(engine, b"PAGE").label == "replaced by something else"
    for url in ("", "icap://", "http://h/x", "icap://h:99999/x", "icap://h:x/x", "icap://[/x"):
        with pytest.raises(PluginUnavailableError, match="needs a server"):
            IcapEngine(url=url).version()
    with pytest.raises(PluginUnavailableError, match=r"icap://127\.0\.0\.1:1/x: .*refused"):
        IcapEngine(url="icap://127.0.0.1:1/x").version()


@pytest.mark.parametrize("url", ["", "http://h", "https://", "https://h:99999", "https://h:x"])
def test_an_agent_s_address_that_is_none(url: str) -> None:
    with pytest.raises(PluginUnavailableError, match="needs an agent"):
        AgentEngine(url=url).version()


@pytest.mark.parametrize("text", [b"\xff\xfe", b"[" * 5000, b"a: b: c", b"- 1", b""])
def test_a_description_that_is_none(tmp_path: Path, text: bytes) -> None:
    path = tmp_path / "scanner.yaml"
    path.write_bytes(text)
    with pytest.raises(ConfigError, match=r"scanner\.yaml"):
        CommandEngine(description=str(path)).version()


class Dripping(socketserver.StreamRequestHandler):
    """A server that says an octet now and then, and never an answer."""

    def handle(self) -> None:
        with suppress(OSError):
            while True:
                self.wfile.write(b"x")
                threading.Event().wait(0.05)


@pytest.fixture
def dripping() -> Iterator[int]:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Dripping) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


def test_who_says_an_octet_now_and_then_is_not_waited_for(dripping: int) -> None:
    engine = IcapEngine(url=f"icap://127.0.0.1:{dripping}/x", timeout=1)
    with Content.of_bytes(b"a") as content, pytest.raises(TimeoutError, match="longer than 1 s"):
        engine.scan(content)
    with pytest.raises(TimeoutError, match="longer than 1 s"):
        Clamd(f"127.0.0.1:{dripping}", 1).ask("VERSION")


class Odd(IcapEngine):
    """What a library makes of an answer that nobody thought of."""

    def scan(self, content: Content) -> Answer:
        raise KeyError(content.name)


def test_what_an_engine_raises_is_its_own_failure(icap: str, tmp_path: Path) -> None:
    odd = ready_of(Odd(url=icap), "odd")
    worker = Worker(EngineSet({"odd": odd}, {}, {}), NoResults(), SystemClock())
    with Content.of_bytes(b"a", "name") as content:
        worker.start()
        rows = worker.ask(content, ["odd"])
        worker.close()
    assert [(row.category, row.error) for row in rows] == [(Category.FAILURE, "KeyError: 'name'")]


class FakeClamd(socketserver.StreamRequestHandler):
    """A clamd that answers INSTREAM over TCP, as one on another machine."""

    def handle(self) -> None:
        command = self.rfile.readline()
        if command == b"nPING\n":
            self.wfile.write(b"PONG\n")
        elif command == b"nVERSION\n":
            self.wfile.write(b"ClamAV 1.4.6/27000/Fri Nov 20 09:00:00 2026\n")
        else:
            data = b""
            while size := int.from_bytes(self.rfile.read(4)):
                data += self.rfile.read(size)
            said = {b"E": b"Own.Evil FOUND", b"H": b"Heuristics.Broken FOUND"}.get(data[:1], b"OK")
            if data[:1] == b"L":
                said = b"Heuristics.Limits.Exceeded.MaxFiles FOUND"
            if data[:1] == b"X":
                said = b"INSTREAM size limit exceeded. ERROR"
            self.wfile.write(b"stream: " + said + b"\n")


def test_clamd_on_another_machine() -> None:
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), FakeClamd) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        engine = ClamavEngine(socket=f"127.0.0.1:{server.server_address[1]}", timeout=60)
        version = engine.version()
        assert (version.engine, version.definitions) == ("1.4.6", "27000")
        assert version.built == 1_795_165_200 * 10**9
        assert said(engine, b"nothing").category is Category.UNDETECTED
        assert said(engine, b"E").category is Category.MALICIOUS
        assert said(engine, b"H").category is Category.SUSPICIOUS
        for word, why in ((b"L", "did not look at all"), (b"X", "size limit")):
            with pytest.raises(PhageError, match=why):
                said(engine, word)
        server.shutdown()
        thread.join()
    with pytest.raises(PhageError, match="clamd at"):
        engine.clamd.ask("PING")


def test_a_clamd_of_our_own_that_ended_is_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.hdb").write_text("")
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), FakeClamd) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        address = f"127.0.0.1:{server.server_address[1]}"
        processes: list[subprocess.Popen[bytes]] = []

        def start(_: Path) -> tuple[subprocess.Popen[bytes], str, object]:
            processes.append(subprocess.Popen(["sleep", "600"]))
            return processes[-1], address, TemporaryDirectory()

        monkeypatch.setattr(clamav, "_own", clamav._Own())
        monkeypatch.setattr(clamav, "_start", start)
        engine = ClamavEngine(definitions=str(tmp_path), timeout=60)
        assert said(engine, b"E").label == "Own.Evil"
        processes[0].kill()
        processes[0].wait()
        with Content.of_bytes(b"E") as content:
            assert engine.scan(content).label == "Own.Evil"
        assert len(processes) == 2
        (tmp_path / "b.hdb").write_text("new")
        engine.prepare()
        assert [each.returncode is None for each in processes] == [False, False, True]
        clamav._end(clamav._own.processes.popitem()[1])
        server.shutdown()
        thread.join()


def test_engines_by_settings(tmp_path: Path) -> None:
    chosen = find_engines(ScanSettings(engines=("pdf",), also=("hashlist",)), tmp_path)
    assert set(chosen.ready) == {"pdf", "hashlist"}
    assert chosen.only(["pdf"]).fingerprint != chosen.fingerprint
    less = find_engines(ScanSettings(disabled=("pdf",)), tmp_path)
    assert less.idle["pdf"] == "is disabled by the settings"
    other = find_engines(ScanSettings(engines=("pdf",), settings={"pdf": {"timeout": 5}}), tmp_path)
    assert other.ready["pdf"].options != chosen.ready["pdf"].options
    with pytest.raises(ConfigError, match="no engine 'pfd'"):
        find_engines(ScanSettings(engines=("pfd",)), tmp_path)
    with pytest.raises(ConfigError, match="no such setting"):
        find_engines(ScanSettings(settings={"pdf": {"depth": 5}}), tmp_path)
    with pytest.raises(ConfigError, match="not in use"):
        less.only(["pdf"])


@pytest.mark.parametrize(("data", "bits"), [(b"", 0.0), (b"aaaa", 0.0), (b"ab" * 9, 1.0)])
def test_entropy(data: bytes, bits: float) -> None:
    assert entropy(data) == pytest.approx(bits)
    assert entropy(bytes(range(256)) * 8192) == pytest.approx(8.0)


def test_watched_folders(tmp_path: Path) -> None:
    taken: list[str] = []
    full = [False]

    def take(path: Path) -> bool:
        if full[0]:
            return False
        taken.append(path.name)
        return True

    watched = WatchedFolders((tmp_path, tmp_path / "none"), take)
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a").write_text("a")
    os.mkfifo(tmp_path / "pipe")
    assert watched.look() == 0  # It may still grow.
    assert watched.look() == 1
    assert watched.look() == 0
    assert watched.faults == {str(tmp_path / "none"): "No such file or directory"}
    (tmp_path / "folder" / "a").write_text("changed")
    full[0] = True
    assert [watched.look() for _ in range(3)] == [0, 0, 0]
    full[0] = False
    assert watched.look() == 1
    assert taken == ["a", "a"]


def test_a_watched_file_comes_again_when_the_disk_has_room(tmp_path: Path) -> None:
    faults = [OSError(errno.ENOSPC, "No space left"), OSError(errno.EINVAL, "is odd")]
    taken: list[str] = []

    def take(path: Path) -> bool:
        if faults:
            raise faults.pop(0)
        taken.append(path.name)
        return True

    watched = WatchedFolders((tmp_path,), take)
    (tmp_path / "a").write_text("a")
    assert [watched.look() for _ in range(2)] == [0, 0]  # It is new; there is no room.
    assert [watched.look() for _ in range(3)] == [0, 0, 0]  # It cannot be read at all.
    assert not faults
    (tmp_path / "a").write_text("changed")
    assert [watched.look() for _ in range(2)] == [0, 1]
    assert taken == ["a"]


def test_system_clock_is_what_definitions_are_named_by(tmp_path: Path) -> None:
    source = tmp_path / "bad.txt"
    source.write_text("0" * 64)
    done: Any = definitions.update(
        "hashlist", source, ScanSettings(), tmp_path / "e", SystemClock()
    )
    assert done.before == ""
    assert (tmp_path / "e" / "hashlist" / "current").is_symlink()
