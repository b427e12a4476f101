"""What labelled data is like, as tables for people."""

from classifyd.cli.screen import show, table
from classifyd.training import Survey
from classifyd.training.survey import in_words


def show_survey(found: Survey) -> None:
    """Print counts of each label and set, tokens per text, and what was found with a few texts each."""
    sets = [one for one in found.counts if one.texts]
    names = [one.name for one in sets]
    labels = sorted({label for one in sets for label in one.labels})
    rows: list[list[object]] = [[label, *(f"{one.labels.get(label, 0):,}" for one in sets)] for label in labels]
    rows.append(["texts", *(f"{one.texts:,}" for one in sets)])
    show(table(["label", *names], rows, right=names))
    if found.lengths:
        show("", in_words(found.lengths))
    if found.findings:
        told = [
            ("warning" if one.warning else "note", "\n".join([one.text, *(f"  {sample}" for sample in one.samples)]))
            for one in found.findings
        ]
        show("", table(["", "found"], told))
    show("", "training would be refused" if found.refusal else "training would go ahead")
