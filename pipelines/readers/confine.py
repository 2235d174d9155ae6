"""The walls a child process puts around itself before it opens a supplier's file (Linux; see `sandbox.py`).

Each function returns what it achieved, so that a machine without a wall says so instead of pretending.
"""

import ctypes
import os
import resource
import signal
import struct
from collections.abc import Iterable
from pathlib import Path

_NEW_USER, _NEW_NET = 0x10000000, 0x40000000
_SET_PARENT_DEATH, _SET_NO_NEW_PRIVILEGES = 1, 38
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_READ = _READ_FILE | _READ_DIR
_WRITE_FILE, _TRUNCATE, _REFER = 1 << 1, 1 << 14, 1 << 13
_ALTER = _WRITE_FILE | sum(1 << bit for bit in range(4, 13))
_FILE_RIGHTS = _READ_FILE | _WRITE_FILE | _TRUNCATE
_TCP = 0b11


def limit(*, memory_mb: int, cpu_s: int) -> None:
    """Nothing: caps address space and processor time, writes no core file, dies with the parent."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_mb << 20, memory_mb << 20))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    _libc().prctl(_SET_PARENT_DEATH, signal.SIGKILL, 0, 0, 0)


def leave_network() -> bool:
    """Whether this process now lives in a network namespace without interfaces.

    Must run before any thread starts: the kernel refuses a user namespace to a process with threads.
    """
    uid, gid = os.getuid(), os.getgid()
    if _libc().unshare(_NEW_USER | _NEW_NET) == 0:
        for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {uid} 1"), ("gid_map", f"{gid} {gid} 1")):
            _write_if_allowed(f"/proc/self/{name}", text)
        return True
    return bool(_libc().unshare(_NEW_NET) == 0)


def lock_files(*, read: Iterable[Path], listing: Iterable[Path], write: Path) -> tuple[bool, bool]:
    """Whether files, and TCP, are now locked (Landlock): reading beneath `read`, writing beneath `write` only.

    Folders in `listing` may be listed, their files not read. Reference: kernel.org, userspace-api/landlock.
    """
    version = int(_libc().syscall(_CREATE_RULESET, None, 0, 1))
    if version < 1:
        return False, False
    alter = _ALTER | (_REFER if version >= 2 else 0) | (_TRUNCATE if version >= 3 else 0)
    handled = struct.pack("QQ", _READ | alter, _TCP) if version >= 4 else struct.pack("Q", _READ | alter)
    rules = int(_libc().syscall(_CREATE_RULESET, handled, len(handled), 0))
    if rules < 0:
        return False, False
    for path in read:
        _allow(rules, path, _READ)
    for path in listing:
        _allow(rules, path, _READ_DIR)
    _allow(rules, write, _READ | alter)
    _allow(rules, Path("/dev/null"), _READ_FILE | _WRITE_FILE)
    _libc().prctl(_SET_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    locked = _libc().syscall(_RESTRICT_SELF, rules, 0) == 0
    os.close(rules)
    return locked, locked and version >= 4


def _allow(rules: int, path: Path, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    if not path.is_dir():
        rights &= _FILE_RIGHTS
    _libc().syscall(_ADD_RULE, rules, 1, struct.pack("=Qi", rights, handle), 0)
    os.close(handle)


def _write_if_allowed(path: str, text: str) -> None:
    try:
        Path(path).write_text(text)
    except OSError:
        return


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)
