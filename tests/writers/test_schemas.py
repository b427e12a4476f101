"""What is written is what the schemas in docs/ promise; what they forbid is never written."""

import json

import pytest
from daemons import SCHEMAS, schema
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator, ValidationError

from classifyd.api import AnnotatedRecord, Annotation, Fault, Label, Record, Span, WriteOptions
from classifyd.writers import document
from classifyd.writers.strict import dumps

scores = st.floats(0, 1)
labels = st.lists(st.builds(Label, st.text(min_size=1), scores), max_size=4).map(tuple)
spans = st.lists(
    st.builds(
        lambda start, size, label, score: Span(start, start + size, label, score),
        *(st.integers(0, 9), st.integers(1, 9)),
        st.text(),
        scores,
    ),
    max_size=4,
).map(tuple)
faults = st.builds(Fault, st.text(), st.text())
annotations = st.one_of(
    st.builds(
        lambda found, model, review: Annotation(found, model=model, review=review), labels, st.text(), st.booleans()
    ),
    st.builds(
        lambda found, model, review: Annotation((), found, model=model, review=review), spans, st.text(), st.booleans()
    ),
    st.builds(lambda fault: Annotation(error=fault), faults),
)
values = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary()),
    lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner)),
    max_leaves=5,
)
records = st.builds(
    lambda text, index, meta, error: Record(text, index, meta, error=error),
    st.text(),
    st.integers(0, 10**9),
    st.dictionaries(st.text(), values),
    st.one_of(st.none(), faults),
)


@settings(max_examples=300)
@given(records, st.dictionaries(st.text(min_size=1), annotations, max_size=3), st.booleans())
def test_every_document_keeps_the_schema(record: Record, said: dict[str, Annotation], texts: bool) -> None:
    annotated = AnnotatedRecord(f"in/a.txt.jsonl#{record.index}", "a.txt", record, said)
    written = json.loads(dumps(document(annotated, WriteOptions(tuple(said), include_text=texts))))
    schema("record").validate(written)
    assert ("text" in written) == texts


GOOD = {
    "schema": "classifyd/1",
    "id": "in/a.txt.jsonl#0",
    "source": "a.txt",
    "index": 0,
    "text": "Maria",
    "meta": {},
    "annotations": {
        "spam": {"label": "ham", "score": 0.9, "scores": {"ham": 0.9}, "model": "spam@3", "review": False},
        "ner": {"spans": [{"start": 0, "end": 5, "label": "PER", "score": 0.9}], "model": "ner@3", "review": False},
    },
    "errors": {"topic": {"type": "PredictionFailed", "message": "no"}},
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("schema",), "classifyd/2"),
        (("id",), "in/a.txt"),
        (("index",), -1),
        (("annotations", "spam", "score"), 1.5),
        (("annotations", "spam", "review"), "no"),
        (("annotations", "ner", "spans", 0, "end"), 0),
        (("errors", "topic"), "no"),
    ],
)
def test_the_schema_refuses_what_is_never_written(path: tuple[str | int, ...], value: object) -> None:
    schema("record").validate(GOOD)
    bad = json.loads(json.dumps(GOOD))
    place = bad
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    with pytest.raises(ValidationError):
        schema("record").validate(bad)


def test_the_schemas_are_schemas() -> None:
    for path in SCHEMAS.glob("*.json"):
        Draft202012Validator.check_schema(json.loads(path.read_text()))
