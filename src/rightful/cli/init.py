"""`rightful init`."""

import secrets
import shlex
import uuid
from pathlib import Path

import click

from rightful import private_file
from rightful.cli.invocation import DEFAULT_CONFIG, current, global_options
from rightful.cli.output import emit, emit_json, say
from rightful.errors import ConfigurationError

SEAL_KEY = "seal.key"
AUDIT_KEY = "audit.key"
RECEIPT_KEY = "receipt.key"


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
@global_options
def command(folder: Path) -> None:
    """Write a commented rightful.yaml, and the keys that it names.

    They go into FOLDER, by default here. Files that are there already are never replaced.
    """
    from rightful.config import template  # noqa: PLC0415 - heavy; `--help` must not wait for it

    config = folder / DEFAULT_CONFIG
    keys = [folder / name for name in (SEAL_KEY, AUDIT_KEY, RECEIPT_KEY)]
    there = [path for path in (config, *keys) if path.exists() or path.is_symlink()]
    if there:
        hint = "choose another folder, or move it away; a seal.key is still needed for the operations that were accepted with it"
        raise ConfigurationError(
            f"{' and '.join(map(str, there))} {'exists' if len(there) == 1 else 'exist'} already", code="FileExists", hint=hint
        )
    folder.mkdir(parents=True, exist_ok=True)
    text = template.render(folder.absolute(), tenant_id=str(uuid.uuid4()))
    for path in keys:
        private_file.write(path, f"{secrets.token_hex(32)}\n".encode())
    private_file.write(config, text.encode("utf-8", "surrogateescape"))
    if current().as_json:
        emit_json({"config": str(config), **{path.name.replace(".", "_"): str(path) for path in keys}})
        return
    for path in (config, *keys):
        emit(str(path))
    option = "" if folder == Path() else f" --config {shlex.quote(str(config))}"
    say(f"next: say in {config} where your people and their data are, check it with `rightful doctor{option}`,")
    say(f"then `rightful serve{option}`")
