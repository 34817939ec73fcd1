"""Checksums and signatures beside documents: what does not agree is refused, and the last stays."""

from __future__ import annotations

import base64
import gzip
import hashlib
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from phage.clock import FixedClock
from phage.intel import keep
from phage.intel.feed import FeedError
from phage.intel.feeds.netset import Netset
from phage.intel.fetch import Fetcher
from phage.intel.proof import Proof
from phage.intel.update import Subscription, Updater
from phage.store.store import StoreLocation, open_store

if TYPE_CHECKING:
    from tests.unit.intel.conftest import Replay

LIST = b"45.1.1.0/24\n45.2.1.7\n"
DAY = 86_400 * 10**9


def fetched(fetcher: Fetcher, url: str, proof: Proof) -> bytes:
    fetcher.proof = proof
    return fetcher.get(url, conditional=False)


@pytest.mark.parametrize("algorithm", ["sha256", "sha512", "md5"])
@pytest.mark.parametrize(
    "line",
    ["{0}", "{0}  list", "{0} *list", "SHA (list) = {0}", "00ff  other\n{1}  old\n{0}  list"],
)
def test_a_checksum_that_agrees(
    replay: Replay, fetcher: Fetcher, algorithm: str, line: str
) -> None:
    digest = hashlib.new(algorithm, LIST, usedforsecurity=False).hexdigest()
    replay.put("/list.sum", line.format(digest, "0" * len(digest)))
    url = replay.put("/list", LIST)
    assert fetched(fetcher, url, Proof("{url}.sum")) == LIST


def test_a_checksum_of_what_is_packed(replay: Replay, fetcher: Fetcher) -> None:
    packed = gzip.compress(LIST)
    for made in (packed, LIST):
        replay.put("/list.gz.sha256", hashlib.sha256(made).hexdigest())
        url = replay.put("/list.gz", packed)
        assert fetched(fetcher, url, Proof("{url}.sha256")) == LIST


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ("0" * 64 + "  list\n", "its SHA256 is not what its maker says"),
        ("", "holds no checksum"),
        ("<html>", "holds no checksum"),
        ("0" * 64 + "  a\n" + "1" * 64 + "  b\n", "does not name the document"),
        ("0" * 70_000, "more than 64 kB"),
    ],
)
def test_a_checksum_that_does_not(replay: Replay, fetcher: Fetcher, listed: str, said: str) -> None:
    replay.put("/list.sha256", listed)
    with pytest.raises(FeedError, match=said):
        fetched(fetcher, replay.put("/list", LIST), Proof("{url}.sha256"))
    with pytest.raises(FeedError, match="answered 404"):
        fetched(fetcher, replay.put("/list", LIST), Proof("{url}.nowhere"))


def minisigned(body: bytes, key: Ed25519PrivateKey, *, prehashed: bool = True) -> bytes:
    """Sign as minisign does."""
    signed = hashlib.blake2b(body).digest() if prehashed else body
    signature = key.sign(signed)
    raw = (b"ED" if prehashed else b"Ed") + b"8 octets" + signature
    comment = b"timestamp:1"
    lines = [
        b"untrusted comment: signature",
        base64.b64encode(raw),
        b"trusted comment: " + comment,
        base64.b64encode(key.sign(signature + comment)),
    ]
    return b"\n".join(lines) + b"\n"


def public(key: Ed25519PrivateKey, folder: Path) -> Path:
    raw = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    path = folder / "feed.pub"
    path.write_bytes(b"untrusted comment: key\n" + base64.b64encode(b"Ed8 octets" + raw) + b"\n")
    return path


@pytest.mark.parametrize("prehashed", [True, False])
def test_a_signature_of_minisign(
    replay: Replay, fetcher: Fetcher, tmp_path: Path, *, prehashed: bool
) -> None:
    key = Ed25519PrivateKey.generate()
    proof = Proof(signature="{url}.minisig", signed_by=public(key, tmp_path))
    url = replay.put("/list", LIST)
    good = minisigned(LIST, key, prehashed=prehashed)
    replay.put("/list.minisig", good)
    assert fetched(fetcher, url, proof) == LIST
    for wrong in (
        minisigned(LIST + b"1.1.1.1\n", key, prehashed=prehashed),
        minisigned(LIST, Ed25519PrivateKey.generate(), prehashed=prehashed),
        good.replace(b"timestamp:1", b"timestamp:2"),
        b"untrusted comment: x\n",
        good[:80],
        b"<html>",
    ):
        replay.put("/list.minisig", wrong)
        with pytest.raises(FeedError, match="signature is not one by the key"):
            fetched(fetcher, url, proof)


def test_a_signature_of_pgp(replay: Replay, fetcher: Fetcher, tmp_path: Path) -> None:
    gpg = shutil.which("gpg")
    assert gpg is not None, "gpg is needed"
    home = tmp_path / "gnupg"
    home.mkdir(mode=0o700)
    document, key = tmp_path / "list", tmp_path / "key.asc"
    document.write_bytes(LIST)

    def run(*arguments: str) -> bytes:
        base = [gpg, "--homedir", str(home), "--batch", "--no-tty", "--passphrase", ""]
        return subprocess.run([*base, *arguments], check=True, capture_output=True).stdout

    run("--quick-generate-key", "feed@example.org", "ed25519", "sign", "never")
    key.write_bytes(run("--armor", "--export"))
    proof = Proof(signature="{url}.asc", signed_by=key)
    url = replay.put("/list", LIST)
    for armour in ((), ("--armor",)):
        replay.put("/list.asc", run(*armour, "--detach-sign", "--output", "-", str(document)))
        assert fetched(fetcher, url, proof) == LIST
    replay.put("/list", LIST + b"45.9.9.9\n")
    with pytest.raises(FeedError, match="signature is not one by the key"):
        fetched(fetcher, url, proof)
    subprocess.run(["gpgconf", "--homedir", str(home), "--kill", "all"], check=False)


def test_what_was_good_stays_in_force(replay: Replay, tmp_path: Path) -> None:
    clock = FixedClock(1_700_000_000 * 10**9)
    with open_store(StoreLocation.of("", "", tmp_path / "store.sqlite3"), clock) as store:
        updater = Updater(store.indicators, tmp_path / "intel", clock, lambda: Fetcher(clock))
        replay.put("/list.sha256", hashlib.sha256(LIST).hexdigest())
        feed = Netset(url=replay.put("/list", LIST))
        wanted = Subscription("list", feed, 3600.0, proof=Proof("{url}.sha256"))
        assert updater.update(wanted).entries == 2
        replay.put("/list", LIST + b"45.9.9.9\n")
        clock.nanoseconds += DAY
        state = updater.update(wanted)
        assert "is not what its maker says" in state.fault
        found = keep.load(tmp_path / "intel", "list")
        assert found is not None
        assert len(found) == state.entries == 2


def test_a_file_is_proved_too(fetcher: Fetcher, tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_bytes(LIST)
    Path(f"{path}.sha256").write_text(hashlib.sha256(LIST).hexdigest())
    assert fetched(fetcher, str(path), Proof("{url}.sha256")) == LIST
    with pytest.raises(FeedError, match="a key is needed"):
        fetched(fetcher, str(path), Proof(signature="{url}.sig"))
