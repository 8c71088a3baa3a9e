"""`rightful serve`."""

import click

from rightful.cli.invocation import current, global_options
from rightful.cli.output import emit, say


@click.command()
@global_options
def command() -> None:
    """Run the service.

    Listens where `server.listen` says, takes up what an earlier run left, and runs until SIGINT or SIGTERM; then it lets running reads
    come to their next checkpoint. With --json the first line on stdout is {"listening": ADDRESS}, once requests are answered. Logs go to
    stderr; RIGHTFUL_LOG_LEVEL sets their level, RIGHTFUL_LOG_FORMAT (json or console) their form.
    """
    from rightful import assembly, logs  # noqa: PLC0415 - heavy; `--help` must not wait for it

    invocation = current()
    logs.configure(invocation.environ)

    def tell(address: str) -> None:
        if invocation.as_json:
            emit(f'{{"listening": "{address}"}}')
        else:
            say(f"rightful listens on {address}; Ctrl-C ends it")

    assembly.run(invocation.config, on_listening=tell)
