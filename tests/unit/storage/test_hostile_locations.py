"""Hostile storage locations: each refused with its code, and nothing asked, connected or kept on its account."""

from collections import defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.unit.export.scripted import PEOPLE, Scripted, yields
from tests.unit.export.world import World, stopped_worlds
from tests.unit.storage.hostile import HOST, SAS, hostile_locations

from rightful.config.model import StorageSettings
from rightful.errors import InvalidRequest
from rightful.storage.location import StoragePolicy, parse_location
from rightful.storage.registry import Storages

__all__ = ["stopped_worlds"]

NOW = datetime(2026, 1, 31, 12, tzinfo=UTC)
CORPUS = defaultdict[str, list[tuple[str, str]]](list)
for _what, _text, _code in hostile_locations():
    CORPUS[_what].append((_text, _code))


def code_of(text: str) -> str:
    try:
        location = parse_location(text, StoragePolicy(), now=NOW)
    except InvalidRequest as error:
        is_safe = error.target == "storageLocation" and "c2VjcmV0" not in f"{error.message} {error.hint}"
        return error.code if is_safe else f"{error.code}, for {error.target}: {error}"
    return f"accepted as {location!r}"


def test_corpus_is_large_and_its_plain_form_is_accepted() -> None:
    assert len({text for family in CORPUS.values() for text, _ in family}) >= 400
    assert code_of(f"https://{HOST}/exports?{SAS}").startswith("accepted")


@pytest.mark.parametrize("what", CORPUS)
def test_hostile_location_is_refused_with_its_code(what: str) -> None:
    assert {text: code_of(text) for text, _ in CORPUS[what]} == dict(CORPUS[what])


class _Asked(Storages):
    """Notes which hosts were to be resolved."""

    def __init__(self, **options: object) -> None:
        super().__init__(resolve=self._note, **options)  # type: ignore[arg-type] # the clock
        self.asked: list[str] = []

    def _note(self, host: str, _port: int) -> Iterator[str]:
        self.asked.append(host)
        raise OSError("there is no network here")


def test_hostile_location_makes_no_request_and_leaves_nothing(tmp_path: Path) -> None:
    world = World(tmp_path, PEOPLE, {"orders": Scripted(yields())}, storage=StorageSettings(), storages_type=_Asked)
    assert isinstance(world.storages, _Asked)
    for family in CORPUS.values():
        for text, code in family:
            with pytest.raises(InvalidRequest) as refused:
                world.submit("1", text)
            assert refused.value.code == code
    assert world.storages.asked == []
    assert (world.store.intents(), world.store.count_open(world.config.tenants[0].id), list(world.exports.iterdir())) == ((), 0, [])
    with pytest.raises(InvalidRequest):
        world.submit("1", f"https://{HOST}/exports?{SAS}")
    assert set(world.storages.asked) == {HOST}
    assert world.store.intents() == ()
