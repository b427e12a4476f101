"""A bundle as one file: a tar of its manifest, then its files, and nothing else.

What comes in such a file is a stranger's until it is proved: nothing is unpacked by the names that it has, but by those
of the manifest, whose digests decide; links, devices, folders and files with holes have no place in it.
"""

import contextlib
import hashlib
import json
import os
import secrets
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from classifyd.bundles import blobs
from classifyd.bundles.manifest import MANIFEST, check
from classifyd.bundles.opening import verify
from classifyd.bundles.store import Store
from classifyd.disk import fsync_folder, sync
from classifyd.errors import BundleError
from classifyd.values import Bundle

MOST_MANIFEST_BYTES = 16 * 2**20
_CHUNK_BYTES = 2**20


def export(bundle: Bundle, target: Path) -> None:
    """Write a bundle, verified, into a new file; the same bundle gives the same bytes. BundleError if it is unfit.

    FileExistsError if there is something of that name; the file appears whole or not at all.
    """
    verify(bundle)
    draft = target.with_name(f".{target.name}.{secrets.token_hex(8)}.tmp")
    try:
        with draft.open("xb") as file:
            with tarfile.open(fileobj=file, mode="w:", format=tarfile.PAX_FORMAT) as tar:
                here = f"{bundle.task}/{bundle.version}"
                _add(tar, f"{here}/{MANIFEST}", bundle.path / MANIFEST)
                for name, (path, _) in sorted(bundle.files.items()):
                    _add(tar, f"{here}/{name}", path)
            sync(file)
        os.link(draft, target)  # unlike a rename, this overwrites nothing
    finally:
        draft.unlink(missing_ok=True)
    fsync_folder(target.absolute().parent)


def bring_in(source: Path, store: Store) -> Bundle:
    """The bundle of a file, in the store: under its own number if no later one is there, else under the next.

    It is not put in service. One that is there already is left as it is. BundleError if the file is not what `export`
    writes, or one byte of it is not what its manifest says; the store is then as it was.
    """
    with contextlib.ExitStack() as stack:
        try:
            tar = stack.enter_context(tarfile.open(source, mode="r:"))
            members = iter(tar)
            folder, manifest_bytes = _manifest(tar, next(members, None), source)
            manifest = _checked(source, manifest_bytes)
            if folder != f"{manifest['task']}/{manifest['version']}":
                raise BundleError(
                    f"{source}: its manifest is of {manifest['task']}@{manifest['version']}, not {folder}"
                )
            draft = stack.enter_context(store.draft(manifest["task"]))
            (draft / MANIFEST).write_bytes(manifest_bytes)
            requires = manifest.get("requires") or {}
            _unpack(tar, members, folder, {**manifest["files"], **requires}, draft)
            if requires:
                stack.enter_context(blobs.held(store.path))
            for name in requires:
                blobs.keep(store.path, draft / name)
                (draft / name).unlink()
        except tarfile.TarError as error:
            raise BundleError(f"{source}: is no archive of a bundle ({error}); export it again") from error
        return store.adopt(manifest["task"], draft)


def _add(tar: tarfile.TarFile, name: str, path: Path) -> None:
    """Add a file without a trace of where and when it was made."""
    with path.open("rb") as file:
        member = tarfile.TarInfo(name)
        member.size = os.fstat(file.fileno()).st_size
        member.mode = 0o644
        tar.addfile(member, file)


def _manifest(tar: tarfile.TarFile, member: tarfile.TarInfo | None, source: Path) -> tuple[str, bytes]:
    """The folder that all is said to lie in, and the manifest's bytes."""
    if member is None or not _is_plain(member) or not member.name.endswith(f"/{MANIFEST}"):
        raise BundleError(f"{source}: is no archive of a bundle: its first file is not a manifest")
    if member.size > MOST_MANIFEST_BYTES:
        raise BundleError(f"{source}: its manifest has {member.size} bytes, which no manifest has")
    return member.name.removesuffix(f"/{MANIFEST}"), b"".join(_pieces(tar.extractfile(member)))


def _is_plain(member: tarfile.TarInfo) -> bool:
    """Whether a member is a file whose bytes all lie in the archive: with holes, a few of them fill a disk."""
    return member.isreg() and not member.issparse()


def _checked(source: Path, data: bytes) -> dict[str, Any]:
    try:
        manifest = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{source}: its manifest is not JSON ({error}); export it again") from error
    check(source, manifest)
    return dict(manifest)


def _unpack(
    tar: tarfile.TarFile, members: Iterator[tarfile.TarInfo], folder: str, wanted: dict[str, str], draft: Path
) -> None:
    """Write the files that the manifest names into a draft, each against its digest."""
    source = str(tar.name)
    for member in members:
        name = member.name.removeprefix(f"{folder}/")
        if not _is_plain(member) or name not in wanted:
            what = "is no regular file" if name in wanted else "is not in its manifest, or is there twice"
            raise BundleError(f"{source}: {member.name!r} {what}; nothing was taken over")
        digest = hashlib.sha256()
        with (draft / name).open("xb") as file:  # the manifest's name, which was checked: it leads nowhere else
            for piece in _pieces(tar.extractfile(member)):
                digest.update(piece)
                file.write(piece)
            sync(file)
        if digest.hexdigest() != wanted.pop(name):
            raise BundleError(f"{source}: {name} is not what the manifest says (sha256); copy the archive again")
    if wanted:
        raise BundleError(f"{source}: lacks {', '.join(sorted(wanted))}; copy the archive again")


def _pieces(file: IO[bytes] | None) -> Iterator[bytes]:
    while file is not None and (piece := file.read(_CHUNK_BYTES)):
        yield piece
