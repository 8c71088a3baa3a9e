"""The sample company's HR database: employees, their absences, reviews (about somebody, by somebody) and telephone calls."""

import json
from collections.abc import Iterable, Iterator, Sequence

from rightful.sample.chance import choice, content, happens, number, words
from rightful.sample.moments import day, moment
from rightful.sample.people import Device, Person, born
from rightful.sample.tables import Row, Table

EMPLOYEES = Table(
    "employees",
    {
        "id": "int",
        "employee_no": "text",
        "full_name": "text",
        "born": "date",
        "hired_at": "moment",
        "salary": "decimal",
        "hours": "float",
        "grade": "int",
        "account_ref": "int",
        "photo": "bytes",
        "contract": "json",
        "nickname": "text",
        "old_code": "any",
        "notes": "text",
    },
    ("employee_no",),
)
ABSENCES = Table(
    "absences",
    {"id": "int", "employee_no": "text", "first_day": "date", "days": "float", "reason": "text"},
    ("employee_no",),
)
REVIEWS = Table(
    "reviews",
    {"id": "int", "employee_no": "text", "reviewer_no": "text", "written_at": "moment", "score": "int", "remarks": "text"},
    ("employee_no", "reviewer_no"),
)
CALLS = Table(
    "calls",
    {"id": "int", "caller": "text", "called": "text", "began_at": "moment", "seconds": "int"},
    ("caller", "called"),
)
_BIGGEST = 2**63 - 1


def tables(people: Sequence[Person], devices: Sequence[Device]) -> Iterator[tuple[Table, Iterable[Row]]]:
    """Yield each table with its rows."""
    staff = [person for person in people if person.has_data and person.employee_no is not None]
    yield EMPLOYEES, _employees(staff)
    yield ABSENCES, _absences(staff)
    yield REVIEWS, _reviews(staff)
    yield CALLS, _calls(devices)


def _employees(staff: Sequence[Person]) -> Iterator[Row]:
    for place, person in enumerate(staff, 1):
        key = (person.tenant_id, person.key)
        yield (
            place,
            person.employee_no,
            person.display_name,
            born(person),
            moment(*key, "hired"),
            f"{number(*key, 'salary', below=9_000_000)}.{number(*key, 'cents', below=100):02d}",
            choice((38.5, 40.0, 20.25, 0.1), *key, "hours"),
            number(*key, "grade", below=12) if happens(*key, "graded", percent=80) else None,
            _BIGGEST - number(*key, "ref", below=1000),
            content(64 + number(*key, "photo", below=400), *key, "photo") if happens(*key, "has photo", percent=60) else None,
            json.dumps({"kind": choice(("fixed", "open"), *key, "kind"), "pay": [{"year": 2025, "steps": [1, 2.5, None]}]}),
            # Empty is not the same as unknown.
            choice((None, "", words(1, *key, "nick")), *key, "nickname"),
            choice((7, "7", 7.5, None, "old-7"), *key, "code"),
            f'{words(6, *key, "notes")} {person.canary}\nsecond line, "quoted"',
        )
    # A row that belongs to nobody: empty and missing numbers match no one.
    yield (len(staff) + 1, "", "Nobody", None, None, "0.00", 0.0, None, 0, b"", "{}", "", None, "belongs to nobody")
    yield (len(staff) + 2, None, "Nobody", None, None, "0.00", 0.0, None, 0, None, None, None, None, "belongs to nobody")


def _absences(staff: Sequence[Person]) -> Iterator[Row]:
    place = 0
    for person in staff:
        for turn in range(number("absences", person.key, below=6)):
            place += 1
            reason = words(4, "absence", person.key, turn)
            yield (place, person.employee_no, day("absence", person.key, turn), 0.5 * (turn + 1), f"{reason} {person.canary}")
    yield (place + 1, "", day("nobody", 1), 1.0, "belongs to nobody")
    yield (place + 2, None, day("nobody", 2), 1.0, "belongs to nobody")


def _reviews(staff: Sequence[Person]) -> Iterator[Row]:
    place = 0
    for person in staff:
        for turn in range(1 + number("reviews", person.key, below=3)):
            place += 1
            # Some write about themselves: such a row is theirs by two columns, and comes once.
            reviewer = person if happens("own review", person.key, turn, percent=15) else choice(staff, "reviewer", person.key, turn)
            score = number("score", person.key, turn, below=6)
            remarks = words(5, "review", person.key, turn)
            yield (place, person.employee_no, reviewer.employee_no, moment("review", person.key, turn), score, remarks)
    if staff:
        yield (place + 1, staff[0].employee_no, None, moment("review", "nobody"), 3, "by nobody")
        yield (place + 2, None, "", moment("review", "nobody", 2), 3, "about nobody, by nobody")


def _calls(devices: Sequence[Device]) -> Iterator[Row]:
    telephones = sorted({device.telephone for device in devices if device.telephone is not None})
    place = 0
    for telephone in telephones:
        for turn in range(number("calls", telephone, below=5)):
            place += 1
            called = choice(telephones, "called", telephone, turn) if happens("inside", telephone, turn, percent=50) else "+99000000000"
            yield (place, telephone, called, moment("call", telephone, turn), number("seconds", telephone, turn, below=3600))
    yield (place + 1, None, "", moment("call", "nobody"), 1)
