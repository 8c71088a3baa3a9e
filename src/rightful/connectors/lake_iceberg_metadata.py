"""Which metadata file of an Iceberg table is the current one, and how pyiceberg reads the table's files: through the lake, and only there.

A table's metadata names its files by whole addresses, those that they had where it was written. Here each is looked for below url, by its
path in the table: so nothing else is ever read, with no other credentials, and a table that was copied as a whole is read where it lies.
"""

import re
from collections.abc import Mapping
from gzip import GzipFile
from pathlib import Path
from typing import NoReturn, cast

import msgspec
import sqlalchemy
from pyiceberg.io import FileIO, InputFile, InputStream, OutputFile
from sqlalchemy.exc import SQLAlchemyError

from rightful.connectors.lake_faults import LakeFaults
from rightful.connectors.lake_files import LakeFile, LakePlace
from rightful.connectors.lake_settings import IcebergSettings

_HINT = "metadata/version-hint.text"
_NUMBERED = re.compile(r"metadata/v([0-9]+)(\.gz)?\.metadata\.json(\.gz)?")
_OF_CATALOG = re.compile(r"metadata/([0-9]+)-[^/]*\.metadata\.json(\.gz)?")
_AZURE = re.compile(r"(?:abfss?|wasbs?)://([^/@]+)@([^/.]+)\.[^/]+/(.*)", re.DOTALL)
_FOUND = "SELECT metadata_location FROM iceberg_tables WHERE catalog_name = :name AND table_namespace = :namespace AND table_name = :table"
"""The table that the catalogs of Java (JDBC), Python and Rust share."""


def plain(address: str) -> str:
    """Return an address in the form in which two of the same place are equal."""
    if found := _AZURE.fullmatch(address):
        return f"az://{found[2]}/{found[1]}/{found[3]}"
    if found := re.match(r"file:(?://)?(?=/)", address):
        return address[found.end() :]
    return re.sub(r"\As3[an]://", "s3://", address)


class Written(msgspec.Struct, frozen=True, rename="kebab"):
    """What is looked at in a metadata file before it is read as a whole."""

    location: str
    """Where the table's folder was when it was written."""
    last_updated_ms: int


def document_of(place: LakePlace, file: LakeFile) -> tuple[bytes, Written]:
    """Read a metadata file; raises `OSError` and `ValueError`."""
    with place.open(file) as stream:
        document = GzipFile(fileobj=stream).read() if ".gz" in file.path.rpartition("/")[2] else stream.read()
    return document, msgspec.json.decode(document, type=Written)


class TableFiles(FileIO):
    """The files of a table as they are listed now."""

    def __init__(self, place: LakePlace, faults: LakeFaults) -> None:
        super().__init__()
        self._place = place
        self._faults = faults
        self._listed: Mapping[str, LakeFile] = {file.path: file for file in place.files()}
        self.location = ""
        """What the metadata calls the table's folder."""

    @property
    def paths(self) -> Mapping[str, LakeFile]:
        """All that lie there, by path."""
        return self._listed

    def path_of(self, address: str) -> str:
        """Return the path below url of what the metadata calls by an address."""
        folder, full = f"{plain(self.location).rstrip('/')}/", plain(address)
        path = full.removeprefix(folder)
        if path == full or {"", ".", ".."} & set(path.split("/")):
            raise self._faults.refused(
                "the table has files that lie outside of its folder", "have it rewritten into one folder, or export it as Parquet files"
            )
        return path

    def listed(self, address: str) -> LakeFile:
        """Return a file of the table; raises `SourceUnavailable` where it is gone."""
        found = self._listed.get(self.path_of(address))
        if found is None:
            raise self._faults.changed("a file that the table's metadata names is gone")
        return found

    def new_input(self, location: str) -> InputFile:
        """Return a file of the table."""
        return _TableFile(location, self.listed(location), self._place)

    def new_output(self, location: str) -> OutputFile:
        """Refuse: tables are only read."""
        self._refuse(location)

    def delete(self, location: str | InputFile | OutputFile) -> None:
        """Refuse likewise."""
        self._refuse(location)

    @staticmethod
    def _refuse(_: object) -> NoReturn:
        raise PermissionError


class _TableFile(InputFile):
    def __init__(self, location: str, file: LakeFile, place: LakePlace) -> None:
        super().__init__(location)
        self._file = file
        self._place = place

    def __len__(self) -> int:
        return self._file.size_bytes

    def exists(self) -> bool:
        return True

    def open(self, seekable: bool = True) -> InputStream:  # noqa: FBT001, FBT002 - as pyiceberg calls it
        del seekable
        return cast("InputStream", self._place.open(self._file))


class CurrentMetadata:
    """Finds the current metadata file."""

    def __init__(self, place: LakePlace, settings: IcebergSettings, folder: Path, faults: LakeFaults) -> None:
        """`folder` is where a catalog's relative file is looked for."""
        self._place = place
        self._settings = settings
        self._folder = folder
        self._faults = faults

    def find(self, files: TableFiles) -> LakeFile:
        """Return the metadata file that a setting, a catalog or the table's own hint says is current; a guess is never made."""
        if self._settings.metadata:
            return self._named(files, self._settings.metadata, "iceberg.metadata names a file that is not there", "correct it")
        if self._settings.catalog:
            name = self._asked().rpartition("/")[2]
            return self._named(
                files, name, "the catalog names a metadata file that does not lie below url", "correct url: it is the table's own folder"
            )
        return self._hinted(files)

    def _named(self, files: TableFiles, name: str, message: str, hint: str) -> LakeFile:
        found = files.paths.get(f"metadata/{name}")
        if found is None:
            raise self._faults.refused(message, hint)
        return found

    def _hinted(self, files: TableFiles) -> LakeFile:
        hint = files.paths.get(_HINT)
        if hint is None:
            is_table = any(path.startswith("metadata/") and ".metadata.json" in path for path in files.paths)
            raise self._faults.refused(
                "nothing says which of the table's metadata files is current" if is_table else "there is no Iceberg table at url",
                "set iceberg.catalog and iceberg.table, or iceberg.metadata"
                if is_table
                else "correct url: it is the folder that the table's folder metadata lies in",
            )
        with self._place.open(hint) as stream:
            said = stream.read(4096).decode("utf-8", "replace").strip()
        if not said.isascii() or not said.isdigit():
            name = said if said.endswith(".metadata.json") else f"{said}.metadata.json"
            return self._named(files, name, "version-hint.text names a file that is not there", "set iceberg.catalog or iceberg.metadata")
        numbered = {int(found[1]): file for path, file in files.paths.items() if (found := _NUMBERED.fullmatch(path))}
        number = int(said)
        while number + 1 in numbered:  # the hint is written after the commit, and may be late: each file of this kind is a commit
            number += 1
        if number not in numbered:
            raise self._faults.refused("version-hint.text names a file that is not there", "set iceberg.catalog or iceberg.metadata")
        self._check_latest(files, numbered[number])
        return numbered[number]

    def _check_latest(self, files: TableFiles, hinted: LakeFile) -> None:
        """Refuse a table that went on with a catalog, and has an old hint: its rows may have been deleted since."""
        numbered = [(int(found[1]), file) for path, file in files.paths.items() if (found := _OF_CATALOG.fullmatch(path))]
        last = max((number for number, _ in numbered), default=0)
        others = [document_of(self._place, file)[1].last_updated_ms for number, file in numbered if number == last]
        if others and max(others) > document_of(self._place, hinted)[1].last_updated_ms:
            raise self._faults.refused(
                "a catalog wrote metadata of the table after what version-hint.text names",
                "set iceberg.catalog, iceberg.name and iceberg.table",
            )

    def _asked(self) -> str:
        settings = self._settings
        namespace, _, table = settings.table.rpartition(".")
        address = settings.catalog
        if address.startswith("sqlite:///") and not address.startswith("sqlite:////"):
            address = f"sqlite:///{self._folder / address.removeprefix('sqlite:///')}"
        values = {"name": settings.name, "namespace": namespace, "table": table}
        try:
            engine = sqlalchemy.create_engine(address, hide_parameters=True)
            try:
                with engine.connect() as connection:
                    found = connection.execute(sqlalchemy.text(_FOUND), values).scalar()
            finally:
                engine.dispose()
        except (SQLAlchemyError, ModuleNotFoundError, ValueError) as error:
            raise self._faults.unavailable(
                f"the catalog's database cannot be asked ({type(error).__name__})",
                "see that it is up, that iceberg.catalog is right, that its driver is installed, and that it has a table iceberg_tables",
            ) from None
        if not isinstance(found, str) or not found:
            raise self._faults.refused("the catalog does not know the table", "correct iceberg.table, or iceberg.name")
        return found
