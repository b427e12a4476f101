"""classifyd: a daemon that turns files dropped into folders into labelled records."""

__version__ = "0.1.0"
