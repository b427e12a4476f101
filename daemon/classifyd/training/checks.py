"""What is in labelled data, counted, and whether training on it makes sense."""

from collections import Counter
from collections.abc import Sequence

from classifyd.errors import TrainingError
from classifyd.training.sets import Cleaned
from classifyd.values import Example, TrainingSets

FEWEST = 5
"""Examples of a label below which nothing can be learnt and nothing held out."""

FEW = 50


def labels_of(examples: Sequence[Example]) -> tuple[str, ...]:
    """Every label in the examples, of texts or of spans, sorted."""
    whole = {example.label for example in examples if example.label is not None}
    return tuple(sorted(whole | {span.label for example in examples for span in example.spans or ()}))


def refuse(examples: Sequence[Example]) -> None:
    """TrainingError if training makes no sense: nothing there, one label, or hardly an example of one."""
    if not examples:
        raise TrainingError("the data holds no labelled text")
    counts = count(examples)
    if examples[0].spans is None and len(counts) < 2:
        raise TrainingError(f"all {len(examples)} texts have the label {next(iter(counts))!r}; at least two are needed")
    if not counts:
        raise TrainingError(f"none of the {len(examples)} texts holds a span; there is nothing to learn")
    rare = {label: number for label, number in counts.items() if number < FEWEST}
    if rare:
        named = ", ".join(f"{label!r} ({number})" for label, number in sorted(rare.items()))
        raise TrainingError(
            f"fewer than {FEWEST} examples, once duplicates are gone, of: {named}. Add some, or join labels with --map"
        )


def refuse_strangers(sets: TrainingSets) -> None:
    """TrainingError if the evaluation or test set has a label that training never shows."""
    for name, examples in (("evaluation", sets.evaluation), ("test", sets.test)):
        strange = set(labels_of(examples)) - set(sets.labels)
        if strange:
            raise TrainingError(
                f"the {name} set has labels that the training set lacks: {', '.join(sorted(strange))}; "
                f"rename them with --map. Known: {', '.join(sets.labels)}"
            )


def count(examples: Sequence[Example]) -> Counter[str]:
    """How often each label occurs: texts, or spans."""
    if examples and examples[0].spans is not None:
        return Counter(span.label for example in examples for span in example.spans or ())
    return Counter(str(example.label) for example in examples)


def summary(cleaned: Cleaned, sets: TrainingSets) -> list[str]:
    """What people should know of the data before it is trained on: counts, what was set aside, what to be wary of."""
    lines = [
        f"{name}: {len(examples):,} texts; "
        + ", ".join(f"{label} {number:,}" for label, number in sorted(counts.items()))
        for name, examples in (("training", sets.train), ("evaluation", sets.evaluation), ("test", sets.test))
        if (counts := count(examples)) or examples
    ]
    aside = {
        "second copies": cleaned.duplicates,
        "under two labels": cleaned.contradictory,
        "empty": cleaned.empty,
    }
    if any(aside.values()):
        lines.append("set aside: " + ", ".join(f"{number:,} {why}" for why, number in aside.items() if number))
    few = {label: number for label, number in count(sets.train).items() if number < FEW}
    if few:
        lines.append(f"few examples (under {FEW}): " + ", ".join(f"{label} {n}" for label, n in sorted(few.items())))
    return lines
