"""The command that another one advises reaches the same service."""

import click
from click.testing import CliRunner

from rightful.cli.connection import connection_options
from rightful.cli.exits import Exit
from rightful.cli.invocation import again, global_options
from rightful.cli.report import verdict
from rightful.cli.wire import Operation, Reason


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


def test_a_failed_export_is_resumed_after_the_service_has_read_what_was_mended() -> None:
    @click.command()
    @connection_options
    @global_options
    def failed(**_: object) -> None:
        assert verdict(Operation(id="id-1", status="failed", failure=Reason(code="LeakFound", message="it names others"))) == Exit.FAILED

    result = CliRunner().invoke(failed)
    assert result.exit_code == 0
    said = result.stderr.splitlines()[-1]
    assert 0 < said.index("mend the cause") < said.index("restart the service") < said.index("rightful requests resume id-1")
