"""The zygote: the process in the sandbox that has everything loaded and is forked for each sample.

It never sees a file. Its control socket takes one datagram a request:
`{"load": ...}` once, `{"fork": N}` with a socket for the child, `{"kill": N}`; it tells
`{"ready": ...}` and `{"gone": N, "status": S}`.
"""

from __future__ import annotations

import array
import contextlib
import gc
import json
import os
import select
import signal
import socket
from typing import Any

from phage.scan.sandbox import kernel
from phage.scan.sandbox.workbench import Workbench

LONGEST = 2**16
"""Octets of one request: settings of engines."""


def main(descriptor: int) -> None:
    """Become nobody, load, lock in, then fork on request until the outside has gone."""
    control = socket.socket(fileno=descriptor)
    message, _files = _receive(control)
    if message is None:
        return
    plan: dict[str, Any] = message["load"]
    os.environ["TMPDIR"] = plan["work"]
    _become(int(plan["uid"]))
    bench = Workbench()
    bench.load(plan)
    _silence()
    faults = _lock_in(plan)
    gc.collect()
    gc.freeze()  # The pages of what is loaded stay shared with every child.
    _say(control, {"ready": {"uid": os.geteuid(), "faults": faults, "lacking": bench.lacking}})
    _serve(control, bench, plan)


def _become(uid: int) -> None:
    """Give up root before anything is loaded."""
    if os.geteuid() != 0 or not uid:
        return
    with contextlib.suppress(PermissionError):
        os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)


def _silence() -> None:
    """Let nothing that a sample makes libraries say reach the outside."""
    nowhere = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nowhere, descriptor)
    os.close(nowhere)


def _lock_in(plan: dict[str, Any]) -> list[str]:
    kernel.no_new_privileges()
    kernel.hide_from_siblings()
    kernel.limit_all(_limits(plan))
    faults = []
    if plan["landlock"]:
        faults.append(kernel.confine_files(tuple(plan["readable"]), tuple(plan["writable"])))
    faults.append(kernel.filter_system_calls())
    return [fault for fault in faults if fault]


def _limits(plan: dict[str, Any]) -> kernel.Limits:
    known = plan["limits"]
    return kernel.Limits(**{name: int(known[name]) for name in kernel.Limits.__slots__})


def _serve(control: socket.socket, bench: Workbench, plan: dict[str, Any]) -> None:
    children: dict[int, int] = {}
    reader, writer = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
    signal.set_wakeup_fd(writer)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    poller = select.poll()
    poller.register(control, select.POLLIN)
    poller.register(reader, select.POLLIN)
    while True:
        ready = {descriptor for descriptor, _event in poller.poll()}
        if reader in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(reader, 4096)
            _reap(control, children)
        if control.fileno() not in ready:
            continue
        message, files = _receive(control)
        if message is None:
            _kill(children, list(children.values()))
            return
        if "fork" in message:
            ours = (control.fileno(), reader, writer)
            children[_fork(ours, files, bench, plan)] = int(message["fork"])
        elif "kill" in message:
            _kill(children, [int(message["kill"])])


def _fork(ours: tuple[int, ...], files: list[int], bench: Workbench, plan: dict[str, Any]) -> int:
    pid = os.fork()
    if pid:
        for each in files:
            os.close(each)
        return pid
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()  # A group of its own: what it starts is killed with it.
        for each in ours:
            os.close(each)
        limits = _limits(plan)
        # A child begins with a fresh count of processor time.
        kernel.limit_cpu(limits.cpu)
        kernel.limit_memory(limits.memory)
        bench.serve(socket.socket(fileno=files[0]))
        os._exit(0)
    except MemoryError:
        os._exit(71)
    except BaseException:  # noqa: BLE001  Nothing may return into the zygote's loop.
        os._exit(70)


def _kill(children: dict[int, int], numbers: list[int]) -> None:
    for pid, number in children.items():
        if number in numbers:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)


def _reap(control: socket.socket, children: dict[int, int]) -> None:
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return
        if not pid:
            return
        number = children.pop(pid, None)
        if number is None:
            continue
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(pid, signal.SIGKILL)  # What it left behind.
        _say(control, {"gone": number, "status": os.waitstatus_to_exitcode(status)})


def _say(control: socket.socket, message: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):
        control.send(json.dumps(message).encode())


def _receive(control: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    files = array.array("i")
    data, rights, _flags, _address = control.recvmsg(LONGEST, socket.CMSG_SPACE(4 * 4))
    for level, kind, body in rights:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            files.frombytes(body[: len(body) - len(body) % files.itemsize])
    return (json.loads(data) if data else None), list(files)
