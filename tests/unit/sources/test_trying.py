"""A trial leaves nothing open."""

from collections.abc import Iterator
from pathlib import Path

from tests.contract.open_files import open_below
from tests.unit.export.scripted import FILES_HEADER, Scripted, file, yields
from tests.unit.export.world import NoSettings

from rightful.config.model import SourceConfig
from rightful.sources.trying import try_out
from rightful.testing.connector_suite import identified


def test_a_file_of_which_the_beginning_was_read_is_closed(tmp_path: Path) -> None:
    path, given = tmp_path / "film.bin", list[Iterator[bytes]]()
    path.write_bytes(bytes(100))

    def read() -> Iterator[bytes]:
        with path.open("rb") as opened:
            while chunk := opened.read(10):
                yield chunk

    def keep() -> Iterator[bytes]:
        given.append(read())
        return given[-1]

    source = SourceConfig(name="drive", connector="memory", product="Product", settings=NoSettings())
    connector = Scripted(yields(FILES_HEADER, file("film.bin", keep, size_bytes=100)))
    trial = try_out(source, connector, identified(upn=("ann@contoso.example",)), most=10, is_shown=False)
    assert (trial.files, trial.skipped, len(given)) == (1, 0, 1)
    assert open_below(tmp_path) == 0
