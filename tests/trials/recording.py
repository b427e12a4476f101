"""A run of the daemon recorded by strace: every call that changed what lies below one folder, with all its bytes."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

CALLS = (
    "openat,open,creat,write,pwrite64,writev,pwritev,lseek,ftruncate,truncate,fallocate,fsync,fdatasync,"
    "sync_file_range,rename,renameat,renameat2,link,linkat,symlink,symlinkat,unlink,unlinkat,mkdir,mkdirat,rmdir,"
    "sendfile,copy_file_range"
)
LINE = re.compile(r"^(\d+)\s+(.*)$")
CALL = re.compile(r"^(\w+)\((.*)\)\s+= (-?\d+)(?:<(.*?)>)?", re.DOTALL)
STRING = re.compile(r'"((?:[^"\\]|\\.)*)"')
DESCRIPTOR = re.compile(r"^(?:\d+|AT_FDCWD)<([^>]*)>")


@dataclass(frozen=True, slots=True)
class Call:
    """One call that succeeded: its name, its arguments as strace writes them, and what it returned."""

    name: str
    arguments: list[str]
    result: int

    def path(self, at: int) -> str:
        """The argument's path, made absolute by the folder descriptor before it, if there is one."""
        path = text(self.arguments[at])
        if path.startswith("/") or at == 0:
            return path
        return f"{self.folder(at - 1)}/{path}"

    def folder(self, at: int) -> str:
        """The path that strace gives for a descriptor; "" if it has none, or its file was deleted."""
        found = DESCRIPTOR.match(self.arguments[at])
        return "" if found is None or "(deleted)" in self.arguments[at] else text(f'"{found[1]}"')

    def paths(self) -> list[str]:
        """Every path that it names, or has a descriptor of."""
        places = range(len(self.arguments))
        named = [at for at in places if self.arguments[at].startswith('"') and "write" not in self.name]
        return [*(self.path(at) for at in named), *(self.folder(at) for at in places)]


def why_not() -> str:
    """Why nothing can be recorded here; empty if it can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    tried = subprocess.run(["strace", "-f", "-o", "/dev/null", "true"], check=False, capture_output=True, text=True)
    return f"strace may not trace here: {tried.stderr.strip()}" if tried.returncode else ""


def record(command: list[str], into: Path, environment: Mapping[str, str]) -> int:
    """Run a command under strace; its exit code."""
    strace = ["strace", "-f", "-y", "-xx", "--seccomp-bpf", "-s", str(2**24), "-e", "signal=none"]
    whole = [*strace, "-e", f"trace={CALLS}", "-o", str(into), *command]
    with into.with_suffix(".log").open("wb") as log:
        return subprocess.run(whole, check=False, env=environment, stderr=log, stdout=log).returncode


def calls(recorded: Path) -> Iterator[Call]:
    """The calls that succeeded, in the order in which they came to their end."""
    begun: dict[str, str] = {}
    for line in recorded.read_text().splitlines():
        found = LINE.match(line)
        assert found is not None, line
        process, rest = found.groups()
        if rest.endswith("<unfinished ...>"):
            begun[process] = rest.removesuffix("<unfinished ...>").rstrip()
            continue
        if rest.startswith("<... "):
            rest = begun.pop(process) + rest.partition(" resumed>")[2]
        if (call := CALL.match(rest)) and int(call[3]) >= 0:
            yield Call(call[1], _parted(call[2]), int(call[3]))


def text(argument: str) -> str:
    """A string argument, decoded."""
    return os.fsdecode(data(argument))


def data(argument: str) -> bytes:
    """The bytes of a string argument; all of it was recorded."""
    found = STRING.search(argument)
    assert found is not None, argument
    assert not argument.endswith("..."), "cut short by strace"
    return found[1].encode().decode("unicode_escape").encode("latin-1")


def _parted(arguments: str) -> list[str]:
    """The arguments one by one: commas in brackets and strings part nothing."""
    parts, depth, quoted, start = [], 0, False, 0
    for at, sign in enumerate(arguments):
        if sign == '"':  # -xx leaves no quote inside a string
            quoted = not quoted
        elif not quoted and sign in "[{<":
            depth += 1
        elif not quoted and sign in "]}>":
            depth -= 1
        elif not quoted and sign == "," and depth == 0:
            parts.append(arguments[start:at].strip())
            start = at + 1
    return [*parts, arguments[start:].strip()]
