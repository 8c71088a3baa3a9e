"""What Dask calls on a worker. Scheduler and workers find it by its name: nothing of it is sent, and little is imported for it."""

from typing import Any

from rightful import __version__

PLUGIN = "rightful"
"""By this name a worker has what does the work."""


def deal(sealed: bytes) -> bytes:
    """Do what a task says; return what there is to say of it. Never raises: of an error Dask logs the text, and sends it on."""
    from distributed import get_worker  # noqa: PLC0415 - the scheduler imports this too

    site: Any = get_worker().plugins[PLUGIN]
    answer: bytes = site.deal(sealed)
    return answer


def version() -> str:
    """Return the version that is installed where this is called."""
    return __version__
