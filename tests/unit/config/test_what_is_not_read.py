"""`exclude` names columns where a source has records found by a match, and patterns of files and folders elsewhere."""

import msgspec

from rightful.config.model import SourceConfig
from rightful.connectors.files import FilesSettings
from rightful.connectors.mailbox_settings import MailboxSettings
from rightful.connectors.sql_settings import SqlSettings
from rightful.connectors.time_window import WindowSettings


def _source(settings: msgspec.Struct) -> SourceConfig:
    return SourceConfig(name="source", connector="any", product="Any", settings=settings)


def test_columns_and_patterns_are_told_apart() -> None:
    table = _source(SqlSettings(url="sqlite:///a.db", table="t", match={"mail": "mail"}, exclude=("spam_score",)))
    assert (table.unread_columns, table.unread_paths) == (("spam_score",), ())
    for settings in (
        FilesSettings(url="file:///a", path="{upn}/", exclude=("*.tmp",)),
        MailboxSettings(url="maildir:///a", path="{upn}", exclude=("*.tmp",)),
    ):
        assert (_source(settings).unread_columns, _source(settings).unread_paths) == ((), ("*.tmp",))


def test_what_no_pattern_takes_in_is_not_read_either() -> None:
    files = FilesSettings(url="file:///a", path="{upn}/", include=("*.pdf", "Documents/**"), exclude=("*.tmp",))
    assert _source(files).unread_paths == ("!(*.pdf|Documents/**)", "*.tmp")
    index = MailboxSettings(url="maildir:///a", path="{upn}", include=("INBOX",), messages=False)
    assert _source(index).unread_paths == ("!(INBOX)", "messages")
    assert _source(index).unexplained == ("!(INBOX)", "messages")


def test_rows_outside_a_window_are_not_read() -> None:
    table = SqlSettings(url="sqlite:///a.db", table="t", match={"mail": "mail"}, time="at")
    assert _source(table).unexplained == ()
    assert _source(msgspec.structs.replace(table, window=WindowSettings(days=30))).unexplained == ("at",)


class _Foreign(msgspec.Struct, frozen=True, kw_only=True):
    """Settings of a third party's connector that mean something else by these names."""

    include: bool = True
    exclude: bool = True
    window: int = 5
    time: float = 1.5


class _Shift(msgspec.Struct, frozen=True, kw_only=True):
    hours: int


class _ForeignWindow(msgspec.Struct, frozen=True, kw_only=True):
    window: _Shift = _Shift(hours=2)
    time: float = 1.5


def test_settings_of_other_connectors_with_the_same_names_say_nothing() -> None:
    for settings in (_Foreign(), _ForeignWindow()):
        source = _source(settings)
        assert (source.unread_columns, source.unread_paths, source.window_column, source.unexplained) == ((), (), (), ())
