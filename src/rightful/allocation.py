"""Settings of the process's memory allocators, so that what was freed goes back to the system soon.

A service reads much in short bursts, in several threads. By default glibc keeps an arena for each thread, polars' jemalloc keeps freed
pages for ten seconds, and Arrow's mimalloc what any thread has used; the first two together are some 30 MiB at the peak of one person's
500,000 rows, and the last one as much again (docs/performance.md).
"""

import ctypes
import gc
import os
import sys

_ROW_GROUPS_AHEAD = "2"
"""Row groups that polars reads ahead of a scan; its own default holds 200 MiB more and is no faster on two cores."""

_JEMALLOC = "narenas:1,dirty_decay_ms:20,muzzy_decay_ms:0"
_M_MMAP_THRESHOLD, _M_ARENA_MAX = -3, -8  # malloc.h


_YOUNG = 10_000
"""Objects after which Python looks for cycles among those that are new; with 700, as by default, a twentieth of a small export is that."""


def collect_less() -> None:
    """Let Python look for cycles less often, and never again among what there is by now, which stays; call it once all is set up."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(_YOUNG)


def return_memory_soon() -> None:
    """Set the allocators up; call it once, before polars is imported. Does nothing where the libraries are others."""
    os.environ.setdefault("_RJEM_MALLOC_CONF", _JEMALLOC)
    os.environ.setdefault("POLARS_ROW_GROUP_PREFETCH_SIZE", _ROW_GROUPS_AHEAD)
    import pyarrow as pa  # noqa: PLC0415 - heavy, and there already where this is called in earnest

    if "ARROW_DEFAULT_MEMORY_POOL" not in os.environ:
        pa.set_memory_pool(pa.system_memory_pool())
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_M_ARENA_MAX, 2)
        mallopt(_M_MMAP_THRESHOLD, 1 << 20)
