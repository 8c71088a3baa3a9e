"""`exclude` names columns where a source has records found by a match, and patterns of files and folders elsewhere."""

import msgspec

from rightful.config.model import SourceConfig
from rightful.connectors.files import FilesSettings
from rightful.connectors.mailbox_settings import MailboxSettings
from rightful.connectors.sql_settings import SqlSettings


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
