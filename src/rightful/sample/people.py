"""The people of the sample company: 300 invented ones, among them look-alikes that a careless search confuses.

Each look-alike has a key by which tests name them. All names, numbers and addresses are invented.
"""

import hashlib
import unicodedata
import uuid
from dataclasses import dataclass, field
from functools import cache

from rightful.ids import SubjectId, TenantId
from rightful.sample.chance import choice, happens, number
from rightful.sample.moments import day

CONTOSO = TenantId("11111111-1111-4111-8111-111111111111")
FABRIKAM = TenantId("22222222-2222-4222-8222-222222222222")
_NAMESPACE = uuid.UUID("5b0f7a52-2c1e-4d2a-9a52-3f3f0f4f8a10")
PEOPLE = 300


@dataclass(frozen=True, slots=True)
class Person:
    """One row of a directory, and how the other systems know this person."""

    key: str
    """How tests and docs call them; stands in no system."""
    tenant_id: TenantId
    upn: str
    display_name: str
    language: str = "en"
    mail: str | None = None
    other_mail: str | None = None
    employee_no: str | None = None
    customer_no: str | None = None
    folder: str | None = None
    """The name of their OneDrive folder."""
    has_data: bool = True
    """Whether any system but the directory knows them."""
    weight: int = 4
    """How busy they are: their share of the activity reports."""
    object_id: SubjectId = field(init=False)
    canary: str = field(init=False)
    """A text that stands in this person's files and records and in nobody else's."""

    def __post_init__(self) -> None:
        """Derive what the key decides."""
        object.__setattr__(self, "object_id", SubjectId(str(uuid.uuid5(_NAMESPACE, f"{self.tenant_id}/{self.key}"))))
        object.__setattr__(self, "canary", "canary-" + hashlib.sha256(f"{self.tenant_id}/{self.key}".encode()).hexdigest()[:16])


@dataclass(frozen=True, slots=True)
class Device:
    """A device and its telephone number; one may have two owners."""

    device_id: str
    owner_upn: str
    model: str
    telephone: str | None


@dataclass(frozen=True, slots=True)
class Profile:
    """Somebody of another tenant who was shared into this one."""

    user_id: str
    upn: str
    display_name: str
    home_tenant_id: str


def born(person: Person) -> str:
    """Return somebody's birthday, the same in every system that has it."""
    return day("born", person.tenant_id, person.key, first=1955, years=45)


_LONG_NAME = "Wilhelmina " + "van den Berg-Sørensen " * 11 + "Junior"
_NFD_NAME = unicodedata.normalize("NFD", "José Núñez")


def _contoso(key: str, name: str, **known: object) -> Person:
    """Return a person whose UPN, mail, numbers and folder follow from the key where nothing else is said."""
    plain: dict[str, object] = {
        "upn": f"{key}@contoso.example",
        "mail": f"{key}@contoso.example",
        "employee_no": key,
        "customer_no": f"C-{key}",
        "folder": key,
    }
    return Person(key=key, tenant_id=CONTOSO, display_name=name, **(plain | known))  # type: ignore[arg-type]  # the keywords are Person's own


def look_alikes() -> tuple[Person, ...]:
    """Return those whom a careless search confuses with somebody else, or does not find at all."""
    return (
        _contoso("ann", "Ann Nilsen", customer_no="C-100", weight=9),
        _contoso("ann2", "Ann Nilsen", customer_no="C-1000"),
        # Employee number and folder differ from ann's by letter case only; address and UPN are her own.
        _contoso("ANN", "Ann Olsson", upn="a.olsson@contoso.example", mail="a.olsson@contoso.example", customer_no="c-100"),
        _contoso("e1", "Emil Ek", customer_no="C-1"),
        _contoso("e10", "Emil Ekman", customer_no="C-10"),
        _contoso("e100", "Emil Ekmansson", customer_no="C-1001"),
        # Wildcards of SQL's LIKE.
        _contoso("a_b", "Ada Berg"),
        _contoso("a%b", "Ada Bergman", upn="a.bergman@contoso.example", mail="a.bergman@contoso.example"),
        _contoso("axb", "Axel Bo"),
        # The address j.marlow@ belonged to the one who left; the shop's rows before her first day are his, by customer number.
        _contoso("leaver", "Jack Marlow", upn="jack.marlow.left@contoso.example", mail=None, customer_no="C-2001", folder="jack.marlow"),
        _contoso("newcomer", "Jill Marlow", upn="j.marlow@contoso.example", mail="j.marlow@contoso.example", customer_no="C-2002"),
        _contoso("nomail", "Noam Ellis", mail=None),
        _contoso("emptymail", "Erin Moss", mail="", other_mail="", employee_no="e4001", customer_no=""),
        _contoso(
            "guest",
            "Mika Virtanen",
            upn="mika.virtanen_fabrikam.example#EXT#@contoso.example",
            mail="mika.virtanen@fabrikam.example",
            employee_no=None,
            customer_no="C-3001",
        ),
        _contoso("sato.hanako", "佐藤 花子", language="ja", folder="佐藤 花子"),
        _contoso("sato.hana", "佐藤 花", language="ja", folder="佐藤 花"),
        _contoso("wang.xiaoming", "王小明", language="zh-Hans", folder="王小明"),
        _contoso("wang.xiao", "王小", language="zh-Hans", folder="王小"),
        _contoso("o'brien", "Sinéad O'Brien"),
        _contoso("long", _LONG_NAME, upn=f"{'wilhelmina.' * 5}vandenberg@contoso.example", folder="wilhelmina-" * 22),
        # Known to the directory and to nobody else.
        _contoso("nemo", "Nils Nemo", mail="nemo@contoso.example", has_data=False, weight=0),
        _contoso("twomails", "Tove Winter", other_mail="tove@winter.example"),
        # Written with capitals in the directory, without in the other systems.
        _contoso("zoe", "Zoe Adler", mail="Zoe.Adler@Contoso.example"),
        _contoso("jose", _NFD_NAME, folder=_NFD_NAME),
        # Has ten times as much activity as others.
        _contoso("busy", "Bea Ustinov", weight=60),
        _contoso("quotes", 'Robert "); DROP TABLE people; --', employee_no="e5001' OR '1'='1", folder="quotes"),
    )


def _ordinary(index: int) -> Person:
    first, last = choice(_FIRST, "first", index), choice(_LAST, "last", index)
    key = f"{first}.{last}.{index}".lower()
    return _contoso(
        key,
        f"{first} {last}",
        language=choice(("en", "en", "en", "de", "fr", "ja", "zh-Hans"), "language", index),
        mail=f"{key}@contoso.example",
        other_mail=f"{first}{index}@home.example".lower() if happens("other mail", index, percent=15) else None,
        employee_no=f"e{6000 + index}" if not happens("no employee", index, percent=10) else None,
        customer_no=f"C-{6000 + index}" if not happens("no customer", index, percent=20) else None,
        weight=1 + number("weight", index, below=9),
    )


@cache
def contoso() -> tuple[Person, ...]:
    """Return the 300 people of the first tenant, look-alikes first."""
    special = look_alikes()
    return special + tuple(_ordinary(index) for index in range(PEOPLE - len(special)))


@cache
def fabrikam() -> tuple[Person, ...]:
    """Return the handful of people of the second tenant; some are called like people of the first."""

    def person(key: str, name: str) -> Person:
        mail = f"{key}@fabrikam.example"
        return Person(
            key=key, tenant_id=FABRIKAM, upn=mail, display_name=name, mail=mail, employee_no=key, customer_no="C-100", folder=key, weight=2
        )

    return (
        person("ann", "Ann Nilsen"),
        person("mika.virtanen", "Mika Virtanen"),
        person("e10", "Emil Ekman"),
        person("olga", "Olga Petrova"),
        person("li.na", "李娜"),
    )


@cache
def devices() -> tuple[Device, ...]:
    """Return the first tenant's devices: most people have one, some two, a pool tablet has two owners."""
    found = []
    for person in contoso():
        if not person.has_data or (happens("no device", person.key, percent=20) and person.key not in {"ann", "ann2", "ANN"}):
            continue
        for place in range(2 if happens("second device", person.key, percent=20) else 1):
            digest = hashlib.sha256(f"{person.key}/{place}".encode()).hexdigest()
            telephone = f"+99{int(digest[:9], 16) % 10**9:09d}" if happens("telephone", person.key, place, percent=70) else None
            found.append(Device(f"D-{digest[:10]}", person.upn, choice(("Laptop 14", "Phone 6", "Tablet"), digest), telephone))
    # The pool tablet: what it reports is about both of its owners.
    pool = [Device("D-pool-tablet", upn, "Tablet", None) for upn in ("ann@contoso.example", "ann2@contoso.example")]
    return (*found, *pool)


@cache
def profiles() -> tuple[Profile, ...]:
    """Return the inbound shared user profiles of the first tenant (GRAPH-04)."""
    names = ("Olga Petrova", "Ann Nilsen", "李娜", "Mika Virtanen", "Pat O'Neil")
    return tuple(
        Profile(str(uuid.uuid5(_NAMESPACE, f"profile/{name}")), f"{upn}@fabrikam.example", name, FABRIKAM)
        for name, upn in zip(names, ("olga", "ann", "li.na", "mika.virtanen", "pat.o'neil"), strict=True)
    )


_FIRST_NAMES = (
    "Alma Bruno Clara David Elsa Felix Greta Hugo Ida Jonas Kaya Leo Mina Nora Oskar Paula Quentin Rosa Samir Tilda Ulrik Vera "
    "Walter Xenia Yara Zeno"
)
_FIRST = tuple(_FIRST_NAMES.split())
_LAST_NAMES = (
    "Abel Brandt Castell Dahl Eriksen Fontaine Grau Holm Ibsen Jansen Keller Lind Moreau Nyberg Okafor Petit Quist Rossi Sand "
    "Toivonen Urban Vogel Weber Ydesen Zander"
)
_LAST = tuple(_LAST_NAMES.split())
