"""Which category of the fideslang taxonomy a column's data most likely is, by its name. A guess to begin with, for a person to confirm."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence

_CATEGORIES: tuple[tuple[str, str], ...] = (
    (r"password|passwd|pwd|secret|pin", "user.authorization.credentials"),
    (r"e?mail|sender|recipient", "user.contact.email"),
    (r"phone|telephone|mobile|msisdn|caller|called|fax", "user.contact.phone_number"),
    (r"street|city|town|postcode|postal|zip|address|country|ship", "user.contact.address"),
    (r"first_?name|last_?name|full_?name|surname|given_?name|display_?name|name", "user.name"),
    (r"birth|dob|birthday", "user.demographic.date_of_birth"),
    (r"gender|sex", "user.demographic.gender"),
    (r"iban|bic|account_?number|card|bank", "user.financial.bank_account"),
    (r"salary|wage|price|total|amount|currency|invoice|payment|order", "user.financial"),
    (r"ip|user_?agent|browser|cookie|device", "user.device"),
    (r"lat|latitude|lon|lng|longitude|gps|location", "user.location"),
    (r"diagnosis|illness|sick|health|medical|medication", "user.health"),
    (r"employee|department|manager|job|hired|absence|review|reviewer", "user.professional_information"),
    (r"login|session|visited|page|url|event|action|click|search|query", "user.behavior"),
    (r"message|body|subject|text|note|notes|comment|content|attachment", "user.content"),
    (r"upn|user|username|customer|member|account|login_?name|object|oid", "user.unique_id"),
)
_COMPILED = tuple((re.compile(rf"(?:^|_)(?:{words})(?:_|s?$)"), category) for words, category in _CATEGORIES)
_WORD = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|[^A-Za-z0-9]+")


def words_of(name: str) -> str:
    """Return a column's name in lower case, its words joined by underscores: `shipTo` and `Ship-To` are `ship_to`."""
    return _WORD.sub("_", name).strip("_").lower()


def category_of(column: str) -> str:
    """Return the category of a column's data; empty where its name says nothing."""
    words = words_of(column)
    return next((category for pattern, category in _COMPILED if pattern.search(words)), "")


def category_of_all(columns: Iterable[str]) -> str:
    """Return one category for a source: the one of most columns, names of people apart, which stand everywhere."""
    found = [category for column in columns if (category := category_of(column))]
    telling: Sequence[str] = [category for category in found if category not in {"user.unique_id", "user.name"}] or found
    return Counter(telling).most_common(1)[0][0] if telling else "user"
