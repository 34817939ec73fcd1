"""What `phage doctor` checks.

Each check says what it saw, and what to do where that is not right.
"""

from __future__ import annotations

import os
import platform
import shutil
import socket
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from phage.cli.core import core_build, core_faults
from phage.clock import Clock, rfc3339
from phage.errors import CaptureError, PhageError, StateError
from phage.frozen import frozen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from phage.cli.settings import Chosen
    from phage.config.settings import Settings

State = Literal["ok", "warn", "fail"]

CAP_NET_RAW = 13
"""Bit of the capability sets (linux/capability.h)."""

LEAST_FREE = 500 * 10**6
"""Octets; below this a busy network fills the disk within hours."""

EARLIEST = 1_735_689_600 * 10**9
"""2025-01-01, before this was written: a clock that shows less is wrong."""

OLD_MODEL_NS = 14 * 86_400 * 10**9
"""A model not saved for two weeks has missed what changed on the network since."""


@frozen
class Check:
    """What one check saw."""

    name: str
    state: State
    says: str
    advice: str = ""


def check_all(chosen: Chosen, clock: Clock) -> Iterator[Check]:
    """Run every check; one that raises is a failed one."""
    try:
        settings = chosen.settings()
    except PhageError as error:
        yield Check("settings", "fail", str(error), "`phage config reference` prints every key")
        from phage.config.settings import Settings as Defaults

        settings = Defaults()
    else:
        yield Check("settings", "ok", str(chosen.file or "defaults"))
    checks: tuple[tuple[str, Callable[[], Check]], ...] = (
        ("python", check_python),
        ("core", check_core),
        ("cpu", check_cpu),
        ("kernel", check_kernel),
        ("capability", check_capability),
        ("interfaces", lambda: check_interfaces(settings)),
        ("clock", lambda: check_clock(clock)),
        ("state folder", lambda: check_state_folder(settings.state_folder)),
        ("store", lambda: check_store(chosen, settings)),
        ("enforcing", lambda: check_enforcing(settings)),
        ("model", lambda: check_model(settings.state_folder / "models", clock)),
    )
    for name, check in checks:
        try:
            yield check()
        except (PhageError, OSError) as error:
            yield Check(name, "fail", str(error))


def check_python() -> Check:
    """Check the version of Python."""
    version = platform.python_version()
    return Check("python", "ok", f"{version} ({sys.executable})")


def check_core() -> Check:
    """Check that the Rust core is built and fits the package."""
    build = core_build()
    if isinstance(build, str):
        return Check("core", "fail", build, "run `make install`")
    if faults := core_faults():
        return Check("core", "fail", faults[0], "build it anew: `make install`")
    return Check("core", "ok", ", ".join(f"{name} {value}" for name, value in build.items()))


def check_cpu(cpuinfo: Path = Path("/proc/cpuinfo")) -> Check:
    """Check which vector instructions there are."""
    text = _read(cpuinfo)
    flags: set[str] = set()
    for line in text.splitlines():
        if line.startswith(("flags", "Features")):
            flags = set(line.partition(":")[2].split())
            break
    for flag, name in (
        ("avx512f", "AVX-512"),
        ("avx2", "AVX2"),
        ("asimd", "NEON"),
        ("sse2", "SSE2"),
    ):
        if flag in flags:
            return Check("cpu", "ok", f"{name}, {os.cpu_count()} cores")
    return Check(
        "cpu", "warn", f"{platform.machine()}: vector instructions unknown", "scoring may be slow"
    )


def check_kernel() -> Check:
    """Check that the kernel has packet sockets."""
    if not hasattr(socket, "AF_PACKET"):
        return Check(
            "kernel",
            "fail",
            f"{platform.system()} has no packet sockets",
            "use Linux 4.11 or later",
        )
    release = platform.release()
    if not Path("/proc/net/packet").exists():
        return Check(
            "kernel", "fail", f"{release} without packet sockets", "sudo modprobe af_packet"
        )
    return Check("kernel", "ok", f"{platform.system()} {release} with packet sockets")


def check_enforcing(settings: Settings) -> Check:
    """Check that the responders that are set have the programs that they need."""
    if not settings.policy.enforce:
        return Check("enforcing", "ok", "off: nothing is blocked (policy.enforce)")
    from phage.daemon.responders import KERNEL, RESPONDERS, THROUGH_ENFORCER
    from phage.plugin import discover
    from phage.respond.nft.program import find

    wanted = settings.respond.responders
    lacking = [
        plugin.reason
        for plugin in discover(RESPONDERS)
        if plugin.reason and plugin.name in wanted and plugin.name not in THROUGH_ENFORCER
    ]
    if KERNEL in wanted:
        try:
            find()
        except PhageError as error:
            lacking.append(str(error))
    if lacking:
        return Check("enforcing", "fail", "; ".join(lacking), "until then decisions fail there")
    return Check("enforcing", "ok", f"by {', '.join(wanted) or 'nobody'}")


def check_capability(status: Path = Path("/proc/self/status")) -> Check:
    """Check that this process may capture packets."""
    for line in _read(status).splitlines():
        if line.startswith("CapEff:") and int(line.split()[1], 16) >> CAP_NET_RAW & 1:
            return Check("capability", "ok", "CAP_NET_RAW")
    program = Path(sys.executable).resolve()
    advice = f"sudo setcap cap_net_raw=ep {program}   (or run phage as root: it drops the rest)"
    return Check(
        "capability", "warn", "no CAP_NET_RAW: files can be read, interfaces not watched", advice
    )


def check_interfaces(settings: Settings, folder: Path = Path("/sys/class/net")) -> Check:
    """Check that the interfaces to watch are there and up."""
    names = settings.interfaces
    if not names:
        from phage.daemon.interfaces import default_interface

        try:
            names = (default_interface(),)
        except CaptureError as error:
            return Check("interfaces", "warn", str(error), "set interfaces, or give -i IFACE")
    down = []
    for name in names:
        if not (folder / name).exists():
            there = ", ".join(sorted(path.name for path in folder.iterdir()))
            return Check("interfaces", "fail", f"no interface {name}", f"there are {there}")
        # A bridge, tunnel or veth says "unknown" where it has no carrier to tell of.
        if _read(folder / name / "operstate").strip() not in {"up", "unknown"}:
            down.append(name)
    if down:
        return Check(
            "interfaces", "warn", f"{', '.join(down)} down", f"sudo ip link set {down[0]} up"
        )
    return Check("interfaces", "ok", ", ".join(names))


def check_clock(clock: Clock) -> Check:
    """Check that the clock is not plainly wrong."""
    now = clock.now()
    if now < EARLIEST:
        return Check("clock", "fail", rfc3339(now), "set the clock: sudo timedatectl set-ntp true")
    synchronised = Path("/run/systemd/timesync/synchronized").exists()
    return Check("clock", "ok", rfc3339(now) + (", synchronised" if synchronised else ""))


def check_state_folder(folder: Path) -> Check:
    """Check that the folder of state can be written and has room."""
    place = folder
    while not place.exists() and place != place.parent:
        place = place.parent
    if not os.access(place, os.W_OK | os.X_OK):
        advice = "give its owner's rights, or name another with --state-dir or PHAGE_STATE_DIR"
        return Check("state folder", "fail", f"{place} cannot be written", advice)
    free = shutil.disk_usage(place).free
    says = f"{folder}, {free / 1e9:.1f} GB free"
    if free < LEAST_FREE:
        return Check("state folder", "warn", says, "free some space, or lower retention.store_size")
    return Check(
        "state folder", "ok", says if folder.exists() else f"{says}, made at the first run"
    )


def check_store(chosen: Chosen, settings: Settings) -> Check:
    """Check that the store can be opened and is whole."""
    from phage.store.store import open_reader

    location = chosen.location(settings)
    if location.file is not None and not location.file.exists():
        return Check("store", "ok", f"{location.file}, made at the first run")
    with open_reader(location) as store:
        faults = store.database.check()
        if faults:
            advice = "`phage run` sets it aside; `phage restore` brings a backup back"
            return Check("store", "fail", f"{store.database.place} is damaged: {faults[0]}", advice)
        count = store.findings.count()
        size = store.database.used()
        return Check(
            "store", "ok", f"{store.database.place}, {count:,} findings, {size / 1e6:,.1f} MB"
        )


def check_model(folder: Path, clock: Clock) -> Check:
    """Check that there is a saved model, and how old it is."""
    try:
        saved = [path.stat().st_mtime_ns for path in folder.iterdir() if path.is_file()]
    except FileNotFoundError:
        saved = []
    except OSError as error:
        message = f"{folder}: {error.strerror}"
        raise StateError(message) from error
    if not saved:
        return Check("model", "ok", "none yet; phage learns at the first run")
    newest = max(saved)
    says = f"saved {rfc3339(newest)}"
    if clock.now() - newest > OLD_MODEL_NS:
        return Check(
            "model",
            "warn",
            says,
            "it may not know the network of today; it learns on while phage runs",
        )
    return Check("model", "ok", says)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
