"""No password of an address is printed or written by `rightful source add`."""

import pytest

from rightful.errors import ConfigurationError
from rightful.sources.writing import hide_password


@pytest.mark.parametrize(
    ("url", "hidden"),
    [
        ("postgresql://u:s3cret@h/db", "postgresql://u:${SHOP_PASSWORD}@h/db"),
        ("postgresql://:s3cret@h/db", "postgresql://:${SHOP_PASSWORD}@h/db"),
        ("postgresql://u:s3c@ret@h/db", "postgresql://u:${SHOP_PASSWORD}@h/db"),
        ("postgresql://u:${A}s3cret@h/db", "postgresql://u:${SHOP_PASSWORD}@h/db"),
        ("postgresql://u:s3:cret@h/db", "postgresql://u:${SHOP_PASSWORD}@h/db"),
    ],
)
def test_password_becomes_a_variable(url: str, hidden: str) -> None:
    assert hide_password(url, "shop") == (hidden, "SHOP_PASSWORD")


@pytest.mark.parametrize(
    "url", ["postgresql://u@h/db", "postgresql://u:${A}@h/db", "sqlite:///people.db", "postgresql://h/db?password=${A}"]
)
def test_what_has_none_stays(url: str) -> None:
    assert hide_password(url, "shop") == (url, "")


@pytest.mark.parametrize("query", ["password=s3cret", "user=u&password=s3cret", "sslpassword=x", "password=${A}s3cret"])
def test_password_among_the_parameters_is_refused_unsaid(query: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        hide_password(f"postgresql://u@h/db?{query}", "shop")
    assert "s3cret" not in str(caught.value)
