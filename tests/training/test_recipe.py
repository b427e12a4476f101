"""What a recipe may say, and who has the last word: command line, configuration, task, in this order."""

import dataclasses
import inspect
from pathlib import Path
from typing import Any

import pytest

from classifyd import config, plugins
from classifyd.api import ConfigError, TrainingError
from classifyd.cli.train import train as command
from classifyd_bert import BertSequenceTask
from classifyd_bert.recipe import DEFAULTS, RULES, Recipe, recipe_faults

DOCUMENTED = Path(__file__).parents[2] / "docs" / "train.md"
CALLED = {"promises": "promise", "texts": "no_texts"}


def test_the_defaults_are_those_of_the_documentation() -> None:
    recipe = Recipe.of({})
    assert (recipe.learning_rate, recipe.batch_size, recipe.epochs) == (5e-5, 32, 3)
    assert recipe == Recipe()


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("epochs", 0, "epochs must be a whole number, 1 or more, not 0"),
        ("epochs", "3", "epochs must be a whole number, 1 or more, not '3'"),
        ("epochs", True, "epochs must be a whole number"),
        ("learning_rate", 1, "learning_rate must be a number above 0 and below 1, not 1"),
        ("learning_rate", float("nan"), "learning_rate must be a number"),
        ("batch_size", 0, "batch_size must be"),
        ("eval_batch_size", -1, "eval_batch_size must be"),
        ("gradient_accumulation", 1.5, "gradient_accumulation must be a whole number"),
        ("gradient_checkpointing", "yes", "gradient_checkpointing must be true or false"),
        ("max_length", 4, "max_length must be a whole number, 8 or more"),
        ("stride", 100, "stride must be at most half of max_length, which is 64, not 100"),
        ("windows", "some", "windows must be one of one, all, not 'some'"),
        ("freeze", "half", "freeze must be none, all or a number of layers"),
        ("freeze", -1, "freeze must be none, all or a number of layers"),
        ("precision", "int4", "precision must be one of auto, fp32, bf16, fp16"),
        ("weight_decay", -0.1, "weight_decay must be a number, 0 or more"),
        ("warmup", 1.0, "warmup must be a share"),
        ("label_smoothing", 1.0, "label_smoothing must be"),
        ("class_weights", "heavy", "class_weights must be one of auto, none, balanced"),
        ("early_stopping", -1, "early_stopping must be"),
        ("calibration_texts", 0, "calibration_texts must be"),
        ("review_below", 2, "review_below must be a number from 0 to 1"),
        ("examples", "a text", "examples must be a list of texts"),
        ("learning-rate", 0.1, "there is no training option learning-rate. Did you mean learning_rate?"),
        ("colour", "red", "there is no training option colour. Known: average, batch_size"),
    ],
)
def test_a_setting_that_cannot_be_is_named_with_what_it_may_be(option: str, value: Any, said: str) -> None:
    (fault,) = recipe_faults({option: value})
    assert fault.startswith(said)


def test_every_setting_has_a_rule() -> None:
    assert RULES.keys() == DEFAULTS.keys()


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(TrainingError) as caught:
        Recipe.of({"epochs": 0, "batch_size": "many", "freeze": "half", "color": "red"})
    for option in ("epochs", "batch_size", "freeze", "color"):
        assert option in str(caught.value)


def test_short_windows_need_no_stride_of_their_own() -> None:
    assert Recipe.of({"max_length": 32}).stride == 16


def test_a_frozen_encoder_has_defaults_of_its_own_and_gives_way_to_what_is_asked() -> None:
    frozen = Recipe.of({"freeze": "all"})
    assert (frozen.epochs, frozen.learning_rate) == (20, 1e-3)
    assert Recipe.of({"freeze": "all", "epochs": 2}).epochs == 2


def test_numbers_of_layers_may_be_numbers() -> None:
    assert Recipe.of({"freeze": 4}).freeze == "4"


def test_what_was_asked_wins_over_the_tasks_own_defaults() -> None:
    task = BertSequenceTask("mood", recipe={"epochs": 7, "max_length": 256})
    assert task.recipe_faults({"stride": 100}) == []
    assert Recipe.of({"epochs": 2}, **task.recipe) == Recipe(epochs=2, max_length=256)


def test_the_manifest_can_hold_every_setting_and_resuming_looks_at_those_that_matter() -> None:
    recipe = Recipe.of({"examples": ["a"], "review_below": 0.5})
    assert recipe.as_options().keys() == DEFAULTS.keys() - {"examples"}
    assert recipe.learning() == Recipe().learning()
    assert recipe.learning() != Recipe(epochs=4).learning()


# ---------------------------------------------------------------------- where recipes are written


def test_every_setting_is_an_option_of_the_command_and_has_a_row_in_the_documentation() -> None:
    parameters = inspect.signature(command).parameters
    options = {field.name: CALLED.get(field.name, field.name) for field in dataclasses.fields(Recipe)}
    assert set(options.values()) <= parameters.keys()
    text = DOCUMENTED.read_text(encoding="utf-8")
    for field in dataclasses.fields(Recipe):
        assert f"`{field.name}`" in text, field.name
        assert f"`--{options[field.name].replace('_', '-')}`" in text, field.name


def write(tmp_path: Path, table: str) -> Path:
    (tmp_path / "in").mkdir()
    path = tmp_path / "config.toml"
    path.write_text(f'[[inbox]]\nname = "mail"\npath = "in"\ntasks = ["spam"]\n\n[tasks.spam.train]\n{table}')
    return path


def test_the_configuration_holds_a_recipe_and_keeps_it_from_the_predictor(tmp_path: Path) -> None:
    path = write(tmp_path, 'epochs = 5\nfreeze = 2\nbase_model = "./mine"\nseed = 7\n')
    task = config.load(path, {}, check_recipe=plugins.load().recipe_faults).task("spam")
    assert task.train.recipe == {"epochs": 5, "freeze": 2}
    assert (task.train.base_model, task.train.seed) == (str(tmp_path / "mine"), 7)
    assert not task.options


def test_the_environment_overrides_the_recipe_of_the_file(tmp_path: Path) -> None:
    environ = {"CLASSIFYD_TASKS__SPAM__TRAIN__EPOCHS": "2", "CLASSIFYD_TASKS__SPAM__TRAIN__FREEZE": "all"}
    task = config.load(write(tmp_path, "epochs = 5\n"), environ).task("spam")
    assert task.train.recipe == {"epochs": 2, "freeze": "all"}


def test_checking_the_configuration_names_every_fault_of_a_recipe(tmp_path: Path) -> None:
    path = write(tmp_path, 'epochs = 0\nlearning_rat = 1e-3\nseed = "x"\n')
    with pytest.raises(ConfigError) as caught:
        config.load(path, {}, check_recipe=plugins.load().recipe_faults)
    assert "train.seed must be a whole number" in str(caught.value)
    path.write_text(path.read_text().replace('seed = "x"', ""))
    with pytest.raises(ConfigError) as caught:
        config.load(path, {}, check_recipe=plugins.load().recipe_faults)
    assert len(caught.value.faults) == 2
    assert f"{path}: [tasks.spam.train] epochs must be a whole number, 1 or more, not 0" in caught.value.faults
    assert "Did you mean learning_rate?" in str(caught.value)
