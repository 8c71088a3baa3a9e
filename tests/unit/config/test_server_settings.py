"""Where the service listens."""

import pytest

from rightful.config.model import ServerSettings


@pytest.mark.parametrize(
    ("listen", "is_loopback"),
    [
        ("127.0.0.1:8443", True),
        ("127.9.0.1:8443", True),
        ("[::1]:8443", True),
        ("localhost:8443", True),
        ("0.0.0.0:8443", False),
        ("10.0.0.1:8443", False),
        ("127.example.com:8443", False),
        ("127.1:8443", False),
    ],
)
def test_loopback_is_told_by_the_address(listen: str, is_loopback: bool) -> None:  # noqa: FBT001 - a table
    assert ServerSettings(listen=listen).is_loopback == is_loopback
