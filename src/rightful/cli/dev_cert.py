"""`rightful dev-cert`."""

from datetime import UTC, datetime
from pathlib import Path

import click

from rightful.cli.invocation import current, global_options
from rightful.cli.output import emit, emit_json, say


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path())
@click.option("--host", "hosts", multiple=True, metavar="NAME", help="Another name or address that it is for; may be repeated.")
@click.option("--force", is_flag=True, help="Replace the files that are there.")
@global_options
def command(folder: Path, hosts: tuple[str, ...], force: bool) -> None:  # noqa: FBT001 - click passes options by name
    """Make a certificate for localhost.

    Writes ca.pem, cert.pem and key.pem into FOLDER (by default here), for localhost, 127.0.0.1 and ::1. For trying things out: Graph's
    clients send their tokens over https only. Only clients that are told to trust ca.pem accept it.
    """
    from rightful import certificate  # noqa: PLC0415 - heavy; `--help` must not wait for it

    files = certificate.write(folder, datetime.now(UTC), hosts=(*certificate.HOSTS, *hosts), overwrite=force)
    if current().as_json:
        emit_json({"ca": str(files.ca), "cert": str(files.cert), "key": str(files.key)})
        return
    for path in (files.ca, files.cert, files.key):
        emit(str(path))
    say(
        f"in rightful.yaml:   server: {{tls: {{cert: {files.cert}, key: {files.key}}}}}\n"
        f"clients trust it:   NODE_EXTRA_CA_CERTS={files.ca}   curl --cacert {files.ca}   SSL_CERT_FILE={files.ca} (Python)"
    )
