"""Data, checkpoints and bundles behind URLs: a real server of S3's protocol, a web server, and fsspec's memory."""

import functools
import http.server
import json
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import bucket
import pytest
import tiny
from bucket import Bucket
from test_train import RECIPE, Learning

from classifyd import plugins, readers
from classifyd.bundles import Store
from classifyd.errors import TrainingError
from classifyd.training import Columns, TrainOptions, reading, train_to_url, urls
from classifyd.training.depot import Depot
from classifyd.training.mirror import Mirror
from classifyd.values import Example

pytestmark = pytest.mark.filterwarnings("default")  # botocore, moto and torch warn of themselves

ROWS = b"text,label\nhello there,ham\nwin now,spam\n"
Write = Callable[[str, Iterable[dict[str, object]]], Path]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server, address = bucket.start()
    yield address
    server.stop()


@pytest.fixture
def s3(endpoint: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    """An empty bucket, and an environment that leads to it."""
    import s3fs

    made = Bucket(endpoint)
    made.control("reset")
    made.client().create_bucket(Bucket=bucket.BUCKET)
    sign_in(monkeypatch, "testing", "testing")
    monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    yield made
    made.control("reset-auth", b"inf")
    s3fs.S3FileSystem.clear_instance_cache()


def sign_in(monkeypatch: pytest.MonkeyPatch, key: str, secret: str) -> None:
    import s3fs

    s3fs.S3FileSystem.clear_instance_cache()
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)


@pytest.fixture
def memory() -> Iterator[str]:
    """A folder in this process's memory."""
    import fsspec

    driver = fsspec.filesystem("memory")
    driver.store.clear()
    driver.pseudo_dirs[:] = [""]
    yield "memory://place"
    driver.store.clear()


@pytest.fixture(scope="module")
def registry() -> plugins.Registry:
    return plugins.load()


def read(*data: str) -> tuple[Example, ...]:
    return reading.read(data, Columns(), readers.register_readers())


# ------------------------------------------------------------------ data


@pytest.mark.parametrize("name", ["data/a.csv", "data/*.csv", "d*/a.csv", "data", "data/", "**/a.csv"])
def test_a_bucket_gives_files_patterns_and_folders_of_labels(s3: Bucket, name: str) -> None:
    s3.put("data/a.csv", ROWS)
    if name.rstrip("/") == "data":
        s3.client().delete_object(Bucket=bucket.BUCKET, Key="data/a.csv")
        s3.put("data/ham/1.txt", b"hello there")
        s3.put("data/spam/2.txt", b"win now")
    assert [(one.text, one.label) for one in read(f"{s3.url}/{name}")] == [("hello there", "ham"), ("win now", "spam")]


def test_what_a_bucket_gives_leaves_nothing_behind(s3: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    s3.put("a.csv", ROWS)
    assert len(read(f"{s3.url}/a.csv")) == 2
    assert list(tmp_path.iterdir()) == []


def test_a_web_server_gives_a_file_whatever_its_query(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(ROWS)
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        address = f"http://127.0.0.1:{server.server_port}"
        assert len(read(f"{address}/a.csv?version=2")) == 2
        with pytest.raises(TrainingError, match="there is no such file"):
            read(f"{address}/b.csv")
        with pytest.raises(TrainingError, match="gives files and takes none"):
            Depot(address).probe()
        server.shutdown()


@pytest.mark.parametrize("name", ["memory://a.csv", "memory://*.csv", "memory://mail"])
@pytest.mark.usefixtures("memory")
def test_what_lies_at_the_top_of_a_place_is_found_there(name: str) -> None:
    import fsspec

    driver = fsspec.filesystem("memory")
    driver.pipe_file("/a.csv", b"text,label\nwin cash,spam\nsee you,ham\n")
    driver.pipe_file("/mail/spam/1.txt", b"win cash")
    driver.pipe_file("/mail/ham/1.txt", b"see you")
    found = reading.read([name], Columns(), readers.register_readers())
    assert {(one.text.strip(), one.label) for one in found} == {("win cash", "spam"), ("see you", "ham")}
    assert {one.name for one in urls.listed(name)} in ({"a.csv"}, {"spam/1.txt", "ham/1.txt"})


def test_a_folder_in_a_bucket_tells_its_files_with_their_sizes_and_urls(s3: Bucket) -> None:
    for key, content in (("out/a.csv", b"four"), ("out/sub/c.csv", b"c"), ("other", b"x")):
        s3.put(key, content)
    place = urls.Place(f"{s3.url}/out/")

    assert place.sizes() == {"a.csv": 4}
    assert place.sizes("sub") == {"c.csv": 1}
    assert place.sizes("nothing") == {}
    assert {place.where("a.csv"), place.where("sub/c.csv")} <= {one.url for one in urls.listed(f"{s3.url}/out")}
    place.remove("a.csv")
    assert place.sizes() == {}


def test_a_file_url_is_a_path(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(ROWS)
    assert len(read(f"file://{tmp_path}/a.csv")) == 2


def test_a_fault_in_a_file_is_told_by_its_url(s3: Bucket) -> None:
    s3.put("data/a.jsonl", b'{"text": "a", "label": null}\n')
    with pytest.raises(TrainingError, match=r"s3://corpus/data/\*: a.jsonl: record 1: .* is no label"):
        read(f"{s3.url}/data/*")


def test_an_object_whose_name_leads_out_of_the_folder_is_refused(s3: Bucket) -> None:
    s3.put("data/../../evil.csv", ROWS)
    with pytest.raises(TrainingError, match="cannot be stored as a file"):
        read(f"{s3.url}/data")


@pytest.mark.parametrize("name", ["s3://corpus/missing.csv", "s3://corpus/*.csv", "s3://nobody/a.csv"])
def test_data_that_is_not_in_the_bucket_is_named(s3: Bucket, name: str) -> None:
    with pytest.raises(TrainingError) as caught:
        read(name)
    assert str(caught.value) == f"{name}: there is no such file, folder or bucket; check the name"


def test_a_bucket_that_denies_reading_says_so(s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.put("a.csv", ROWS)
    sign_in(monkeypatch, *s3.user([]))
    with pytest.raises(TrainingError, match=r"s3://corpus/a.csv: access is denied .*check the credentials"):
        read(f"{s3.url}/a.csv")


def test_a_host_that_does_not_answer_is_an_error_that_says_so(s3: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    import s3fs

    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    monkeypatch.setattr(s3fs.S3FileSystem, "retries", 1)
    with pytest.raises(TrainingError, match=r"s3://corpus/a.csv: cannot be reached"):
        read(f"{s3.url}/a.csv")


def test_a_driver_that_is_missing_is_named_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "gcsfs", None)
    with pytest.raises(TrainingError, match=r"^gs://corpus/a.csv: needs a driver .*pip install 'classifyd\[gcs\]'"):
        read("gs://corpus/a.csv")


def test_a_protocol_that_nobody_knows_is_named() -> None:
    with pytest.raises(TrainingError, match=r"^bucket://a.csv: .*check how the URL is written"):
        read("bucket://a.csv")


@pytest.mark.parametrize(
    ("text", "is_one"),
    [("s3://a", True), ("simplecache::gs://a/b", True), ("a.csv", False), ("/a/b::c.csv", False), ("file:///a", False)],
)
def test_a_url_is_told_from_a_path(text: str, is_one: bool) -> None:
    assert urls.is_url(text) is is_one


# ------------------------------------------------------------------ bundles


def test_two_jobs_that_finish_at_once_get_a_number_each(s3: Bucket, tmp_path: Path) -> None:
    depot = Depot(s3.url)
    stores = [depot.twin("spam", tmp_path / name) for name in ("first", "second")]
    bundles = [tiny.make_bundle(store, "spam", ["ham", "spam"]) for store in stores]
    assert [one.version for one in bundles] == [1, 1]
    done = [depot.publish(one, store, in_service=False) for one, store in zip(bundles, stores, strict=True)]
    assert [one.version for one in done] == [1, 2]
    assert depot.versions("spam") == (1, 2)
    assert depot.current("spam") is None
    assert json.loads(s3.get("spam/2/manifest.json"))["version"] == 2


def test_a_bundle_that_was_not_finished_is_no_version_and_keeps_its_number(memory: str, tmp_path: Path) -> None:
    depot = Depot(memory)
    urls.Place(memory).write("spam/4/model.onnx", b"half")
    assert depot.versions("spam") == ()
    store = depot.twin("spam", tmp_path)
    assert tiny.make_bundle(store, "spam", ["ham", "spam"]).version == 5


def test_the_manifest_comes_last_and_what_is_in_service_after_it(
    memory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    for method in ("put", "write", "create"):
        real = getattr(urls.Place, method)

        def noting(self: urls.Place, *arguments: Any, real: Any = real, at: int = method == "put") -> Any:
            order.append(arguments[at])
            return real(self, *arguments)

        monkeypatch.setattr(urls.Place, method, noting)
    depot = Depot(memory)
    store = depot.twin("spam", tmp_path)
    depot.publish(tiny.make_bundle(store, "spam", ["ham", "spam"]), store, in_service=True)
    assert order[0] == "spam/.claim-1"
    assert order[-2:] == ["spam/1/manifest.json", "spam/current"]
    assert depot.current("spam") == 1


def test_the_twin_holds_the_version_in_service(memory: str, tmp_path: Path) -> None:
    depot = Depot(memory)
    store = depot.twin("spam", tmp_path / "first")
    bundle = depot.publish(tiny.make_bundle(store, "spam", ["ham", "spam"]), store, in_service=True)
    twin = depot.twin("spam", tmp_path / "second")
    assert twin.current("spam") == 1
    assert twin.verify("spam", 1).digest == bundle.digest


# ------------------------------------------------------------------ checkpoints


def test_a_mirror_is_whole_whenever_it_is_taken_up(memory: str, tmp_path: Path) -> None:
    import fsspec

    here, there = tmp_path / "here", tmp_path / "there"
    mirror = Mirror(memory, here, ("checkpoints", "mark"), pytest.fail)
    for number in (1, 2, 3):
        if number > 1:
            (here / "checkpoints" / f"{number - 1}" / "model").unlink()
        (here / "checkpoints" / f"{number}").mkdir(parents=True)
        (here / "checkpoints" / f"{number}" / "model").write_text(f"state {number}")
        (here / "mark").write_text("one data set")
        mirror.push()
        other = Mirror(memory, there, ("checkpoints", "mark"), pytest.fail)
        assert other.pull()
        assert [path.read_text() for path in there.rglob("model")] == [f"state {number}"]
        assert (there / "mark").read_text() == "one data set"
    assert fsspec.filesystem("memory").find("place/checkpoints") == ["/place/checkpoints/3/model"]


def test_a_training_begun_anew_leaves_nothing_of_the_one_before(memory: str, tmp_path: Path) -> None:
    (tmp_path / "mark").write_text("some data")
    Mirror(memory, tmp_path, ("mark",), pytest.fail).push()
    Mirror(memory, tmp_path, ("mark",), pytest.fail).clear()
    assert urls.Place(memory).names() == []
    assert not Mirror(memory, tmp_path / "there", ("mark",), pytest.fail).pull()


def test_a_checkpoint_that_was_cut_off_is_not_taken_up(memory: str, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "mark").write_text("some data")
    Mirror(memory, tmp_path / "here", ("mark",), pytest.fail).push()
    urls.Place(memory).write("mark", b"som")
    with pytest.raises(TrainingError, match="has lost some"):
        Mirror(memory, tmp_path / "there", ("mark",), pytest.fail).pull()


def test_a_copy_that_fails_is_told_and_made_good_for_by_the_next(
    memory: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    (tmp_path / "mark").write_text("some data")
    mirror = Mirror(memory, tmp_path, ("mark",), told.append)

    def refuse(*_: Any) -> None:
        raise TrainingError("the network is gone")

    with monkeypatch.context() as patch:
        patch.setattr(urls.Place, "put", refuse)
        mirror.push()
    assert told == ["the checkpoint was not copied: the network is gone"]
    assert urls.Place(memory).names() == []
    mirror.push()
    assert urls.Place(memory).names() == ["mark", "mirror.json"]


def test_an_index_that_leads_elsewhere_is_refused(memory: str, tmp_path: Path) -> None:
    urls.Place(memory).write("mirror.json", json.dumps({"files": {"mark/../../evil": 1}}).encode())
    with pytest.raises(TrainingError, match="lists files that are no training's"):
        Mirror(memory, tmp_path, ("mark",), pytest.fail).pull()


# ------------------------------------------------------------------ the whole way


def test_a_model_that_fails_on_the_corrections_does_not_take_its_bundle_along(
    memory: str, write_jsonl: Write, spam_rows: list[dict[str, object]], tmp_path: Path
) -> None:
    told: list[str] = []
    corrected = (Example("cash for you", "spam", source="corrections"),)
    data = (str(write_jsonl("spam.jsonl", spam_rows)),)
    options = TrainOptions(data, tmp_path / "run", "", promote=True, corrections=corrected)
    for version in (1, 2):
        published = train_to_url(Learning(), options, memory, readers.register_readers(), told.append)
        assert published is not None
        assert (published.version, published.in_service) == (version, True)
    assert Depot(memory).versions("learning") == (1, 2)
    assert told[-1].startswith("what the corrections have changed cannot be told: ")


@pytest.fixture
def options(
    s3: Bucket, base_model: Path, write_jsonl: Write, spam_rows: list[dict[str, object]], tmp_path: Path
) -> TrainOptions:
    """A job that reads from the bucket, and leaves its checkpoints there."""
    s3.put("data/spam.jsonl", write_jsonl("spam.jsonl", spam_rows).read_bytes())
    return TrainOptions(
        data=(f"{s3.url}/data/*.jsonl",),
        folder=tmp_path / "machine-1",
        base_model=str(base_model),
        recipe=RECIPE,
        mirror=f"{s3.url}/runs/spam",
    )


def test_a_job_reads_from_a_bucket_and_leaves_checkpoints_and_bundle_there(
    registry: plugins.Registry, s3: Bucket, options: TrainOptions, tmp_path: Path
) -> None:
    from dataclasses import replace

    told: list[str] = []
    task = registry.task("spam")
    first = train_to_url(task, options, f"{s3.url}/models", registry.readers, told.append)
    assert (first.version, first.in_service) == (1, True)
    assert s3.get("models/spam/current") == b"1\n"
    assert list((tmp_path / "machine-1").glob("models-*")) == []

    store = Store(tmp_path / "models")
    Depot(f"{s3.url}/models").bring("spam", 1, store.folder("spam", 1))
    fetched = store.verify("spam", 1)

    states = [key for key in s3.keys("runs/spam/") if key.endswith("trainer_state.json")]
    assert len(states) == RECIPE["epochs"]
    listed = json.loads(s3.get("runs/spam/mirror.json"))["files"]
    assert {f"runs/spam/{name}" for name in listed} == set(s3.keys("runs/spam/")) - {"runs/spam/mirror.json"}

    # Another machine, with an empty disk, has nothing left to learn: the same model comes out.
    again = replace(options, folder=tmp_path / "machine-2", resume=True)
    second = train_to_url(task, again, f"{s3.url}/models", registry.readers, told.append)
    assert second.version == 2
    assert f"took the checkpoints from {s3.url}/runs/spam" in told
    assert (
        json.loads(s3.get("models/spam/2/manifest.json"))["files"]["model.onnx"]
        == (fetched.manifest["files"]["model.onnx"])
    )


def test_a_bucket_that_denies_writing_is_known_before_the_training(
    registry: plugins.Registry, s3: Bucket, options: TrainOptions, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    before = s3.keys()
    keys = s3.user(bucket.READ)
    sign_in(monkeypatch, *keys)
    task = registry.task("spam")
    monkeypatch.setattr(type(task), "train", lambda *_: pytest.fail("it began to train"))
    for mirror, output in ((options.mirror, "memory://models"), ("", f"{s3.url}/models")):
        with pytest.raises(TrainingError, match=r"^s3://corpus/(runs/spam|models)/.*: access is denied"):
            train_to_url(task, replace(options, mirror=mirror), output, registry.readers, lambda _: None)
    s3.control("reset-auth", b"inf")
    assert s3.keys() == before


def test_a_bundle_that_cannot_be_left_in_the_bucket_is_kept_and_named(
    registry: plugins.Registry, options: TrainOptions, monkeypatch: pytest.MonkeyPatch, s3: Bucket
) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise TrainingError(f"{s3.url}/models: access is denied")

    monkeypatch.setattr(Depot, "publish", refuse)
    with pytest.raises(TrainingError, match="access is denied\nThe training is done, and its bundle lies in") as caught:
        train_to_url(registry.task("spam"), options, f"{s3.url}/models", registry.readers, lambda _: None)
    [kept] = options.folder.glob("models-*/spam/1")
    assert str(kept) in str(caught.value)
    Store(kept.parents[1]).verify("spam", 1)
    assert s3.keys("models/") == []
