"""One connection to PostgreSQL through ADBC, below its DB-API layer, which costs three times as much for a small statement."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import adbc_driver_manager
import adbc_driver_postgresql
import pyarrow as pa
from adbc_driver_manager._reader import AdbcRecordBatchReader

_BATCH_BYTES = 2 << 20
_COPY_OPTION = adbc_driver_postgresql.StatementOptions.USE_COPY.value
_BATCH_OPTION = adbc_driver_postgresql.StatementOptions.BATCH_SIZE_HINT_BYTES.value


class PostgresConnection:
    """Runs statements, one at a time; used by one thread at a time."""

    def __init__(self, url: str) -> None:
        self._database = adbc_driver_postgresql.connect(url)
        try:
            self._connection = adbc_driver_manager.AdbcConnection(self._database)
        except BaseException:
            self._database.close()
            raise

    def run(self, sql: str) -> None:
        """Run a text of one or several statements, without parameters."""
        self._with(sql, lambda statement: statement.execute_update())

    def rows(self, sql: str, parameters: Sequence[str]) -> list[tuple[Any, ...]]:
        """Run a statement with parameters and return its rows: for small answers, they come in one piece."""

        def read(statement: Any) -> list[tuple[Any, ...]]:
            handle, _ = statement.execute_query()
            found: list[tuple[Any, ...]] = []
            for batch in pa.RecordBatchReader.from_stream(handle):
                found += zip(*(column.to_pylist() for column in batch.columns), strict=True)
            return found

        rows: list[tuple[Any, ...]] = self._with(sql, read, parameters)
        return rows

    def stream(self, sql: str) -> Iterator[pa.RecordBatch]:
        """Run a query without parameters and yield its batches as the server sends them (COPY: FACTS, ADBC streams only so)."""
        statement = adbc_driver_manager.AdbcStatement(self._connection)
        try:
            statement.set_sql_query(sql)
            statement.set_options(**{_BATCH_OPTION: _BATCH_BYTES})
            handle, _ = statement.execute_query()
            # pyarrow's own reader knows the driver's errors as OSError only, without their SQLSTATE.
            reader = AdbcRecordBatchReader._import_from_c(handle.address)  # noqa: SLF001 -- what the driver's own DB-API layer does
            try:
                yield from reader
            finally:
                reader.close()
        finally:
            statement.close()

    def cancel(self) -> None:
        """Have the server stop what it does for us."""
        try:
            self._connection.cancel()
        except adbc_driver_manager.Error:
            return  # closing the connection, which follows, ends it too

    def close(self) -> None:
        """Close; never raises."""
        for thing in (self._connection, self._database):
            try:
                thing.close()
            except adbc_driver_manager.Error:
                continue

    def _with(self, sql: str, use: Callable[[Any], Any], parameters: Sequence[str] = ()) -> Any:
        statement = adbc_driver_manager.AdbcStatement(self._connection)
        try:
            statement.set_sql_query(sql)
            if parameters:
                batch = pa.record_batch([pa.array([value], pa.string()) for value in parameters], [str(n) for n in range(len(parameters))])
                schema, array = batch.__arrow_c_array__()
                statement.bind(array, schema)
            else:
                statement.set_options(**{_COPY_OPTION: "false"})  # what is no query cannot be copied: EXPLAIN, for one
            return use(statement)
        finally:
            statement.close()
