"""The sandbox of a unit without systemd: read what the unit says, shut this process in, and become a command.

    python sandbox.py UNIT WRITABLE COMMAND…

Made here, as systemd would: system calls (SystemCallFilter, SystemCallErrorNumber, RestrictAddressFamilies; groups are
resolved by `systemd-analyze`, the filter is libseccomp's), MemoryDenyWriteExecute (prctl(2)), everything read-only but
WRITABLE (ProtectSystem=strict), a /dev of a few pseudo-devices (PrivateDevices), no network, no capability, no new
privileges. Not made: other users (PrivateUsers, User), what hides paths (ProtectHome, PrivateTmp), /proc and /sys.
"""

import ctypes
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
CLONE_NEWNS, CLONE_NEWIPC, CLONE_NEWNET = 0x00020000, 0x08000000, 0x40000000
MS_BIND, MS_REC, MS_PRIVATE = 4096, 16384, 1 << 18
SYS_MOUNT_SETATTR, AT_FDCWD, AT_RECURSIVE, MOUNT_ATTR_RDONLY = 442, -100, 0x8000, 1
PR_CAPBSET_DROP, PR_SET_NO_NEW_PRIVS, PR_SET_MDWE = 24, 38, 65
ALLOW, EPERM, EQUAL = 0x7FFF0000, 0x00050001, 4
"""SCMP_ACT_ALLOW, SCMP_ACT_ERRNO(EPERM), SCMP_CMP_EQ of seccomp.h."""
DEVICES = ("null", "zero", "full", "random", "urandom")


class Compared(ctypes.Structure):
    """struct scmp_arg_cmp."""

    _fields_ = (("arg", ctypes.c_uint), ("op", ctypes.c_int), ("a", ctypes.c_uint64), ("b", ctypes.c_uint64))


def directives(unit: Path) -> dict[str, list[str]]:
    """What a unit sets, in order; a directive may be set several times."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text().splitlines():
        if line and line[0] not in "#[":
            name, _, value = line.partition("=")
            found.setdefault(name, []).append(value)
    return found


def allowed_calls(filters: list[str]) -> set[str]:
    """The system calls that an allow list lets through, groups resolved; later lines add to it or take away."""
    groups = known_groups()
    allowed = members("@default", groups)
    for line in filters:
        calls = set().union(*(members(word, groups) for word in line.removeprefix("~").split()))
        allowed = allowed - calls if line.startswith("~") else allowed | calls
    return allowed


def known_groups() -> dict[str, list[str]]:
    """What systemd's groups of system calls have in them: calls, and other groups."""
    command = ["systemd-analyze", "syscall-filter", "--no-pager"]
    groups: dict[str, list[str]] = {}
    for line in subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines():
        word = line.strip()
        if line.startswith("@"):
            groups[word] = []
        elif word and not word.startswith("#") and groups:
            groups[list(groups)[-1]].append(word)
    return groups


def members(name: str, groups: Mapping[str, list[str]]) -> set[str]:
    """The system calls of a group and of the groups in it; a system call is the only member of itself."""
    return set().union(*(members(word, groups) for word in groups[name])) if name.startswith("@") else {name}


def checked(result: int, what: str) -> None:
    if result:
        raise OSError(ctypes.get_errno() or -result, f"{what}: {os.strerror(ctypes.get_errno() or -result)}")


def mount(source: str, target: str, kind: str | None, flags: int) -> None:
    checked(LIBC.mount(source.encode(), target.encode(), kind and kind.encode(), flags, None), f"mount {target}")


def set_read_only(path: str, *, recursively: bool, writable: bool = False) -> None:
    bit = ctypes.c_uint64(MOUNT_ATTR_RDONLY)
    put, clear = (ctypes.c_uint64(0), bit) if writable else (bit, ctypes.c_uint64(0))
    attributes = (ctypes.c_uint64 * 4)(put.value, clear.value, 0, 0)
    flags = AT_RECURSIVE if recursively else 0
    size = ctypes.sizeof(attributes)
    call = LIBC.syscall(SYS_MOUNT_SETATTR, AT_FDCWD, path.encode(), flags, ctypes.byref(attributes), size)
    checked(call, f"mount_setattr {path}")


def shut_in(writable: str) -> None:
    """Own mounts, all read-only but one folder; few devices; no network."""
    checked(LIBC.unshare(CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC), "unshare")
    mount("none", "/", None, MS_REC | MS_PRIVATE)
    mount(writable, writable, None, MS_BIND)
    put_devices_in_place()
    set_read_only("/", recursively=True)
    for path in (writable, "/dev/shm", "/proc"):
        set_read_only(path, recursively=False, writable=True)


def put_devices_in_place() -> None:
    kept = {name: os.open(f"/dev/{name}", os.O_PATH) for name in DEVICES}
    mount("tmpfs", "/dev", "tmpfs", 0)
    for name, descriptor in kept.items():
        Path(f"/dev/{name}").touch()
        mount(f"/proc/self/fd/{descriptor}", f"/dev/{name}", None, MS_BIND)
        os.close(descriptor)
    Path("/dev/shm").mkdir(mode=0o1777)
    mount("tmpfs", "/dev/shm", "tmpfs", 0)


def give_up_privileges() -> None:
    """What is executed from now on has no capability, though its user is still root."""
    for capability in range(int(Path("/proc/sys/kernel/cap_last_cap").read_text()) + 1):
        checked(LIBC.prctl(PR_CAPBSET_DROP, capability, 0, 0, 0), "PR_CAPBSET_DROP")
    checked(LIBC.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "PR_SET_NO_NEW_PRIVS")


def filter_calls(allowed: set[str], families: list[int]) -> Callable[[], None]:
    """What loads the filter: calls outside of `allowed` fail with EPERM, sockets of other families, too."""
    seccomp = ctypes.CDLL("libseccomp.so.2", use_errno=True)
    seccomp.seccomp_init.restype = ctypes.c_void_p
    context = ctypes.c_void_p(seccomp.seccomp_init(EPERM))
    for name in sorted(allowed - {"socket"}):
        number = seccomp.seccomp_syscall_resolve_name(name.encode())
        if number >= 0:  # else another architecture's
            checked(seccomp.seccomp_rule_add_array(context, ALLOW, number, 0, None), name)
    number = seccomp.seccomp_syscall_resolve_name(b"socket")
    for family in families:
        compared = Compared(0, EQUAL, family, 0)
        checked(seccomp.seccomp_rule_add_array(context, ALLOW, number, 1, ctypes.byref(compared)), "socket")
    return lambda: checked(seccomp.seccomp_load(context), "seccomp_load")


def main(unit: str, writable: str, *command: str) -> None:
    found = directives(Path(unit))
    families = [int(getattr(__import__("socket"), name)) for name in found["RestrictAddressFamilies"][-1].split()]
    assert found["SystemCallErrorNumber"] == ["EPERM"]
    load = filter_calls(allowed_calls(found["SystemCallFilter"]), families)
    shut_in(writable)
    give_up_privileges()
    if found["MemoryDenyWriteExecute"][-1] == "yes":
        checked(LIBC.prctl(PR_SET_MDWE, 1, 0, 0, 0), "PR_SET_MDWE")
    load()
    os.chdir(writable)
    os.execv(command[0], command)


if __name__ == "__main__":
    main(*sys.argv[1:])
