"""What the kernel offers to lock a process in: no new privileges, seccomp, Landlock, limits.

Sources: seccomp(2), landlock(7), prctl(2), setrlimit(2), linux/filter.h. The numbers of system
calls are those of linux/unistd.h for x86-64 and of the generic table for 64-bit ARM.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import resource
import struct
from dataclasses import dataclass

_LIBC = ctypes.CDLL(None, use_errno=True)
_PR_SET_NO_NEW_PRIVS = 38
_PR_SET_DUMPABLE = 4
_PR_SET_SECCOMP = 22
_SECCOMP_MODE_FILTER = 2

_LOAD_WORD, _JUMP_EQUAL, _JUMP_GREATER_EQUAL, _JUMP_SET, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_KILL, _ALLOW, _ERRNO = 0x8000_0000, 0x7FFF_0000, 0x0005_0000
_NUMBER_AT, _ARCHITECTURE_AT, _FIRST_ARGUMENT_AT = 0, 4, 16
_X32 = 0x4000_0000
_NEW_NAMESPACES = 0x7E02_0000
"""All CLONE_NEW* of clone(2) but CLONE_NEWTIME, which clone cannot take."""

# What nothing that reads a file needs: what exploits of kernels are made of, and memory that no
# limit of a process counts.
_DENIED_X86 = {
    "socket": 41, "connect": 42, "accept": 43, "bind": 49, "listen": 50, "accept4": 288,
    "ptrace": 101, "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312,
    "mount": 165, "umount2": 166, "pivot_root": 155, "chroot": 161, "unshare": 272, "setns": 308,
    "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432,
    "mount_setattr": 442, "bpf": 321, "perf_event_open": 298, "userfaultfd": 323,
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
    "keyctl": 250, "add_key": 248, "request_key": 249, "init_module": 175, "finit_module": 313,
    "delete_module": 176, "kexec_load": 246, "kexec_file_load": 320, "reboot": 169,
    "swapon": 167, "swapoff": 168, "acct": 163, "settimeofday": 164, "clock_settime": 227,
    "adjtimex": 159, "clock_adjtime": 305, "iopl": 172, "ioperm": 173, "modify_ldt": 154,
    "name_to_handle_at": 303, "open_by_handle_at": 304, "quotactl": 179, "syslog": 103,
    "personality": 135, "pidfd_getfd": 438, "fanotify_init": 300, "lookup_dcookie": 212,
    "memfd_create": 319, "memfd_secret": 447, "shmget": 29, "msgget": 68, "semget": 64,
    "mq_open": 240,
}  # fmt: skip
_DENIED_ARM = {
    "socket": 198, "connect": 203, "accept": 202, "bind": 200, "listen": 201, "accept4": 242,
    "ptrace": 117, "process_vm_readv": 270, "process_vm_writev": 271, "kcmp": 272,
    "mount": 40, "umount2": 39, "pivot_root": 41, "chroot": 51, "unshare": 97, "setns": 268,
    "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432,
    "mount_setattr": 442, "bpf": 280, "perf_event_open": 241, "userfaultfd": 282,
    "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
    "keyctl": 219, "add_key": 217, "request_key": 218, "init_module": 105, "finit_module": 273,
    "delete_module": 106, "kexec_load": 104, "kexec_file_load": 294, "reboot": 142,
    "swapon": 224, "swapoff": 225, "acct": 89, "settimeofday": 170, "clock_settime": 112,
    "adjtimex": 171, "clock_adjtime": 266, "name_to_handle_at": 264, "open_by_handle_at": 265,
    "quotactl": 60, "syslog": 116, "personality": 92, "pidfd_getfd": 438, "fanotify_init": 262,
    "memfd_create": 279, "memfd_secret": 447, "shmget": 194, "msgget": 186, "semget": 190,
    "mq_open": 180,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Machine:
    audit: int
    denied: dict[str, int]
    clone: int
    clone3: int
    prctl_seccomp: int


_MACHINES = {
    "x86_64": _Machine(0xC000_003E, _DENIED_X86, 56, 435, 157),
    "aarch64": _Machine(0xC000_00B7, _DENIED_ARM, 220, 435, 167),
}


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of one process: setrlimit(2).

    Attributes:
        memory: Octets of address space beyond what it has already; 0 for no limit.
        cpu: Seconds of processor time.
        file: Octets of the largest file that it may write.
        processes: Processes and threads of its account.
        descriptors: Open files.
    """

    memory: int = 1024 * 2**20
    cpu: int = 120
    file: int = 256 * 2**20
    processes: int = 64
    descriptors: int = 128


def limit_all(limits: Limits) -> None:
    """Set every limit but memory, for good."""
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NICE, 0),
        (resource.RLIMIT_FSIZE, limits.file),
        (resource.RLIMIT_NOFILE, limits.descriptors),
        (resource.RLIMIT_NPROC, limits.processes),
        (resource.RLIMIT_MEMLOCK, 2**16),
        (resource.RLIMIT_MSGQUEUE, 0),
    ):
        _lower(kind, most)


def limit_cpu(seconds: int) -> None:
    """Limit processor time from the start of the process."""
    _lower(resource.RLIMIT_CPU, seconds)


def limit_memory(octets: int) -> None:
    """Limit the address space to what is mapped now and so many octets more, for good."""
    if octets:
        _lower(resource.RLIMIT_AS, _mapped() + octets)


def _lower(kind: int, most: int) -> None:
    hard = resource.getrlimit(kind)[1]
    most = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(kind, (most, most))


def _mapped() -> int:
    descriptor = os.open("/proc/self/statm", os.O_RDONLY)
    try:
        return int(os.read(descriptor, 64).split()[0]) * resource.getpagesize()
    finally:
        os.close(descriptor)


def no_new_privileges() -> None:
    """Give up gaining privileges by execve(2), for good and for all children."""
    if _LIBC.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "PR_SET_NO_NEW_PRIVS")


def hide_from_siblings() -> None:
    """Keep processes of the same account from looking into this one (prctl(2), PR_SET_DUMPABLE)."""
    _LIBC.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def filter_system_calls() -> str:
    """Deny the system calls that nothing here needs; return '' or why that was not possible."""
    machine = _MACHINES.get(platform.machine())
    if machine is None:
        return f"the filter of system calls is not written for {platform.machine()}"
    program = _program(machine)
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack("HxxxxxxP", len(program) // 8, ctypes.addressof(code))
    if _LIBC.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header, 0, 0):
        return f"seccomp: {os.strerror(ctypes.get_errno())}"
    return ""


def _program(machine: _Machine) -> bytes:
    """Return the filter in classic BPF: each instruction 8 octets."""

    def step(code: int, value: int, yes: int = 0, no: int = 0) -> bytes:
        return struct.pack("HBBI", code, yes, no, value)

    denied = _RETURN, _ERRNO | errno.EPERM
    lines = [
        step(_LOAD_WORD, _ARCHITECTURE_AT),
        step(_JUMP_EQUAL, machine.audit, 1, 0),
        step(_RETURN, _KILL),
        step(_LOAD_WORD, _NUMBER_AT),
        step(_JUMP_GREATER_EQUAL, _X32, 0, 1),
        step(*denied),
    ]
    for number in sorted(machine.denied.values()):
        lines += [step(_JUMP_EQUAL, number, 0, 1), step(*denied)]
    lines += [
        # The arguments of clone3 lie in memory, where a filter cannot look: C libraries fall back.
        step(_JUMP_EQUAL, machine.clone3, 0, 1),
        step(_RETURN, _ERRNO | errno.ENOSYS),
        step(_JUMP_EQUAL, machine.clone, 0, 3),
        step(_LOAD_WORD, _FIRST_ARGUMENT_AT),
        step(_JUMP_SET, _NEW_NAMESPACES, 0, 1),
        step(*denied),
        step(_RETURN, _ALLOW),
    ]
    return b"".join(lines)


_LANDLOCK_CREATE, _LANDLOCK_ADD, _LANDLOCK_RESTRICT = 444, 445, 446
_LANDLOCK_PATH = 1
_LANDLOCK_VERSION = 1
_ALL_OF_FIRST = 0x1FFF
"""All rights to files of Landlock's first version."""
_READ = 0b1101
"""Execute, read a file, read a folder."""


def confine_files(readable: tuple[str, ...], writable: tuple[str, ...]) -> str:
    """Let the process read and write below these folders only; return '' or why it cannot.

    The second wall where there is bubblewrap, the only one where there is none.
    """
    attributes = struct.pack("Q", _ALL_OF_FIRST)
    rules = _LIBC.syscall(_LANDLOCK_CREATE, attributes, len(attributes), 0)
    if rules < 0:
        return f"Landlock: {os.strerror(ctypes.get_errno())}"
    try:
        for folders, rights in ((readable, _READ), (writable, _ALL_OF_FIRST)):
            for folder in folders:
                _allow_below(rules, folder, rights)
        if _LIBC.syscall(_LANDLOCK_RESTRICT, rules, 0):
            return f"Landlock: {os.strerror(ctypes.get_errno())}"
    finally:
        os.close(rules)
    return ""


def _allow_below(rules: int, folder: str, rights: int) -> None:
    try:
        descriptor = os.open(folder, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # What is not there need not be allowed.
    try:
        about = struct.pack("=Qi", rights, descriptor)
        _LIBC.syscall(_LANDLOCK_ADD, rules, _LANDLOCK_PATH, about, 0)
    finally:
        os.close(descriptor)
