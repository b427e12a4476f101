"""What several bundles require lies there once, is vouched for like their own files, and goes when none requires it."""

import hashlib
import io
import json
import tarfile
from pathlib import Path

import pytest

from classifyd.bundles import Store, bring_in, export, open_bundle, prune, spare, sweep
from classifyd.errors import BundleError
from classifyd.values import BLOBS, Bundle, TrainedModel

SHARED = b"layers" * 1000
DIGEST = hashlib.sha256(SHARED).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "models")


def published(store: Store, task: str, shared: bytes | None = SHARED) -> Bundle:
    place = store.path.parent
    (place / "head").write_bytes(task.encode())
    (place / "layers").write_bytes(shared or b"")
    requires = {"trunk.onnx": place / "layers"} if shared else {}
    said = {"labels": ["ham", "spam"]}
    return store.publish(task, TrainedModel({"model.onnx": place / "head"}, said, "# report\n", requires), {})


def blobs(store: Store) -> list[str]:
    return sorted(path.name for path in (store.path / BLOBS).iterdir())


def test_bundles_share_one_file_and_read_it_as_their_own(store: Store) -> None:
    spam, topic = published(store, "spam"), published(store, "topic")
    assert blobs(store) == [DIGEST]
    assert spam.requires == topic.requires == {"trunk.onnx": DIGEST}
    assert spam.read("trunk.onnx") == topic.read("trunk.onnx") == SHARED
    assert sorted(path.name for path in spam.path.iterdir()) == ["manifest.json", "model.onnx", "report.md"]
    store.verify("spam", 1)
    assert store.tasks() == ("spam", "topic")


def test_bundles_of_before_require_nothing(store: Store) -> None:
    bundle = published(store, "spam", None)
    path = bundle.path / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "requires": []}))
    assert store.verify("spam", 1).requires == {}
    assert not (store.path / BLOBS).exists()


def test_a_blob_that_is_missing_or_no_file_makes_its_bundles_unfit(store: Store) -> None:
    published(store, "spam")
    blob = store.path / BLOBS / DIGEST
    blob.rename(store.path / "aside")
    with pytest.raises(BundleError, match=r"is missing; spam@1 requires it as trunk\.onnx"):
        store.open("spam", 1)
    blob.symlink_to(store.path / "aside")
    with pytest.raises(BundleError, match="is no regular file"):
        store.open("spam", 1)


def test_an_altered_blob_is_neither_read_nor_put_in_service(store: Store) -> None:
    bundle = published(store, "spam")
    (store.path / BLOBS / DIGEST).write_bytes(b"evil")
    with pytest.raises(BundleError, match="the manifest says"):
        bundle.read("trunk.onnx")
    with pytest.raises(BundleError, match="the manifest says"):
        store.promote("spam", 1)
    assert store.current("spam") is None


@pytest.mark.parametrize(
    ("requires", "said"),
    [
        (["trunk"], '"requires" must map'),
        ({"../x": DIGEST}, "must be a plain name"),
        ({"trunk.onnx": "../../etc/passwd"}, "must be 64 small hexadecimal digits"),
        ({"model.onnx": DIGEST}, "among the bundle's own files and among those that it shares"),
    ],
)
def test_a_manifest_that_requires_nonsense_is_refused(store: Store, requires: object, said: str) -> None:
    bundle = published(store, "spam")
    path = bundle.path / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "requires": requires}))
    with pytest.raises(BundleError, match=said):
        open_bundle(bundle.path)


def test_no_task_can_have_the_name_of_the_folder(store: Store) -> None:
    with pytest.raises(BundleError, match="cannot be a task's name"):
        published(store, BLOBS)


def test_a_blob_goes_with_the_last_version_that_requires_it(store: Store) -> None:
    for task in ("spam", "topic"):
        published(store, task)
        for version in (2, 3):
            published(store, task, b"others" if task == "spam" else None)
            store.promote(task, version)
    assert [one.version for one in prune(store, "spam", 1, ())] == [1]
    assert list(sweep(store)) == []  # topic has it still
    going = [(one.task, one.version) for one in spare(store, "topic", 1, ())]
    assert [blob.name for blob in sweep(store, dry_run=True, without=going)] == [DIGEST]
    assert [one.version for one in prune(store, "topic", 1, ())] == [1]
    assert [blob.name for blob in sweep(store, dry_run=True)] == [DIGEST]
    assert [(blob.name, blob.size) for blob in sweep(store)] == [(DIGEST, len(SHARED))]
    assert blobs(store) == [hashlib.sha256(b"others").hexdigest()]


def test_while_a_manifest_cannot_be_read_no_blob_goes(store: Store) -> None:
    bundle = published(store, "spam")
    (bundle.path / "manifest.json").write_text("{")
    with pytest.raises(BundleError):
        list(sweep(store))
    assert blobs(store) == [DIGEST]


def test_what_a_killed_publisher_left_goes_too(store: Store) -> None:
    published(store, "spam")
    (store.path / BLOBS / ".draft-0123456789abcdef").write_bytes(b"half")
    assert [blob.name for blob in sweep(store)] == [".draft-0123456789abcdef"]
    store.verify("spam", 1)


def test_a_bundle_takes_what_it_requires_along_and_leaves_it_where_it_is_there(store: Store, tmp_path: Path) -> None:
    archive = tmp_path / "spam.tar"
    export(published(store, "spam"), archive)
    with tarfile.open(archive) as tar:
        assert "spam/1/trunk.onnx" in tar.getnames()
    other = Store(tmp_path / "other")
    came = bring_in(archive, other)
    assert came.read("trunk.onnx") == SHARED
    assert sorted(path.name for path in came.path.iterdir()) == ["manifest.json", "model.onnx", "report.md"]
    assert blobs(other) == [DIGEST]
    assert bring_in(archive, other).version == 1


def test_an_archive_with_another_blob_than_the_manifest_names_is_refused(store: Store, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.tar", tmp_path / "bad.tar"
    export(published(store, "spam"), good)
    with tarfile.open(good) as source, tarfile.open(bad, "w") as target:
        for member in source:
            evil = member.name.endswith("trunk.onnx")
            target.addfile(member, io.BytesIO(b"e" * member.size) if evil else source.extractfile(member))
    other = Store(tmp_path / "other")
    with pytest.raises(BundleError, match=r"trunk\.onnx is not what the manifest says"):
        bring_in(bad, other)
    assert other.tasks() == ()
    assert not list((tmp_path / "other").rglob("*.onnx"))
