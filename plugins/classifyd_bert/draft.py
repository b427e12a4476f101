"""A bundle that is not published yet, and what the run time says of texts with it."""

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer

from classifyd.api import Bundle, Record, Setup
from classifyd_bert.answers import known_answer
from classifyd_bert.digest import sha256
from classifyd_bert.predictor import MODEL, TOKENIZER, Network, Reading, SequencePredictor, TokenPredictor

PREDICTORS = {"sequence": SequencePredictor, "token": TokenPredictor}


@dataclass(frozen=True, slots=True)
class Draft:
    """The files of a bundle in `folder`, and what its manifest says so far.

    `requires` are files that it shares with other bundles, where a store would have them: under their sha256, in the
    folder `blobs` beside that of its own.
    """

    folder: Path
    manifest: Mapping[str, Any]
    requires: Mapping[str, Path] = field(default_factory=dict)

    @property
    def files(self) -> dict[str, Path]:
        """Names inside the bundle and where the files lie."""
        return {name: self.folder / name for name in (MODEL, TOKENIZER)}

    @property
    def size(self) -> int:
        """The bytes of its model, with what it shares."""
        return sum(path.stat().st_size for path in (self.folder / MODEL, *self.requires.values()))

    def with_manifest(self, **entries: Any) -> "Draft":
        """The same files under a manifest that says more."""
        return replace(self, manifest={**self.manifest, **entries})

    def read(self, texts: Sequence[str]) -> tuple[list[Reading], float]:
        """What the run time's model sees of each text, in order, and the seconds that reading took."""
        bundle = self._bundle()
        network = Network(bundle, self._setup(bundle))
        started = time.monotonic()
        return network.read(texts), time.monotonic() - started

    def known_answers(self, texts: Sequence[str]) -> list[dict[str, Any]]:
        """The run time's answers to `texts`, in the manifest's form."""
        predictor = PREDICTORS[self.manifest["kind"]](self._setup(self._bundle()))
        answers = predictor.predict([Record(text) for text in texts])
        return [known_answer(text, answer) for text, answer in zip(texts, answers, strict=True)]

    def _setup(self, bundle: Bundle) -> Setup:
        return Setup(bundle.task, bundle=bundle, threads=torch.get_num_threads())

    def _bundle(self) -> Bundle:
        digests = {name: sha256(path) for name, path in self.files.items()}
        shared = {name: path.name for name, path in self.requires.items()}
        said = {"schema": "classifyd-bundle/1", "version": 1, **self.manifest}
        manifest = {**said, "files": digests, "requires": shared}
        digest = hashlib.sha256(json.dumps(manifest).encode()).hexdigest()
        return Bundle(self.folder, manifest["task"], 1, digest, manifest)


def make(
    folder: Path, model: Path, tokenizer: bytes, manifest: Mapping[str, Any], requires: Mapping[str, Path]
) -> Draft:
    """A draft of that model, which is moved into its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    model.replace(folder / MODEL)
    (folder / TOKENIZER).write_bytes(tokenizer)
    return Draft(folder, manifest, requires)


def plain_tokenizer(path: Path) -> bytes:
    """A tokenizer's file without truncation and padding, which the run time does itself."""
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return str(tokenizer.to_str()).encode()
