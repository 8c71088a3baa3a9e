"""The store in one SQLite file; a service has it for itself."""

from rightful.store.sqlite_claiming import Claiming
from rightful.store.sqlite_delivering import Delivering
from rightful.store.sqlite_fingerprints import Fingerprints
from rightful.store.sqlite_submitting import Submitting


class SqliteStore(Submitting, Claiming, Delivering, Fingerprints):
    """Keeps operations in a SQLite file; see `store.interface.Store` for what each method promises."""
