from importlib.metadata import entry_points

import pytest
from classifyd.api import BundleError, ChecksRecipe, Setup, TrainableTask

from classifyd_sentiment import RECIPE, register_tasks


def test_the_task_can_be_trained_by_a_recipe_that_is_in_order() -> None:
    [task] = register_tasks()
    assert task.name == "sentiment"
    assert isinstance(task, TrainableTask)
    assert isinstance(task, ChecksRecipe)
    assert not task.recipe_faults(RECIPE)
    assert task.recipe_faults({"epochs": 0})


def test_without_a_model_it_says_so() -> None:
    [task] = register_tasks()
    with pytest.raises(BundleError):
        task.load(Setup(task.name))


def test_classifyd_finds_the_plugin_by_its_entry_point() -> None:
    [point] = entry_points(group="classifyd", name="sentiment")
    assert point.value == "classifyd_sentiment"
