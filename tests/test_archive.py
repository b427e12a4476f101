"""A bundle goes out and comes in as one file; what is in that file is believed only as far as its digests go."""

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from classifyd.bundles import Store, bring_in, export
from classifyd.errors import BundleError
from classifyd.values import Bundle, TrainedModel


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    weights = tmp_path / "weights"
    weights.write_bytes(b"\x00weights" * 1000)
    return published(Store(tmp_path / "models"), weights)


def published(store: Store, weights: Path) -> Bundle:
    model = TrainedModel({"weights.bin": weights}, {"labels": ["ham", "spam"]}, "# report\n")
    return store.publish("spam", model, {})


def archive(bundle: Bundle, tmp_path: Path) -> Path:
    export(bundle, tmp_path / "spam.tar")
    return tmp_path / "spam.tar"


def test_what_is_exported_comes_in_as_the_same_bundle_and_does_not_serve(bundle: Bundle, tmp_path: Path) -> None:
    other = Store(tmp_path / "other")
    came = bring_in(archive(bundle, tmp_path), other)
    assert (came.task, came.version, came.digest) == (bundle.task, bundle.version, bundle.digest)
    other.verify("spam", 1)
    assert other.current("spam") is None
    assert [path.name for path in (tmp_path / "other" / "spam").iterdir()] == ["1"]


def test_a_bundle_that_is_there_already_stays_and_gets_no_second_number(bundle: Bundle, tmp_path: Path) -> None:
    store = Store(tmp_path / "models")
    assert bring_in(archive(bundle, tmp_path), store).version == 1
    assert store.versions("spam") == (1,)


def test_where_its_number_is_anothers_it_gets_the_next(bundle: Bundle, tmp_path: Path) -> None:
    other = Store(tmp_path / "other")
    (tmp_path / "others").write_bytes(b"others")
    published(other, tmp_path / "others")
    came = bring_in(archive(bundle, tmp_path), other)
    assert came.version == 2
    assert came.read("weights.bin") == bundle.read("weights.bin")
    other.verify("spam", 2)


def test_the_same_bundle_gives_the_same_bytes(bundle: Bundle, tmp_path: Path) -> None:
    export(bundle, tmp_path / "one.tar")
    export(bundle, tmp_path / "two.tar")
    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()


def test_nothing_is_overwritten_and_an_unfit_bundle_is_not_exported(bundle: Bundle, tmp_path: Path) -> None:
    (tmp_path / "mine.tar").write_text("mine")
    with pytest.raises(FileExistsError):
        export(bundle, tmp_path / "mine.tar")
    assert (tmp_path / "mine.tar").read_text() == "mine"
    (bundle.path / "weights.bin").write_bytes(b"altered")
    with pytest.raises(BundleError, match="sha256"):
        export(bundle, tmp_path / "new.tar")
    assert not any(path.name.startswith((".", "new")) for path in tmp_path.iterdir())


Change = Callable[[list[tuple[tarfile.TarInfo, bytes]]], object]


def rewritten(path: Path, change: Change) -> Path:
    """The archive with its members changed."""
    with tarfile.open(path) as tar:
        members = [(member, tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr]
    change(members)
    with tarfile.open(path, "w") as tar:
        for member, data in members:
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, link
    return made


def alter(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
    members[-1] = (members[-1][0], b"x" + members[-1][1][1:])


def last(kind: bytes, link: str = "") -> Change:
    """The weights are something else than a regular file."""
    return lambda members: members.__setitem__(-1, (member("spam/1/weights.bin", kind, link), b""))


def holes(at: int, name: str, size: int) -> Change:
    """A file is one hole of that size, of which the archive holds only a map (PAX, GNU sparse 1.0)."""
    made = member(name)
    made.pax_headers = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": str(size)}
    return lambda members: members.__setitem__(at, (made, f"1\n{size}\n0\n".encode().ljust(512, b"\0")))


def rename(name: str) -> Change:
    return lambda members: setattr(members[-1][0], "name", name)


def claim(**said: object) -> Change:
    def change(members: list[tuple[tarfile.TarInfo, bytes]]) -> None:
        members[0] = (members[0][0], json.dumps({**json.loads(members[0][1]), **said}).encode())

    return change


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (alter, "is not what the manifest says"),
        (lambda members: members.pop(), "lacks weights.bin"),
        (lambda members: members.append((member("spam/1/extra"), b"x")), "is not in its manifest"),
        (lambda members: members.append((member("spam/1/weights.bin"), b"x")), "is there twice"),
        (lambda members: members.append((member("../../escaped"), b"x")), "is not in its manifest"),
        (rename("/tmp/escaped"), "is not in its manifest"),
        (rename("spam/1/../../../escaped"), "is not in its manifest"),
        (last(tarfile.SYMTYPE, "/etc/passwd"), "is no regular file"),
        (last(tarfile.LNKTYPE, "spam/1/manifest.json"), "is no regular file"),
        (last(tarfile.FIFOTYPE), "is no regular file"),
        (holes(-1, "spam/1/weights.bin", 2**24), "is no regular file"),
        (holes(0, "spam/1/manifest.json", 2**20), "first file is not a manifest"),
        (lambda members: members.insert(0, (member("spam/1/", tarfile.DIRTYPE), b"")), "first file is not a manifest"),
        (lambda members: members.clear(), "first file is not a manifest"),
        (claim(task="../up"), '"task"'),
        (claim(task="topic"), "its manifest is of topic@1"),
        (claim(version=7), "its manifest is of spam@7"),
        (claim(files={"../escaped": "0" * 64}), "plain name"),
        (lambda members: members.__setitem__(0, (members[0][0], b"[")), "is not JSON"),
    ],
)
def test_what_is_no_export_changes_nothing(bundle: Bundle, tmp_path: Path, change: Change, said: str) -> None:
    path = rewritten(archive(bundle, tmp_path), change)
    other = tmp_path / "a" / "b" / "other"
    with pytest.raises(BundleError) as caught:
        bring_in(path, Store(other))
    assert said in str(caught.value)
    assert not [path for path in other.rglob("*") if path.is_file()]
    assert not list(tmp_path.rglob("escaped"))


@pytest.mark.parametrize("data", [b"", b"no tar at all" * 100, b"\x1f\x8b" + b"x" * 600])
def test_a_file_that_is_no_archive_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(data)
    with pytest.raises(BundleError, match="archive of a bundle"):
        bring_in(tmp_path / "a.tar", Store(tmp_path / "models"))


def test_an_archive_that_was_cut_short_is_refused(bundle: Bundle, tmp_path: Path) -> None:
    path = archive(bundle, tmp_path)
    whole = path.read_bytes()
    for length in (600, 3000, len(whole) - 10_240 - 2000):
        path.write_bytes(whole[:length])
        with pytest.raises(BundleError):
            bring_in(path, Store(tmp_path / "other"))
    assert not [one for one in (tmp_path / "other").rglob("*") if one.is_file()]
