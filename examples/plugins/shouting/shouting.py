"""Tell messages that shout from messages that talk."""

from classifyd.api import Label, hookimpl


class Shouting:
    name = "shouting"

    def load(self, setup):
        return self

    def predict(self, records):
        return [[Label("loud" if r.text.isupper() else "calm", 1.0)] for r in records]


@hookimpl
def register_tasks():
    return [Shouting()]
