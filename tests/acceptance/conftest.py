"""The sample company that services in these tests serve: built once for each worker process, much smaller than the demo's."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.acceptance import large
from tests.acceptance.large import SlowSimulator

from rightful.sample import company as sample
from rightful.sample.company import SampleCompany
from rightful.sample.oracle import Oracle


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> SampleCompany:
    return sample.build(tmp_path_factory.mktemp("served") / "sample", scale=0.02, listen="127.0.0.1:0")


@pytest.fixture(scope="session")
def oracle(company: SampleCompany) -> Oracle:
    return Oracle(company)


@pytest.fixture(scope="session")
def readings(company: SampleCompany, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return large.build(tmp_path_factory.mktemp("readings"), company)


@pytest.fixture
def simulator() -> Iterator[SlowSimulator]:
    with SlowSimulator() as running:
        yield running
