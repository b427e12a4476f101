"""Model bundles: the store of every task's versions, and the one way to open a bundle."""

from pathlib import Path

from classifyd.bundles.archive import bring_in, export
from classifyd.bundles.blobs import sweep
from classifyd.bundles.manifest import MANIFEST, SCHEMA
from classifyd.bundles.opening import open_bundle, open_version, verify
from classifyd.bundles.pruning import Spare, prune, spare
from classifyd.bundles.store import CURRENT, REPORT, Store

__all__ = [
    "CURRENT",
    "MANIFEST",
    "REPORT",
    "SCHEMA",
    "Spare",
    "Store",
    "bring_in",
    "export",
    "open_bundle",
    "open_version",
    "prune",
    "shipped",
    "spare",
    "sweep",
    "verify",
]


def shipped() -> Path | None:
    """The folder of models that came with classifyd, in a wheel or a checkout; None if it came without."""
    package = Path(__file__).resolve().parents[1]
    wheel, root = package / "_shipped" / "models", package.parents[1]
    if wheel.is_dir():
        return wheel
    checkout = root / "models"
    return checkout if checkout.is_dir() and (root / "pyproject.toml").is_file() else None
