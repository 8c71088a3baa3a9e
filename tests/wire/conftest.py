"""One world for the tests of a module that do not change it for each other."""

from collections.abc import Iterator

import pytest
from tests.wire.world import World, world


@pytest.fixture(scope="module")
def shared() -> Iterator[World]:
    with world() as opened:
        yield opened
