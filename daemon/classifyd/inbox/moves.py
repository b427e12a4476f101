"""Renames that never overwrite, and names that are free: the only way files change their place here."""

import contextlib
import ctypes
import errno
import hashlib
import os
import secrets
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePath

from classifyd import beneath

NAME_BYTES = 255
_RENAME_NOREPLACE = 1
_AT_FDCWD = -100
_UNSUPPORTED = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP})

_libc = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True)
class Entry:
    """A name in an open folder: what it stands for cannot be swapped for something in another folder."""

    folder: int
    name: str


def rename_exclusive(source: str, target: str) -> None:
    """Rename, or FileExistsError if the target's name is taken (renameat2 with RENAME_NOREPLACE).

    On file systems without it a hard link and an unlink stand in: as exclusive, but two steps.
    """
    rename_entry(Entry(_AT_FDCWD, source), Entry(_AT_FDCWD, target))


def rename_entry(source: Entry, target: Entry) -> None:
    """The same, from one open folder into another."""
    old, new = os.fsencode(source.name), os.fsencode(target.name)
    code = _libc.renameat2(source.folder, old, target.folder, new, _RENAME_NOREPLACE)
    if code == 0:
        return
    number = ctypes.get_errno()
    if number not in _UNSUPPORTED:
        raise OSError(number, os.strerror(number), source.name, None, target.name)
    os.link(source.name, target.name, src_dir_fd=source.folder, dst_dir_fd=target.folder, follow_symlinks=False)
    os.unlink(source.name, dir_fd=source.folder)


def fsync_folder(folder: str | Path) -> None:
    """Put a folder's entries on the disk: after a power cut a rename itself may be missing otherwise."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        _change(Path(folder))
        raise OSError(error.errno, error.strerror, str(folder)) from error
    finally:
        os.close(descriptor)


def _change(folder: Path) -> None:
    """Change a folder to and fro after its fsync failed.

    The kernel may hold its entries for written now; changed once more, they are written anew by the next fsync.
    """
    with contextlib.suppress(OSError):
        passing = folder / f".{secrets.token_hex(8)}.tmp"
        passing.mkdir()
        passing.rmdir()


def make_folders(folder: Path) -> None:
    """Make a folder and its parents, each new entry on the disk."""
    missing = list(_missing(folder))
    for path in reversed(missing):
        with contextlib.suppress(FileExistsError):
            path.mkdir()
        fsync_folder(path.parent)


def _missing(folder: Path) -> Iterator[Path]:
    while not folder.exists():
        yield folder
        folder = folder.parent


def move(
    source: str,
    folder: Path,
    name: str,
    *,
    below: Path | None = None,
    before: Callable[[Path], None] | None = None,
) -> Path:
    """Move a file below `folder` under `name` or the next free one; the place it got, on the disk.

    Where a file or a link stands in the way of a sub-folder of the name, the name is flattened. No link is followed on
    the way to the source from `below` (else from its own folder), nor on the way to the name from `folder`.

    `before` is called with the chosen place ahead of the move (to write a reason beside it first); FileExistsError from
    it means the next name. Across file systems the file is copied, fsynced and named before the original is removed,
    so that a crash leaves two, never none.
    """
    make_folders(folder)
    landing = reachable(folder, name)
    root = below or Path(source).parent
    with (
        beneath.folder(root, str(Path(source).parent.relative_to(root))) as above,
        beneath.made_folder(folder, str(Path(landing).parent)) as there,
    ):
        held = Entry(above, Path(source).name)
        for place in free_names(folder / landing):
            target = Entry(there, place.name)
            if not _is_taken(target) and _placed(held, target, place, before):
                os.fsync(there)
                return place
    raise AssertionError("names never run out")


def _is_taken(entry: Entry) -> bool:
    try:
        os.stat(entry.name, dir_fd=entry.folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _placed(source: Entry, target: Entry, place: Path, before: Callable[[Path], None] | None) -> bool:
    """Give the source its place; False if the name was taken meanwhile."""
    try:
        if before is not None:
            before(place)
        rename_entry(source, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        return _copied(source, target)
    return True


def _copied(source: Entry, target: Entry) -> bool:
    """The same across file systems."""
    temporary = Entry(target.folder, f".{secrets.token_hex(8)}.tmp")
    try:
        _copy(source, temporary)
        rename_entry(temporary, target)
    except FileExistsError:
        _discard(temporary)
        return False
    except BaseException:
        _discard(temporary)
        raise
    os.fsync(target.folder)
    os.unlink(source.name, dir_fd=source.folder)
    return True


def _copy(source: Entry, target: Entry) -> None:
    """Make the same thing under another name, on the disk; a link's target is not looked at, no FIFO is opened."""
    status = os.stat(source.name, dir_fd=source.folder, follow_symlinks=False)
    if stat.S_ISREG(status.st_mode):
        _copy_file(source, target)
    elif stat.S_ISLNK(status.st_mode):
        os.symlink(os.readlink(source.name, dir_fd=source.folder), target.name, dir_fd=target.folder)
    elif stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), source.name)
    else:
        os.mknod(target.name, stat.S_IFMT(status.st_mode) | 0o600, status.st_rdev, dir_fd=target.folder)


def _copy_file(source: Entry, target: Entry) -> None:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(source.name, flags, dir_fd=source.folder), "rb") as file:
        status = os.fstat(file.fileno())
        made = os.open(target.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=target.folder)
        with os.fdopen(made, "wb") as copy:
            shutil.copyfileobj(file, copy, 2**20)
            copy.flush()
            # The copy is ours, and a stranger chose the mode: a set-user-ID bit would make his program run as us.
            os.fchmod(copy.fileno(), status.st_mode & 0o777)
            os.utime(copy.fileno(), ns=(status.st_atime_ns, status.st_mtime_ns))
            os.fsync(copy.fileno())


def _discard(entry: Entry) -> None:
    with contextlib.suppress(OSError):
        os.unlink(entry.name, dir_fd=entry.folder)


def reachable(folder: Path, name: str) -> str:
    """The name, or one without sub-folders if one of those cannot be made because a file or a link is called like it.

    A link among them is never followed: where strangers can write, it may lead anywhere.
    """
    for above in Path(name).parents:
        place = folder / above
        if place != folder and os.path.lexists(place) and (place.is_symlink() or not place.is_dir()):
            return fitted(name.replace("/", "%2F"))
    return name


def free_names(path: Path) -> Iterator[Path]:
    """The path itself, then with .1, .2 … before its last suffix; a name too long is cut and given a digest."""
    yield path.with_name(fitted(path.name))
    number = 0
    while True:
        number += 1
        yield path.with_name(fitted(f"{path.stem}.{number}{path.suffix}"))


def fitted(name: str, room: int = 0) -> str:
    """The name, or one that fits into 255 bytes with `room` to spare: its beginning, a digest of it all, its suffix."""
    raw = os.fsencode(name)
    if len(raw) <= NAME_BYTES - room:
        return name
    digest = hashlib.sha256(raw).hexdigest()[:12]
    suffix = PurePath(name).suffix
    suffix = suffix if len(os.fsencode(suffix)) <= 32 else ""
    kept = raw[: NAME_BYTES - room - len(os.fsencode(suffix)) - len(digest) - 1]
    # Cut between characters: what cannot be decoded any more at the end is dropped.
    beginning = kept.decode("utf-8", "ignore") if _is_utf8(raw) else os.fsdecode(kept)
    return f"{beginning}~{digest}{suffix}"


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def shown(name: str) -> str:
    """A file name as valid Unicode without control characters, for outputs, logs and people."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
