"""Whatever is labelled and found: the statement speaks of what was found, and of nothing else."""

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from rightful.language import OFFERED
from rightful.package import taxonomy
from rightful.package.label import CommonLabel, Decision, Label, RecipientKind, StatementSettings, Transfer
from rightful.package.statement import document, text
from rightful.package.statement.model import Statement
from rightful.package.statement.words import catalogue
from rightful.package.verify import PackageState, verify
from rightful.testing.package_builder import MemoryReader, SampleSource, package_entries

PLAIN = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(str.strip)
WORDS = PLAIN | st.dictionaries(st.sampled_from(OFFERED), PLAIN, min_size=1, max_size=3)
OPTIONAL = st.just("") | WORDS
COLUMNS = ("id", "mail", "note")
CATEGORY = st.sampled_from(sorted(taxonomy.categories()))
USE = st.sampled_from(sorted(taxonomy.uses()))


def several(each: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.none() | st.lists(each, max_size=2).map(tuple)


COMMON = {
    "purpose": st.just("") | USE | st.lists(USE, max_size=3).map(tuple),
    "legal_basis": st.sampled_from([None, "consent", "contract", "legitimate_interests"]),
    "retention": OPTIONAL | st.sampled_from(["2 years", "1 day"]),
    "recipients": several(WORDS),
    "recipient_kinds": several(st.builds(RecipientKind, kind=WORDS, why=WORDS)),
    "origin": several(WORDS | st.sampled_from(["person", "observed", "derived"])),
    "transfers": several(st.builds(Transfer, to=WORDS, safeguards=OPTIONAL | st.just("adequacy"))),
    "decisions": several(st.builds(Decision, what=WORDS, logic=OPTIONAL, consequences=OPTIONAL)),
}
LABEL = st.builds(
    Label, category=st.just("") | CATEGORY, columns=st.dictionaries(st.sampled_from((*COLUMNS, "gone")), CATEGORY, max_size=3), **COMMON
)
SETTINGS = st.builds(
    StatementSettings,
    contact=OPTIONAL,
    officer=OPTIONAL,
    authority=OPTIONAL,
    laws=st.lists(st.sampled_from(["gdpr", "ccpa"]), unique=True).map(tuple),
    label=st.builds(CommonLabel, **COMMON),
)
FOUND = st.sampled_from(["rows", "files", "nothing", "skipped"])


def source(number: int, found: str, label: Label | None) -> SampleSource:
    return SampleSource(
        name=f"source-{number}",
        product=f"Product {number}",
        label=label,
        rows=({"id": 1, "mail": "x"},) if found == "rows" else (),
        files={"a.txt": b"x"} if found == "files" else {},
        skip_reason="switched off" if found == "skipped" else "",
    )


@given(st.lists(st.tuples(FOUND, st.none() | LABEL), min_size=1, max_size=4), SETTINGS, st.sampled_from(OFFERED))
def test_statement_speaks_of_what_was_found_alone(
    given_sources: list[tuple[str, Label | None]], settings: StatementSettings, language: str
) -> None:
    sources = [source(number, found, label) for number, (found, label) in enumerate(given_sources)]
    entries = package_entries(*sources, statement=settings, language=language)
    stated = msgspec.json.decode(entries["statement.json"], type=Statement)
    there = [each for each, (found, _) in zip(sources, given_sources, strict=True) if found in {"rows", "files"}]

    assert [each.name for each in stated.sources] == [each.name for each in there]
    for each, said in zip(there, stated.sources, strict=True):
        label = settings.label_of(each.label)
        may = {label.category, *(key for column, key in label.columns.items() if each.rows and column in {"id", "mail"})} - {""}
        assert {*said.categories} <= {*map(taxonomy.current, may)}
        assert (said.retention, said.recipients, said.decisions) == (label.retention, label.recipients, label.decisions)
        assert said.recipient_kinds == label.recipient_kinds
        assert all(said.name in stated.categories[category] for category in said.categories)
    assert {name for names in stated.categories.values() for name in names} <= {each.name for each in there}
    assert ("gdpr.withdrawal" in stated.rights) == ("gdpr" in settings.laws and any(s.legal_basis == "consent" for s in stated.sources))

    lines = entries["STATEMENT.txt"].decode().split("\n")
    assert entries["STATEMENT.txt"] == text.format_text(document.document(stated), language=language)
    for each, (found, _) in zip(sources, given_sources, strict=True):
        is_said = any(f"{each.product} · {each.name}" in line for line in lines)
        assert is_said == (found in {"rows", "files"})
    headings = {catalogue(language).get(each.text, each.text).upper() for each in _titles(stated)}
    assert {line for line in lines if line in headings} == headings
    assert verify(MemoryReader(entries)).state is PackageState.WHOLE


def _titles(stated: Statement) -> list[document.Message]:
    return [section.title for section in document.document(stated) if isinstance(section.title, document.Message)]
