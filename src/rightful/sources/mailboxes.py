"""Recognises where mail is kept: an mbox file, a Maildir, or a folder that has one of them for each person and nothing else.

Beginnings of files are looked at and names, never a link's target: the connector follows none either.
"""

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

from rightful.connectors.local_paths import local_path
from rightful.errors import ConfigurationError
from rightful.sources.proposing import Known, Proposal, named_after

_SAMPLED = 200
"""Mailboxes that are looked at in a folder."""
_INSIDE = 20
"""Files and folders that are looked at in each."""
_HEAD_BYTES = 4096
_BOXES = ("cur", "new", "tmp")
_LEVELS = 3
"""Names that a mailbox may have its owner in: its own, and those of folders above it."""


class Mail(NamedTuple):
    """What lies at an address."""

    format: str
    """`mbox`, `maildir`."""
    names: tuple[str, ...] = ()
    """Of mailboxes in the folder; none where it is one itself."""
    inside: str = ""
    """The folder below each name that the mailbox is."""


def look(path: Path) -> Mail | None:
    """Return what mail lies there; None where it is none, or other things lie beside it."""
    kind = _format(path)
    if kind:
        return Mail(kind)
    if not os.path.isdir(path):  # noqa: PTH112 - which a folder that may not be entered is not, either
        return None
    shapes = {each.name: _shape(each) for each in _visible(path, _SAMPLED) if not _is_empty(each)}
    found = Counter(shapes.values()).most_common(1)
    if not found or found[0][0] is None or found[0][1] * 2 <= len(shapes):
        return None
    shape = found[0][0]
    return Mail(shape[0], tuple(name for name, each in shapes.items() if each == shape), shape[1])


def propose_mailboxes(name: str, address: str, folder: Path, common: Mapping[str, object], known: Known, *, product: str) -> Proposal:
    """Return the source that reads what `look` found at an address.

    Raises:
        ConfigurationError: it is one mailbox, and nothing in its path says whose.
    """
    path = local_path(address, folder)
    mail = look(path)
    if mail is None:
        raise ConfigurationError("what lay there is there no more", hint="try again")
    after = named_after(mail.names, known, has_endings=True)
    url = str(common["url"])
    if after.count:
        template, reason = after.template, f"{after.count} of {len(mail.names)} mailboxes are named after somebody's {after.kind}"
    elif (one := _one(address, known)) is not None:
        template, above = one
        url = _above(url, address, above)
        reason = f"this is one person's mailbox, by its path: `path` reads everybody's, who has one in {url}"
    elif mail.names:
        template = after.template
        reason = "no mailbox is named after anybody the directory knows: look whether `path` is right"
    else:
        raise ConfigurationError(
            "this is one mailbox, and nothing in its path is an identifier that the directory knows",
            hint="give the folder that has a mailbox for each person, or write the source by hand",
        )
    settings = {
        **common,
        "url": url,
        "path": "/".join(filter(None, [template, mail.inside])),
        "format": mail.format,
        "product": product,
        "label": {"category": "user.content"},
    }
    return Proposal(name=name, settings=settings, reasons=(reason,))


def _format(path: Path) -> str:
    if all(os.path.isdir(path / box) for box in _BOXES):  # noqa: PTH112 - likewise
        return "maildir"
    return "mbox" if _is_mbox(path) else ""


def _is_mbox(path: Path) -> bool:
    """Say whether a file begins as the connector takes an mbox to begin; a pipe is not opened."""
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            return file.read(_HEAD_BYTES).lstrip(b"\r\n").startswith(b"From ")
    except OSError:
        return False


def _shape(path: Path) -> tuple[str, str] | None:
    """Return the format of a person's mailbox and the folder below that it is; None where it is none, or more than mail lies there."""
    if path.is_symlink():
        return None
    kind = _format(path)
    if kind or not os.path.isdir(path):  # noqa: PTH112 - likewise
        return (kind, "") if kind else None
    inside = [each for each in _visible(path, _INSIDE) if not _is_empty(each)]
    kinds = {"" if each.is_symlink() else _format(each) for each in inside}
    if kinds == {"maildir"} and len(inside) == 1 and inside[0].name.lower() == "maildir":
        return "maildir", inside[0].name
    return (next(iter(kinds)), "") if kinds in ({"maildir"}, {"mbox"}) else None


def _visible(path: Path, most: int) -> Sequence[Path]:
    """Return so many of what lies in a folder, whichever the system lists first: a person may have a million files in one."""
    try:
        with os.scandir(path) as listed:
            names = (each.name for each in listed if not each.name.startswith("."))
            return [path / name for name in sorted(islice(names, most))]
    except OSError as error:
        raise ConfigurationError(f"a folder there cannot be listed: {error.strerror}", hint="let this account read it") from None


def _is_empty(path: Path) -> bool:
    """Say whether a file is empty, as the mailbox of somebody without mail is."""
    try:
        return path.is_file() and not path.stat().st_size
    except OSError:
        return False


def _one(address: str, known: Known) -> tuple[str, int] | None:
    """Return the template for the mailbox at an address, and how many names of the address are in it; None where none is somebody's."""
    names = _names(address)
    for level in range(1, min(_LEVELS, len(names)) + 1):
        after = named_after([names[-level]], known, has_endings=True)
        below = names[len(names) - level + 1 :]
        if after.count and not any(character in each for each in below for character in "{}"):
            return "/".join([after.template, *below]), level
    return None


def _names(address: str) -> list[str]:
    _, is_url, rest = address.partition("://")
    names = [name for name in (rest if is_url else address).split("/") if name]
    return [unquote(name, errors="surrogateescape") for name in names] if is_url else names


def _above(url: str, address: str, levels: int) -> str:
    """Return the folder so many levels above, in the words of the configuration where these have a name for each level."""
    (head, tail), (whole, names) = (_cut(text, levels) for text in (url, address))
    text, root = (url, head) if tail == names else (address, whole)
    if root in {"", "file://"} and text.startswith(("/", "file:")):
        return f"{root}/"
    return root or "."


def _cut(text: str, levels: int) -> tuple[str, list[str]]:
    names = []
    for _ in range(levels):
        text, _, name = text.rstrip("/").rpartition("/")
        names.append(name)
    return text, names
