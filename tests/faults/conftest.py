"""The PostgreSQL server for tests that are run on each store."""

import pytest
from tests.faults.ground import POSTGRES


@pytest.fixture(autouse=True)
def database(request: pytest.FixtureRequest) -> None:
    """Have a database where a test asks for that store."""
    found = getattr(request.node, "callspec", None)
    if found is not None and found.params.get("store") == "postgres":
        POSTGRES.use(request.getfixturevalue("postgres"))
