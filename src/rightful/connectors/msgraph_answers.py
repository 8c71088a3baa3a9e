"""What Microsoft Graph's API answers, as far as it is looked at."""

import msgspec


class Listing(msgspec.Struct, frozen=True):
    """A page of a list, or what stands alone, with whose it is."""

    value: list[msgspec.Raw] = []
    context: str = msgspec.field(name="@odata.context", default="")
    next_link: str = msgspec.field(name="@odata.nextLink", default="")
    delta_link: str = msgspec.field(name="@odata.deltaLink", default="")
    count: int | None = msgspec.field(name="@odata.count", default=None)
    """Of all pages, where it was asked for."""


class _Code(msgspec.Struct, frozen=True):
    code: str = ""


class _Error(msgspec.Struct, frozen=True):
    error: _Code = _Code()


class Named(msgspec.Struct, frozen=True):
    """Something that has an id."""

    id: str


class _Address(msgspec.Struct, frozen=True):
    address: str | None = None


class Calendar(msgspec.Struct, frozen=True, rename="camel"):
    """One of a person's calendars."""

    id: str
    owner: _Address | None = None
    is_default_calendar: bool | None = False

    @property
    def owner_address(self) -> str:
        """The owner's address, to compare; empty where Graph does not say it."""
        return ((self.owner.address if self.owner else "") or "").casefold()


class Message(msgspec.Struct, frozen=True, rename="camel"):
    """A message of a mailbox, without its content."""

    id: str
    received_date_time: str | None = None
    subject: str | None = None

    @property
    def at(self) -> str:
        """When it came; empty where Graph does not say it."""
        return self.received_date_time or ""


class Event(msgspec.Struct, frozen=True, rename="camel"):
    """An event of a calendar, or a series of them."""

    id: str
    created_date_time: str | None = None

    @property
    def at(self) -> str:
        """When it was made; empty where Graph does not say it."""
        return self.created_date_time or ""


class _Property(msgspec.Struct, frozen=True):
    value: str = ""


class MailFolder(msgspec.Struct, frozen=True, rename="camel"):
    """A folder of a mailbox, with one property of Exchange's own: its size."""

    id: str
    type: str = msgspec.field(name="@odata.type", default="")
    total_item_count: int = 0
    child_folder_count: int = 0
    single_value_extended_properties: list[_Property] = []

    @property
    def is_search(self) -> bool:
        """Whether it is a search that is kept, and has nothing of its own."""
        return self.type == "#microsoft.graph.mailSearchFolder"

    @property
    def size_bytes(self) -> int | None:
        """How much is in the folder itself, as Exchange stores it; None where Graph does not say it."""
        found = [each.value for each in self.single_value_extended_properties if each.value.isascii() and each.value.isdecimal()]
        return int(found[0]) if found else None


class _Parent(msgspec.Struct, frozen=True, rename="camel"):
    drive_id: str = ""
    id: str = ""


class DriveItem(msgspec.Struct, frozen=True, rename="camel"):
    """A file, a folder or something else of a drive."""

    id: str
    name: str = ""
    size: int = 0
    last_modified_date_time: str = ""
    parent_reference: _Parent = _Parent()
    file: dict[str, object] | None = None
    folder: dict[str, object] | None = None
    root: dict[str, object] | None = None
    deleted: dict[str, object] | None = None
    remote_item: dict[str, object] | None = None

    @property
    def is_own_folder(self) -> bool:
        """Whether it is a folder that lies here: one of another drive may say that it is a folder, and what is in it is not listed."""
        return self.folder is not None and self.remote_item is None

    @property
    def is_file(self) -> bool:
        """Whether it has content of its own."""
        return self.file is not None and self.remote_item is None


class _Identity(msgspec.Struct, frozen=True):
    id: str = ""


class _Owner(msgspec.Struct, frozen=True):
    user: _Identity = _Identity()


class _Quota(msgspec.Struct, frozen=True):
    used: int = 0


class Drive(msgspec.Struct, frozen=True):
    """A drive, whose it is, and how full."""

    id: str
    owner: _Owner = _Owner()
    quota: _Quota | None = None


def code_of(body: bytes) -> str:
    """Return the code of an error's body; empty where it has none."""
    try:
        return msgspec.json.decode(body, type=_Error).error.code
    except (ValueError, RecursionError):
        return ""
