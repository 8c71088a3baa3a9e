"""Fixtures that many tests share; servers are started once for each worker process and ended by their pid.

With RIGHTFUL_TESTS_SKIP=refuse, as `.ci/run` sets it, a run in which any test was skipped fails: a server that is missing must show.

Property tests draw the same examples each time, so that a red run is red again; `make test ARGS="--hypothesis-profile=explore
tests/property"` draws new ones.
"""

import os

import hypothesis
import pytest

_BUSY = hypothesis.settings(deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow])
"""That a machine is busy is no fault of the code."""
hypothesis.settings.register_profile("steady", _BUSY, derandomize=True)
hypothesis.settings.register_profile("explore", _BUSY, derandomize=False, print_blob=True)
hypothesis.settings.load_profile("steady")

pytest_plugins = [
    "tests.servers.azurite",
    "tests.servers.chromium",
    "tests.servers.dovecot",
    "tests.servers.mariadb",
    "tests.servers.oidc_provider",
    "tests.servers.postgres",
    "tests.servers.s3",
    "tests.servers.gcs",
    "tests.servers.sftp",
    "tests.servers.scim",
    "tests.servers.slapd",
    "tests.servers.webdav",
]


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    if os.environ.get("RIGHTFUL_TESTS_SKIP") != "refuse" or hasattr(session.config, "workerinput"):
        return
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    assert reporter is not None
    skipped = len(reporter.stats.get("skipped", ()))
    if skipped and session.exitstatus == pytest.ExitCode.OK:
        reporter.write_line(f"\nfailed: {skipped} skipped, and here nothing may be", red=True)
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
