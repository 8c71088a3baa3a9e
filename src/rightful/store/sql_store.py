"""The store in a database that takes SQL: the same transactions whichever it is."""

from rightful.store.announcing import Outgoing
from rightful.store.claiming import Claiming
from rightful.store.delivering import Delivering
from rightful.store.fingerprints import Fingerprints
from rightful.store.purging import Purging
from rightful.store.submitting import Submitting


class SqlStore(Submitting, Claiming, Delivering, Fingerprints, Outgoing, Purging):
    """Keeps operations in a database; see `store.interface.Store` for what each method promises."""
