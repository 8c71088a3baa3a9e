"""How much the connector `msgraph` would bring of somebody: counted by Graph, or told by it, and nothing of it read."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from urllib.parse import quote

from rightful.connectors.interface import Amount, Estimate
from rightful.connectors.msgraph_answers import Listing, MailFolder
from rightful.connectors.msgraph_asking import Absent, Gone, GraphAsking
from rightful.webapi.asking import Late

_COUNTED = "?$count=true&$top=1&$select=id"
# PidTagMessageSizeExtended ([MS-OXPROPS] 2.790): what is in a folder, in bytes; Graph has no property of its own for it.
_SIZED = "$expand=singleValueExtendedProperties($filter=id%20eq%20'Long%200x0e08')"
_FOLDERS = f"?$select=id,totalItemCount,childFolderCount&$top=100&{_SIZED}"

_Amounts = tuple[Amount | None, Amount | None]
"""Of records or files, and of bytes."""
_NOTHING: _Amounts = (Amount(0, is_exact=True), Amount(0, is_exact=True))


class Amounts:
    """Tells how much there is of one kind of data. Safe to use from any thread."""

    def __init__(self, graph: GraphAsking, what: str) -> None:
        self._graph = graph
        self._what = what
        self._count = {"profile": self._profile, "calendar": self._calendar, "mail": self._mail, "drive": self._drive}[what]

    def of(self, users: Sequence[str], is_over: Callable[[], bool]) -> Estimate:
        """Return how much somebody has who is these users; what is not asked for before the time is over is not known."""
        count, size = _NOTHING
        for user in users:
            if is_over():
                return Estimate()
            try:
                more = self._count(user, is_over)
            except Absent:
                continue
            except Late:
                return Estimate()
            count, size = _sum(count, more[0]), _sum(size, more[1])
        if self._what in {"profile", "calendar"}:
            return Estimate(rows=count, size_bytes=size)
        return Estimate(files=count, size_bytes=size)

    def _profile(self, user: str, _is_over: Callable[[], bool]) -> _Amounts:
        return (Amount(1, is_exact=True), None) if self._graph.profile(user, "?$select=id") is not None else _NOTHING

    def _calendar(self, user: str, is_over: Callable[[], bool]) -> _Amounts:
        count, is_exact = 0, True
        for calendar, is_own in self._graph.calendars(user):
            if is_own:
                if is_over():
                    is_exact = False
                    break
                with suppress(Gone):
                    count += self._counted(f"/v1.0/users/{user}/calendars/{quote(calendar.id, safe='')}/events{_COUNTED}", may_be_gone=True)
        if is_exact and not count:
            return _NOTHING
        return (Amount(count, is_exact=is_exact) if count else None), None

    def _mail(self, user: str, is_over: Callable[[], bool]) -> _Amounts:
        count = self._counted(f"/v1.0/users/{user}/messages{_COUNTED}", may_be_absent=True)
        if not count:
            return _NOTHING
        items = size_bytes = 0
        for folder in self._folders(user, is_over):
            if folder.size_bytes is not None:
                items += folder.total_item_count
                size_bytes += folder.size_bytes
        # By the average, since folders have what is not among the messages, and time may have ended before the last folder.
        return Amount(count, is_exact=True), Amount(count * size_bytes // items) if items else None

    def _folders(self, user: str, is_over: Callable[[], bool]) -> Iterator[MailFolder]:
        """Yield folders, those at the top first."""
        lists = [f"/v1.0/users/{user}/mailFolders{_FOLDERS}"]
        for target in lists:
            for page, _ in self._graph.pages(target, None):
                for raw in page.value:
                    folder = self._graph.decoded(bytes(raw), MailFolder)
                    if folder.is_search:  # what it has lies in other folders
                        continue
                    yield folder
                    if folder.child_folder_count:
                        lists.append(f"/v1.0/users/{user}/mailFolders/{quote(folder.id, safe='')}/childFolders{_FOLDERS}")
                if is_over():
                    return

    def _drive(self, user: str, is_over: Callable[[], bool]) -> _Amounts:
        drive = self._graph.drive(user)
        found, is_whole = self._graph.listed(drive, is_over=is_over)
        sizes = [item.size for item in found.values() if item.is_file]
        if is_whole:
            return Amount(len(sizes), is_exact=True), Amount(sum(sizes), is_exact=True)
        # Graph counts older versions, too, and what is in the recycle bin.
        size_bytes = max(drive.quota.used if drive.quota else 0, sum(sizes))
        return (Amount(len(sizes) * size_bytes // sum(sizes)) if sum(sizes) else None), Amount(size_bytes)

    def _counted(self, target: str, *, may_be_absent: bool = False, may_be_gone: bool = False) -> int:
        answer = self._graph.asked(target, may_be_absent=may_be_absent, may_be_gone=may_be_gone)
        count = self._graph.decoded(answer.content, Listing).count
        if count is None or count < 0:
            raise self._graph.refused("Graph did not count though it was asked to", "report it")
        return count


def _sum(one: Amount | None, other: Amount | None) -> Amount | None:
    if one is None or other is None:
        return None
    return Amount(one.count + other.count, is_exact=one.is_exact and other.is_exact)
