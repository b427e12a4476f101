"""Renames that never overwrite, and names that are free: the only way files change their place here."""

import contextlib
import ctypes
import errno
import hashlib
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath

from classifyd import beneath
from classifyd.beneath import Entry
from classifyd.disk import fsync_folder
from classifyd.inbox.copying import copied

NAME_BYTES = 255
_RENAME_NOREPLACE = 1
_AT_FDCWD = -100
_UNSUPPORTED = frozenset({errno.ENOSYS, errno.EINVAL, errno.ENOTSUP})

_libc = ctypes.CDLL(None, use_errno=True)


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


def make_folders(folder: Path, make: Callable[[Path], object] = Path.mkdir) -> None:
    """Make a folder and its parents, one by one as `make` does, each new entry on the disk."""
    missing = list(_missing(folder))
    for path in reversed(missing):
        with contextlib.suppress(FileExistsError):
            make(path)
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
    across: bool = True,
    durable: bool = True,
) -> Path:
    """Move a file below `folder` under `name` or the next free one; the place it got, on the disk.

    If it need not be `durable` yet, the caller has to fsync the place's folder.

    Where a file or a link stands in the way of a sub-folder of the name, the name is flattened. No link is followed on
    the way to the source from `below` (else from its own folder), nor on the way to the name from `folder`.

    `before` is called with the chosen place ahead of the move (to write a reason beside it first); FileExistsError from
    it means the next name. Across file systems the file is copied, fsynced and named before the original is removed,
    so that a crash leaves two, never none; if that is not to be, OSError with EXDEV.
    """
    make_folders(folder)
    landing = reachable(folder, name)
    with _opened(source, below) as held, beneath.made_folder(folder, str(Path(landing).parent)) as there:
        for place in free_names(folder / landing):
            target = Entry(there, place.name)
            if not _is_taken(target) and _placed(held, target, place, before, across=across):
                if durable:
                    os.fsync(there)
                return place
    raise AssertionError("names never run out")


def copy_into(
    source: str, folder: Path, name: str, *, below: Path | None = None, stopped: Callable[[], bool] = lambda: False
) -> Path:
    """A whole copy of a file in `folder`, on the disk; what an earlier attempt left there under that name goes.

    To be moved to its place from there. See `move` for `below`; InterruptedError if `stopped` says so meanwhile.
    """
    make_folders(folder)
    with _opened(source, below) as held, beneath.folder(folder, "") as there:
        target = Entry(there, name)
        _discard(target)
        try:
            copied(held, target, stopped)
        except BaseException:
            _discard(target)
            raise
        os.fsync(there)
    return folder / name


@contextlib.contextmanager
def _opened(source: str, below: Path | None) -> Iterator[Entry]:
    root = below or Path(source).parent
    with beneath.folder(root, str(Path(source).parent.relative_to(root))) as above:
        yield Entry(above, Path(source).name)


def _is_taken(entry: Entry) -> bool:
    try:
        os.stat(entry.name, dir_fd=entry.folder, follow_symlinks=False)
    except FileNotFoundError:
        return False
    return True


def _placed(source: Entry, target: Entry, place: Path, before: Callable[[Path], None] | None, *, across: bool) -> bool:
    """Give the source its place; False if the name was taken meanwhile."""
    try:
        if before is not None:
            before(place)
        rename_entry(source, target)
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno != errno.EXDEV or not across:
            raise
        return _moved_across(source, target)
    return True


def _moved_across(source: Entry, target: Entry) -> bool:
    """The same across file systems."""
    temporary = Entry(target.folder, f".{secrets.token_hex(8)}.tmp")
    try:
        copied(source, temporary)
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


def is_unicode(name: str) -> bool:
    """Whether a file name can be text: its bytes are UTF-8."""
    return _is_utf8(os.fsencode(name))


def shown(name: str) -> str:
    """A file name as valid Unicode without control characters, for outputs, logs and people."""
    text = os.fsencode(name).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)
