"""What `doctor` looks at: each finding says how things are and the command that mends them."""

import os
import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path

from classifyd import plugins
from classifyd.bundles import Store
from classifyd.cli.aged import aged_in
from classifyd.cli.cluster import cluster
from classifyd.cli.finding import Finding
from classifyd.cli.folders import folders, paused, state
from classifyd.cli.surroundings import ledger, page, receivers, room
from classifyd.config import Config, InboxConfig
from classifyd.config.folders import folder_faults
from classifyd.config.offers import format_faults, task_faults
from classifyd.errors import BundleError
from classifyd.jobs import TaskSpec
from classifyd.pipeline.border import Border
from classifyd.pipeline.choosing import Chooser
from classifyd.pipeline.loading import Predictors
from classifyd.processor import INT8_FEATURES, features
from classifyd.service.choices import Choices
from classifyd.service.tasks import spec
from classifyd.values import Choice

WATCHES = Path("/proc/sys/fs/inotify/max_user_watches")
INSTANCES = Path("/proc/sys/fs/inotify/max_user_instances")


def examine(config: Config) -> Iterator[Finding]:
    """Everything, in the order in which a daemon would stumble over it."""
    yield from configuration(config)
    for inbox in config.inboxes:
        yield from folders(inbox)
    yield from paused(config.daemon.state)
    yield from state(config.daemon.state)
    yield from room(config)
    yield from ledger(config.daemon.state)
    yield from aged(config)
    yield from events(config)
    yield from processor()
    registry = plugins.load(config.plugins)
    yield from models(config, registry)
    yield from installed(config, registry)
    yield from page(config)
    yield from receivers(config)
    yield from cluster(config)


def configuration(config: Config) -> Iterator[Finding]:
    """Whether there is one, and whether its inboxes can be watched."""
    if config.file is None:
        yield Finding("worse", "configuration", "none found; these are the defaults", "classifyd init DIR")
        return
    faults = list(folder_faults(config.inboxes, config.daemon.state))
    for fault in faults:
        # A missing folder is told with the command that makes it.
        if "is missing; make it with" not in fault:
            yield Finding("bad", "configuration", fault, f"edit {shlex.quote(str(config.file))}")
    if not faults:
        yield Finding("good", "configuration", f"{config.file}: {len(config.inboxes)} inboxes")


def aged(config: Config) -> Iterator[Finding]:
    """What has grown older than is kept: the daemon's next sweep removes it."""
    for inbox, what in aged_in(config):
        yield Finding("good", "retention", f"inbox {inbox}: the next sweep removes {what}")


# ---------------------------------------------------------------------- the machine


def events(config: Config) -> Iterator[Finding]:
    """Whether the kernel grants enough inotify watches for the inboxes."""
    if not config.daemon.events:
        yield Finding(
            "worse", "events", f"off: files are found every {config.daemon.scan_seconds:g} s", "set events = true"
        )
        return
    try:
        watches, instances = int(WATCHES.read_text()), int(INSTANCES.read_text())
    except (OSError, ValueError):
        mend = "set events = false in [daemon]"
        yield Finding("worse", "events", "this kernel has no inotify; files are found by scanning", mend)
        return
    needed = sum(_folders_below(inbox) for inbox in config.inboxes)
    if needed > watches:
        mend = f"sudo sysctl fs.inotify.max_user_watches={2 * needed}"
        yield Finding("worse", "events", f"{needed} folders to watch, {watches} allowed", mend)
    elif instances < 8:
        mend = "sudo sysctl fs.inotify.max_user_instances=128"
        yield Finding("worse", "events", f"only {instances} inotify instances allowed", mend)
    else:
        yield Finding("good", "events", f"inotify: {needed} folders to watch, {watches} allowed")


def _folders_below(inbox: InboxConfig) -> int:
    return 1 + (sum(len(names) for _, names, _ in os.walk(inbox.path)) if inbox.recursive else 0)


def processor() -> Iterator[Finding]:
    """Whether the CPU has the instructions that make quantized models fast."""
    has = features()
    said = ", ".join(has) or "nothing that models care for"
    if INT8_FEATURES & set(has):
        yield Finding("good", "processor", f"has {said}: int8 models run at full speed")
    else:
        what = (
            f"has {said}: int8 models run two to four times slower than on one with {', '.join(sorted(INT8_FEATURES))}"
        )
        yield Finding("worse", "processor", what, "run on a machine with AVX-512 VNNI or AMX, if speed matters")


# ---------------------------------------------------------------------- models and plugins


def models(config: Config, registry: plugins.Registry) -> Iterator[Finding]:
    """Whether each model in service is whole and says here what it said when it was made; and what runs it."""
    store = Store(config.models)
    tasks = store.tasks()
    if not tasks:
        yield Finding("worse", "models", f"none in {store.path}", "classifyd train spam --data FILE")
    known = Choices(config.daemon.state).known
    for task in tasks:
        try:
            yield from _model(spec(task, store.current(task), store, config), store, config, registry, known)
        except BundleError as error:
            yield Finding("bad", "models", str(error), f"classifyd models rollback {task}")


def _model(
    found: TaskSpec, store: Store, config: Config, registry: plugins.Registry, known: Mapping[str, Choice]
) -> Iterator[Finding]:
    task, version, device, threads = found.name, found.version, config.daemon.device, config.daemon.threads
    if version is None:
        yield Finding("worse", "models", f"{task}: none in service", f"classifyd models promote {task}")
        return
    answers = len(store.verify(task, version).manifest.get("examples", ()))
    if task not in registry.tasks:
        yield Finding("good", "models", f"{task}@{version} is whole; no plugin to try it with")
        return
    chooser = Chooser(registry, Border(), device, threads)
    serving = chooser.with_recalled(found, known)
    predictors = Predictors(registry, Border())
    if faults := predictors.try_all([serving], device, threads):
        yield Finding("bad", "models", faults[task].message, f"classifyd models rollback {task}")
        return
    yield Finding("good", "models", f"{task}@{version} is whole and gives its {answers} known answers here")
    runtime = getattr(predictors.get(serving, device, threads).predictor, "runtime", "its own")
    yield from _runtime(f"{task}@{version}", runtime, chooser.question(found), known)


def _runtime(model: str, runtime: str, question: str | None, known: Mapping[str, Choice]) -> Iterator[Finding]:
    """What runs a model, and if the task has something to choose, what it chose and why."""
    if question is None:
        yield Finding("good", "runtime", f"{model}: {runtime}")
    elif question in known:
        yield Finding("good", "runtime", f"{model}: {runtime}, chosen here: {known[question].why}")
    else:
        yield Finding("good", "runtime", f"{model}: {runtime}, until the daemon has it choose at its next start")


def installed(config: Config, registry: plugins.Registry) -> Iterator[Finding]:
    """Whether every plugin loads, and whether somebody offers all that the configuration names."""
    offers = registry.offers
    for offer in offers.plugins:
        if offer.problem:
            yield Finding("bad", "plugins", offer.problem, f"pip install --upgrade {offer.distribution}")
    for fault in (*task_faults(config, offers), *format_faults(config, offers)):
        yield Finding("bad", "plugins", fault, f"edit {shlex.quote(str(config.file))}")
    for offer in offers.kept_out:
        yield Finding("good", "plugins", f"{offer.label} is kept out: {offer.kept_out}")
    loaded = [offer.name for offer in offers.plugins if not offer.problem and not offer.kept_out]
    yield Finding("good", "plugins", f"loaded: {', '.join(loaded) or 'none'}")
