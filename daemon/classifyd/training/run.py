"""From labelled data to a published bundle: prepare it, have the task train, publish."""

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from classifyd.api import Reader, Task, TrainableTask
from classifyd.bundles import Store
from classifyd.bundles.holding import alone
from classifyd.disk import rewrite
from classifyd.errors import BundleError, TrainingError
from classifyd.training import corrections, promotion
from classifyd.training.depot import Depot
from classifyd.training.heading import headed
from classifyd.training.mirror import Mirror
from classifyd.training.options import TrainOptions
from classifyd.training.preparing import Prepared, digest, prepare
from classifyd.values import Bundle

KEPT = "checkpoints"
MARK = "data.sha256"
MIRRORED = (KEPT, "events", MARK)
"""What of a training's folder another machine needs to go on with it."""


@dataclass(frozen=True, slots=True)
class Published:
    """The number of a bundle that is now behind a URL, and whether it is the one in service there."""

    version: int
    in_service: bool


def train(
    task: Task, options: TrainOptions, store: Store, known: Sequence[Reader], tell: Callable[[str], None]
) -> Bundle | None:
    """The bundle that was published; `tell` hears what happens on the way. TrainingError leaves the store untouched.

    Where torchrun started several processes they train together, but only the main one makes room, speaks and
    publishes; the others get None.
    """
    if helping():
        tell = _silent
    if not isinstance(task, TrainableTask):
        raise TrainingError(f"task {task.name!r} cannot be trained; its plugin offers no train()")
    mirror = _mirror(options, tell)
    _refuse_unwritable("--folder", options.folder)
    _refuse_unwritable("--output", store.folder(task.name, 1).parent)
    prepared = prepare(task, options, known)
    for line in prepared.survey.lines():
        tell(line)
    data_sha256 = digest(prepared.ready)
    with _disk_faults_named(), contextlib.ExitStack() as held:
        if not helping():
            _hold(options.folder, held)
            _make_room(options, mirror, data_sha256, tell)
        setup = replace(options.setup(task.name), saved=mirror.push if mirror else None)
        model = task.train(prepared.ready, setup)
        if model is None:
            return None
        if mirror:
            mirror.push()
        whole = headed(task.name, model, options, prepared, data_sha256)
        bundle = store.publish(task.name, whole, {"data_sha256": data_sha256, "seed": options.seed})
    for line in _judged(task, store, bundle, prepared, asked=options.promote):
        tell(line)
    return bundle


def train_to_url(
    task: Task, options: TrainOptions, url: str, known: Sequence[Reader], tell: Callable[[str], None]
) -> Published | None:
    """As `train`, to a store of bundles behind a URL, which is known to take them before the training begins.

    TrainingError leaves what is in service there untouched, and names the folder of a bundle that did not get there;
    None as from `train`.
    """
    depot = Depot(url)
    depot.probe()
    twin = depot.twin(task.name, options.folder)
    try:
        bundle = train(task, options, twin, known, tell)
        if bundle is None:
            return None
        in_service = twin.current(task.name) == bundle.version
    except BaseException:
        shutil.rmtree(twin.path, ignore_errors=True)
        raise
    try:
        bundle = depot.publish(bundle, twin, in_service=in_service)
    except (TrainingError, OSError) as error:
        raise TrainingError(
            f"{error}\nThe training is done, and its bundle lies in {bundle.path}: mend the cause, then copy the "
            f"folder to {depot.url}/{task.name}/, or into a folder of models"
        ) from error
    shutil.rmtree(twin.path, ignore_errors=True)
    return Published(bundle.version, in_service=in_service)


def _judged(task: Task, store: Store, bundle: Bundle, prepared: Prepared, *, asked: bool | None) -> Iterator[str]:
    """Put a new version in service if it is to be; sentences on why, and on what corrections have changed."""
    before = None
    with contextlib.suppress(BundleError):  # which the verdict tells of
        current = store.current(task.name)
        before = store.open(task.name, current) if current is not None else None
    verdict = promotion.judge(task, store, bundle, prepared.ready.test, asked=asked)
    if verdict.promote:
        store.promote(task.name, bundle.version)
    yield verdict.why
    if before is not None and prepared.corrections:
        test = () if verdict.compared else prepared.ready.test
        try:
            yield from corrections.change(task, before, bundle, prepared.corrections, test)
        except Exception as error:  # noqa: BLE001  # a task is foreign code: the bundle is published, whatever it does
            yield f"what the corrections have changed cannot be told: {error}"


def _refuse_unwritable(option: str, folder: Path) -> None:
    """TrainingError if a folder cannot be written to, or made, while there is still time; nothing is made yet."""
    try:
        there = next(path for path in (folder, *folder.parents) if path.exists())
        fits = there.is_dir() and os.access(there, os.W_OK | os.X_OK)
    except OSError:
        fits = False
    if not fits:
        raise TrainingError(f"{option} {folder}: cannot be written to; mend that, or name another folder")


@contextlib.contextmanager
def _disk_faults_named() -> Iterator[None]:
    """TrainingError, with what to do, for what a disk refuses between the data and the bundle."""
    try:
        yield
    except OSError as error:
        if error.errno is None:  # libraries raise it for much else
            raise
        where = f"{error.filename}: " if error.filename else ""
        raise TrainingError(
            f"{where}{error.strerror}; nothing is published. Make room, or name other folders with --folder or "
            "--output, then give the same command with --resume: what was tuned until then is not tuned again"
        ) from error


def helping() -> bool:
    """Whether this process only helps another one to train: torchrun and accelerate number them."""
    return os.environ.get("RANK", "0") != "0"


def _silent(_: str) -> None:
    """Say nothing."""


def _mirror(options: TrainOptions, tell: Callable[[str], None]) -> Mirror | None:
    """Where checkpoints are copied to, known to take them; None if nowhere. TrainingError if it does not."""
    if not options.mirror or helping():
        return None
    mirror = Mirror(options.mirror, options.folder, MIRRORED, tell)
    mirror.probe()
    return mirror


def _hold(folder: Path, held: contextlib.ExitStack) -> None:
    """Have a folder, made if need be, for this training alone while `held` is open. TrainingError if another has it."""
    folder.mkdir(parents=True, exist_ok=True)
    try:
        held.enter_context(alone(folder, wait=False))
    except BlockingIOError as error:
        raise TrainingError(
            f"{folder}: another training is at work there; wait for it, or train elsewhere: with --folder or, where "
            "that is a URL, from another working directory"
        ) from error


def _make_room(options: TrainOptions, mirror: Mirror | None, data_sha256: str, tell: Callable[[str], None]) -> None:
    """A folder for this training: emptied of the checkpoints of another one, unless they are to be taken up again."""
    if mirror:
        _take_up(mirror, tell, resume=options.resume)
    folder = options.folder
    mark = folder / MARK
    known = mark.read_text().strip() if mark.is_file() else None
    if options.resume and (folder / KEPT).is_dir() and known not in (None, data_sha256):
        raise TrainingError(f"{folder}: its checkpoints come from other data; train anew, without --resume")
    if not options.resume and (folder / KEPT).is_dir():
        shutil.rmtree(folder / KEPT)
    if known != data_sha256:
        rewrite(mark, f"{data_sha256}\n".encode())


def _take_up(mirror: Mirror, tell: Callable[[str], None], *, resume: bool) -> None:
    """Have the checkpoints that lie behind the URL here, or out of the way."""
    if not resume:
        mirror.clear()
    elif mirror.pull():
        tell(f"took the checkpoints from {mirror.url}")
    else:
        tell(f"{mirror.url}: holds no checkpoint to take up")
