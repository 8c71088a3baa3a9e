"""The command that another one advises reaches the same service."""

import click
from click.testing import CliRunner

from rightful.cli.connection import connection_options
from rightful.cli.invocation import again, global_options


@click.command()
@connection_options
@global_options
def _advises(**_: object) -> None:
    click.echo(again("watch", "id-1"))


def test_advised_command_has_the_options_that_were_given() -> None:
    def advised(*arguments: str) -> str:
        return CliRunner().invoke(_advises, arguments).output.strip()

    assert advised() == "rightful requests watch id-1"
    given = ["--config", "a b/c.yaml", "--tenant", "Contoso", "--server", "https://x"]
    assert advised(*given) == "rightful requests watch id-1 --config 'a b/c.yaml' --server https://x --tenant Contoso"
    assert advised("--token-file", "t") == "rightful requests watch id-1 --token-file t"
