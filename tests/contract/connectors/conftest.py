"""What all tests of connectors share: nothing that they opened is left open."""

from collections.abc import Iterator

import pytest

pytest.register_assert_rewrite("tests.contract.connectors.listed_trees")

from tests.contract.connectors.listed_trees import closing_all  # noqa: E402 - after the line above, else it comes too late


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    with closing_all():
        yield
