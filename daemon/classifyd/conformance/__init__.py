"""Whether an installed plugin keeps what the api promises: it is tried in a process of its own, whatever it does.

The checks are the api's sentences: one answer per record in the same order, the same whatever a record was batched
with, whatever its text holds; readers whose ranges give the whole; writers whose parts do. `classifyd plugins test`
shows them.
"""

from classifyd.conformance.findings import Finding, Request, Verdict
from classifyd.conformance.host import examine

__all__ = ["Finding", "Request", "Verdict", "examine"]
