"""Every seeded change to a package is found, and the right entry is named."""

import random
from collections.abc import Callable

import pytest

from rightful.package.bagit import MANIFEST_PATH, TAG_MANIFEST_PATH
from rightful.package.verify import PackageState, verify
from rightful.testing.package_builder import MemoryReader, SampleSource, package_entries

Entries = dict[str, bytes]
Mutation = Callable[[random.Random, Entries], set[str]]
"""Changes the entries in place and returns the paths that must be named."""

CHANGES_EACH = 150


def _package() -> Entries:
    dice = random.Random(1)
    files = {f"{'abcde'[number % 5]}/Fil{number} é.txt": dice.randbytes(dice.choice([1, 10, 1000])) for number in range(26)}
    return package_entries(
        SampleSource(name="drive", product="OneDrive", files=files),
        SampleSource(name="orders", product="Shop", rows=tuple({"id": number} for number in range(70)), rows_per_part=10),
        SampleSource(name="lines", product="Shop", rows=({"id": 1},), superseded_rows=({"id": 2},)),
        SampleSource(name="hr", product="HR"),
    )


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


MUTATIONS: list[Mutation] = [_flip_bit, _truncate, _append, _insert, _remove, _rename, _add, _swap, _replace, _edit_manifest]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.__name__)
def test_every_change_is_found_and_named(mutation: Mutation) -> None:
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
        verification = verify(MemoryReader(entries))
        named = {finding.path for finding in verification.findings}
        assert verification.state is not PackageState.WHOLE, f"seed {seed}: {expected}"
        assert (verification.state is PackageState.INCOMPLETE) == (TAG_MANIFEST_PATH not in entries)
        if TAG_MANIFEST_PATH in expected:  # it vouches for itself by nothing: what it says of a tag file may be found there instead
            assert named & (tags | expected), f"seed {seed}"
            expected -= {TAG_MANIFEST_PATH}
        assert expected <= named, f"seed {seed}: {expected - named} not among {named}"
    assert changed >= CHANGES_EACH * 0.9
