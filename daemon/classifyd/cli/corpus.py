"""`classifyd label --engine ray`: a corpus on a cluster, told as the command tells everything."""

import os

from classifyd import logs, plugins
from classifyd.cli.progress import counted
from classifyd.cli.request import Request, checked
from classifyd.cli.results import STANDARD
from classifyd.cli.screen import complain, line
from classifyd.config import Config
from classifyd.corpus import Errand, label
from classifyd.corpus.places import whole
from classifyd.corpus.receipts import Receipt
from classifyd.errors import UsageError
from classifyd.inbox.moves import shown
from classifyd.pipeline import Pipeline
from classifyd.pipeline.border import Border
from classifyd.trace import Trace


def run_on_ray(request: Request, config: Config) -> int:
    """Label the corpus; 0, or 1 if anything could not be read or labelled. Faults are told as they come."""
    if request.output == STANDARD or STANDARD in request.files:
        raise UsageError("--engine ray: reads files, folders and URLs; name a folder or a URL with --output")
    if config.workers.address.startswith("ray://"):
        raise UsageError(
            f"[workers] address {config.workers.address}: Ray Data does not run through ray://; run the command on a "
            "machine of the cluster, with CLASSIFYD_WORKERS__ADDRESS=auto"
        )
    logs.configure(config.daemon.log_format, "warning")
    trace = Trace.shown(os.environ)
    registry = plugins.load(config.plugins, trace=trace)
    specs = checked(request, registry, config)
    with counted() as advance:

        def tell(receipt: Receipt, size: int) -> None:
            advance(size)
            if receipt.fault is not None:
                what = line(receipt.fault[1])
                name = shown(receipt.source)
                complain(what if what.startswith(name) else f"{name}: {what}")
            elif receipt.errors:
                complain(f"{shown(receipt.output)}: {receipt.errors} of {receipt.records} records have errors")

        errand = Errand(request.files, whole(request.output), request.format, request.csv_formulas, specs, tell)
        total = label(errand, config, Pipeline(registry, Border(trace=trace)))
    skipped = f", {total.skipped} of them before" if total.skipped else ""
    complain(f"{total.portions - total.failed} of {total.portions} files labelled{skipped}: {total.records} records")
    return int(bool(total.failed or total.errors))
