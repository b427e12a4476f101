"""What the page asks for, as plain values: the daemon's state, models, the newest results, the quarantine."""

import contextlib
import re
import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import structlog

from classifyd.bundles import Store
from classifyd.config import watched
from classifyd.drift import LEAST, NAMES, Drift
from classifyd.errors import BundleError
from classifyd.inbox.moves import shown
from classifyd.inbox.notes import cancels, pauses
from classifyd.inbox.retrying import Quarantined, put_back, quarantined
from classifyd.progress import Progress
from classifyd.web.results import Results
from classifyd.web.review import Choices, Review
from classifyd.web.scene import Outlook, Scene
from classifyd.web.secret import Token
from classifyd.web.turns import Busy, Turns

log = structlog.get_logger()

SHOWN = 100
"""So many quarantined inputs are listed, the newest; the rest is counted."""
PAGE = "page"
"""Who has asked for something, where nobody gave a name."""
LEAST_REST_SECONDS = 2.0
REST = 20
"""The quarantine is looked through again only after so many times the time that it took: it may be large."""
_REPORT = re.compile(r"/models/([a-z][a-z0-9_]*)/([1-9][0-9]{0,8})/report")


class Documents:
    """Makes them from what `outlook` shows. What reads files may be called by several threads."""

    def __init__(self, outlook: Outlook, token: Token) -> None:
        self._outlook = outlook
        self._token = token
        self._results = Results()
        self.review = Review(outlook, self._choices)
        self._lock = threading.Lock()
        self._lying: list[Quarantined] = []
        self._next_look = 0.0
        self._figures: dict[tuple[str, int], dict[str, Any]] = {}
        self._reading = Turns(1)

    # ------------------------------------------------------------------ counts

    def status(self, *, entitled: bool) -> dict[str, Any]:
        """The daemon, its inboxes and models. Reasons, which may name files, only for who is entitled to see names."""
        scene, recent = self._outlook.scene, self._outlook.recent
        levels = scene.levels
        return {
            "schema": "classifyd-page/1",
            "entitled": entitled,
            "state": scene.state,
            "trouble": scene.illness(time.monotonic()),
            "started_at": scene.started_at,
            "now": time.time(),
            "revision": recent.revision,
            "workers": {"count": levels.workers, "busy": levels.busy, "waiting_splits": levels.waiting_splits},
            "nodes": [{"node": one.node, "actors": one.actors, "jobs": one.jobs} for one in levels.nodes],
            "held": dict(scene.held) if entitled else dict.fromkeys(scene.held, ""),
            "unmet": dict(scene.unmet) if entitled else dict.fromkeys(scene.unmet, ""),
            "inboxes": [self._inbox(name, entitled=entitled) for name in levels.inboxes],
            "progress": [_progress(one, entitled=entitled) for one in scene.progress],
            "throughput": recent.throughput(),
            "labels": recent.labels(),
            "models": [self._model(scene, task, entitled=entitled) for task in levels.serving],
        }

    def _inbox(self, name: str, *, entitled: bool) -> dict[str, Any]:
        pause = self._outlook.scene.paused.get(name)
        level, totals = self._outlook.scene.levels.inboxes[name], self._outlook.recent.totals(name)
        [tasks] = [inbox.tasks for inbox in self._outlook.config.inboxes if inbox.name == name] or [()]
        return {
            "name": name,
            "tasks": tasks,
            "waiting": level.waiting,
            "claimed": level.claimed,
            "oldest_at": level.oldest_at,
            "paused": level.paused,
            "paused_by": pause.who if pause and entitled else None,
            "done": totals.done,
            "records": totals.records,
            "errors": totals.errors,
            "reviews": totals.reviews,
        }

    def _model(self, scene: Scene, task: str, *, entitled: bool) -> dict[str, Any]:
        version = scene.levels.serving[task]
        model: dict[str, Any] = {"task": task, "version": version, "loading": scene.loading.get(task)}
        refused = scene.refused.get(task)
        model["refused"] = refused if entitled or refused is None else "a promoted version cannot serve"
        if version is None:
            return model
        path = f"/models/{task}/{version}/report"
        if entitled:
            model["report"] = f"{path}?key={self._token.signature(path)}"
        drift = scene.levels.drift.get(task)
        if drift is not None:
            model["drift"] = _drift(drift)
        # Whoever reaches the port may ask: where the models' disk is dead, one waits for it, and the others do without.
        with contextlib.suppress(Busy):
            model |= self._figures_of(task, version, wait_seconds=0.0)
        return model

    def _figures_of(self, task: str, version: int, wait_seconds: float | None = None) -> dict[str, Any]:
        """What the manifest says of a version's worth; read once, for a version never changes.

        Busy if another request reads one for longer than is waited.
        """
        if (task, version) not in self._figures:
            try:
                with self._reading.one(wait_seconds):
                    manifest = Store(self._outlook.config.models).open(task, version).manifest
            except BundleError:
                return {}  # `status` and the log say what is wrong with it
            self._figures[task, version] = _worth(manifest)
        return self._figures[task, version]

    def _choices(self, task: str) -> Choices:
        """What the model in service may answer; nothing is known of a task without one."""
        version = self._outlook.scene.levels.serving.get(task)
        known = {} if version is None else self._figures_of(task, version)
        labels: list[str] = known.get("labels", [])
        if known.get("kind") != "token":
            return Choices(tuple(labels))
        # What a model of tags calls B-PER and I-PER is one label of spans.
        kinds = dict.fromkeys(label.partition("-")[2] for label in labels if label.startswith(("B-", "I-")))
        return Choices(tuple(kinds), marks_spans=True)

    # ------------------------------------------------------------------ names and texts

    def results(self) -> dict[str, Any]:
        """The newest results, with their texts as far as the outputs hold them."""
        with self._lock:
            return {"results": self._results.newest(self._outlook.recent.outputs())}

    def quarantine(self) -> dict[str, Any]:
        """What lies in quarantine, the newest first, with reasons."""
        with self._lock:
            self._look()
            items = sorted(self._lying, key=lambda item: item.when, reverse=True)
        counts = Counter(item.inbox.name for item in items)
        return {"counts": counts, "total": len(items), "items": [_lying(item) for item in items[:SHOWN]]}

    def retry(self, inbox: str, name: str) -> str | None:
        """Put a quarantined input back into its inbox, as `classifyd retry` does; where it lies, None if it is gone.

        OSError and ClassifydError as in `put_back`.
        """
        with self._lock:
            self._next_look = 0.0
            self._look()
            item = next((one for one in self._lying if one.inbox.name == inbox and one.below == name), None)
            if item is None:
                return None
            self._next_look = 0.0
            place = put_back(item)
        log.info("retried", file=shown(item.name), inbox=inbox, place=str(place))
        return shown(str(place.relative_to(item.inbox.path)))

    def pause(self, inbox: str, who: str) -> bool:
        """Pause an inbox, as `classifyd pause` does; False if there is none of that name. OSError if it cannot be."""
        if inbox not in self._outlook.scene.levels.inboxes:
            return False
        pauses(self._outlook.config.daemon.state).leave(inbox, who or PAGE)
        return True

    def resume(self, inbox: str) -> bool:
        """The same for `classifyd resume`."""
        if inbox not in self._outlook.scene.levels.inboxes:
            return False
        pauses(self._outlook.config.daemon.state).remove(inbox)
        return True

    def cancel(self, claim: str, who: str) -> bool:
        """Cancel a large input that is shown, as `classifyd cancel` does; False if it is not in work any more."""
        if claim not in {one.claim for one in self._outlook.scene.progress}:
            return False
        cancels(self._outlook.config.daemon.state).leave(claim, who or PAGE)
        return True

    def report(self, path: str) -> bytes:
        """A version's report as HTML. BundleError if it has none, or is damaged."""
        found = _REPORT.fullmatch(path)
        if found is None:
            raise BundleError(f"{path}: no version is called so")
        return Store(self._outlook.config.models).open(found[1], int(found[2])).read("report.html")

    def _look(self) -> None:
        began = time.monotonic()
        if began < self._next_look:
            return
        config = self._outlook.config
        self._lying = list(quarantined(watched(config.inboxes, config.daemon.state)))
        took = time.monotonic() - began
        self._next_look = began + max(LEAST_REST_SECONDS, REST * took)


def _lying(item: Quarantined) -> dict[str, Any]:
    return {"inbox": item.inbox.name, "name": item.below, "type": item.kind, "reason": item.why, "when": item.when}


def _progress(one: Progress, *, entitled: bool) -> dict[str, Any]:
    return asdict(one) | ({} if entitled else {"file": None, "claim": None})


def _drift(drift: Drift) -> dict[str, Any]:
    return {
        "records": drift.records,
        "least": LEAST,
        "known": [NAMES[measure] for measure in drift.known],
        "unknown": [name for measure, name in NAMES.items() if measure not in drift.known],
        "partings": [{"name": NAMES[one.measure], "value": one.value, "bound": one.bound} for one in drift.partings],
        "warnings": [str(one) for one in drift.warnings],
    }


def _worth(manifest: Mapping[str, Any]) -> dict[str, Any]:
    """The figures on the test set, as far as they are figures."""
    metrics = manifest.get("metrics")
    metrics = metrics if isinstance(metrics, Mapping) else {}
    figures = {key: metrics.get(key) for key in ("f1", "macro_f1", "accuracy", "calibration_error", "examples")}
    base = manifest.get("base_model")
    return {
        "figures": {key: value for key, value in figures.items() if isinstance(value, int | float)},
        "kind": str(manifest.get("kind", "")),
        "labels": [str(label) for label in manifest["labels"]],
        "base_model": base if isinstance(base, str) else None,
    }
