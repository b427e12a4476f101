"""The report of a training: what any report says, with how the model was tuned, exported, and what that took."""

from collections.abc import Collection, Mapping, Sequence

from classifyd_bert.findings import Findings
from classifyd_bert.markdown import plain, table
from classifyd_bert.parity import Form
from classifyd_bert.report import joined, kept_promises, measured, plot, result, worst_errors
from classifyd_bert.story import Story, memory


def of_training(story: Story, found: Findings, plots: Collection[str]) -> str:
    """The report from the result on; what leads to it (command, data, seed) the caller puts before."""
    return joined(
        [
            ("Result", result(found, story.set_name)),
            ("Recipe", _recipe(story)),
            ("Epochs", _epochs(story.history, plots)),
            *measured(found, story.thresholds, plots),
            ("Promises", kept_promises(story.promises)),
            ("Worst errors", worst_errors(found, texts=story.recipe.texts)),
            ("Export", _export(story)),
            ("Time and memory", _cost(story)),
        ]
    )


def _recipe(story: Story) -> list[str]:
    rows = [
        ("base model", f"{plain(story.base.name)}, sha256 `{story.base.sha256}`"),
        *((name.replace("_", " "), plain(_said(value))) for name, value in story.recipe.as_options().items()),
    ]
    return table((": ", ": "), rows)


def _said(value: object) -> str:
    return "; ".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _epochs(history: Sequence[Mapping[str, float]], plots: Collection[str]) -> list[str]:
    known = ("training_loss", "loss", "f1", "macro_f1", "accuracy")
    names = [name for name in known if history and name in history[-1]]
    rows = [
        (f"{entry['epoch']:g}", *(f"{entry[name]:.4f}" if name in entry else "" for name in names)) for entry in history
    ]
    return [
        "Of the evaluation set, which chose the epoch that was taken: its figures flatter the model a little.",
        "",
        *table(("epoch", *(name.replace("_", " ") for name in names)), rows),
        *plot("epochs.png", "Learning curves", "Loss and figures after each epoch.", plots),
    ]


def _export(story: Story) -> list[str]:
    parity = story.parity
    forms = {"PyTorch fp32": parity.pytorch, "ONNX fp32": parity.exported}
    if parity.attempt.method != "none":
        forms[str(parity.attempt)] = parity.published
    rows = [(name, *_form(form)) for name, form in forms.items()]
    speed = f"It answers {parity.speed_ratio:.1f} times as fast as ONNX in float32, on the machine that trained it."
    return [
        *table((":form", "labels as PyTorch's", "macro F1", "size", "time"), rows),
        f"On the whole evaluation set. {parity}. {speed if parity.attempt.method != 'none' else ''}".rstrip(),
        "",
    ]


def _form(form: Form) -> tuple[str, ...]:
    size = f"{form.size / 1e6:.1f} MB" if form.size else ""
    return f"{form.agreement:.2%}", f"{form.macro_f1:.4f}", size, f"{form.seconds:.1f} s"


def _cost(story: Story) -> list[str]:
    spent = [(name, f"{seconds / 60:.1f} min") for name, seconds in story.seconds.items()]
    held = [(f"most {name}", f"{count / 1e9:.2f} GB") for name, count in memory().items()]
    return table((": ", " "), [*spent, *held])
