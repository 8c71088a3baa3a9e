"""`rightful demo`."""

from pathlib import Path

import click

from rightful.cli.invocation import current, global_options


@click.command()
@click.argument("folder", type=click.Path(path_type=Path), default=Path("rightful-demo"))
@global_options
def command(folder: Path) -> int:
    """Do the main job on a sample company, start to verified package.

    Builds the company in FOLDER (once; ./rightful-demo by default), starts the service, exports one person over the wire as Graph's
    clients do, and checks the package.
    """
    from rich.console import Console  # noqa: PLC0415 - heavy; `--help` must not wait for it

    from rightful.cli import demonstration  # noqa: PLC0415 - likewise

    return demonstration.run(folder, Console(stderr=True), as_json=current().as_json)
