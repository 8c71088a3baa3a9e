import pytest

from rightful.database import naming
from rightful.errors import ConfigurationError


@pytest.mark.parametrize(
    ("written", "parts"),
    [
        ("orders", ("orders",)),
        ("shop.orders", ("shop", "orders")),
        ('"a.b"', ("a.b",)),
        ('shop."a.b"', ("shop", "a.b")),
        ('"my shop".orders', ("my shop", "orders")),
        ('"a""b"', ('a"b',)),
        ('"a"".""b".c', ('a"."b', "c")),
        ('we"ird', ('we"ird',)),
        ('"', ('"',)),
        ('"half', ('"half',)),
        ('"a"b', ('"a"b',)),
        ("Größe 表", ("Größe 表",)),
    ],
)
def test_table_names_are_split_at_dots_outside_quotes(written: str, parts: tuple[str, ...]) -> None:
    assert naming.split(written) == parts


@pytest.mark.parametrize("written", ["", ".", "a.", ".a", "a..b", "a.b.c", '""', 'a.""'])
def test_what_names_no_table_is_refused(written: str) -> None:
    with pytest.raises(ConfigurationError):
        naming.split(written)


def test_quoting_keeps_every_character_but_nul() -> None:
    assert naming.quote('a"b') == '"a""b"'
    assert naming.quote("") == '""', "SQLite has such columns"
    with pytest.raises(ConfigurationError):
        naming.quote("a\x00b")


@pytest.mark.parametrize(
    ("wrong", "known", "said"),
    [
        ("ordres", ["orders", "lines"], "did you mean 'orders'?"),
        ("ORDERS", ["orders"], "did you mean 'orders'?"),
        ("orders", ["shop.orders"], "did you mean 'shop.orders'?"),
        ("zzz", ["b", "a"], "there are: a, b"),
        ("zzz", [], "there are none"),
        ("zzz", [f"t{n:02}" for n in range(20)], "t11, …"),
    ],
)
def test_hints_name_what_comes_closest(wrong: str, known: list[str], said: str) -> None:
    assert said in naming.did_you_mean(wrong, known)
