"""A disk that forgets: a recorded run as operations on inodes, and the trees that a power cut may leave of it.

The rules are stricter than any journal's: a file's bytes are safe once the file was fsynced, an entry of a
folder once that folder was; a rename is one step, safe once the folder that it leads into was fsynced. All else may be
lost, alone or together with anything else that is not safe. A folder whose own entry is lost is gone with all that is
in it; what was renamed into it and is not safe there is still where it was. (After ALICE, Pillai et al., OSDI 2014.)
"""

import hashlib
import os
from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from pathlib import Path

ROOT = 0

Tree = dict[str, bytes | None]
"""What lies below a folder: the bytes of each file by its path, None for a folder."""


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes into a file; a gap before them reads as zeros."""

    inode: int
    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    """A file's new size."""

    inode: int
    size: int


@dataclass(frozen=True, slots=True)
class Link:
    """A new entry for a file or a folder."""

    folder: int
    name: str
    inode: int
    is_folder: bool = False


@dataclass(frozen=True, slots=True)
class Unlink:
    """An entry taken out."""

    folder: int
    name: str


@dataclass(frozen=True, slots=True)
class Move:
    """A rename."""

    folder: int
    name: str
    into: int
    as_name: str


@dataclass(frozen=True, slots=True)
class Sync:
    """All that was done to this file, or to this folder's entries, is safe."""

    inode: int


Operation = Write | Truncate | Link | Unlink | Move | Sync


@dataclass
class Disk:
    """Inodes with their bytes or entries, as some of the operations leave them."""

    files: dict[int, bytearray] = field(default_factory=dict)
    folders: dict[int, dict[str, int]] = field(default_factory=lambda: {ROOT: {}})

    def apply(self, operations: Iterable[Operation], safe: AbstractSet[int] = frozenset()) -> "Disk":
        """Carry operations out, those by number in `safe` whatever became of their folders."""
        for number, operation in enumerate(operations):
            match operation:
                case Write(inode, offset, data):
                    content = self.files.setdefault(inode, bytearray())
                    content.extend(bytes(max(0, offset - len(content))))
                    content[offset : offset + len(data)] = data
                case Truncate(inode, size):
                    content = self.files.setdefault(inode, bytearray())
                    content.extend(bytes(max(0, size - len(content))))
                    del content[size:]
                case Link(folder, name, inode, is_folder):
                    self._make(inode, is_folder)
                    self.folders.setdefault(folder, {})[name] = inode
                case Unlink(folder, name):
                    self.folders.setdefault(folder, {}).pop(name, None)
                case Move():
                    self._move(operation, certain=number in safe)
                case Sync():
                    pass
        return self

    def tree(self) -> Tree:
        """What can be reached from the root."""
        return dict(self._below(ROOT, ""))

    def _make(self, inode: int, is_folder: bool) -> None:
        if is_folder:
            self.folders.setdefault(inode, {})
        else:
            self.files.setdefault(inode, bytearray())

    def _move(self, move: Move, *, certain: bool) -> None:
        source = self.folders.get(move.folder, {})
        if move.name in source and (certain or move.into in self._reachable(ROOT)):
            inode = source.pop(move.name)
            self.folders.setdefault(move.into, {})[move.as_name] = inode

    def _reachable(self, folder: int) -> set[int]:
        below = [inode for inode in self.folders[folder].values() if inode in self.folders]
        return {folder}.union(*(self._reachable(inode) for inode in below))

    def _below(self, folder: int, path: str) -> Iterator[tuple[str, bytes | None]]:
        for name, inode in sorted(self.folders[folder].items()):
            place = f"{path}{name}"
            if inode in self.folders:
                yield place, None
                yield from self._below(inode, f"{place}/")
            else:
                yield place, bytes(self.files.get(inode, b""))


def safe_after(operations: list[Operation], count: int) -> set[int]:
    """The numbers of those of the first `count` operations that no power cut can undo."""
    synced: dict[int, int] = {}
    for number, operation in enumerate(operations[:count]):
        if isinstance(operation, Sync):
            synced[operation.inode] = number
    return {n for n, operation in enumerate(operations[:count]) if synced.get(_place(operation), -1) > n}


def _place(operation: Operation) -> int:
    """The inode that has to be fsynced to make an operation safe."""
    match operation:
        case Write(inode) | Truncate(inode) | Sync(inode):
            return inode
        case Link(folder) | Unlink(folder):
            return folder
        case Move(_, _, into):
            return into


@dataclass(frozen=True, slots=True)
class Crash:
    """A power cut after the first `count` operations, of which those numbered in `lost` never reached the disk.

    `torn` is whether only half of the last one did.
    """

    count: int
    lost: frozenset[int]
    safe: frozenset[int]
    torn: bool = False

    def left(self, operations: list[Operation]) -> Tree:
        """What is found afterwards."""
        kept = [number for number in range(self.count) if number not in self.lost]
        done = [operations[number] for number in kept]
        if self.torn and isinstance(last := done[-1], Write):
            done[-1] = Write(last.inode, last.offset, last.data[: len(last.data) // 2])
        return Disk().apply(done, {at for at, number in enumerate(kept) if number in self.safe}).tree()


def crashes(operations: list[Operation], count: int) -> Iterator[Crash]:
    """The power cuts that may come after the first `count` operations.

    Nothing is lost; all is that is not safe; one operation by itself is, or torn; all are but one.
    """
    safe = frozenset(safe_after(operations, count))
    loose = frozenset(n for n in range(count) if n not in safe and not isinstance(operations[n], Sync))
    yield Crash(count, frozenset(), safe)
    yield Crash(count, loose, safe)
    for number in loose:
        yield Crash(count, frozenset({number}), safe)
        yield Crash(count, loose - {number}, safe)
    if isinstance(operations[count - 1], Write):
        yield Crash(count, frozenset(), safe, torn=True)


def digest(tree: Tree) -> bytes:
    """Two trees have the same if they are the same."""
    whole = hashlib.blake2b()
    for name, content in sorted(tree.items()):
        head = f"{len(name)} {name} {-1 if content is None else len(content)} "
        whole.update(os.fsencode(head) + (content or b""))
    return whole.digest()


def read_tree(root: Path) -> Tree:
    """What lies below a folder now."""
    return {
        str(path.relative_to(root)): path.read_bytes() if path.is_file() else None for path in sorted(root.rglob("*"))
    }


LONG_AGO = 1_700_000_000
"""When all files were changed last: an input's time of change is what it was before the crash."""


def write_tree(tree: Tree, root: Path) -> None:
    """Make it so below an empty folder."""
    for name, content in tree.items():
        path = root / name
        if content is None:
            path.mkdir(parents=True, exist_ok=True)
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
            os.utime(path, (LONG_AGO, LONG_AGO))
