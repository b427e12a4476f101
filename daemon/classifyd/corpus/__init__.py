"""A corpus at rest, labelled on a cluster of Ray: all of it once, whatever becomes of nodes or the driver."""

from classifyd.corpus.labelling import Errand, label

__all__ = ["Errand", "label"]
