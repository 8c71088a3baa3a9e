"""What an operator says of the data of a source, and of the organization: settings, and what the statement in a package is made of."""

from collections.abc import Iterable
from typing import Literal

import msgspec

from rightful.language import ENGLISH

Words = str | dict[str, str]
"""A text, or one for each language by its tag."""

Basis = Literal["consent", "contract", "legal_obligation", "vital_interests", "public_interest", "legitimate_interests"]
"""GDPR Art. 6(1), (a) to (f)."""

Law = Literal["gdpr", "ccpa"]

SAFEGUARDS = frozenset({"adequacy", "standard_clauses", "corporate_rules", "code_of_conduct", "certification", "derogation"})
"""Keys of what a transfer rests on (GDPR Art. 45, 46(2)(c), 47, 46(2)(e), 46(2)(f), 49)."""

ORIGINS = frozenset({"person", "observed", "derived"})
"""Keys of where data comes from."""


REASONS = frozenset({"others", "trade_secrets", "security", "not_personal"})
"""Keys of why something is left out: rights of others and secrets (GDPR Art. 15(4)), the service's security, or that it is no data on the
person."""


class RecipientKind(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A kind of recipients where who they are cannot be said: else the person may know them by name (CJEU C-154/21)."""

    kind: Words
    """What they are."""
    why: Words
    """Why they are not named: it is not known who they are, or the request is manifestly unfounded or excessive."""


class Transfer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """Data that goes to a third country or an international organization (GDPR Art. 15(2))."""

    to: Words
    """The country or the organization."""
    safeguards: Words = ""
    """What it rests on: `adequacy`, `standard_clauses`, `corporate_rules`, `code_of_conduct`, `certification`, `derogation`, or words."""


class Decision(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """A decision that no human being makes, profiling too (GDPR Art. 15(1)(h))."""

    what: Words
    """What is decided."""
    logic: Words = ""
    """By what it is decided."""
    consequences: Words = ""
    """What it means for the person."""


class CommonLabel(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What holds for every source whose own label does not say it."""

    purpose: str | tuple[str, ...] = ""
    """Data use, for instance `essential.service`; or a list of several."""
    legal_basis: Basis | None = None
    """What the use rests on; decides which rights are named."""
    retention: Words = ""
    """How long it is kept, in words. `2 years`, and other numbers of days, weeks, months and years, are said in the person's language."""
    recipients: tuple[Words, ...] | None = None
    """Who else gets it, by name; `[]`: nobody."""
    recipient_kinds: tuple[RecipientKind, ...] | None = None
    """Kinds of those whom you cannot name, and why you cannot."""
    origin: tuple[Words, ...] | None = None
    """Where it comes from: `person` (from the person), `observed` (from how a service is used), `derived` (from other data), or words."""
    transfers: tuple[Transfer, ...] | None = None
    """Third countries and international organizations that it goes to; `[]`: none."""
    decisions: tuple[Decision, ...] | None = None
    """Decisions that are made by it automatically; `[]`: none."""

    @property
    def purposes(self) -> tuple[str, ...]:
        """Every data use."""
        return tuple(filter(None, (self.purpose,) if isinstance(self.purpose, str) else self.purpose))


class Label(CommonLabel, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """What a source's data is, by the keys of the fideslang taxonomy; for the statement in the package."""

    category: str = ""
    """Data category, for instance `user.contact`."""
    columns: dict[str, str] = {}
    """Column to data category, of those columns whose data is of another one."""
    titles: dict[str, Words] = {}
    """Column to what it is, where its name does not say so: `ts` is `when it happened`. Shown beside the name."""
    left_out: dict[str, Words] = {}
    """What `exclude`, `window` or a rule `drop` or `hash` leaves out (a column, or a pattern of files) to the reason: `others` (rights of
    other people), `trade_secrets`, `security`, `not_personal` (no data on the person), or words."""
    time: str = ""
    """Column that says when a record is from, for the charts and days of START-HERE.html. Without it the first with times, be they typed or
    texts as ISO 8601 writes them, else the first with dates."""
    values: dict[str, dict[str, Words]] = {}
    """Column to what its codes mean: `status` to `{1: open, 2: paid}`. Shown beside the code, and found when it is searched for."""


class StatementSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the statement in packages says of the organization, and of every source. Texts may be given for each language."""

    contact: Words = ""
    """How the organization is reached."""
    officer: Words = ""
    """How its data protection officer is reached, where there is one."""
    authority: Words = ""
    """The supervisory authority that one may complain to."""
    laws: tuple[Law, ...] = ("gdpr",)
    """Whose rights the statement names: `gdpr` (Art. 15), `ccpa` (California)."""
    label: CommonLabel = CommonLabel()
    """What holds for every source whose own label does not say it."""

    def label_of(self, label: Label | None) -> Label:
        """Return a source's label, completed by what holds for every source."""
        common = {name: getattr(self.label, name) for name in CommonLabel.__struct_fields__}
        own = {name: value for name in Label.__struct_fields__ if (value := getattr(label or Label(), name)) not in ("", None, {})}
        if not own.keys().isdisjoint(_RECIPIENTS):  # of which one says what the other leaves open
            own = dict.fromkeys(_RECIPIENTS) | own
        return Label(**{**common, **own})

    @property
    def unstated(self) -> tuple[str, ...]:
        """Settings without which the statement says too little of the organization."""
        return tuple(name for name in ("contact", "authority") if not getattr(self, name))


def choose(words: Words, language: str) -> str:
    """Return an operator's text in a language, else in English, else in the first that there is."""
    if isinstance(words, str):
        return words
    return words.get(language) or words.get(ENGLISH) or next(iter(words.values()), "")


_RECIPIENTS = ("recipients", "recipient_kinds")


def unstated(label: Label, left_out: Iterable[str] = ()) -> tuple[str, ...]:
    """Return the settings of a source's label without which the statement says too little of it (GDPR Art. 15(1) and (2), 12(4)).

    `left_out`: what is, for no reason that goes without saying.
    """
    missing = [name for name in ("category", "purpose", "retention") if not getattr(label, name)]
    if label.columns and not label.category:
        missing.remove("category")
    missing += [name for name in ("recipients", "origin", "transfers", "decisions") if getattr(label, name) is None]
    if label.recipient_kinds and "recipients" in missing:
        missing.remove("recipients")
    if label.origin == ():
        missing.append("origin")
    missing += ["transfers.safeguards"] if any(not each.safeguards for each in label.transfers or ()) else []
    for name in ("logic", "consequences"):
        missing += [f"decisions.{name}"] if any(not getattr(each, name) for each in label.decisions or ()) else []
    missing += ["left_out"] if any(each not in label.left_out for each in left_out) else []
    return tuple(missing)


def unlabelled(columns: Iterable[str], label: Label) -> tuple[str, ...]:
    """Return the columns that no label speaks of: a source's category speaks of all of its columns."""
    return () if label.category else tuple(column for column in columns if column not in label.columns)
