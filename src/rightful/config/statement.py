"""Rules for labels and for what the organization says of itself: keys that exist, and languages that there are."""

from collections.abc import Callable, Iterator, Mapping

from rightful.config.reading import join
from rightful.language import OFFERED
from rightful.package import taxonomy
from rightful.package.label import CommonLabel, Label, StatementSettings, Words
from rightful.spelling import did_you_mean

_Complain = Callable[[str, str, str], None]


def check_statement(statement: StatementSettings, setting: str, complain: _Complain) -> None:
    """What is said of the organization, and of every source."""
    for name in ("contact", "officer", "authority"):
        _check_words(getattr(statement, name), f"{setting}.{name}", complain)
    if len(set(statement.laws)) < len(statement.laws):
        complain(f"{setting}.laws", "names a law twice", "write each once")
    _check_common(statement.label, f"{setting}.label", complain)


def check_label(label: Label, setting: str, complain: _Complain) -> None:
    """Every key is one of the taxonomy, every text has something in it."""
    _check_key(label.category, taxonomy.categories(), f"{setting}.category", complain)
    for column, key in label.columns.items():
        _check_key(key, taxonomy.categories(), join(f"{setting}.columns", column), complain, may_be_empty=False)
    for column, title in label.titles.items():
        _check_words(title, join(f"{setting}.titles", column), complain, may_be_empty=False)
    for column, meanings in label.values.items():
        for code, meaning in meanings.items():
            _check_words(meaning, join(join(f"{setting}.values", column), code), complain, may_be_empty=False)
    for name, why in label.left_out.items():
        _check_words(why, join(f"{setting}.left_out", name), complain, may_be_empty=False)
    _check_common(label, setting, complain)


def _check_common(label: CommonLabel, setting: str, complain: _Complain) -> None:
    if isinstance(label.purpose, str):
        _check_key(label.purpose, taxonomy.uses(), f"{setting}.purpose", complain)
    else:
        for number, key in enumerate(label.purpose):
            _check_key(key, taxonomy.uses(), f"{setting}.purpose[{number}]", complain, may_be_empty=False)
    for here, words, may_be_empty in _words(label):
        _check_words(words, f"{setting}.{here}", complain, may_be_empty=may_be_empty)


def _words(label: CommonLabel) -> Iterator[tuple[str, Words, bool]]:
    """Yield where each text of a label stands, the text, and whether it may be left empty."""
    yield "retention", label.retention, True
    for name in ("recipients", "origin"):
        yield from ((f"{name}[{number}]", each, False) for number, each in enumerate(getattr(label, name) or ()))
    for number, several in enumerate(label.recipient_kinds or ()):
        yield f"recipient_kinds[{number}].kind", several.kind, False
        yield f"recipient_kinds[{number}].why", several.why, False
    for number, transfer in enumerate(label.transfers or ()):
        yield f"transfers[{number}].to", transfer.to, False
        yield f"transfers[{number}].safeguards", transfer.safeguards, True
    for number, decision in enumerate(label.decisions or ()):
        yield f"decisions[{number}].what", decision.what, False
        yield f"decisions[{number}].logic", decision.logic, True
        yield f"decisions[{number}].consequences", decision.consequences, True


def _check_key(key: str, known: frozenset[str], setting: str, complain: _Complain, *, may_be_empty: bool = True) -> None:
    if key in known or (not key and may_be_empty):
        return
    complain(setting, "is no key of the taxonomy", did_you_mean(key, sorted(known)) or "docs/reference/labels.md has all of them")


def _check_words(words: Words, setting: str, complain: _Complain, *, may_be_empty: bool = True) -> None:
    if not isinstance(words, Mapping):
        if not words.strip() and not (may_be_empty and not words):
            complain(setting, "is empty", "write it in words")
        return
    if not words:
        complain(setting, "names no language", "write it in words")
    for tag, text in words.items():
        if tag not in OFFERED:
            complain(join(setting, tag), "is no language of the statement", f"write one of {', '.join(OFFERED)}")
        elif not text.strip():
            complain(join(setting, tag), "is empty", "write it in words")
