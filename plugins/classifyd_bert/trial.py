"""The report of any model's answers to any labelled texts: what `classifyd evaluate --report` writes."""

from classifyd.api import Report, ReportSetup, Trial
from classifyd_bert import figures, findings, heads, plots, promises, report


def reported(trial: Trial, setup: ReportSetup) -> Report:
    """The report of a trial. What the training promised is held against these answers."""
    manifest = trial.bundle.manifest if trial.bundle else {}
    outputs = [str(label) for label in manifest.get("labels", ())]
    labels = heads.Bio.of(outputs).names if outputs and figures.marks_spans(trial.examples) else outputs
    found = findings.of(trial.examples, trial.answers, labels)
    kept = manifest.get("thresholds", {})
    thresholds = promises.Thresholds(float(kept.get("review", 0.0)), dict(kept.get("labels", {})))
    judged = [
        promises.kept(promises.parse(text, labels), thresholds, trial.examples, trial.answers)
        for text in manifest.get("promises", ())
    ]
    pictures = plots.draw(found, (), setup.folder)
    return Report(report.of_trial(found, thresholds, judged, pictures, texts=setup.texts), pictures)
