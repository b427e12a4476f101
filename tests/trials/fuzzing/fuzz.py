"""Coverage-guided fuzzing of one surface: `fuzz.py mail --seconds 3600`; what breaks a promise is kept and told.

Inputs that reached new code stay in build/fuzzing/<surface> for the next run; what was found lies beside them.
"""

import argparse
import sys
from pathlib import Path

import atheris

# Imported here, so that atheris sees which branches an input takes.
with atheris.instrument_imports(include=["classifyd", "email", "quopri", "_markupbase", "json", "tomllib", "csv"]):
    from promises import PROMISES

HERE = Path(__file__).parent
KEPT = HERE.parents[2] / "build" / "fuzzing"
SECONDS_PER_INPUT = 5
MEGABYTES = 1024
LONGEST_BYTES = 2**16


def main() -> None:
    """Fuzz until the time is up or a promise is broken."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("surface", choices=PROMISES)
    parser.add_argument("--seconds", type=int, default=3600)
    given, others = parser.parse_known_args()
    corpus = KEPT / given.surface
    corpus.mkdir(parents=True, exist_ok=True)
    seeds = [corpus, HERE / "corpus" / given.surface]
    options = [
        f"-max_total_time={given.seconds}",
        f"-timeout={SECONDS_PER_INPUT}",
        f"-rss_limit_mb={MEGABYTES}",
        f"-max_len={LONGEST_BYTES}",
        f"-artifact_prefix={KEPT}/{given.surface}-",
        "-print_final_stats=1",
        *others,
    ]
    atheris.Setup([sys.argv[0], *options, *map(str, seeds)], PROMISES[given.surface])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
