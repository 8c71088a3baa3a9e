"""To whom a package is sealed: decided at the submit, kept with the operation, applied to its storage location."""

import os
import threading
from collections.abc import Callable, Iterable

import msgspec

from rightful.age.header import FILE_KEY_BYTES, SALT_BYTES, Header, is_by_passphrase, open_by_passphrase, read_header, seal_by_passphrase
from rightful.age.intake import Intake
from rightful.age.keys import KEY_BYTES, SSH, Identity, parse_recipient
from rightful.age.payload import NONCE_BYTES, encrypt
from rightful.age.ssh import parse_ssh_recipient, seal_to_ssh, tags
from rightful.config.model import ExportSettings
from rightful.errors import Conflict, InvalidRequest, OperationError
from rightful.export.interface import SubmitRequest
from rightful.export.records import Sealed
from rightful.operation.model import SUBMIT_AGAIN, DataPolicyOperation
from rightful.storage.interface import Storage
from rightful.storage.sealing import sealing
from rightful.store.values import ClaimedOperation, Entry, Intent

_WORK = 17
"""What a passphrase costs: 2^17, which takes 128 MiB and about half a second, each time that somebody guesses."""


class SealedTo(msgspec.Struct, frozen=True):
    """To whom; `store.values.Intent` says what the fields mean."""

    recipient: str = ""
    key_file: bytes | None = None


class Recipients:
    """Decides to whom packages are sealed. Safe to use from any thread; passphrases take their turns, for what they cost."""

    def __init__(self) -> None:
        self._turn = threading.Lock()

    def choose(self, request: SubmitRequest, settings: ExportSettings) -> SealedTo:
        """Return to whom the package of a request is to be sealed, if to anybody.

        Raises:
            InvalidRequest: it must be, and nobody says to whom.
        """
        if request.recipient:
            return self._to(request.recipient)
        if request.passphrase:
            return self._by_passphrase(request.passphrase)
        if settings.sealed == "off":
            return SealedTo()
        if not request.subject.recipient:
            raise InvalidRequest(
                "packages are sealed here, and nobody says to whom",
                hint="send recipient, the person's public key of age (age1…) or of SSH (ssh-ed25519 …), or a passphrase",
                target="recipient",
            )
        try:
            return self._to(request.subject.recipient)
        except ValueError as error:
            raise InvalidRequest(
                f"the directory's public key of this person cannot be used: {error}",
                hint="correct it there, or send recipient (age1…, ssh-ed25519 …) or a passphrase",
                target="recipient",
            ) from None

    def check_same(self, operation: DataPolicyOperation, request: SubmitRequest) -> None:
        """Refuse a request that repeats an operation and names another recipient or passphrase than that one's package has."""
        is_same = True
        if request.recipient.startswith(SSH):
            is_same = operation.key_file is not None and parse_ssh_recipient(request.recipient).tag in tags(_header_of(operation.key_file))
        elif request.recipient:
            is_same = (operation.recipient, operation.key_file) == (request.recipient, None)
        elif request.passphrase:
            is_same = operation.key_file is not None and self._opens(request.passphrase, operation.key_file)
        if not is_same:
            raise Conflict(
                "the export that this request repeats is not sealed to the recipient, or by the passphrase, that it names",
                hint="leave them out, or cancel that export and submit it again",
            )

    @staticmethod
    def _to(recipient: str) -> SealedTo:
        """Seal to a public key; raises `ValueError`. To one of SSH a key for one package is sealed, whose files are all of one length."""
        if not recipient.startswith(SSH):
            return SealedTo(str(parse_recipient(recipient)))
        file_key = os.urandom(FILE_KEY_BYTES)
        return _with_key_of_its_own(seal_to_ssh(parse_ssh_recipient(recipient), file_key, os.urandom(KEY_BYTES)), file_key)

    def _by_passphrase(self, passphrase: str) -> SealedTo:
        """Make a key for one package, and seal it by the passphrase: so that costs once, and not with each entry."""
        file_key = os.urandom(FILE_KEY_BYTES)
        with self._turn:
            header = seal_by_passphrase(passphrase, file_key, os.urandom(SALT_BYTES), work=_WORK)
        return _with_key_of_its_own(header, file_key)

    def _opens(self, passphrase: str, key_file: bytes) -> bool:
        header = _header_of(key_file)
        with self._turn:
            return is_by_passphrase(header) and open_by_passphrase(passphrase, header) is not None


def _with_key_of_its_own(header: bytes, file_key: bytes) -> SealedTo:
    """Make a key for one package, and its file, whose header says who opens it."""
    identity = Identity(os.urandom(KEY_BYTES))
    content = encrypt((f"{identity.write()}\n".encode(),), file_key, os.urandom(NONCE_BYTES))
    return SealedTo(str(identity.recipient), header + b"".join(content))


def _header_of(key_file: bytes) -> Header:
    return read_header(Intake((key_file,)))


def sealing_of(intent: Intent) -> bytes:
    """Return a new sealing secret, where the package is to be sealed."""
    return os.urandom(KEY_BYTES) if intent.recipient else b""


def sealed_for(operation: ClaimedOperation, storage: Storage, entries: Callable[[], Iterable[Entry]], records: Sealed) -> Storage:
    """Return the storage location as an operation puts into it: sealed, where its package is.

    `entries` gives the operation's own, or all. Raises `OperationError` where the store has lost what they are sealed with.
    """
    if not operation.recipient:
        return storage
    secret = records.sealing(entries())
    if not secret:
        raise OperationError("the store lost the package's first entry", code="CheckpointLost", hint=SUBMIT_AGAIN)
    return sealing(storage, prefix=operation.prefix, recipient=parse_recipient(operation.recipient), secret=secret)
