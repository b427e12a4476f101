"""What is in labelled data, counted, and whether training on it makes sense."""

from collections import Counter
from collections.abc import Mapping, Sequence

from classifyd.errors import TrainingError
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


def refuse_mixture(given: Mapping[str, Sequence[Example]]) -> None:
    """TrainingError if one set labels whole texts and another marks spans."""
    kinds = {name: examples[0].spans is not None for name, examples in given.items() if examples}
    if len(set(kinds.values())) > 1:
        said = ", ".join(
            f"the {name} data {'marks spans' if spans else 'labels texts'}" for name, spans in kinds.items()
        )
        raise TrainingError(f"the sets do not fit together: {said}; give all of one kind")


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
