"""Every error that classifyd raises on purpose, by what the caller does next.

    ClassifydError
    ├── UsageError            the command cannot be run as written: exit 2
    ├── ConfigError           stop, with every fault listed: exit 78
    ├── UnavailableError      a needed thing is missing or held by another: exit 69
    ├── PluginError           stop if an inbox names its task, else skip it
    ├── BundleError           keep the version in service
    │   └── UnreadableBundle  the same, and try again: the disk refuses to be read, exit 69
    ├── TrainingError         nothing is published
    ├── UnreadableFile        quarantine the input
    │   └── LimitExceeded     the same, because a limit of the config was passed
    ├── PredictionFailed      retry in halves, then the record at fault gets an error
    └── DiskFault             wait: a disk or folder cannot be read or written now

A message says where, what, and what to do.
"""

from collections.abc import Iterable


class ClassifydError(Exception):
    """Base of every error that classifyd raises on purpose."""

    exit_code = 1


class UsageError(ClassifydError):
    """The command cannot be run as written."""

    exit_code = 2


class ConfigError(ClassifydError):
    """The configuration cannot be used; `faults` lists everything that is wrong with it."""

    exit_code = 78

    def __init__(self, faults: str | Iterable[str]) -> None:
        self.faults: tuple[str, ...] = (faults,) if isinstance(faults, str) else tuple(faults)
        super().__init__("\n".join(self.faults))

    def __reduce__(self) -> tuple[type["ConfigError"], tuple[tuple[str, ...]]]:
        return type(self), (self.faults,)


class UnavailableError(ClassifydError):
    """Something needed is not there, or another process holds it; `mend` is the command that helps, where one does."""

    exit_code = 69

    def __init__(self, message: str, mend: str = "") -> None:
        self.mend = mend
        super().__init__(message)


class PluginError(ClassifydError):
    """A plugin cannot be loaded or does not keep its promises."""

    exit_code = 78


class BundleError(ClassifydError):
    """A model bundle is missing, damaged or does not give its known answers."""

    exit_code = 78


class UnreadableBundle(BundleError):
    """The system refuses to read a bundle or what is promoted, which says nothing against it."""

    exit_code = 69


class TrainingError(ClassifydError):
    """The data, the base model or the result is not fit to become a bundle."""


class UnreadableFile(ClassifydError):
    """An input cannot be read as what it claims to be."""


class LimitExceeded(UnreadableFile):
    """An input passes a limit of the configuration."""


class PredictionFailed(ClassifydError):
    """A task failed on records that it was given."""


class DiskFault(ClassifydError):
    """A disk or folder cannot be read or written now; no input is to blame."""
