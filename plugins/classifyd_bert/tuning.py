"""Which model learns from which data: windows, head, weights and measure, put together for the Trainer."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from transformers import AutoConfig, AutoTokenizer, PretrainedConfig, PreTrainedModel, set_seed

from classifyd.api import TrainingError, TrainingSets, TrainSetup
from classifyd_bert import allocation, checkpoints, features, figures, learning, reference
from classifyd_bert.base import Base
from classifyd_bert.checkpoints import Checkpoint
from classifyd_bert.features import IGNORED, Items, OneOfEach, Windows
from classifyd_bert.figures import Figures
from classifyd_bert.freezing import FrozenModel, Stack, freeze, remember
from classifyd_bert.hardware import Hardware
from classifyd_bert.kinds import Kind
from classifyd_bert.learning import Course, Lesson
from classifyd_bert.loss import class_weights
from classifyd_bert.recipe import Recipe
from classifyd_bert.tokens import Tokenizer
from classifyd_bert.watching import tell
from classifyd_bert.widening import tells_capitals, widen

BEST = "f1"


@dataclass(frozen=True, slots=True)
class Tuned:
    """A tuned model, and for the manifest what the recipe left open; `main` tells whether this process goes on."""

    model: PreTrainedModel
    facts: dict[str, Any]
    main: bool


class Tuning:
    """One tuning of a base model. The recipe, the base and the outputs are checked before."""

    def __init__(self, kind: Kind, sets: TrainingSets, setup: TrainSetup, recipe: Recipe, base: Base) -> None:
        self._kind = kind
        self._sets = sets
        self._setup = setup
        self._recipe = recipe
        self._base = base
        self._outputs = kind.outputs(sets.labels)
        self._hardware = Hardware.of(recipe.precision)
        self._folder = setup.folder / checkpoints.FOLDER

    def run(self, tokenizer: Tokenizer) -> Tuned:
        """The model after its best epoch. TrainingError if it cannot be tuned."""
        begun = self._begun()
        allocation.keep_freed_memory(allocation.TUNING_BYTES)
        set_seed(self._setup.seed)
        train = self._kind.windows(tokenizer, self._sets.train, self._outputs)
        evaluation = self._kind.windows(tokenizer, self._sets.evaluation, self._outputs).by_length()
        weights = class_weights(self._recipe.class_weights, self._kind.counts(self._sets.train, self._outputs))
        course = Course(self._recipe, self._hardware, self._setup.folder, self._setup.seed, begun, self._setup.saved)
        if self._recipe.freeze == "all":
            model, outcome = self._tune_head(tokenizer, train, evaluation, weights, course)
        else:
            model, outcome = self._tune_encoder(train, evaluation, weights, course)
        facts = {
            "precision": self._hardware.precision,
            "device": self._hardware.device,
            "processes": self._hardware.processes,
            "steps": outcome.steps,
            "resumed_after": begun.step if begun else None,
            "best_step": outcome.best_step,
            "averaged_epochs": outcome.averaged,
            "windows": len(train.windows),
            "class_weights": weights and dict(zip(self._outputs, (round(one, 4) for one in weights), strict=True)),
        }
        # Where it will be exported and measured: the exporter's inputs lie there.
        return Tuned(model.to("cpu"), facts, self._hardware.main)

    # ------------------------------------------------------------------ from the beginning, or not

    def _begun(self) -> Checkpoint | None:
        """The checkpoint to go on from, None at the beginning; the folder is made ready by the main process."""
        terms = {
            **self._recipe.learning(),
            "precision": self._hardware.precision,
            "processes": self._hardware.processes,
            "seed": self._setup.seed,
            "base_model": self._base.name,
            "base_sha256": self._base.sha256,
        }
        if not self._setup.resume:
            if self._hardware.main:
                checkpoints.begin(self._folder, terms)
            return None
        checkpoints.refuse_other_terms(self._folder, terms)
        last = checkpoints.last_whole(self._folder)
        if self._hardware.main:
            self._tell_resumed(last, checkpoints.remove_after(self._folder, last))
            if last is None:
                checkpoints.begin(self._folder, terms)
            else:
                checkpoints.remove_spare(last.folder)
        return last

    def _tell_resumed(self, last: Checkpoint | None, gone: Sequence[str]) -> None:
        for name in gone:
            tell(f"{name} is not whole, or leads to one that is not: it is passed over and removed")
        tell(f"resuming after {last.folder.name}" if last else f"no whole checkpoint in {self._folder}: from the start")

    # ------------------------------------------------------------------ the two ways

    def _tune_encoder(
        self, train: Windows, evaluation: Windows, weights: tuple[float, ...] | None, course: Course
    ) -> tuple[PreTrainedModel, learning.Outcome]:
        """All layers, or the upper ones, under a new output layer."""
        model = self._fresh_model()
        if self._recipe.freeze != "none":
            freeze(model, int(self._recipe.freeze))
        collator = self._kind.collator(AutoTokenizer.from_pretrained(self._base.folder))
        lesson = Lesson(self._lessons(train), Items(evaluation), collator, weights, self._measure(evaluation), BEST)
        outcome = learning.tune(model, lesson, course)
        return self._spelt_out(outcome.model), outcome

    def _tune_head(
        self,
        tokenizer: Tokenizer,
        train: Windows,
        evaluation: Windows,
        weights: tuple[float, ...] | None,
        course: Course,
    ) -> tuple[PreTrainedModel, learning.Outcome]:
        """A dense head alone, on features that the encoder gives once."""
        model = self._loaded(
            lambda: FrozenModel.of(self._base.folder, self._config(), of_texts=self._kind.name == "sequence")
        )
        self._tell_capitals(model)
        model.to(self._hardware.device)
        learnt, judged = (remember(model, part.windows, tokenizer.pad_id) for part in (train, evaluation))
        lesson = Lesson(
            self._lessons(train, learnt),
            Items(evaluation, judged),
            Stack(IGNORED),
            weights,
            self._measure(evaluation),
            BEST,
        )
        outcome = learning.tune(model.head, lesson, course)
        model.head.load_state_dict(outcome.model.state_dict())
        return model.eval(), outcome

    def _lessons(self, train: Windows, seen: Sequence[NDArray[np.float32]] | None = None) -> Items | OneOfEach:
        """What an epoch consists of; for spans always every window, since each word belongs to one of them."""
        altered = self._recipe.capitals
        if self._kind.name != "sequence":
            return Items(train, seen, altered=altered)
        if self._recipe.windows == "all":
            return Items(train, seen, features.shares(train), altered=altered)
        return OneOfEach(Items(train, seen, altered=altered), self._setup.seed)

    def _measure(self, evaluation: Windows) -> Any:
        kind, outputs = self._kind, self._outputs
        texts = [example.text for example in self._sets.evaluation]
        right = [figures.truth(example) for example in self._sets.evaluation]

        def measure(logits: Sequence[NDArray[Any]]) -> dict[str, float]:
            given = [kind.answer(one, outputs).said for one in reference.of_windows(evaluation, logits, texts)]
            return _plain(kind.figures(right, given, self._sets.labels))

        return measure

    # ------------------------------------------------------------------ models

    def _config(self) -> PretrainedConfig:
        """The base model's, with our outputs. Attention drops nothing: that makes up a third of the time on a CPU."""
        names = dict(enumerate(self._outputs))
        config = AutoConfig.from_pretrained(
            self._base.folder,
            num_labels=len(names),
            id2label=names,
            label2id={name: number for number, name in names.items()},
        )
        config.attention_probs_dropout_prob = 0.0
        return config

    def _fresh_model(self) -> PreTrainedModel:
        """The base model under a new head."""
        arguments = {"config": self._config(), "use_safetensors": True, **self._hardware.attention}
        model = self._loaded(lambda: self._kind.auto_model.from_pretrained(self._base.folder, **arguments))
        self._tell_capitals(model)
        return model

    def _tell_capitals(self, model: PreTrainedModel) -> None:
        """Have the model told how words are written if the recipe says so. TrainingError if it was taught to be."""
        if self._recipe.capitals:
            widen(model, self._base.name, frozen=self._recipe.freeze != "none")
        elif tells_capitals(model.config):
            raise TrainingError(
                f"base model {self._base.name}: was taught what capitals mean, and must be told of them: "
                "give --capitals"
            )

    def _spelt_out(self, model: Any) -> PreTrainedModel:
        """The model with its attention in plain products, whatever it was tuned with: so it is exported."""
        plain = self._kind.auto_model.from_config(model.config, attn_implementation="eager")
        plain.load_state_dict(model.state_dict())
        return plain.eval()

    def _loaded(self, load: Any) -> Any:
        try:
            return load()
        except (OSError, ValueError, RuntimeError, SafetensorError) as error:
            raise TrainingError(
                f"base model {self._base.name}: {self._base.folder} cannot be loaded: {str(error).splitlines()[0]}. "
                "Fetch it again, or name another with --base-model"
            ) from error


def _plain(found: Figures) -> dict[str, float]:
    named = {"f1": found.f1, "macro_f1": found.macro_f1}
    return named if found.accuracy is None else {**named, "accuracy": found.accuracy}
