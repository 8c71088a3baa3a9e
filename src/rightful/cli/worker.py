"""`rightful worker`."""

import re
from pathlib import Path

import click

from rightful.cli.invocation import current, global_options
from rightful.errors import ConfigurationError

_SCHEDULER = re.compile(r"tls://[^\s/?#@]+:[0-9]{1,5}")
_FILE = click.Path(path_type=Path)


@click.command()
@click.option("--scheduler", required=True, metavar="ADDRESS", help="The scheduler of the Dask cluster, tls://HOST:PORT.")
@click.option("--ca", required=True, type=_FILE, metavar="FILE", help="Whose certificates count in the cluster, PEM.")
@click.option("--cert", required=True, type=_FILE, metavar="FILE", help="The worker's certificate, PEM.")
@click.option("--key", required=True, type=_FILE, metavar="FILE", help="The key of that certificate, PEM.")
@click.option(
    "--threads", type=click.IntRange(1, 64), metavar="N", default=4, show_default=True, help="How many claims are worked on side by side."
)
@click.option("--host", default="", metavar="ADDRESS", help="Address to listen on [default: the one that the scheduler is reached from].")
@click.option("--port", type=click.IntRange(0, 65535), metavar="PORT", default=0, help="Port to listen on; 0 takes a free one.")
@global_options
def command(*, scheduler: str, ca: Path, cert: Path, key: Path, threads: int, host: str, port: int) -> None:
    """Work for a service on another machine (`engine: dask`).

    Needs no configuration: what a piece of work takes comes with it, sealed to this worker. Waits for a scheduler that is away. Runs until
    SIGINT or SIGTERM; then it lets running reads come to their next checkpoint. Logs go to stderr, as those of `rightful serve`.
    """
    from rightful import logs  # noqa: PLC0415 - heavy; `--help` must not wait for it

    if not _SCHEDULER.fullmatch(scheduler):
        raise ConfigurationError("--scheduler is not tls://HOST:PORT", hint="write for instance tls://dask.contoso.example:8786")
    for path in (ca, cert, key):
        if not path.is_file():
            raise ConfigurationError(f"{path} is no file", hint="name a PEM file")
    try:
        from rightful import worker  # noqa: PLC0415 - an extra
        from rightful.engines.dask_cluster import TlsFiles  # noqa: PLC0415 - likewise
    except ModuleNotFoundError as error:
        if error.name is None or error.name.startswith("rightful"):
            raise
        raise ConfigurationError("what connects with Dask is not installed", hint="install rightful[dask]") from None
    logs.configure(current().environ)
    worker.run(scheduler, TlsFiles(ca=ca, cert=cert, key=key), threads=threads, host=host, port=port)
