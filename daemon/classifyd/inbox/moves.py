"""Renames that never overwrite, and names that are free: the only way files change their place here."""

import contextlib
import ctypes
import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath

NAME_BYTES = 255
_RENAME_NOREPLACE = 1
_AT_FDCWD = -100
_UNSUPPORTED = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP})

_libc = ctypes.CDLL(None, use_errno=True)


def rename_exclusive(source: str, target: str) -> None:
    """Rename, or FileExistsError if the target's name is taken (renameat2 with RENAME_NOREPLACE).

    On file systems without it a hard link and an unlink stand in: as exclusive, but two steps.
    """
    code = _libc.renameat2(_AT_FDCWD, os.fsencode(source), _AT_FDCWD, os.fsencode(target), _RENAME_NOREPLACE)
    if code == 0:
        return
    number = ctypes.get_errno()
    if number not in _UNSUPPORTED:
        raise OSError(number, os.strerror(number), source, None, target)
    os.link(source, target, follow_symlinks=False)
    Path(source).unlink()


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


def move(source: str, folder: Path, name: str, *, before: Callable[[Path], None] | None = None) -> Path:
    """Move a file below `folder` under `name` or the next free one; the place it got, on the disk.

    Where a file stands in the way of a sub-folder of the name, the name is flattened.

    `before` is called with the chosen place ahead of the move (to write a reason beside it first); FileExistsError from
    it means the next name. Across file systems the file is copied, fsynced and named before the original is removed,
    so that a crash leaves two, never none.
    """
    make_folders((folder / reachable(folder, name)).parent)
    for target in free_names(folder / reachable(folder, name)):
        if os.path.lexists(target):
            continue
        try:
            if before is not None:
                before(target)
            _rename_or_copy(source, target)
        except FileExistsError:
            continue
        fsync_folder(target.parent)
        return target
    raise AssertionError("names never run out")


def _rename_or_copy(source: str, target: Path) -> None:
    try:
        rename_exclusive(source, str(target))
    except OSError as error:
        if error.errno != errno.EXDEV:
            raise
        _copy(source, target)


def _copy(source: str, target: Path) -> None:
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        shutil.copy2(source, temporary, follow_symlinks=False)
        if not temporary.is_symlink():  # nor opened: it may lead to a FIFO
            with temporary.open("rb") as file:
                os.fsync(file.fileno())
        rename_exclusive(str(temporary), str(target))
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    fsync_folder(target.parent)
    Path(source).unlink()


def reachable(folder: Path, name: str) -> str:
    """The name, or one without sub-folders if one of those cannot be made because a file is called like it."""
    for above in Path(name).parents:
        place = folder / above
        if os.path.lexists(place) and not place.is_dir():
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
