"""What tests of faults share: the PostgreSQL server, for those that are run on each store, and processes that strace can get at."""

import shutil
from collections.abc import Iterator

import pytest
from tests.faults.ground import POSTGRES
from tests.faults.traced import Mortals


@pytest.fixture(autouse=True)
def database(request: pytest.FixtureRequest) -> None:
    """Have a database where a test asks for that store."""
    found = getattr(request.node, "callspec", None)
    if found is not None and found.params.get("store") == "postgres":
        POSTGRES.use(request.getfixturevalue("postgres"))


@pytest.fixture(scope="module")
def mortals() -> Iterator[Mortals]:
    if shutil.which("strace") is None:
        pytest.skip("no strace is installed (`make test` installs Debian's package)")
    made = Mortals()
    yield made
    made.end()
