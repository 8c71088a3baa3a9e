"""What SHOW GRANTS says of changing is found, whatever it is granted on and however names are written."""

import pytest

from rightful.database.mysql_grants import excess

ORDERS = "`shop`.`orders`"


@pytest.mark.parametrize(
    ("grants", "found"),
    [
        ([], ()),
        (["GRANT USAGE ON *.* TO `reader`@`%` IDENTIFIED BY PASSWORD '*A'"], ()),
        (["GRANT SELECT, SHOW VIEW ON `shop`.* TO `reader`@`localhost`"], ()),
        (["GRANT SELECT, INSERT, DELETE ON `shop`.`orders` TO `w`@`%`"], ("INSERT", "DELETE")),
        (["GRANT SELECT (`id`, `upn`), UPDATE (`note`, `insert`) ON `shop`.`orders` TO `w`@`%`"], ("UPDATE",)),
        (["GRANT ALL PRIVILEGES ON `shop`.* TO `w`@`%` WITH GRANT OPTION"], ("ALL PRIVILEGES",)),
        (["GRANT SELECT ON *.* TO `r`@`%`", "GRANT INSERT ON `shop`.* TO `r`@`%`"], ("INSERT",)),
        (["GRANT ALL PRIVILEGES ON `another`.* TO `w`@`%`", "GRANT INSERT ON `shop`.`lines` TO `w`@`%`"], ()),
        (["GRANT FILE, SUPER ON *.* TO `w`@`%`"], ("SUPER", "FILE")),
        (["GRANT `writers` TO `w`@`%`"], ()),
        (["GRANT INSERT ON `sh%`.* TO `w`@`%`"], ("INSERT",)),
        (["GRANT INSERT ON `sho_`.* TO `w`@`%`"], ("INSERT",)),
        (["GRANT INSERT ON `sho\\_`.* TO `w`@`%`"], ()),
    ],
)
def test_rights_beside_reading_are_named(grants: list[str], found: tuple[str, ...]) -> None:
    assert excess(grants, ORDERS) == found


def test_names_with_quotes_and_patterns_in_them_are_compared_as_they_are() -> None:
    assert excess(["GRANT INSERT ON `a\\_b``c`.`t``x` TO `w`@`%`"], "`a_b``c`.`t``x`") == ("INSERT",)
    assert excess(["GRANT INSERT ON `a\\_b``c`.`t``x` TO `w`@`%`"], "`axb``c`.`t``x`") == ()
