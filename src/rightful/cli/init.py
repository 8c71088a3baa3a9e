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


@click.command()
@click.argument("folder", type=click.Path(path_type=Path, file_okay=False), default=Path())
@global_options
def command(folder: Path) -> None:
    """Write a commented rightful.yaml, a seal.key and an audit.key.

    They go into FOLDER, by default here. Files that are there already are never replaced.
    """
    from rightful.config import template  # noqa: PLC0415 - heavy; `--help` must not wait for it

    config, key, audit_key = folder / DEFAULT_CONFIG, folder / SEAL_KEY, folder / AUDIT_KEY
    there = [path for path in (config, key, audit_key) if path.exists() or path.is_symlink()]
    if there:
        hint = "choose another folder, or move it away; a seal.key is still needed for the operations that were accepted with it"
        raise ConfigurationError(
            f"{' and '.join(map(str, there))} {'exists' if len(there) == 1 else 'exist'} already", code="FileExists", hint=hint
        )
    folder.mkdir(parents=True, exist_ok=True)
    text = template.render(folder.absolute(), tenant_id=str(uuid.uuid4()))
    private_file.write(key, f"{secrets.token_hex(32)}\n".encode())
    private_file.write(audit_key, f"{secrets.token_hex(32)}\n".encode())
    private_file.write(config, text.encode("utf-8", "surrogateescape"))
    if current().as_json:
        emit_json({"config": str(config), "seal_key": str(key), "audit_key": str(audit_key)})
        return
    emit(str(config))
    emit(str(key))
    emit(str(audit_key))
    option = "" if folder == Path() else f" --config {shlex.quote(str(config))}"
    say(f"next: say in {config} where your people and their data are, check it with `rightful doctor{option}`,")
    say(f"then `rightful serve{option}`")
