"""What somebody meant who mistyped a name."""

import pytest

from rightful.spelling import did_you_mean


@pytest.mark.parametrize(
    ("wrong", "known", "said"),
    [
        ("ordres", ["orders", "lines"], "did you mean 'orders'?"),
        ("ORDERS", ["lines", "orders"], "did you mean 'orders'?"),
        ("orders", ["shop.long.name.orders"], "did you mean 'shop.long.name.orders'?"),
        ("zzz", ["orders"], ""),
        ("zzz", [], ""),
    ],
)
def test_nearest_name_is_told_or_none(wrong: str, known: list[str], said: str) -> None:
    assert did_you_mean(wrong, known) == said
