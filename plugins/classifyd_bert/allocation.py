"""Memory that one run of a model frees and the next asks for again."""

import ctypes

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3
"""mallopt(3)."""

LARGEST_MMAP_THRESHOLD = 32 * 2**20
"""More than that glibc refuses."""

TUNING_BYTES = 2**30
SERVING_BYTES = 2**28


def keep_freed_memory(most: int) -> None:
    """Have glibc keep up to `most` freed bytes of this process for what comes next; nothing where there is no glibc.

    Each batch, or step of a training, allocates and frees the same tens or hundreds of megabytes. By default large
    blocks are mapped anew each time and the kernel has to clear every page: a fifth of the time, with short texts. The
    peak stays what it was.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(M_MMAP_THRESHOLD, LARGEST_MMAP_THRESHOLD)
        mallopt(M_TRIM_THRESHOLD, most)
