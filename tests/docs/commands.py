"""Checks of commands that start parts of a Dask cluster, wherever they are written."""

from collections.abc import Sequence
from pathlib import PurePosixPath

from distributed.cli.dask_scheduler import main as scheduler

from rightful.cli.worker import command as worker

_FILES = ("--ca", "--cert", "--key", "--tls-ca-file", "--tls-cert", "--tls-key")


def check_command(words: Sequence[str], mounted: Sequence[str] = ()) -> None:
    """Assert that a command takes its options, that files which it names are mounted, and that nothing but the port is open to others."""
    words = list(words)
    places = [number + 1 for number, word in enumerate(words) if word in _FILES]
    assert len(places) == 3
    for place in places:
        assert not mounted or any(PurePosixPath(words[place]).is_relative_to(mount) for mount in mounted), words[place]
        words[place] = __file__  # some file has to be there
    known = {("dask", "scheduler"): scheduler, ("rightful", "worker"): worker}
    given = known[words[0], words[1]].make_context(words[1], words[2:]).params  # raises for options that there are not
    if words[0] == "dask":
        assert (given["protocol"], given["dashboard"], given["jupyter"]) == ("tls", False, False)
        assert given["dashboard_address"] == "127.0.0.1:0"  # it answers plain HTTP there, dashboard or not
    else:
        assert given["scheduler"].startswith("tls://")
