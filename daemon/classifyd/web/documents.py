"""What the page asks for, as plain values: the daemon's state, models, the newest results, the quarantine."""

import re
import threading
import time
from collections import Counter
from collections.abc import Mapping
from typing import Any

import structlog

from classifyd.bundles import Store
from classifyd.config import watched
from classifyd.errors import BundleError
from classifyd.inbox.moves import shown
from classifyd.inbox.retrying import Quarantined, put_back, quarantined
from classifyd.web.results import Results
from classifyd.web.review import Review
from classifyd.web.scene import Outlook, Scene
from classifyd.web.secret import Token

log = structlog.get_logger()

SHOWN = 100
"""So many quarantined inputs are listed, the newest; the rest is counted."""
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
            "inboxes": [self._inbox(name) for name in levels.inboxes],
            "throughput": recent.throughput(),
            "labels": recent.labels(),
            "models": [self._model(scene, task, entitled=entitled) for task in levels.serving],
        }

    def _inbox(self, name: str) -> dict[str, Any]:
        level, totals = self._outlook.scene.levels.inboxes[name], self._outlook.recent.totals(name)
        [tasks] = [inbox.tasks for inbox in self._outlook.config.inboxes if inbox.name == name] or [()]
        return {
            "name": name,
            "tasks": tasks,
            "waiting": level.waiting,
            "claimed": level.claimed,
            "oldest_at": level.oldest_at,
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
        return model | self._figures_of(task, version)

    def _figures_of(self, task: str, version: int) -> dict[str, Any]:
        """What the manifest says of a version's worth; read once, for a version never changes."""
        if (task, version) not in self._figures:
            try:
                manifest = Store(self._outlook.config.models).open(task, version).manifest
            except BundleError:
                return {}  # `status` and the log say what is wrong with it
            self._figures[task, version] = _worth(manifest)
        return self._figures[task, version]

    def _choices(self, task: str) -> list[str]:
        """The labels that a whole text may get by the model in service; none of a model that marks stretches of it."""
        version = self._outlook.scene.levels.serving.get(task)
        known = {} if version is None else self._figures_of(task, version)
        return [] if known.get("kind") == "token" else list(known.get("labels", ()))

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
