"""The sample company's directories: people, devices, telephone numbers and inbound shared profiles."""

from collections.abc import Iterable, Iterator

from rightful.sample.people import Device, Person, Profile
from rightful.sample.tables import Row, Table

PEOPLE = Table(
    "people",
    {
        "object_id": "text",
        "upn": "text",
        "display_name": "text",
        "mail": "text",
        "other_mail": "text",
        "employee_no": "text",
        "customer_no": "text",
        "drive_folder": "text",
        "preferred_language": "text",
    },
    ("upn", "mail", "employee_no"),
)
DEVICES = Table("devices", {"row_id": "int", "device_id": "text", "owner_upn": "text", "model": "text"}, ("owner_upn", "device_id"))
SIMS = Table("sims", {"row_id": "int", "device_id": "text", "telephone": "text"}, ("device_id",))
PROFILES = Table("inbound_profiles", {"user_id": "text", "upn": "text", "name": "text", "home_tenant": "text"})


def tables(people: Iterable[Person], devices: Iterable[Device], profiles: Iterable[Profile]) -> Iterator[tuple[Table, Iterable[Row]]]:
    """Yield each table with its rows."""
    yield PEOPLE, (_person(person) for person in people)
    devices = tuple(devices)
    yield DEVICES, ((number, one.device_id, one.owner_upn, one.model) for number, one in enumerate(devices, 1))
    yield SIMS, ((number, one.device_id, one.telephone) for number, one in enumerate(devices, 1))
    yield PROFILES, ((one.user_id, one.upn, one.display_name, one.home_tenant_id) for one in profiles)


def _person(person: Person) -> Row:
    return (
        person.object_id,
        person.upn,
        person.display_name,
        person.mail,
        person.other_mail,
        person.employee_no,
        person.customer_no,
        person.folder,
        person.language,
    )
