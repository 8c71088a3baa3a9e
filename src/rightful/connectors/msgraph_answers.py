"""What Microsoft Graph's API answers, as far as it is looked at."""

import msgspec


class Listing(msgspec.Struct, frozen=True):
    """A page of a list, or what stands alone, with whose it is."""

    value: list[msgspec.Raw] = []
    context: str = msgspec.field(name="@odata.context", default="")
    next_link: str = msgspec.field(name="@odata.nextLink", default="")
    delta_link: str = msgspec.field(name="@odata.deltaLink", default="")


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


class _Identity(msgspec.Struct, frozen=True):
    id: str = ""


class _Owner(msgspec.Struct, frozen=True):
    user: _Identity = _Identity()


class Drive(msgspec.Struct, frozen=True):
    """A drive, and whose it is."""

    id: str
    owner: _Owner = _Owner()


def code_of(body: bytes) -> str:
    """Return the code of an error's body; empty where it has none."""
    try:
        return msgspec.json.decode(body, type=_Error).error.code
    except (ValueError, RecursionError):
        return ""
