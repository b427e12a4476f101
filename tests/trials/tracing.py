"""From recorded calls to the operations of a disk."""

from collections.abc import Iterable
from pathlib import Path

from disk import ROOT, Disk, Link, Move, Operation, Sync, Tree, Truncate, Unlink, Write
from recording import Call, data

IN_MEMORY = ("-shm",)
"""Suffixes of files that no crash leaves anything of: SQLite makes its index anew."""


class Tracing:
    """Follows calls from a tree that is safe. `operations` is what they did below `root`, the tree itself first.

    What begins with a name in `but` is left out.
    """

    def __init__(self, root: Path, before: Tree, but: tuple[str, ...]) -> None:
        self.operations: list[Operation] = []
        self._root = f"{root}/"
        self._but = but
        self._disk = Disk()
        self._positions: dict[int, int] = {}
        self._next = ROOT + 1
        for name, content in before.items():
            self._link(name, is_folder=content is None)
            if content is not None:
                self._do(Write(self._inode(name), 0, content))
                self._do(Sync(self._inode(name)))
            self._do(Sync(self._entry(name)[0]))
        self.begins = len(self.operations)

    def follow(self, calls: Iterable[Call]) -> "Tracing":
        """Take the calls in, one by one."""
        for call in calls:
            self._follow(call)
        return self

    def _follow(self, call: Call) -> None:  # a table of calls
        match call.name:
            case "openat":
                self._opened(call)
            case "write" | "pwrite64":
                self._wrote(call)
            case "ftruncate" if (name := self._ours(call.folder(0))) is not None:
                self._do(Truncate(self._inode(name), int(call.arguments[1])))
            case "fsync" | "fdatasync" if (name := self._ours(call.folder(0))) is not None:
                self._do(Sync(self._inode(name)))
            case "mkdir" if (name := self._ours(call.path(0))) is not None:
                self._link(name, is_folder=True)
            case "mkdirat" if (name := self._ours(call.path(1))) is not None:
                self._link(name, is_folder=True)
            case "unlink" | "rmdir" if (name := self._ours(call.path(0))) is not None:
                self._do(Unlink(*self._entry(name)))
            case "unlinkat" if (name := self._ours(call.path(1))) is not None:
                self._do(Unlink(*self._entry(name)))
            case "rename" if (name := self._ours(call.path(0))) is not None:
                self._move(name, call.path(1))
            case "renameat" | "renameat2" if (name := self._ours(call.path(1))) is not None:
                self._move(name, call.path(3))
            case "lseek" if (name := self._ours(call.folder(0))) is not None:
                self._positions[self._inode(name)] = call.result
            case _:
                touched = [path for path in call.paths() if self._ours(path) is not None]
                assert not touched, f"a call that is not known here: {call}"

    def _opened(self, call: Call) -> None:
        name = self._ours(call.path(1))
        if name is None or "O_RDONLY" in call.arguments[2]:
            return
        if not self._exists(name):
            self._link(name, is_folder=False)
        elif "O_TRUNC" in call.arguments[2]:
            self._do(Truncate(self._inode(name), 0))
        size = len(self._disk.files[self._inode(name)])
        self._positions[self._inode(name)] = size if "O_APPEND" in call.arguments[2] else 0

    def _wrote(self, call: Call) -> None:
        name = self._ours(call.folder(0))
        if name is None:
            return
        inode = self._inode(name)
        content = data(call.arguments[1])[: call.result]
        if call.name == "pwrite64":
            self._do(Write(inode, int(call.arguments[3]), content))
            return
        self._do(Write(inode, self._positions[inode], content))
        self._positions[inode] += len(content)

    def _move(self, name: str, target: str) -> None:
        into = self._ours(target)
        assert into is not None, f"{name} went to {target}"
        self._do(Move(*self._entry(name), *self._entry(into)))

    # ------------------------------------------------------------------ names

    def _ours(self, path: str) -> str | None:
        """The name below the root; None if it is elsewhere, or of no account after a crash."""
        if f"{path}/" == self._root:
            return ""
        name = path.removeprefix(self._root)
        return None if name == path or name.startswith(self._but) or name.endswith(IN_MEMORY) else name

    def _entry(self, name: str) -> tuple[int, str]:
        folder, _, base = name.rpartition("/")
        return self._inode(folder), base

    def _inode(self, name: str) -> int:
        inode = ROOT
        for part in name.split("/") if name else ():
            inode = self._disk.folders[inode][part]
        return inode

    def _exists(self, name: str) -> bool:
        try:
            self._inode(name)
        except KeyError:
            return False
        return True

    def _link(self, name: str, *, is_folder: bool) -> None:
        self._next += 1
        self._do(Link(*self._entry(name), self._next, is_folder))

    def _do(self, operation: Operation) -> None:
        self._disk.apply([operation])
        self.operations.append(operation)
