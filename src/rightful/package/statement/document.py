"""What the statement says, block by block and in no language yet: messages with values in them.

STATEMENT.txt and START-HERE.html both show this, the one in the person's language, the other in the reader's.
"""

import re
from collections.abc import Iterable, Iterator, Mapping

import msgspec

from rightful.package.label import ORIGINS, REASONS, SAFEGUARDS, Decision, Transfer, Words
from rightful.package.statement.model import Stated, Statement


class Message(msgspec.Struct, frozen=True, kw_only=True, tag="message", tag_field="is", omit_defaults=True):
    """A text of the catalogues, or a key of the taxonomy."""

    text: str
    values: dict[str, "Said"] = {}
    """What stands in the place of each `{name}`."""


class Quote(msgspec.Struct, frozen=True, kw_only=True, tag="quote", tag_field="is"):
    """Somebody else's words, shown as they are."""

    words: Words


class Listing(msgspec.Struct, frozen=True, kw_only=True, tag="listing", tag_field="is"):
    """Several things in a row."""

    items: tuple["Said", ...]


Said = Message | Quote | Listing


class Paragraph(msgspec.Struct, frozen=True, kw_only=True, tag="paragraph", tag_field="is"):
    """A sentence or more."""

    text: Said


class Bullets(msgspec.Struct, frozen=True, kw_only=True, tag="bullets", tag_field="is"):
    """A list."""

    items: tuple[Said, ...]


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """A term, and what is said of it."""

    term: Said
    values: tuple[Said, ...]


class Facts(msgspec.Struct, frozen=True, kw_only=True, tag="facts", tag_field="is"):
    """Facts below a title."""

    title: Said
    facts: tuple[Fact, ...]


class Section(msgspec.Struct, frozen=True, kw_only=True):
    """A part of the statement; the first has its title."""

    title: Said
    blocks: tuple[Paragraph | Bullets | Facts, ...]


SEPARATOR = "; "
"""What stands between the items of a listing, in English."""


def t(text: str, **values: Said) -> Message:
    """Return a message; every text that is written here goes through this and stands in every catalogue."""
    return Message(text=text, values=values)


def document(statement: Statement) -> tuple[Section, ...]:
    """Return the statement, section by section."""
    sections = [Section(title=TITLE, blocks=(Paragraph(text=_opening(statement)), *_found(statement), *_remedies(statement)))]
    for law, title in _RIGHTS_TITLES.items():
        rights = tuple(_right(key, statement) for key in statement.rights if key.startswith(f"{law}."))
        if rights:
            sections.append(Section(title=title, blocks=(Bullets(items=rights),)))
    sections.append(Section(title=t("Whom to ask"), blocks=(_whom(statement),)))
    return tuple(sections)


TITLE = t("Why this data is held, and what your rights are")


def _opening(statement: Statement) -> Message:
    organization: Said = Quote(words=statement.controller.name) if statement.controller.name else t("The organization")
    if not statement.sources:
        return t("{organization} found nothing on you, so that there is nothing to state about it.", organization=organization)
    if "gdpr" in statement.laws:
        return t("{organization} states this on the data that was found, and on that alone (Art. 15 GDPR).", organization=organization)
    return t("{organization} states this on the data that was found, and on that alone.", organization=organization)


def _remedies(statement: Statement) -> Iterator[Paragraph]:
    """Say what can be done against what is left out (GDPR Art. 12(4))."""
    if "gdpr" in statement.laws and any(source.left_out or source.unreadable for source in statement.sources):
        yield Paragraph(
            text=t(
                "Not all that is held is in the package: what is left out, and why, is said with each system. If you do not agree, you may "
                "complain to a supervisory authority and go to court (Art. 12(4) GDPR)."
            )
        )


# -- what was found -------------------------------------------------------------------------------------------------------
def _found(statement: Statement) -> Iterator[Facts]:
    """Yield what is stated on each source; those of which the same is stated share it."""
    alike: dict[bytes, tuple[tuple[Fact, ...], list[Said]]] = {}
    for source in statement.sources:
        facts = tuple(_facts(source))
        _, names = alike.setdefault(msgspec.json.encode(facts), (facts, []))
        names.append(Quote(words=name_of(source.product, source.name)))
    for facts, names in alike.values():
        yield Facts(title=Listing(items=tuple(names)), facts=facts)


def name_of(product: str, source_name: str) -> str:
    """Return a source's name as it is shown: its product, and its own name where that says more."""
    return product if product.casefold() == source_name.casefold() else f"{product} · {source_name}"


def stated_facts(source: Stated) -> tuple[Fact, ...]:
    """Return what is stated on a source, without what is not."""
    return tuple(fact for fact in _facts(source) if fact.values != (_UNSTATED,))


def purposes(source: Stated) -> Said | None:
    """Return what a source's data is used for; None where that is not stated."""
    found = tuple(map(t, source.purposes))
    return Listing(items=found) if found else None


_UNSTATED = t("The organization has not stated this.")


def _facts(source: Stated) -> Iterator[Fact]:
    yield _row(t("Kind of data"), map(t, source.categories))
    yield _row(t("What it is used for"), map(t, source.purposes))
    if source.legal_basis is not None:
        yield Fact(term=t("Legal basis"), values=(_BASES[source.legal_basis],))
    yield _row(t("How long it is kept"), [_duration(source.retention)] if source.retention else ())
    yield from _recipients(source)
    yield _row(t("Where it comes from"), map(_origin, source.origin or ()))
    transfers = [_transfer(each) for each in source.transfers or ()]
    yield _rows(t("Transfers to other countries"), transfers, is_stated=source.transfers is not None)
    decisions = [said for each in source.decisions or () for said in _decision(each)]
    yield _rows(t("Automated decisions"), decisions, is_stated=source.decisions is not None)
    left_out = tuple(_left_out(source))
    if left_out:
        yield Fact(term=t("What is left out"), values=left_out)


def _recipients(source: Stated) -> Iterator[Fact]:
    """Yield who receives the data; kinds take the place of names that are not stated."""
    if source.recipients or not source.recipient_kinds:
        names = [Quote(words=each) for each in source.recipients or ()]
        yield _row(t("Who receives it"), names, none=t("nobody else"), of=source.recipients)
    if source.recipient_kinds:
        kinds = (
            t("{kind}; why they are not named: {why}", kind=Quote(words=each.kind), why=Quote(words=each.why))
            for each in source.recipient_kinds
        )
        yield Fact(term=t("Kinds of recipients"), values=tuple(kinds))


def _left_out(source: Stated) -> Iterator[Said]:
    for each in source.left_out:
        is_key = isinstance(each.why, str) and each.why in REASONS
        why = _REASONS[str(each.why)] if is_key else _quote(each.why)
        yield t("{what}: {why}", what=Quote(words=each.what), why=why)
    if source.unreadable == 1:
        yield t("1 item that could not be read; ledger.json says why")
    elif source.unreadable:
        yield t("{n} items that could not be read; ledger.json says why of each", n=Quote(words=str(source.unreadable)))


_REASONS: Mapping[str, Message] = {
    "others": t("it would show data of other people (Art. 15(4) GDPR)"),
    "trade_secrets": t("it would show trade secrets (Art. 15(4) GDPR)"),
    "security": t("it would endanger the security of the service"),
    "not_personal": t("it is no data on you"),
}


def _row(term: Message, items: Iterable[Said], *, none: Message = _UNSTATED, of: object = None) -> Fact:
    """Return a fact with several things in one row; where there are none, and that is stated, `none` says so."""
    found = tuple(items)
    if not found:
        return Fact(term=term, values=(_UNSTATED if of is None else none,))
    return Fact(term=term, values=(found[0] if len(found) == 1 else Listing(items=found),))


def _rows(term: Message, items: Iterable[Said], *, is_stated: bool) -> Fact:
    return Fact(term=term, values=tuple(items) or (t("none") if is_stated else _UNSTATED,))


_DURATION = re.compile(r"([1-9][0-9]{0,5}) (day|week|month|year)s?")


def _duration(words: Words) -> Said:
    """Return how long something is kept: a plain number of days, weeks, months or years is said in every language."""
    found = _DURATION.fullmatch(words) if isinstance(words, str) else None
    if found is None:
        return Quote(words=words)
    one, many = _UNITS[found[2]]
    return one if found[1] == "1" else msgspec.structs.replace(many, values={"n": Quote(words=found[1])})


_UNITS: Mapping[str, tuple[Message, Message]] = {
    "day": (t("1 day"), t("{n} days")),
    "week": (t("1 week"), t("{n} weeks")),
    "month": (t("1 month"), t("{n} months")),
    "year": (t("1 year"), t("{n} years")),
}


def _origin(words: Words) -> Said:
    return _ORIGINS[words] if isinstance(words, str) and words in ORIGINS else Quote(words=words)


_ORIGINS: Mapping[str, Message] = {
    "person": t("from you"),
    "observed": t("from your use of the service"),
    "derived": t("worked out from other data"),
}


def _transfer(transfer: Transfer) -> Said:
    to = Quote(words=transfer.to)
    if not transfer.safeguards:
        return t("{to}; the organization has not stated by which safeguards", to=to)
    safeguards = transfer.safeguards
    is_key = isinstance(safeguards, str) and safeguards in SAFEGUARDS
    return t("{to}, by {safeguards}", to=to, safeguards=_SAFEGUARDS[str(safeguards)] if is_key else Quote(words=safeguards))


_SAFEGUARDS: Mapping[str, Message] = {
    "adequacy": t("a decision of the European Commission that data is well protected there (Art. 45 GDPR)"),
    "standard_clauses": t("standard contractual clauses (Art. 46(2)(c) GDPR)"),
    "corporate_rules": t("binding corporate rules (Art. 47 GDPR)"),
    "code_of_conduct": t("an approved code of conduct (Art. 46(2)(e) GDPR)"),
    "certification": t("an approved certification (Art. 46(2)(f) GDPR)"),
    "derogation": t("an exception for this situation (Art. 49 GDPR)"),
}


def _decision(decision: Decision) -> Iterator[Said]:
    yield Quote(words=decision.what)
    yield t("How it is decided: {logic}", logic=_quote(decision.logic))
    yield t("What it means for you: {consequences}", consequences=_quote(decision.consequences))


def _quote(words: Words) -> Said:
    return Quote(words=words) if words else _UNSTATED


_BASES: Mapping[str, Message] = {
    "consent": t("your consent (Art. 6(1)(a) GDPR)"),
    "contract": t("a contract with you, or steps before one (Art. 6(1)(b) GDPR)"),
    "legal_obligation": t("a legal obligation (Art. 6(1)(c) GDPR)"),
    "vital_interests": t("vital interests of somebody (Art. 6(1)(d) GDPR)"),
    "public_interest": t("a task in the public interest (Art. 6(1)(e) GDPR)"),
    "legitimate_interests": t("legitimate interests of the organization or of others (Art. 6(1)(f) GDPR)"),
}


# -- rights ---------------------------------------------------------------------------------------------------------------
_RIGHTS_TITLES: Mapping[str, Message] = {"gdpr": t("Your rights"), "ccpa": t("Your rights if you live in California")}

_RIGHTS: Mapping[str, Message] = {
    "gdpr.access": t("Access: you may ask whether data on you is held, and have a copy of it (Art. 15 GDPR)."),
    "gdpr.rectification": t("Rectification: you may have wrong data put right, and incomplete data completed (Art. 16 GDPR)."),
    "gdpr.erasure": t("Erasure: you may have data erased, for instance where it is no longer needed (Art. 17 GDPR)."),
    "gdpr.restriction": t(
        "Restriction: you may have the use of data restricted, for instance while it is being checked whether it is right (Art. 18 GDPR)."
    ),
    "gdpr.portability": t(
        "Portability: data that you gave by consent or for a contract you may have in a form that programs read, or passed on to somebody "
        "else (Art. 20 GDPR)."
    ),
    "gdpr.objection": t(
        "Objection: you may object, on grounds relating to your particular situation, to a use that rests on legitimate interests or the "
        "public interest, and to direct marketing at any time without giving grounds (Art. 21 GDPR)."
    ),
    "gdpr.human_decision": t(
        "Automated decisions: you may have a human being look at them, say what you think, and contest them (Art. 22 GDPR)."
    ),
    "gdpr.complaint": t(
        "Complaint: you may complain to a supervisory authority, above all where you live, where you work, or where the law was broken "
        "(Art. 77 GDPR)."
    ),
    "gdpr.remedy": t(
        "Judicial remedy: you may go to court if you consider that your rights were infringed, whether or not you complain to an authority "
        "(Art. 79 GDPR)."
    ),
    "ccpa.know": t(
        "Right to know: you may ask what is collected on you, where it comes from, why, and who receives it, and have a copy "
        "(Cal. Civ. Code § 1798.100 and § 1798.110)."
    ),
    "ccpa.delete": t("Right to delete: you may have data deleted that was collected from you (§ 1798.105)."),
    "ccpa.correct": t("Right to correct: you may have wrong data corrected (§ 1798.106)."),
    "ccpa.opt_out": t("Right to opt out: you may forbid that data on you is sold or shared for advertising (§ 1798.120)."),
    "ccpa.limit": t("Right to limit: you may limit the use of sensitive data to what the service needs (§ 1798.121)."),
    "ccpa.no_retaliation": t("Nobody may treat you worse because you use these rights (§ 1798.125)."),
}

_WITHDRAWAL = "gdpr.withdrawal"


def _right(key: str, statement: Statement) -> Message:
    if key != _WITHDRAWAL:
        return _RIGHTS[key]
    rests = [source for source in statement.sources if source.legal_basis == "consent"]
    names = Listing(items=tuple(Quote(words=name_of(source.product, source.name)) for source in rests))
    return t(
        "Withdrawal of consent: you may withdraw it at any time; what was done before stays lawful (Art. 7(3) GDPR). "
        "It concerns: {sources}.",
        sources=names,
    )


# -- the organization -----------------------------------------------------------------------------------------------------
def _whom(statement: Statement) -> Facts:
    controller = statement.controller
    title: Said = Quote(words=controller.name) if controller.name else t("The organization")
    facts = [Fact(term=t("How to reach it"), values=(_quote(controller.contact),))]
    if controller.officer:
        facts.append(Fact(term=t("Data protection officer"), values=(Quote(words=controller.officer),)))
    if controller.authority:
        facts.append(Fact(term=t("Supervisory authority"), values=(Quote(words=controller.authority),)))
    return Facts(title=title, facts=tuple(facts))


# -- what of the catalogues it takes ----------------------------------------------------------------------------------------
def messages(value: object) -> Iterator[str]:
    """Yield every message and key that sections, facts or texts say."""
    if isinstance(value, Message):
        yield value.text
        value = list(value.values.values())
    if isinstance(value, Listing) and len(value.items) > 1:
        yield SEPARATOR
    if isinstance(value, msgspec.Struct):
        value = [getattr(value, name) for name in value.__struct_fields__]
    if isinstance(value, list | tuple):
        for each in value:
            yield from messages(each)
