"""What the statement says: of what was found, in every language, and that nothing is made up where nothing was stated."""

import ast
import re
from importlib import resources
from typing import Any

import msgspec
import pytest

from rightful.ids import OperationId
from rightful.language import OFFERED
from rightful.operation.model import SourceState
from rightful.package import taxonomy
from rightful.package.catalogues import parse
from rightful.package.difference import Counts, Since, SourceChanges
from rightful.package.label import CommonLabel, Decision, Label, RecipientKind, StatementSettings, Transfer, choose, unstated
from rightful.package.ledger import Ledger, RedactedColumn, SkippedEntry, SourceRecord
from rightful.package.statement.document import SEPARATOR, document
from rightful.package.statement.model import state, stated
from rightful.package.statement.text import format_text
from rightful.package.statement.words import catalogue
from rightful.sources.labels import category_of
from rightful.testing.package_builder import COMPLETED_AT, SUBJECT_ID, SUBMITTED_AT, TENANT_ID, SampleSource, package_entries

ROWS = ({"id": 1, "mail": "a@contoso.example"},)
FULL = Label(
    category="user.contact",
    purpose=("essential.service", "finance"),
    legal_basis="consent",
    retention="2 years",
    recipients=("Mail provider", {"en": "Tax office", "de": "Finanzamt"}),
    origin=("person", "a credit agency"),
    transfers=(Transfer(to="Japan", safeguards="adequacy"), Transfer(to="Atlantis")),
    decisions=(Decision(what="a limit", logic="unpaid invoices", consequences="payment in advance"),),
)
ORDERS = SampleSource(name="orders", product="Shop", rows=ROWS, label=FULL)
SETTINGS = StatementSettings(
    contact="privacy@contoso.example", officer="dpo@contoso.example", authority={"de": "Behörde", "en": "Authority"}
)


def _written(*sources: SampleSource, statement: StatementSettings = SETTINGS, language: str = "en") -> tuple[dict[str, Any], str]:
    entries = package_entries(*sources, statement=statement, language=language)
    return msgspec.json.decode(entries["statement.json"]), entries["STATEMENT.txt"].decode()


def test_everything_that_is_stated_is_there_as_keys_and_in_words() -> None:
    said, text = _written(ORDERS)
    assert (said["format"], said["laws"]) == ("rightful-statement/1", ["gdpr"])
    assert said["controller"] == {
        "name": "Contoso",
        "contact": "privacy@contoso.example",
        "officer": "dpo@contoso.example",
        "authority": {"de": "Behörde", "en": "Authority"},
    }
    assert said["categories"] == {"user.contact": ["orders"]}
    assert said["sources"] == [
        {
            "name": "orders",
            "product": "Shop",
            "rows": 1,
            "files": 0,
            "categories": ["user.contact"],
            "purposes": ["essential.service", "finance"],
            "legalBasis": "consent",
            "retention": "2 years",
            "recipients": ["Mail provider", {"en": "Tax office", "de": "Finanzamt"}],
            "recipientKinds": None,
            "origin": ["person", "a credit agency"],
            "transfers": [{"to": "Japan", "safeguards": "adequacy"}, {"to": "Atlantis"}],
            "decisions": [{"what": "a limit", "logic": "unpaid invoices", "consequences": "payment in advance"}],
            "leftOut": [],
            "unreadable": 0,
        }
    ]
    for line in (
        "Shop · orders",
        "    Kind of data: Contact details",
        "    What it is used for: Providing the service; Finance and accounting",
        "    Legal basis: your consent (Art. 6(1)(a) GDPR)",
        "    How long it is kept: 2 years",
        "    Who receives it: Mail provider; Tax office",
        "    Where it comes from: from you; a credit agency",
        "        Atlantis; the organization has not stated by which safeguards",
        "    Automated decisions: a limit",
        "        How it is decided: unpaid invoices",
        "    How to reach it: privacy@contoso.example",
        "    Supervisory authority: Authority",
    ):
        assert line in text.splitlines()
    assert "Japan, by a decision of the European Commission" in text


def test_text_is_in_the_persons_language_with_the_operators_words_for_it() -> None:
    _, text = _written(ORDERS, language="de")
    for line in (
        "    Wie lange sie aufbewahrt werden: 2 Jahre",
        "    Wer sie erhält: Mail provider; Finanzamt",
        "    Aufsichtsbehörde: Behörde",
    ):
        assert line in text.splitlines()
    assert "GDPR" not in text


def test_only_what_was_found_is_stated() -> None:
    empty = SampleSource(name="secret", product="Nothing here", label=msgspec.structs.replace(FULL, category="user.health"))
    skipped = SampleSource(name="hr", product="Personnel", skip_reason="switched off", label=FULL)
    said, text = _written(ORDERS, empty, skipped)
    assert [source["name"] for source in said["sources"]] == ["orders"]
    assert said["categories"].keys() == {"user.contact"}
    for absent in ("Nothing here", "Health", "Personnel"):
        assert absent not in text


def test_nothing_found_has_nothing_stated_but_the_rights() -> None:
    said, text = _written(SampleSource(name="orders", label=FULL))
    assert (said["sources"], said["categories"]) == ([], {})
    assert "Contoso found nothing on you" in text
    assert "Art. 17" in text
    assert "gdpr.withdrawal" not in said["rights"]


def test_what_could_not_be_read_is_stated_too() -> None:
    broken = SampleSource(name="drive", skipped=(SkippedEntry(path="a", reason="permission denied"),), label=FULL)
    said, _ = _written(broken)
    assert [(source["name"], source["categories"]) for source in said["sources"]] == [("drive", ["user.contact"])]


def test_nothing_is_made_up_where_nothing_was_stated() -> None:
    said, text = _written(SampleSource(name="orders", rows=ROWS), statement=StatementSettings())
    [source] = said["sources"]
    assert source.keys() == {"name", "product", "rows", "files", *("categories", "purposes", "legalBasis", "retention")} | {
        "recipients", "recipientKinds", "origin", "transfers", "decisions", "leftOut", "unreadable",
    }  # fmt: skip
    assert (source["categories"], source["recipients"], source["transfers"], source["decisions"]) == ([], None, None, None)
    assert text.count("The organization has not stated this.") == 8
    assert "Legal basis" not in text


def test_none_that_is_stated_is_another_thing_than_nothing_stated() -> None:
    label = Label(recipients=(), transfers=(), decisions=())
    _, text = _written(SampleSource(name="orders", rows=ROWS, label=label))
    assert "    Who receives it: nobody else\n" in text
    assert "    Transfers to other countries: none\n" in text
    assert "    Automated decisions: none\n" in text


def test_what_holds_for_every_source_holds_where_its_label_says_nothing_else() -> None:
    common = CommonLabel(recipients=("Parcel service",), retention="1 year", transfers=())
    own = SampleSource(name="own", rows=ROWS, label=Label(retention="30 days", recipients=()))
    said, text = _written(own, SampleSource(name="none", rows=ROWS), statement=StatementSettings(label=common))
    assert [(source["retention"], source["recipients"], source["transfers"]) for source in said["sources"]] == [
        ("30 days", [], []),
        ("1 year", ["Parcel service"], []),
    ]
    assert "30 days" in text


def test_categories_of_columns_are_stated_where_the_columns_were_found() -> None:
    label = Label(category="user.account", columns={"mail": "user.contact.email", "born": "user.demographic.date_of_birth"})
    whole = Label(category="user", columns={"id": "user.unique_id", "mail": "user.contact.email"})
    said, _ = _written(SampleSource(name="some", rows=ROWS, label=label), SampleSource(name="all", rows=ROWS, label=whole))
    assert [source["categories"] for source in said["sources"]] == [
        ["user.account", "user.contact.email"],
        ["user.unique_id", "user.contact.email"],
    ]
    assert said["categories"]["user.contact.email"] == ["some", "all"]


def test_columns_of_what_was_superseded_do_not_count() -> None:
    label = Label(columns={"old": "user.health"})
    source = SampleSource(name="orders", rows=({"id": 2},), superseded_rows=({"id": 1},), label=label)
    assert _written(source)[0]["sources"][0]["categories"] == []


def test_recipients_are_named_and_kinds_stand_with_the_reason_why_they_are_not() -> None:
    kinds = (RecipientKind(kind={"en": "Banks", "de": "Banken"}, why={"en": "each has their own", "de": "jede hat ihre eigene"}),)
    alone, both = Label(recipient_kinds=kinds), Label(recipients=("Example Parcels Ltd",), recipient_kinds=kinds)
    said, text = _written(
        SampleSource(name="alone", rows=ROWS, label=alone), SampleSource(name="both", rows=ROWS, label=both), language="de"
    )
    assert [source["recipients"] for source in said["sources"]] == [None, ["Example Parcels Ltd"]]
    assert said["sources"][0]["recipientKinds"] == [{"kind": kinds[0].kind, "why": kinds[0].why}]
    assert text.count("    Arten von Empfängern: Banken; warum sie nicht genannt sind: jede hat ihre eigene\n") == 2
    assert text.count("Wer sie erhält") == 1


def test_recipients_of_all_sources_and_of_one_are_never_mixed() -> None:
    kinds = (RecipientKind(kind="Banks", why="unknown"),)
    common = StatementSettings(label=CommonLabel(recipient_kinds=kinds))
    assert common.label_of(Label(recipients=())).recipient_kinds is None
    assert common.label_of(Label()).recipient_kinds == kinds
    nobody = StatementSettings(label=CommonLabel(recipients=()))
    assert nobody.label_of(Label(recipient_kinds=kinds)).recipients is None


def _record(**members: Any) -> SourceRecord:
    counts: dict[str, Any] = {"rows": 1, "parts": 1, "size_bytes": 9}
    return SourceRecord(source_name="orders", state=SourceState.EXPORTED, connector="sql", product="Shop", **counts, **members)


def test_what_is_left_out_is_stated_with_its_reason() -> None:
    record = _record(
        withheld=("spam_score", "risk"),
        withheld_paths=("*.tmp",),
        withheld_rows=("made at < 2024-01-01T00:00:00Z", "made at >= 2026-01-01T00:00:00Z"),
        redacted=(
            RedactedColumn(column="to", rule="others", cells=1, values=2),
            RedactedColumn(column="rating", rule="drop", cells=1, values=1),
            RedactedColumn(column="cc", rule="others"),
        ),
        skipped=(SkippedEntry(path="a", reason="permission denied"),) * 2,
    )
    label = Label(left_out={"spam_score": "security", "risk": {"en": "it is secret"}, "made at": {"en": "it is being erased"}})
    assert msgspec.to_builtins(stated(record, label, ()).left_out) == (
        {"what": "spam_score", "why": "security"},
        {"what": "risk", "why": {"en": "it is secret"}},
        {"what": "*.tmp"},
        {"what": "made at < 2024-01-01T00:00:00Z", "why": {"en": "it is being erased"}},
        {"what": "made at >= 2026-01-01T00:00:00Z", "why": {"en": "it is being erased"}},
        {"what": "to", "rule": "others", "why": "others"},
        {"what": "rating", "rule": "drop"},
    )
    ledger = Ledger(
        operation_id=OperationId("o"),
        tenant_id=TENANT_ID,
        subject_id=SUBJECT_ID,
        configured=("orders",),
        sources=(record,),
        submitted_at=SUBMITTED_AT,
        completed_at=COMPLETED_AT,
    )
    for laws, is_said in ((("gdpr",), True), (("ccpa",), False)):
        settings = StatementSettings(laws=laws)  # type: ignore[arg-type]  # laws that there are
        text = format_text(
            document(state(ledger, organization="C", settings=settings, labels={"orders": label}, entries={})), language="en"
        )
        for line in (
            "    What is left out: spam_score: it would endanger the security of the service",
            "        risk: it is secret",
            "        *.tmp: The organization has not stated this.",
            "        to: it would show data of other people (Art. 15(4) GDPR)",
            "        2 items that could not be read; ledger.json says why of each",
        ):
            assert line in text.decode().splitlines()
        assert ("Art. 12(4) GDPR" in " ".join(text.decode().split())) == is_said


def test_nothing_left_out_is_not_spoken_of() -> None:
    _, text = _written(ORDERS)
    assert "left out" not in text
    assert "Art. 12(4)" not in text


def test_rights_name_the_court_beside_the_authority_and_grounds_of_an_objection() -> None:
    text = " ".join(_written(ORDERS)[1].split())
    assert text.index("Art. 77 GDPR") < text.index("Art. 79 GDPR")
    assert "on grounds relating to your particular situation" in text


def test_sources_that_are_stated_alike_share_it() -> None:
    _, text = _written(ORDERS, msgspec.structs.replace(ORDERS, name="lines"))
    assert "Shop · orders; Shop · lines\n" in text
    assert text.count("Kind of data") == 1


def test_keys_of_earlier_versions_are_stated_as_those_of_today() -> None:
    said, text = _written(SampleSource(name="hr", rows=ROWS, label=Label(category="user.workplace", purpose="personalize.profiling")))
    assert said["sources"][0]["categories"] == ["user.professional_information.workplace"]
    assert "Workplace" in text


@pytest.mark.parametrize(
    ("words", "english", "german"),
    [
        ("1 year", "1 year", "1 Jahr"),
        ("6 months", "6 months", "6 Monate"),
        ("30 days", "30 days", "30 Tage"),
        ("2 weeks", "2 weeks", "2 Wochen"),
        ("0 days", "0 days", "0 days"),
        ("2 years after the last order", "2 years after the last order", "2 years after the last order"),
    ],
)
def test_plain_durations_are_said_in_the_persons_language(words: str, english: str, german: str) -> None:
    source = SampleSource(name="orders", rows=ROWS, label=Label(retention=words))
    assert f"How long it is kept: {english}\n" in _written(source)[1]
    assert f"Wie lange sie aufbewahrt werden: {german}\n" in _written(source, language="de")[1]


@pytest.mark.parametrize(
    ("laws", "there", "absent"),
    [
        (("gdpr",), "YOUR RIGHTS\n", "CALIFORNIA"),
        (("gdpr", "ccpa"), "YOUR RIGHTS IF YOU LIVE IN CALIFORNIA", "nothing"),
        (("ccpa",), "§ 1798.105", "Art. 15"),
        ((), "WHOM TO ASK", "RIGHTS\n\n-"),
    ],
)
def test_rights_are_those_of_the_laws_that_hold(laws: Any, there: str, absent: str) -> None:
    source = SampleSource(name="orders", rows=ROWS, label=Label(category="user.contact"))
    text = _written(source, statement=StatementSettings(laws=laws))[1]
    assert there in text
    assert absent not in text


def test_rights_that_hang_on_the_use_are_named_where_it_is_such() -> None:
    plain = _written(SampleSource(name="orders", rows=ROWS, label=Label(legal_basis="contract", decisions=())))[0]["rights"]
    assert plain == [
        f"gdpr.{each}" for each in ("access", "rectification", "erasure", "restriction", "portability", "objection", "complaint", "remedy")
    ]
    said, text = _written(ORDERS)
    assert set(said["rights"]) - set(plain) == {"gdpr.human_decision", "gdpr.withdrawal"}
    assert "It concerns: Shop · orders." in " ".join(text.split())


def test_hostile_texts_stay_one_text_on_their_line() -> None:
    evil = "x\n\nYOUR RIGHTS\n\n- none\u202e\x07{organization}<b>"
    source = SampleSource(name="orders", rows=ROWS, label=Label(retention=evil, recipients=(evil,)))
    text = _written(source, statement=StatementSettings(contact=evil))[1]
    assert text.count("\nYOUR RIGHTS\n") == 1
    assert "    How long it is kept: x YOUR RIGHTS - none\\u202e\\x07{organization}<b>\n" in text
    assert "\u202e" not in text


def test_same_values_give_the_same_bytes() -> None:
    first, second = (package_entries(ORDERS, statement=SETTINGS, language="ja") for _ in range(2))
    for path in ("statement.json", "STATEMENT.txt", "START-HERE.html"):
        assert first[path] == second[path]


def test_what_a_label_leaves_open_is_told_to_the_operator() -> None:
    assert unstated(Label()) == ("category", "purpose", "retention", "recipients", "origin", "transfers", "decisions")
    assert unstated(FULL) == ("transfers.safeguards",)
    half = msgspec.structs.replace(FULL, transfers=(), origin=(), category="", columns={"a": "user"}, decisions=(Decision(what="a limit"),))
    assert unstated(half) == ("origin", "decisions.logic", "decisions.consequences")
    kinds = (RecipientKind(kind="Banks", why="each has one of their own"),)
    assert unstated(msgspec.structs.replace(FULL, recipients=None, recipient_kinds=kinds)) == ("transfers.safeguards",)
    assert unstated(FULL, ["spam_score"]) == ("transfers.safeguards", "left_out")
    assert unstated(msgspec.structs.replace(FULL, left_out={"spam_score": "security"}), ["spam_score"]) == ("transfers.safeguards",)
    assert SETTINGS.unstated == ()
    assert StatementSettings().unstated == ("contact", "authority")


# -- languages ------------------------------------------------------------------------------------------------------------
def _said() -> set[str]:
    source = (resources.files("rightful.package.statement") / "document.py").read_text(encoding="utf-8")
    calls = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "t"]
    said = {str(node.args[0].value) for node in calls if isinstance(node.args[0], ast.Constant)}
    return said | {SEPARATOR, "{name}: {value}"}


def _values(message: str) -> set[str]:
    return set(re.findall(r"\{\w+\}", message))


@pytest.mark.parametrize("language", sorted({*OFFERED} - {"en"}))
def test_catalogue_of_messages_is_complete_and_says_nothing_else(language: str) -> None:
    own = parse((resources.files("rightful") / "locale" / "statement" / f"{language}.po").read_text(encoding="utf-8"))
    assert own.keys() == _said()
    for message, translation in own.items():
        assert isinstance(translation, str)
        assert translation.strip()
        assert _values(translation) == _values(message)


@pytest.mark.parametrize("language", OFFERED)
def test_every_key_has_a_name_of_its_own_in_every_language(language: str) -> None:
    names = taxonomy.names(language)
    assert names.keys() == taxonomy.names("en").keys()
    for kind in (taxonomy.categories(), taxonomy.uses()):
        own = [names[key] for key in kind if key in names]
        assert all(own)
        assert len({*map(str, own)}) == len(own), "two keys are called the same"


def test_taxonomy_knows_the_keys_there_are() -> None:
    assert len(taxonomy.categories()) > 110
    assert len(taxonomy.uses()) > 50
    assert taxonomy.categories().isdisjoint(taxonomy.uses())
    assert all(taxonomy.current(key) in taxonomy.names("en") for key in taxonomy.categories() | taxonomy.uses())


def test_guesses_are_keys_of_the_taxonomy() -> None:
    columns = (
        "password",
        "mail",
        "phone",
        "city",
        "name",
        "birthday",
        "gender",
        "iban",
        "price",
        "ip",
        "gps",
        "diagnosis",
        "manager",
        "url",
    )
    guessed = {category_of(column) for column in (*columns, "comment", "upn")}
    assert len(guessed) == 16
    assert guessed <= taxonomy.categories()


def test_operators_words_are_chosen_by_language_then_english_then_any() -> None:
    assert choose("a", "de") == "a"
    assert choose({"de": "ä", "en": "a"}, "de") == "ä"
    assert choose({"fr": "à", "en": "a"}, "de") == "a"
    assert choose({"fr": "à"}, "de") == "à"


def test_messages_of_a_document_are_all_found() -> None:
    entries = package_entries(ORDERS, statement=msgspec.structs.replace(SETTINGS, laws=("gdpr", "ccpa")))
    page = entries["START-HERE.html"].decode()
    overview = msgspec.json.decode(page.split('id="overview">')[1].split("</script>")[0])
    said = {each["text"] for each in _messages(overview["statement"])}
    assert "user.contact" in said
    for language in OFFERED:
        assert {message for message in said if message not in overview["words"][language]} <= (said if language == "en" else set())
        assert all(overview["words"][language][message] == catalogue(language)[message] for message in overview["words"][language])


def _messages(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, list):
        return [found for each in value for found in _messages(each)]
    if not isinstance(value, dict):
        return []
    own = [value] if value.get("is") == "message" else []
    return own + [found for each in value.values() for found in _messages(each)]


# -- differences ----------------------------------------------------------------------------------------------------------
def test_difference_states_what_is_held_also_where_nothing_of_it_is_new() -> None:
    label = Label(category="user.account", columns={"mail": "user.contact.email"})
    kept = SourceChanges(records=Counts(unchanged=2), files=Counts())
    gone = SourceChanges(records=Counts(gone=2), files=Counts())
    since = Since(
        operation_id=OperationId("0"),
        receipt_sha256="0" * 64,
        is_policy_same=True,
        is_software_same=True,
        fingerprint_key=bytes(32),
        sources={"kept": kept, "gone": gone},
    )
    records = [
        SourceRecord(source_name=name, state=SourceState.EMPTY, connector="sql", product="Shop", started_at=SUBMITTED_AT)
        for name in since.sources
    ]
    ledger = Ledger(
        operation_id=OperationId("1"),
        tenant_id=TENANT_ID,
        subject_id=SUBJECT_ID,
        configured=tuple(since.sources),
        sources=tuple(records),
        submitted_at=SUBMITTED_AT,
        completed_at=COMPLETED_AT,
        since=since,
    )
    stated = state(ledger, organization="Contoso", settings=SETTINGS, labels=dict.fromkeys(since.sources, label), entries={})
    assert [(source.name, source.categories) for source in stated.sources] == [("kept", ("user.account", "user.contact.email"))]
    whole = state(msgspec.structs.replace(ledger, since=None), organization="Contoso", settings=SETTINGS, labels={}, entries={})
    assert whole.sources == ()


def test_people_of_whom_the_same_was_found_are_told_the_same_and_others_are_not() -> None:
    more = msgspec.structs.replace(ORDERS, rows=({"id": 1, "mail": "a@contoso.example"}, {"id": 2, "mail": "b@contoso.example"}))
    files = SampleSource(name="drive", product="OneDrive", files={"a.txt": b"x"}, label=Label(category="user.content"))
    (one, first), (two, second), (_, third) = _written(ORDERS), _written(more), _written(ORDERS, files)
    assert first == second
    assert [said["sources"][0]["rows"] for said in (one, two)] == [1, 2]
    assert "OneDrive" in third
    assert "OneDrive" not in first
    assert _written(ORDERS, language="de")[1] != first
    assert _written(ORDERS, statement=msgspec.structs.replace(SETTINGS, contact="other@contoso.example"))[1] != first
