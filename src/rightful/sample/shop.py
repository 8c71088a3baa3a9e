"""The sample company's shop: customers, their orders, the orders' lines, and messages between people.

The same rows go into SQLite (the demo) and into PostgreSQL (`load_shop`, for tests).
"""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence

from rightful.sample.chance import choice, content, happens, number, words
from rightful.sample.moments import moment
from rightful.sample.people import Person, born, contoso
from rightful.sample.tables import Row, Table, fill_postgres

CUSTOMERS = Table(
    "customers",
    {
        "id": "int",
        "customer_no": "text",
        "name": "text",
        "contact_mail": "text",
        "phone": "text",
        "public_id": "uuid",
        "since": "moment",
        "born": "date",
        "credit": "decimal",
        "points": "int",
        "newsletter": "bool",
        "avatar": "bytes",
        "preferences": "json",
        "remarks": "text",
    },
    ("customer_no", "contact_mail"),
)
ORDERS = Table(
    "orders",
    {
        "id": "int",
        "customer_id": "int",
        "placed_at": "moment",
        "placed_by": "text",
        "total": "decimal",
        "currency": "text",
        "note": "text",
    },
    ("customer_id",),
)
ORDER_LINES = Table(
    "order_lines",
    {"id": "int", "order_id": "int", "sku": "text", "quantity": "int", "price": "decimal", "weight": "float", "attributes": "json"},
    ("order_id",),
)
MESSAGES = Table(
    "messages",
    {
        "id": "int",
        "sender": "text",
        "recipient": "text",
        "sent_at": "moment",
        "subject": "text",
        "body": "text",
        "spam_score": "float",
    },
    ("sender", "recipient"),
)
RECYCLED_MAIL = "j.marlow@contoso.example"
"""The newcomer's address; the one who left had it before."""
_FIRST_ORDER = 9_007_199_254_740_993
"""Order ids begin above what a float can count (2 to the power of 53)."""


def load_shop(execute: Callable[[str], object]) -> None:
    """Make and fill the shop's tables in a PostgreSQL database; `execute` runs one statement of plain SQL text."""
    fill_postgres(execute, tables(contoso()))


def tables(people: Sequence[Person]) -> Iterator[tuple[Table, Iterable[Row]]]:
    """Yield each table with its rows."""
    customers = [person for person in people if person.has_data and person.customer_no]
    orders = list(_orders(customers))
    yield CUSTOMERS, _customers(customers)
    yield ORDERS, orders
    yield ORDER_LINES, _lines(orders)
    yield MESSAGES, _messages([person for person in people if person.has_data])


def _contact(person: Person) -> str | None:
    """Return the address that the shop has: mail in lower case; for the one who left, the address he had then."""
    return RECYCLED_MAIL if person.key == "leaver" else person.mail and person.mail.lower()


def _customers(people: Sequence[Person]) -> Iterator[Row]:
    for place, person in enumerate(people, 1):
        key = ("customer", person.tenant_id, person.key)
        digest = content(16, *key, "public id").hex()
        yield (
            place,
            person.customer_no,
            person.display_name,
            _contact(person),
            choice((None, "", f"+99{number(*key, 'phone', below=10**9):09d}"), *key, "has phone"),
            f"{digest[:8]}-{digest[8:12]}-{digest[12:16]}-{digest[16:20]}-{digest[20:]}",
            moment(*key),
            born(person) if happens(*key, "born", percent=70) else None,
            f"-{number(*key, 'credit', below=10**12)}.{number(*key, 'part', below=10**6):06d}",
            number(*key, "points", below=2**62),
            number(*key, "newsletter", below=2) if happens(*key, "asked", percent=80) else None,
            content(48, *key, "avatar") if happens(*key, "avatar", percent=40) else None,
            json.dumps({"sizes": ["M", 42, 1.5, None], "gift": {"wrap": True, "text": "für dich 🎁"}, "big": 2**63}),
            f"{words(5, *key)} {person.canary}",
        )
    # Rows without a number belong to nobody, whatever address stands in them.
    nobody = ("Nobody", RECYCLED_MAIL, None, None, None, None, "0", 0, 0, None, None, "belongs to nobody")
    yield (len(people) + 1, None, *nobody)
    yield (len(people) + 2, "", *nobody)


def _orders(people: Sequence[Person]) -> Iterator[Row]:
    place = 0
    for customer_id, person in enumerate(people, 1):
        for turn in range(number("orders", person.key, below=30)):
            place += 1
            key = ("order", person.key, turn)
            note = choice((None, "", f"{words(4, *key)} {person.canary}"), *key, "note")
            cents = number(*key, below=10**7)
            yield (
                _FIRST_ORDER + place,
                customer_id,
                moment(*key),
                _contact(person),
                f"{cents // 100}.{cents % 100:02d}",
                choice(("EUR", "JPY", "CNY", "NOK"), *key),
                note,
            )
    yield (_FIRST_ORDER + place + 1, None, moment("order", "nobody"), RECYCLED_MAIL, "1.00", "EUR", "belongs to nobody")


def _lines(orders: Iterable[Row]) -> Iterator[Row]:
    place = 0
    for order in orders:
        order_id = order[0]
        for turn in range(1 + number("lines", order_id, below=4)):
            place += 1
            key = ("line", order_id, turn)
            yield (
                place,
                order_id,
                f"SKU-{number(*key, below=10**6):06d}",
                number(*key, "quantity", below=9) + 1,
                f"{number(*key, 'price', below=10**4)}.{number(*key, 'part', below=10**10):010d}",
                float("inf") if happens(*key, "heavy", percent=1) else number(*key, "weight", below=10**6) / 7,
                json.dumps({"color": choice(("red", "blå", "青"), *key), "dims": [1, 2, 3]}) if happens(*key, percent=70) else None,
            )


def _messages(people: Sequence[Person]) -> Iterator[Row]:
    addresses = [(address.lower(), person) for person in people for address in (person.mail, person.other_mail) if address]
    place = 0
    for address, person in addresses:
        for turn in range(number("messages", address, below=24)):
            place += 1
            key = ("message", address, turn)
            if happens(*key, "outside", percent=30):
                recipient = f"somebody{number(*key, below=500)}@elsewhere.example"
            elif happens(*key, "to self", percent=5):
                recipient = address
            else:
                recipient = choice(addresses, *key, "to")[0]
            subject, body = words(3, *key, "subject"), f"{words(12, *key)}\n{person.canary}"
            spam = number(*key, "spam", below=1000) / 1000
            yield (place, address, recipient, moment(*key), subject, body, spam)
    yield (place + 1, None, "", moment("message", "nobody"), "", "belongs to nobody", None)
    yield (place + 2, "", None, moment("message", "nobody", 2), None, "belongs to nobody", None)
