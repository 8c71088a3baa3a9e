"""Every seeded change to a package is found, and the right entry is named, wherever the package lies."""

import hashlib
import random
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from functools import cache
from pathlib import Path

import pytest

from rightful.errors import PackageError
from rightful.ids import OperationId
from rightful.package import bagit, receipt
from rightful.package.bagit import MANIFEST_PATH, TAG_MANIFEST_PATH
from rightful.package.opening import open_local, open_stored
from rightful.package.readers import PackageReader
from rightful.package.verify import PackageState, verify
from rightful.testing.memory_storage import MemoryStorage
from rightful.testing.package_builder import (
    OPERATION_ID,
    SUBMITTED_AT,
    MemoryReader,
    SampleSource,
    package_entries,
    write_package,
    write_zip,
)

Entries = dict[str, bytes]
Mutation = Callable[[random.Random, Entries], set[str]]
"""Changes the entries in place and returns the paths that must be named."""
Place = Callable[[Path, Entries], AbstractContextManager[PackageReader]]
"""Lays a package somewhere and opens it."""

CHANGES_EACH = 160
EARLIER, OTHER = OperationId("01111111-1111-4111-8111-111111111111"), OperationId("02222222-2222-4222-8222-222222222222")
SIGNED = (receipt.PATH, receipt.SIGNATURE_PATH)


@cache
def _package(operation_id: OperationId = OPERATION_ID, *, days_ago: int = 0) -> Entries:
    """Return the package that is changed, or another one: each has contents of its own."""
    dice = random.Random(operation_id)
    files = {f"{'abcde'[number % 5]}/Fil{number} é.txt": dice.randbytes(dice.choice([1, 10, 1000])) for number in range(26)}
    return package_entries(
        SampleSource(name="drive", product="OneDrive", files=files),
        SampleSource(name="orders", product="Shop", rows=tuple({"id": dice.random()} for _ in range(70)), rows_per_part=10),
        SampleSource(name="lines", product="Shop", rows=({"id": 1},), superseded_rows=({"id": 2},)),
        SampleSource(name="hr", product="HR"),
        operation_id=operation_id,
        submitted_at=SUBMITTED_AT - timedelta(days=days_ago),
    )


def _earlier() -> Entries:
    return _package(EARLIER, days_ago=30)


def _pick(dice: random.Random, entries: Entries) -> str:
    return dice.choice(sorted(entries))


def _flip_bit(dice: random.Random, entries: Entries) -> set[str]:
    path = _pick(dice, entries)
    content = bytearray(entries[path])
    content[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
    entries[path] = bytes(content)
    return {path}


def _truncate(dice: random.Random, entries: Entries) -> set[str]:
    path = _pick(dice, entries)
    entries[path] = entries[path][: dice.randrange(len(entries[path]))]
    return {path}


def _append(dice: random.Random, entries: Entries) -> set[str]:
    path = _pick(dice, entries)
    entries[path] += dice.choice([b"\n", b" ", b"\0", b"x" * 100])
    return {path}


def _insert(dice: random.Random, entries: Entries) -> set[str]:
    path = _pick(dice, entries)
    at = dice.randrange(len(entries[path]))
    entries[path] = entries[path][:at] + b"\r" + entries[path][at:]
    return {path}


def _remove(dice: random.Random, entries: Entries) -> set[str]:
    path = _pick(dice, entries)
    del entries[path]
    return {path}


def _rename(dice: random.Random, entries: Entries) -> set[str]:
    path = _pick(dice, entries)
    new = dice.choice([path + "x", path.swapcase(), path.replace("é", "e\u0301") + " ", "data/" + path])
    entries[new] = entries.pop(path)
    vouches = {MANIFEST_PATH: new.startswith("data/"), TAG_MANIFEST_PATH: not new.startswith("data/")}
    return {path} if vouches.get(path) else {path, new}  # without a manifest nothing tells what does not belong


def _add(dice: random.Random, entries: Entries) -> set[str]:
    path = dice.choice(["data/", "data/Shop/orders/", "data/OneDrive/drive/a/", ""]) + f"new{dice.randrange(1000)}"
    entries[path] = dice.randbytes(dice.randrange(10))
    return {path}


def _swap(dice: random.Random, entries: Entries) -> set[str]:
    one, other = dice.sample(sorted(entries), 2)
    entries[one], entries[other] = entries[other], entries[one]
    return {one, other}


def _replace(dice: random.Random, entries: Entries) -> set[str]:
    """Put the content of one entry in place of another's."""
    one, other = dice.sample(sorted(entries), 2)
    entries[one] = entries[other]
    return {one}


def _edit_manifest(dice: random.Random, entries: Entries) -> set[str]:
    path = dice.choice([MANIFEST_PATH, TAG_MANIFEST_PATH])
    lines = entries[path].splitlines(keepends=True)
    at = dice.randrange(len(lines))
    edit = dice.randrange(6)
    if edit == 0:
        del lines[at]
    elif edit == 1:
        lines.insert(at, lines[at])
    elif edit == 2:
        lines[at] = lines[at].upper()
    elif edit == 3:
        lines[at] = lines[at].replace(b"  ", b" *")
    elif edit == 4:
        lines[at], lines[at - 1] = lines[at - 1], lines[at]
    else:
        lines[at] = b"0" * 64 + lines[at][64:]
    entries[path] = b"".join(lines)
    return {path}


def _take_from_another(dice: random.Random, entries: Entries) -> set[str]:
    """Put an entry of another package in the place of the same one here, or of any."""
    other = _package(OTHER)
    path = _pick(dice, entries)
    entries[path] = other[path if dice.random() < 0.7 else _pick(dice, other)]
    return {path}


def _take_from_earlier(dice: random.Random, entries: Entries) -> set[str]:
    """Put back some of an earlier package's documents, the receipt and its signature among them, and perhaps the manifests that fit."""
    paths = {*SIGNED, *dice.sample([MANIFEST_PATH, TAG_MANIFEST_PATH, "ledger.json"], dice.randrange(3))}
    entries |= {path: _earlier()[path] for path in paths}
    return paths


def _take_data_from_earlier(dice: random.Random, entries: Entries) -> set[str]:
    """Put an earlier package's documents over data that is newer: all that vouches for it fits together."""
    entries |= {path: content for path, content in _earlier().items() if not path.startswith("data/")}
    paths = sorted(path for path in entries if path.startswith("data/"))
    kept = set(dice.sample(paths, dice.randrange(1, len(paths))))
    entries |= {path: _earlier()[path] for path in paths if path not in kept}
    return {path for path in kept if entries[path] != _earlier()[path]}


def _change_and_vouch(dice: random.Random, entries: Entries) -> set[str]:
    """Change a document or an entry, and write manifests that fit: who has no key gets no further."""
    path = dice.choice([path for path in sorted(entries) if path not in {*SIGNED, MANIFEST_PATH, TAG_MANIFEST_PATH}])
    entries[path] += b" "
    changed = {path, TAG_MANIFEST_PATH}
    if path.startswith("data/"):
        entries[MANIFEST_PATH] = _listing(entries, lambda each: each.startswith("data/"))
        changed = {MANIFEST_PATH, TAG_MANIFEST_PATH}
    entries[TAG_MANIFEST_PATH] = _listing(entries, lambda each: not each.startswith("data/") and each != TAG_MANIFEST_PATH)
    return changed


def _listing(entries: Entries, belongs: Callable[[str], bool]) -> bytes:
    return b"".join(bagit.format_manifest((path, hashlib.sha256(entries[path]).hexdigest()) for path in sorted(entries) if belongs(path)))


def _forge_receipt(dice: random.Random, entries: Entries) -> set[str]:
    """Change a figure of the receipt, one of the comments or its key, and write a tag manifest that fits."""
    path, old = dice.choice([
        (receipt.PATH, b'"rows": '), (receipt.PATH, b'"mail": '), (receipt.PATH, b'"key": "RW'), (receipt.PATH, b'"submittedAt": "2'),
        (receipt.SIGNATURE_PATH, b"timestamp:"), (receipt.SIGNATURE_PATH, b"operation:"), (receipt.SIGNATURE_PATH, b"file:"),
        (receipt.SIGNATURE_PATH, b"untrusted comment: "), (receipt.SIGNATURE_PATH, b"by RW"),
    ])  # fmt: skip
    at = entries[path].index(old) + len(old)
    entries[path] = entries[path][:at] + dice.choice([b"1", b"7", b"x"]) + entries[path][at + dice.randrange(2) :]
    entries[TAG_MANIFEST_PATH] = _listing(entries, lambda each: not each.startswith("data/") and each != TAG_MANIFEST_PATH)
    return {path}


MUTATIONS: list[Mutation] = [_flip_bit, _truncate, _append, _insert, _remove, _rename, _add, _swap, _replace, _edit_manifest]
MUTATIONS += [_take_from_another, _take_from_earlier, _take_data_from_earlier, _change_and_vouch, _forge_receipt]


def _in_memory(_folder: Path, entries: Entries) -> AbstractContextManager[PackageReader]:
    return nullcontext(MemoryReader(entries))


def _in_a_folder(folder: Path, entries: Entries) -> AbstractContextManager[PackageReader]:
    return open_local(write_package(folder / "package", entries))


def _in_a_zip_file(folder: Path, entries: Entries) -> AbstractContextManager[PackageReader]:
    return open_local(write_zip(folder / "p.zip", entries))


def _in_storage(_folder: Path, entries: Entries) -> AbstractContextManager[PackageReader]:
    storage = MemoryStorage()
    storage.entries = {f"somewhere/{path}": content for path, content in entries.items()}
    return open_stored(storage, "somewhere")


def _in_a_zip_file_in_storage(folder: Path, entries: Entries) -> AbstractContextManager[PackageReader]:
    storage = MemoryStorage()
    storage.entries = {"p.zip": write_zip(folder / "p.zip", entries).read_bytes()}
    return open_stored(storage)


PLACES: list[Place] = [_in_memory, _in_a_folder, _in_a_zip_file, _in_storage, _in_a_zip_file_in_storage]
"""Where a changed package lies; each change is tried in one of them, all changes of a kind in all."""


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_every_change_is_found_and_named(mutation: Mutation, tmp_path: Path) -> None:
    whole = _package()
    assert len(whole) >= 40
    tags = {path for path in whole if not path.startswith("data/")}
    changed = 0
    for seed in range(CHANGES_EACH):
        entries = dict(whole)
        expected = mutation(random.Random(seed), entries)
        if entries == whole:
            continue
        changed += 1
        (folder := tmp_path / str(seed)).mkdir()
        with PLACES[seed % len(PLACES)](folder, entries) as reader:
            verification = verify(reader)
        shutil.rmtree(folder)
        named = {finding.path for finding in verification.findings}
        assert verification.state is not PackageState.WHOLE, f"seed {seed}: {expected}"
        assert (verification.state is PackageState.INCOMPLETE) == (TAG_MANIFEST_PATH not in entries)
        if TAG_MANIFEST_PATH in expected:  # it vouches for itself by nothing: what it says of a tag file may be found there instead
            assert named & (tags | expected), f"seed {seed}"
            expected -= {TAG_MANIFEST_PATH}
        assert expected <= named, f"seed {seed}: {expected - named} not among {named}"
    assert changed >= CHANGES_EACH * 0.9


@pytest.mark.parametrize("place", PLACES, ids=lambda place: place.__name__.removeprefix("_"))
def test_unchanged_package_is_whole_wherever_it_lies(place: Place, tmp_path: Path) -> None:
    with place(tmp_path, _package()) as reader:
        assert verify(reader).state is PackageState.WHOLE


def test_flipped_bit_of_a_zip_file_is_found_or_changes_nothing(tmp_path: Path) -> None:
    """What ZIP says besides (times, attributes, a CRC-32) may change: entries and what is in them may not."""
    whole = _package()
    content = write_zip(tmp_path / "p.zip", whole).read_bytes()
    found: Counter[str] = Counter()
    for seed in range(2 * CHANGES_EACH):
        dice = random.Random(seed)
        flipped = bytearray(content)
        flipped[dice.randrange(len(content))] ^= 1 << dice.randrange(8)
        (tmp_path / "flipped.zip").write_bytes(flipped)
        try:
            with open_local(tmp_path / "flipped.zip") as reader:
                verification = verify(reader)
                if verification.state is PackageState.WHOLE:
                    found["nothing"] += 1
                    assert {path: b"".join(reader.read(path)) for path, _ in reader.list()} == whole, f"seed {seed}"
                else:
                    found["named"] += 1
                    assert verification.findings, f"seed {seed}"
        except PackageError:
            found["refused"] += 1
    assert found["named"] > CHANGES_EACH
    assert found["nothing"] < CHANGES_EACH / 2


def test_zip_file_that_is_cut_off_is_refused(tmp_path: Path) -> None:
    content = write_zip(tmp_path / "p.zip", _package()).read_bytes()
    for seed in range(CHANGES_EACH // 4):
        (tmp_path / "cut.zip").write_bytes(content[: random.Random(seed).randrange(len(content))])
        with pytest.raises(PackageError), open_local(tmp_path / "cut.zip"):
            pass


def test_there_are_enough_of_them() -> None:
    assert len(MUTATIONS) * CHANGES_EACH * 0.9 >= 2000


def test_swapped_and_older_entries_are_called_so() -> None:
    whole = _package()
    kinds: Counter[str] = Counter()
    for seed in range(CHANGES_EACH):
        for mutation in (_swap, _take_from_earlier):
            entries = dict(whole)
            expected = mutation(random.Random(seed), entries) - {TAG_MANIFEST_PATH, MANIFEST_PATH}
            if any(path not in whole or not path.startswith("data/") for path in expected) and mutation is _swap:
                continue  # a document that is not one any more says less
            for finding in verify(MemoryReader(entries)).findings:
                if finding.path in expected and entries[finding.path]:
                    kinds[f"{mutation.__name__} {finding.kind}"] += 1
    assert kinds["_swap swapped"] > 50
    assert kinds["_take_from_earlier older"] > 300
    assert not {kind for kind in kinds if kind.startswith("_take_from_earlier")} - {"_take_from_earlier older"}
